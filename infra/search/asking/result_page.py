"""Pages of what was found: a figure for each document."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from infra.search.asking.origins import name_of
from infra.search.asking.querying import Hit
from shared.contract import Json
from shared.markup import missing, text
from shared.page import img, page
from shared.terminal import printable

type Shown = Mapping[str, Image.Image | str]
"""By a document's id its small picture, or why there is none."""

SIDE = 160
"""The longest side of a small picture, in pixels."""

STYLE = """
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.row img { display: block; max-width: 100%; margin: 0 auto; border-radius: 5px; }
.row figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
.row figcaption { overflow-wrap: anywhere; }
.row .none { display: grid; place-content: center; height: 160px; background: var(--empty); color: var(--soft); }
"""

NAMED = 10
"""Pictures that are missing and named, and reasons that are told."""


def html_file(given: str) -> Path:
    """The type of --html. What is there is replaced, which should be a page."""
    file = Path(given)
    if file.suffix.lower() not in {".html", ".htm"}:
        raise argparse.ArgumentTypeError("takes a file whose name ends in .html or .htm")
    return file


def listed(value: Json) -> str:
    """A field's value as one line."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(str(item) for item in items if item is not None)


def row(hits: Iterable[Hit], shown: Shown, caption: Callable[[Hit], str]) -> str:
    """A figure for each hit, with its caption in HTML."""
    return f'<div class="row">{"".join(_figure(hit, shown, caption(hit)) for hit in hits)}</div>'


def write_page(
    file: Path,
    title: str,
    notes: Sequence[str],
    hits: Sequence[Hit],
    pictures: Callable[[Iterable[Mapping[str, Json]]], Shown],
    body: Callable[[Shown], Iterable[str]],
    style: str = "",
) -> list[str]:
    """Write a page with the pictures of some hits.

    Args:
        file: The page; one that is there is replaced.
        title: Any text.
        notes: What is said before all else.
        hits: Whose pictures it shows.
        pictures: Gives the pictures of documents.
        body: What the page says below its title, in HTML, given the pictures.
        style: CSS besides STYLE.

    Returns:
        What was written and what is missing on it, for people.

    Raises:
        OSError: The file cannot be written.
    """
    documents = {str(hit.document["id"]): hit.document for hit in hits}
    shown = pictures(documents.values()) if documents else {}
    lost = _missing(documents, shown)
    said = "".join(f"<li>{text(one)}</li>" for one in [*notes, *lost])
    head = [f"<h1>{text(title)}</h1>", f'<ul class="warnings">{said}</ul>' if said else ""]
    file.write_text(page(title, [*head, *body(shown)], STYLE + style), encoding="utf-8")
    return [f"{printable(str(file))}: written", *map(printable, lost)]


def _missing(documents: Mapping[str, Mapping[str, Json]], shown: Shown) -> list[str]:
    """Which pictures are missing, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for key, document in documents.items():
        if isinstance(why := shown[key], str):
            by_reason.setdefault(why, []).append(name_of(document))
    lines = []
    for why, names in list(by_reason.items())[:NAMED]:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        which = f": {', '.join(names[:NAMED])}{more}" if len(names) < len(documents) or len(names) == 1 else ""
        lines.append(f"{missing(len(names), len(documents))}{which}. {why}")
    if rest := sum(len(names) for names in list(by_reason.values())[NAMED:]):
        lines.append(f"{missing(rest, len(documents))} for other reasons.")
    return lines


def _figure(hit: Hit, shown: Shown, caption: str) -> str:
    picture = shown[str(hit.document["id"])]
    name = name_of(hit.document)
    none = f'<div class="none" title="{text(str(picture))}">no picture</div>'
    inside = none if isinstance(picture, str) else img(picture, name)
    return f"<figure>{inside}<figcaption>{text(name)}{caption}</figcaption></figure>"
