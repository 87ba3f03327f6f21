"""The page of a collection's duplicates: what to keep and what can go, side by side."""

from collections.abc import Sequence
from pathlib import Path

from shared.markup import missing, plural, text
from shared.page import img, page
from shared.pictures import Picture, Pictures, read_pictures
from shared.terminal import from_a_folder, printable
from similarity.duplicates.groups import Duplicate, Group, Groups, Stored
from similarity.duplicates.rule import CAUTION, Kind

GROUPS, IN_GROUP = 200, 12
"""What the page shows: a picture takes 5 kB."""

STYLE = """
.group { margin: 0 0 14px; }
.group .row { padding: 8px; } /* room for the frame, which is drawn outside of its picture */
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.row img { display: block; max-width: 100%; margin: 0 auto; border-radius: 5px; }
.row figcaption { overflow-wrap: anywhere; }
.row .keep { outline: 2px solid var(--accent); outline-offset: 6px; border-radius: 2px; }
.row .none { display: grid; place-content: center; height: 120px; background: var(--empty); color: var(--soft); }
"""

MEANING: dict[Kind, str] = {
    "copy": "looks the same",
    "version": "a version of it",
    "confirmed": "a version of it, by its pixels",
}


def write_page(file: Path, collection: str, found: Groups, picture: Picture) -> tuple[str, bool]:
    """Write the page; one that is there is replaced.

    Returns:
        What was written, for people, and whether pictures are missing.

    Raises:
        OSError: The file cannot be written.
    """
    groups = found.groups[:GROUPS]
    paths = [path for group in groups for path in _paths(group)]
    pictures = read_pictures(paths, picture)
    lost = sum(pictures.found.get(path) is None for path in paths)
    reason = from_a_folder(pictures.trouble) if pictures.trouble else "gone or broken"
    why = f"{missing(lost, len(paths))}: {reason}" if lost else ""
    body = [
        f"<h1>Duplicates in <bdi>{text(collection)}</bdi></h1>",
        '<p class="soft">Nothing was deleted. Of each group, the framed picture is the one to keep: the largest file, '
        "and of equal ones the one that was there first.</p>",
        f"<p>{text(CAUTION)}</p>",
        _figures(found),
        f'<ul class="warnings"><li>{text(why)}</li></ul>' if why else "",
        *(_group(number, group, pictures) for number, group in enumerate(groups, 1)),
        f"<p>And {plural(len(found.groups) - GROUPS, 'group')} more.</p>" if len(found.groups) > GROUPS else "",
        "" if groups else "<p>There are none.</p>",
    ]
    file.write_text(page(f"Duplicates in {collection}", body, STYLE), encoding="utf-8")
    said = f"{printable(str(file))}: {plural(len(groups), 'group')}"
    return (f"{said}; {printable(why)}" if why else said), bool(lost)


def _paths(group: Group) -> list[str]:
    return [group.keep.path, *(one.path for one in group.duplicates[:IN_GROUP])]


def _figures(found: Groups) -> str:
    figures = [
        ("Images", f"{found.images:,}"),
        ("Groups", f"{len(found.groups):,}"),
        ("Can go", f"{found.duplicates:,}"),
        ("They take", _sized(found.bytes)),
    ]
    return '<dl class="figures">' + "".join(f"<div><dt>{a}</dt><dd>{b}</dd></div>" for a, b in figures) + "</dl>"


def _sized(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def _group(number: int, group: Group, pictures: Pictures) -> str:
    kept = _card(group.keep, f"keep · {group.keep.size:,} bytes", pictures, "keep")
    shown: Sequence[Duplicate] = group.duplicates[:IN_GROUP]
    others = (
        _card(one, f"{MEANING[one.kind]} · score {one.score:.3f} · {one.size:,} bytes", pictures) for one in shown
    )
    more = len(group.duplicates) - len(shown)
    rest = f'<p class="soft">And {more:,} more.</p>' if more else ""
    return (
        f'<section class="group card"><h3>Group {number}</h3><div class="row">{kept}{"".join(others)}</div>{rest}'
        "</section>"
    )


def _card(one: Stored | Duplicate, said: str, pictures: Pictures, kind: str = "") -> str:
    picture = pictures.found.get(one.path)
    shown = img(picture, one.path) if picture else '<div class="none">no picture</div>'
    return f'<figure class="{kind}">{shown}<figcaption>{text(one.path)}<br>{text(said)}</figcaption></figure>'
