"""What differs between the images container and the store.

A listing comes in parts of up to 5,000 names. With each part is compared what is stored from the last name of the part
before, exclusive, to its own last name, inclusive; with the last part, what is stored beyond. Those ranges hold every
stored path, whatever order either side sorts in: of the boundaries, take the last one below a path and the next. What
differs is only suspected, for in another order a blob may be listed with one part and stored in the range of another.
"""

from collections.abc import Iterator
from typing import NamedTuple

from shared import backbone
from shared.blobs import Listed, Page
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
    """A path whose blob and store seem to differ.

    Attributes:
        path: Of the blob.
        stored: Whether there is something stored.
        tags: The blob's tags, when only they differ.
    """

    path: str
    stored: bool
    tags: dict[str, str] | None = None


def scopes_of(collection: str) -> list[Scope]:
    """The listings that together hold the blobs of a collection."""
    scopes = [Scope(f"{collection}/", deep=True)]
    if collection == DEFAULT_COLLECTION:
        # Blobs without a folder, and those whose first folder has no name, belong here too.
        scopes += [Scope("/", deep=True), Scope("", deep=False)]
    return scopes


def differences(
    collection: str, scope: Scope, page: Page, after: str, reached: Suspect | None, store: FeatureStore
) -> Iterator[Suspect]:
    """What differs between a part of a listing and the store: what is stored, in the store's order, then what is not.

    Args:
        collection: Its name.
        scope: What was listed.
        page: The part.
        after: The last name before it.
        reached: The suspect up to which all have been looked after, in an earlier run.
        store: Where the versions are.
    """
    if page.marker and not page.blobs:
        return  # only folders: what is stored between them is compared with the next part
    end = page.blobs[-1].path if page.marker else None
    missing = {one.path: one for one in page.blobs}
    if reached:
        for version in _stored(collection, after, reached.path if reached.stored else end, store):
            missing.pop(version.path, None)
    if reached is None or reached.stored:
        for version in _stored(collection, reached.path if reached else after, end, store):
            blob = missing.pop(version.path, None)
            if scope.has(version.path):
                yield from _suspects(version, blob)
    names = [one.path for one in page.blobs]
    if reached and not reached.stored and reached.path in names:
        names = names[names.index(reached.path) + 1 :]
    yield from (Suspect(name, stored=False) for name in names if name in missing)


def _suspects(version: Version, blob: Listed | None) -> Iterator[Suspect]:
    if blob is None or blob.etag != version.etag or version.model != backbone.MODEL or version.retry:
        yield Suspect(version.path, stored=True)
    elif blob.tags is not None and not version.failed and dict(version.tags) != dict(blob.tags):
        yield Suspect(version.path, stored=True, tags=dict(blob.tags))


def _stored(collection: str, after: str, upto: str | None, store: FeatureStore) -> Iterator[Version]:
    while block := store.versions(collection, after=after, upto=upto, limit=BLOCK):
        yield from block
        if len(block) < BLOCK:
            return
        after = block[-1].path
