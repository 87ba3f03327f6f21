"""What differs between the images container and the store.

A listing comes in parts of up to 5,000 names. With each part is compared what is stored from the last name of the part
before, exclusive, to its own last name, inclusive; with the last part, what is stored beyond. Those ranges hold every
stored path, whatever order either side sorts in: of the boundaries, take the last one below a path and the next. What
differs is only suspected, for in another order a blob may be listed with one part and stored in the range of another.
"""

from collections.abc import Iterator
from typing import NamedTuple

from shared import backbone
from shared.blobs import Page
from shared.features import DEFAULT_COLLECTION, FeatureStore, Version

BLOCK = 5000
"""Stored versions read at a time."""


class Scope(NamedTuple):
    """Blobs that are listed together: those with a prefix, and only if `deep` those in folders below it too."""

    prefix: str
    deep: bool

    def has(self, path: str) -> bool:
        return path.startswith(self.prefix) and (self.deep or "/" not in path)


class Suspect(NamedTuple):
    """A path whose blob and store seem to differ; the tags, if only they do."""

    path: str
    tags: dict[str, str] | None = None
    failed_before: bool = False


def scopes_of(collection: str) -> list[Scope]:
    scopes = [Scope(f"{collection}/", deep=True)]
    if collection == DEFAULT_COLLECTION:
        # Blobs without a folder, and those whose first folder has no name, belong here too.
        scopes += [Scope("/", deep=True), Scope("", deep=False)]
    return scopes


def differences(collection: str, scope: Scope, page: Page, after: str, store: FeatureStore) -> Iterator[Suspect]:
    """What differs between a part of the listing and the store, in the store's order and then what is not stored."""
    listed = {one.path: one for one in page.blobs}
    for version in _stored(collection, page, after, store):
        blob = listed.pop(version.path, None)
        if not scope.has(version.path):
            continue
        if blob is None or blob.etag != version.etag or version.model != backbone.MODEL or version.retry:
            yield Suspect(version.path, failed_before=version.retry)
        elif blob.tags is not None and not version.failed and dict(version.tags) != dict(blob.tags):
            yield Suspect(version.path, tags=dict(blob.tags))
    yield from (Suspect(path) for path in listed)


def _stored(collection: str, page: Page, after: str, store: FeatureStore) -> Iterator[Version]:
    if page.marker and not page.blobs:
        return
    upto = page.blobs[-1].path if page.marker else None
    while block := store.versions(collection, after=after, upto=upto, limit=BLOCK):
        yield from block
        if len(block) < BLOCK:
            return
        after = block[-1].path
