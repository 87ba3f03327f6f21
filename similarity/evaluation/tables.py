"""Tables of a page."""

from collections.abc import Callable, Sequence


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], chosen: Callable[[int], bool]) -> str:
    """A table of HTML cells, the first of each row its name; rows by number are marked."""
    body = "".join(
        f'<tr{' class="chosen"' if chosen(n) else ""}><th scope="row">{first}</th>'
        + "".join(f"<td>{cell}</td>" for cell in others)
        + "</tr>"
        for n, (first, *others) in enumerate(rows)
    )
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    said = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="card scroll"><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
