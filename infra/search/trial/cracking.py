"""Document cracking: what the indexer finds in a blob before any skill is asked.

Texts of errors are those of the service where they are known; what it says of a picture that cannot be decoded, and of
those beyond the thousandth, is documented nowhere.
"""

import base64
import codecs
import hashlib
import mimetypes
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from infra.search.trial.documents import Document
from infra.search.trial.folder import Blob
from infra.search.trial.office import OfficeError, media
from infra.search.trial.pdf import PdfError, drawn
from infra.search.trial.pictures import Bounds, decoders, normalized, normalized_file
from shared.contract import Json
from shared.images import DAMAGE, HEIF_BRANDS, ImageError

MOST_BYTES = 134_217_728
"""The largest blob whose content is read: the limit of the service's Standard tier."""

MOST_IMAGES = 1000
"""Images of one document."""

PER_PAGE = "generateNormalizedImagePerPage"

NOT_EXTRACTED = "Could not extract content or metadata from your document"
IMAGE_NOT_EXTRACTED = "Could not extract an image from your document"
UNPROCESSABLE = "Document could not be processed - it may be encrypted or password protected."

_TYPES = {
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_IMAGES = frozenset({"image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff"})
_OFFICE = frozenset({_TYPES[".docx"], _TYPES[".pptx"], _TYPES[".xlsx"]})
_TEXTS = frozenset({"application/json", "application/xml"})


class _Issues(NamedTuple):
    """Where the errors and warnings of a document go."""

    document: Document
    name: str

    def error(self, message: str, details: str = "") -> None:
        self.document.error(self.name, message, details)

    def warn(self, message: str, details: str = "") -> None:
        self.document.warn(self.name, message, details)


def crack(blob: Blob, base_url: str, configuration: Mapping[str, Json]) -> Document:
    """A blob's metadata, its text if it is one, and its pictures normalised. Safe to be called from many threads.

    Args:
        blob: Which file.
        base_url: What the blobs' urls begin with, up to the slash after the container.
        configuration: The indexer's.
    """
    container = base_url.rstrip("/")
    document = Document(f"{container}/{quote(blob.path)}", {})
    issues = _Issues(document, f"DocumentExtraction.azureblob.{container.rpartition('/')[2]}")
    try:
        with blob.file.open("rb") as content:
            _read(blob, content, configuration, issues)
    except OSError as error:
        issues.error("Could not read document", f"{error.strerror or error}.")
    return document


def _read(blob: Blob, content: BufferedReader, configuration: Mapping[str, Json], issues: _Issues) -> None:
    about = os.fstat(content.fileno())
    oversized = about.st_size > MOST_BYTES
    data = b"" if oversized else content.read()
    md5 = hashlib.file_digest(content, _md5) if oversized else _md5(data)
    kind = _content_type(blob.path, data)
    issues.document.tree |= {
        "metadata_storage_name": PurePosixPath(blob.path).name,
        "metadata_storage_path": issues.document.key,
        "metadata_storage_content_type": kind,
        "metadata_storage_size": about.st_size,
        "metadata_storage_last_modified": _iso(about.st_mtime),
        "metadata_storage_file_extension": PurePosixPath(blob.path).suffix,
        "metadata_storage_content_md5": base64.b64encode(md5.digest()).decode("ascii"),
        "content": "",
    }
    if configuration.get("dataToExtract", "contentAndMetadata") != "contentAndMetadata":
        return
    if not oversized:
        _extract(kind, data, configuration, issues)
    elif not configuration.get("indexStorageMetadataOnlyForOversizedDocuments"):
        most = f"the maximum size '{MOST_BYTES}' bytes for document extraction for your current service tier."
        issues.error(NOT_EXTRACTED, f"Document is '{about.st_size}' bytes, which exceeds {most}")


def _extract(kind: str, data: bytes, configuration: Mapping[str, Json], issues: _Issues) -> None:
    tree = issues.document.tree
    action = configuration.get("imageAction", "none")
    found: list[Json] = []
    if action != "none":
        tree["normalized_images"] = found
    if kind.startswith("text/") or kind in _TEXTS:
        tree["content"] = data.decode(_encoding(data), "replace")
    elif kind not in _PICTURES_IN or (kind in _IMAGES and action == "none"):
        if configuration.get("failOnUnsupportedContentType"):
            issues.error(NOT_EXTRACTED, f"Document has unsupported content type '{kind}'")
    elif action != "none":
        if action == PER_PAGE and kind == _TYPES[".pdf"]:
            issues.warn("The local indexer does not draw pages", "It takes the pictures on them, as they are.")
        sides = (configuration.get(f"normalizedImageMax{side}") or 2000 for side in ("Width", "Height"))
        try:
            for item in _PICTURES_IN[kind](data, Bounds(*sides), issues):
                if len(found) == MOST_IMAGES:
                    issues.warn(f"Only the first {MOST_IMAGES:,} images of your document were extracted")
                    break
                found.append(item)
        except (ImageError, PdfError, OfficeError) as error:
            note = issues.error if configuration.get("failOnUnprocessableDocument") else issues.warn
            note(NOT_EXTRACTED, f"{UNPROCESSABLE} {error}")


def _in_image(data: bytes, bounds: Bounds, _issues: _Issues) -> Iterator[dict[str, Json]]:
    yield from normalized_file(data, bounds)


def _in_pdf(data: bytes, bounds: Bounds, issues: _Issues) -> Iterator[dict[str, Json]]:
    for one in drawn(data):
        try:
            with decoders:
                image, polygon = one.read()
                item = normalized(image, bounds, one.page)
                del image  # whoever takes the item may be long about it
        except (ImageError, PdfError, *DAMAGE) as error:
            issues.warn(IMAGE_NOT_EXTRACTED, f"Page {one.page}: {error}")
        else:
            yield {**item, "boundingPolygon": polygon}


def _in_office(data: bytes, bounds: Bounds, issues: _Issues) -> Iterator[dict[str, Json]]:
    for name, picture in media(data):
        try:
            yield from normalized_file(picture, bounds)
        except ImageError as error:
            issues.warn(IMAGE_NOT_EXTRACTED, f"{name}: {error}")


_PICTURES_IN = dict.fromkeys(_IMAGES, _in_image) | dict.fromkeys(_OFFICE, _in_office) | {_TYPES[".pdf"]: _in_pdf}


def _content_type(path: str, data: bytes) -> str:
    """By the file's name; but cameras' and browsers' files are often called .jpg and are something newer."""
    kind = _TYPES.get(PurePosixPath(path).suffix.lower()) or mimetypes.guess_file_type(path)[0]
    if kind in _IMAGES and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if kind in _IMAGES and data[4:8] == b"ftyp":
        return "image/heic" if data[8:12] in HEIF_BRANDS else "image/avif"
    return kind or "application/octet-stream"


def _encoding(text: bytes) -> str:
    return "utf-16" if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
