"""One image of a query: sent, or stored and named by its `path` alone; the whole of it, or a region."""

from collections.abc import Mapping
from typing import NamedTuple

from shared import backbone
from shared.contract import Deadline, Json, RecordError
from shared.embedding import embed_bytes, embed_once
from shared.features import Failure, Feature, FeatureStore, StoreBusy, Vector, collection_of
from shared.images import ImageError
from shared.inputs import has_image, read_image, said_path
from shared.regions import read_region
from shared.settings import Settings


class QueryImage(NamedTuple):
    """One image of a query."""

    vector: Vector
    """float32 [256], unit length."""
    path: str | None
    """Where it is stored, when that is known."""
    stored: bool
    """Whether it was named by its path alone."""
    whole: bool
    clipped: bool
    """Whether its region stuck out of it; what is inside was used."""


def read_query_image(
    record: Mapping[str, Json], store: FeatureStore, settings: Settings, deadline: Deadline
) -> QueryImage:
    """The image of a record. Of a stored one the stored vector is taken, and nothing is decoded but for a region.

    Raises:
        RecordError: There is none, or it cannot be used.
        StoreBusy: A store did not answer.
        SettingsError: A region of a stored image is asked for, but the app cannot read the images.
    """
    region = read_region(record.get("boundingBox"))
    path = said_path(record)
    stored = path is not None and not has_image(record)
    if stored and path:
        feature = _stored(path, store)
        if region is None:
            return QueryImage(feature.embedding, path, stored=True, whole=True, clipped=False)
        data = _pixels(path, settings)
    else:
        data, path = read_image(record, settings, deadline)
    try:
        if region is None:
            return QueryImage(embed_once(data, settings, deadline), path, stored, whole=True, clipped=False)
        embedded = embed_bytes(data, settings, deadline, region)
    except ImageError as error:
        raise RecordError(str(error)) from error
    return QueryImage(embedded.vector, path, stored, whole=False, clipped=embedded.clipped)


def _stored(path: str, store: FeatureStore) -> Feature:
    entry = store.entry(path)
    if entry is None:
        raise RecordError(f"The image {path!r} is not stored: check its path, or send the image itself.")
    if isinstance(entry, Failure):
        raise RecordError(f"The image {path!r} is there but could not be embedded: {entry.reason}")
    if entry.model != backbone.MODEL:
        raise RecordError(
            f"The image {path!r} was embedded by the model {entry.model}, not {backbone.MODEL}: reconcile its "
            f"collection {collection_of(path)!r}, or send the image itself."
        )
    return entry


def _pixels(path: str, settings: Settings) -> bytes:
    """The bytes of a stored image."""
    # Imported for the few that need it: the storage SDK would make every start a fifth of a second longer.
    from shared.blob_client import BlobReplaced, BlobUnreadable  # noqa: PLC0415
    from shared.blobs import read_blob  # noqa: PLC0415

    if any(part in {".", ".."} for part in path.split("/")):  # in urls they lead to other containers
        raise RecordError(f"The image {path!r} cannot be read: no url can name it.")
    try:
        blob = read_blob(path, settings)
    except BlobReplaced as error:
        raise StoreBusy(f"The image {path!r} was replaced while it was read.", 1) from error
    except BlobUnreadable as error:
        raise RecordError(f"The image {path!r} cannot be read: {error}") from error
    if blob is None:
        raise RecordError(f"The image {path!r} is not in the images container any more: send the image itself.")
    if blob.data is None:
        raise RecordError(f"The image {path!r} is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    return blob.data
