"""Pages of what was found: a figure for each document."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from infra.search.app_pictures import pictures
from infra.search.definitions import Definitions
from infra.search.querying import Hit
from shared.contract import Json
from shared.markup import missing, text
from shared.page import img, page
from shared.pictures import Pictures
from shared.terminal import printable

STYLE = """
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.row img { display: block; max-width: 100%; margin: 0 auto; border-radius: 5px; }
.row figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
.row figcaption { overflow-wrap: anywhere; }
.row .none { display: grid; place-content: center; height: 160px; background: var(--empty); color: var(--soft); }
"""

NAMED = 10
"""Pictures that are missing and named."""


def name_of(document: dict[str, Json]) -> str:
    """What people know a document by: its image's path, or the blob's url where the app does not know the image."""
    name = str(document.get("path") or document.get("url") or document.get("id") or "–")
    return f"{name} (page {document['page']})" if document.get("page") else name


def listed(value: Json) -> str:
    """A field's value as one line."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(str(item) for item in items if item is not None)


def row(hits: Iterable[Hit], shown: Pictures, caption: Callable[[Hit], str]) -> str:
    """A figure for each hit, with its caption in HTML."""
    return f'<div class="row">{"".join(_figure(hit, shown, caption(hit)) for hit in hits)}</div>'


def write_page(
    file: Path,
    title: str,
    hits: Sequence[Hit],
    definitions: Definitions,
    body: Callable[[Pictures], Iterable[str]],
    style: str = "",
) -> tuple[str, bool]:
    """Write a page with the pictures of some hits.

    Args:
        file: The page; one that is there is replaced.
        title: Any text.
        hits: Whose pictures it shows.
        definitions: Name the app that has the pictures.
        body: What the page says, in HTML, given the pictures.
        style: CSS besides STYLE.

    Returns:
        What was written, for people, and whether pictures are missing.

    Raises:
        OSError: The file cannot be written.
    """
    shown = pictures((_path(hit) for hit in hits if _path(hit)), definitions)
    names = dict.fromkeys(name_of(hit.document) for hit in hits)
    lost = list(dict.fromkeys(name_of(hit.document) for hit in hits if shown.found.get(_path(hit)) is None))
    file.write_text(page(title, body(shown), STYLE + style), encoding="utf-8")
    said = f"{printable(str(file))}: written"
    if lost:
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        which = f": {', '.join(map(printable, lost[:NAMED]))}{more}"
        why = f". {printable(shown.trouble)}" if shown.trouble else which
        said += f"; {missing(len(lost), len(names))}{why}"
    return said, bool(lost)


def _path(hit: Hit) -> str:
    return str(hit.document.get("path") or "")


def _figure(hit: Hit, shown: Pictures, caption: str) -> str:
    picture = shown.found.get(_path(hit))
    name = name_of(hit.document)
    inside = img(picture, name) if picture else '<div class="none">no picture</div>'
    return f"<figure>{inside}<figcaption>{text(name)}{caption}</figcaption></figure>"
