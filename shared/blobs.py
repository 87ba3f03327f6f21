"""The images container: what it holds, and the bytes of one blob with the version that they belong to."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobPrefix, BlobProperties

from shared.blob_client import BlobUnreadable, images, told_plainly
from shared.settings import Settings, SettingsError

PAGE = 5000
"""Names in one page of a listing: as many as Blob storage gives."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob as it was at one moment.

    Attributes:
        path: Its path in the images container.
        etag: Its ETag, without quotes.
        modified: When it was last modified, in UTC, whole seconds.
        tags: Its metadata and its index tags; of one name, the index tag.
        data: All of its bytes, or None when there are more than the settings allow.
    """

    path: str
    etag: str
    modified: datetime
    tags: Mapping[str, str]
    data: bytes | None


class Listed(NamedTuple):
    """A blob in a listing. `tags` is None where this app may not see index tags."""

    path: str
    etag: str
    tags: Mapping[str, str] | None


class Page(NamedTuple):
    """A part of a listing: its blobs, the folders below, and where the next part begins ("" after the last)."""

    blobs: list[Listed]
    folders: list[str]
    marker: str


def read_blob(path: str, settings: Settings, *, unless: str = "") -> Blob | None:
    """One blob as it is now, read once, or None when there is none.

    Args:
        path: Its path in the images container.
        settings: Which container, and how large a blob may be.
        unless: The ETag that is known already.

    Raises:
        BlobUnchanged: It still has that ETag.
        BlobReplaced: It was replaced meanwhile.
        BlobUnreadable: It cannot be read.
        StoreBusy: Storage did not answer.
        SettingsError: The container is not there, or this app may not read it.
    """
    client = images(settings).get_blob_client(path)
    known: dict[str, Any] = {"etag": f'"{unless}"', "match_condition": MatchConditions.IfModified} if unless else {}
    try:
        with told_plainly():
            stream = client.download_blob(decompress=False, **known)  # bytes as they are: none that grow
            data = stream.readall() if stream.size <= settings.max_image_bytes else None
            tags = dict(stream.properties.metadata)
            if stream.properties.tag_count:
                tags |= _index_tags(client)
    except ResourceNotFoundError:
        return None
    about = stream.properties
    if _is_folder(about.metadata):
        return None
    if about.copy.status == "pending":
        raise BlobUnreadable("It is still being copied.")
    return Blob(path=path, etag=_bare(about.etag), modified=about.last_modified, tags=_decoded(tags), data=data)


def version_of(path: str, settings: Settings) -> tuple[str, datetime] | None:
    """The ETag and the last-modified time of a blob, or None when there is none. Raises as `read_blob` does."""
    try:
        with told_plainly():
            about = images(settings).get_blob_client(path).get_blob_properties()
    except ResourceNotFoundError:
        return None
    return None if _is_folder(about.metadata) else (_bare(about.etag), about.last_modified)


def list_page(prefix: str, marker: str, settings: Settings, *, deep: bool = True) -> Page:
    """A part of the blobs whose path begins with `prefix`, in the order of Blob storage.

    Args:
        prefix: "" lists the whole container.
        marker: Where the part begins: "", or the `marker` of the part before.
        settings: Which container.
        deep: Whether blobs below folders are listed too; otherwise those folders are named.

    Raises:
        StoreBusy: Storage did not answer.
        SettingsError: The container is not there, or this app may not list it.
    """
    include = ["metadata", "tags"]
    try:
        return _page(prefix, marker, settings, deep, include)
    except (BlobUnreadable, SettingsError):
        # Index tags need a role of their own, and accounts with folders of their own have none.
        return _page(prefix, marker, settings, deep, ["metadata"])


def _page(prefix: str, marker: str, settings: Settings, deep: bool, include: list[str]) -> Page:
    container = images(settings)
    with told_plainly():
        how: dict[str, Any] = {"include": include, "results_per_page": PAGE}
        listing: Any = (
            container.list_blobs(prefix, **how) if deep else container.walk_blobs(prefix, delimiter="/", **how)
        )
        pages = listing.by_page(marker or None)
        found = list(next(pages, ()))
    blobs = [_listed(one, tags="tags" in include) for one in found if isinstance(one, BlobProperties)]
    folders = [one.name for one in found if isinstance(one, BlobPrefix)]
    return Page([one for one in blobs if one], folders, pages.continuation_token or "")


def _listed(about: BlobProperties, *, tags: bool) -> Listed | None:
    if _is_folder(about.metadata):
        return None
    # An empty value comes as None in a listing.
    seen = {name: value or "" for name, value in {**(about.metadata or {}), **(about.tags or {})}.items()}
    return Listed(about.name, _bare(about.etag), _decoded(seen) if tags else None)


def _is_folder(metadata: Mapping[str, str] | None) -> bool:
    """Whether a blob stands for a folder, as in accounts that have real ones, and where tools imitate them."""
    return str((metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def _index_tags(client: Any) -> dict[str, str]:
    try:
        with told_plainly():
            return dict(client.get_blob_tags())
    except (SettingsError, BlobUnreadable) as error:
        log.warning("index tags cannot be read, which takes the role Storage Blob Data Owner: %s", error)
        return {}


def _decoded(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as people wrote them. Metadata are HTTP headers, whose way for letters beyond ASCII is RFC 2047."""
    return {name: _decoded_word(value) for name, value in tags.items()}


def _decoded_word(text: str) -> str:
    if "=?" not in text:
        return text
    try:
        meant = str(make_header(decode_header(text)))
        meant.encode()  # half a character is no text
    except (HeaderParseError, LookupError, ValueError):
        return text
    return meant


def _bare(etag: str) -> str:
    return etag.strip('"')
