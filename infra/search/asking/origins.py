"""Where a document that was found comes from: its blob, and which of the blob's images it is."""

import mimetypes
import re
from collections.abc import Mapping

from infra.search.deployment.document_keys import document_name
from shared.contract import Json

_NUMBER = re.compile(r"_(?:pages|normalized_images)_([0-9]{1,9})\Z")


def image_number(document: Mapping[str, Json]) -> int:
    """Which image of its blob a document is, from 0: what is indexed by images ends its key with that."""
    found = _NUMBER.search(_text(document, "id"))
    return int(found[1]) if document.get("parent_id") and found else 0


def is_inside(document: Mapping[str, Json]) -> bool:
    """Whether it is an image inside a document, so that the blob itself is none; later pages of a TIFF are inside."""
    kind, _ = mimetypes.guess_file_type(_text(document, "url") or _text(document, "path"))
    return bool(document.get("parent_id")) and (image_number(document) > 0 or not (kind or "").startswith("image/"))


def name_of(document: Mapping[str, Json]) -> str:
    """What people know a document by: its blob's path, and which image of the blob it is where there may be several."""
    name = _text(document, "path") or _path(_text(document, "url")) or _text(document, "id") or "–"
    if not is_inside(document):
        return name
    page = f"page {document['page']}, " if document.get("page") else ""
    return f"{name} ({page}image {image_number(document) + 1})"


def _path(url: str) -> str:
    """The path in its container, where that can be told from a url; else the url."""
    try:
        return document_name(url) if url else ""
    except ValueError:
        return url


def _text(document: Mapping[str, Json], name: str) -> str:
    return str(document.get(name) or "")
