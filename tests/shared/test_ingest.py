"""One current feature for each image, whatever the events say: on a real container, with the real network."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, StandardBlobTier

from shared import backbone, blobs, ingest
from shared.blob_client import BlobUnreadable
from shared.blobs import Blob, read_blob, version_of
from shared.cosmos.store import CosmosFeatureStore
from shared.embedding import embed_bytes
from shared.features import Failure, Feature, StoreBusy
from shared.images import perceptual_hash
from shared.ingest import feature_of, note_given_up, sync_blob
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from tests.pictures import encoded, scene, stripes
from tests.servers.azurite import AzuriteServer
from tests.servers.cosmos import CosmosServer

PHOTO = encoded(scene(size=(64, 48)), "JPEG")
OTHER = encoded(stripes(0), "PNG")
REX = "dogs/rex.jpg"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    yield store
    store.close()


@pytest.fixture
def put(images_container: ContainerClient) -> Callable[..., str]:
    def put(path: str, data: bytes, **options: Any) -> str:
        return str(images_container.upload_blob(path, data, overwrite=True, **options).get_blob_properties().etag)

    return put


def stored_etag(store: SqliteFeatureStore, path: str = REX) -> str | None:
    feature = store.get(path)
    return f'"{feature.etag}"' if feature else None


def test_a_feature_says_all_about_its_blob(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]
) -> None:
    etag = put(REX, PHOTO, metadata={"caption": "Rex"}, tags={"kind": "dog"})
    assert sync_blob(REX, store, images_settings) == "embedded"
    feature, version = store.get(REX), version_of(REX, images_settings)
    assert feature
    assert version
    embedded = embed_bytes(PHOTO, images_settings)
    assert (f'"{feature.etag}"', feature.modified, feature.model) == (etag, version[1], backbone.MODEL)
    assert (feature.size, feature.tags) == (len(PHOTO), {"caption": "Rex", "kind": "dog"})
    assert feature.pixel_hash == perceptual_hash(embedded.image)
    assert np.array_equal(feature.embedding, embedded.vector)


def test_events_only_say_where_to_look(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient, put: Callable[..., str]
) -> None:
    """Repeated, late and made-up events change nothing; created and deleted mean the same."""
    put(REX, PHOTO)
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert sync_blob(REX, store, images_settings) == "current"
    etag = put(REX, OTHER)
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert stored_etag(store) == etag
    images_container.delete_blob(REX)
    assert sync_blob(REX, store, images_settings) == "dropped"
    assert sync_blob(REX, store, images_settings) == "current"
    assert store.get(REX) is None
    assert store.counts() == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"text, whatever the name says", "known format"),
        (PHOTO[:500], "damaged"),
        (b"", "0 bytes"),
        (bytes(200_001), "MAX_IMAGE_MB = 0.2"),
    ],
)
def test_what_is_no_image_is_a_failure_with_a_reason_and_no_error(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str], data: bytes, reason: str
) -> None:
    before = datetime.now(UTC)
    etag = put(REX, data)
    assert sync_blob(REX, store, images_settings) == "failed"
    failure = store.entry(REX)
    assert isinstance(failure, Failure)
    assert reason in failure.reason
    assert (f'"{failure.etag}"', failure.model, failure.retry) == (etag, backbone.MODEL, False)
    assert before <= failure.time <= datetime.now(UTC)
    assert store.counts() == {}
    assert sync_blob(REX, store, images_settings) == "current"  # not read again: the same bytes would fail again
    assert sync_blob(REX, store, images_settings, again=True) == "failed"


def test_a_picture_overwritten_by_something_else_is_not_found_any_more_and_one_overwriting_it_is(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)
    assert sync_blob(REX, store, images_settings) == "embedded"
    put(REX, b"now it is text")
    assert sync_blob(REX, store, images_settings) == "failed"
    assert store.get(REX) is None
    etag = put(REX, OTHER)
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert stored_etag(store) == etag
    assert store.failures("dogs") == []


def test_another_model_s_features_and_failures_are_made_again(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(REX, PHOTO)
    put("dogs/text.jpg", b"text")
    with monkeypatch.context() as older:
        older.setattr(backbone, "MODEL", "older")
        assert sync_blob(REX, store, images_settings) == "embedded"
        assert sync_blob("dogs/text.jpg", store, images_settings) == "failed"
    assert store.counts() == {"dogs": {"older": 1}}
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert sync_blob("dogs/text.jpg", store, images_settings) == "failed"
    assert store.counts() == {"dogs": {backbone.MODEL: 1}}


def test_a_clock_that_went_back_does_not_keep_an_old_feature(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]
) -> None:
    """A folder's files have the times that somebody gave them."""
    etag = put(REX, PHOTO)
    assert sync_blob(REX, store, images_settings) == "embedded"
    feature = store.get(REX)
    assert feature
    store.upsert(replace(feature, etag="newer", modified=feature.modified + timedelta(days=1)))
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert stored_etag(store) == etag


class Meddler(SqliteFeatureStore):
    """A store whose next write happens only after something else has."""

    before_write: Callable[[], object] | None = None

    def upsert(self, feature: Feature) -> bool:
        self._meddle()
        return super().upsert(feature)

    def delete(self, path: str, *, until: datetime | None = None) -> bool:
        self._meddle()
        return super().delete(path, until=until)

    def fail(self, failure: Failure) -> bool:
        self._meddle()
        return super().fail(failure)

    def _meddle(self) -> None:
        act, self.before_write = self.before_write, None
        if act:
            act()


@pytest.fixture
def meddler(tmp_path: Path) -> Iterator[Meddler]:
    store = Meddler(tmp_path / "meddler.sqlite")
    yield store
    store.close()


@pytest.mark.parametrize("first", [PHOTO, b"text"])
def test_a_write_that_comes_after_the_blob_was_replaced_and_embedded_is_mended(
    meddler: Meddler, images_settings: Settings, put: Callable[..., str], first: bytes
) -> None:
    """All within one second, so that no time tells the two apart."""
    put(REX, first)

    def replaced() -> None:
        put(REX, OTHER)
        assert sync_blob(REX, meddler, images_settings) == "embedded"

    meddler.before_write = replaced
    sync_blob(REX, meddler, images_settings)
    version = version_of(REX, images_settings)
    feature = meddler.get(REX)
    assert version
    assert feature
    assert feature.etag == version[0]


def test_a_write_that_comes_after_the_blob_was_deleted_leaves_nothing(
    meddler: Meddler, images_settings: Settings, images_container: ContainerClient, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)

    def deleted() -> None:
        images_container.delete_blob(REX)
        assert sync_blob(REX, meddler, images_settings) == "current"

    meddler.before_write = deleted
    assert sync_blob(REX, meddler, images_settings) == "dropped"
    assert meddler.entry(REX) is None


def test_a_drop_that_comes_after_the_blob_is_back_is_mended(
    meddler: Meddler, images_settings: Settings, images_container: ContainerClient, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)
    sync_blob(REX, meddler, images_settings)
    images_container.delete_blob(REX)
    meddler.before_write = lambda: (put(REX, PHOTO), sync_blob(REX, meddler, images_settings))
    assert sync_blob(REX, meddler, images_settings) == "embedded"
    version, feature = version_of(REX, images_settings), meddler.get(REX)
    assert version
    assert feature
    assert feature.etag == version[0]


def test_a_blob_that_never_holds_still_is_left_to_another_try(
    meddler: Meddler, images_settings: Settings, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)

    def again() -> None:
        put(REX, PHOTO)
        meddler.before_write = again

    meddler.before_write = again
    with pytest.raises(StoreBusy, match="changes faster"):
        sync_blob(REX, meddler, images_settings)


def test_many_at_once_agree(store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]) -> None:
    start = threading.Barrier(8)

    def one(number: int) -> None:
        start.wait()
        put(REX, OTHER if number % 2 else PHOTO)
        sync_blob(REX, store, images_settings)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    version = version_of(REX, images_settings)
    assert version
    assert stored_etag(store) == f'"{version[0]}"'


def test_a_blob_that_is_replaced_while_it_is_read_is_read_again(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    azurite_server: AzuriteServer,
    put: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(REX, PHOTO)
    etags: list[str] = []

    def hook(response: Any) -> None:
        if response.http_response.status_code == 206 and not etags:
            etags.append(put(REX, OTHER))

    service = BlobServiceClient.from_connection_string(
        azurite_server.connection_string, max_single_get_size=500, max_chunk_get_size=500, raw_response_hook=hook
    )
    container = service.get_container_client(images_settings.images_container)
    monkeypatch.setattr(blobs, "images", lambda _settings: container)
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert [stored_etag(store)] == etags


def test_an_archived_blob_is_a_failure_until_it_can_be_read(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)
    images_container.get_blob_client(REX).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    assert sync_blob(REX, store, images_settings) == "failed"
    [failure] = store.failures("dogs")
    assert "BlobArchived" in failure.reason
    assert failure.retry
    images_container.get_blob_client(REX).set_standard_blob_tier(StandardBlobTier.HOT)
    assert sync_blob(REX, store, images_settings) == "embedded"


def test_a_blob_that_storage_tells_nothing_of_is_a_failure_too(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is encrypted with a key of others."""
    put(REX, PHOTO)

    def refused(*_: Any, **__: Any) -> None:
        raise BlobUnreadable("not without its key")

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "read_blob", refused)
        patch.setattr(ingest, "version_of", refused)
        assert sync_blob(REX, store, images_settings) == "failed"
    assert [(one.reason, one.retry) for one in store.failures("dogs")] == [("not without its key", True)]
    assert sync_blob(REX, store, images_settings) == "embedded"


def test_a_database_that_is_away_loses_nothing(
    cosmos: CosmosServer, cosmos_settings: Settings, images_settings: Settings, put: Callable[..., str]
) -> None:
    where = replace(
        images_settings,
        cosmos_endpoint=cosmos_settings.cosmos_endpoint,
        cosmos_key=cosmos_settings.cosmos_key,
        cosmos_database=cosmos_settings.cosmos_database,
    )
    etag = put(REX, PHOTO)
    with closing(CosmosFeatureStore(where)) as store:
        cosmos.fault("503", times=-1, operation="create")
        with pytest.raises(StoreBusy):
            sync_blob(REX, store, where)
        assert store.entry(REX) is None  # no failure either: it is the database's, and passes
        cosmos.clear()
        assert sync_blob(REX, store, where) == "embedded"
        feature = store.get(REX)
        assert feature
        assert f'"{feature.etag}"' == etag


def test_what_nobody_foresaw_is_shown_and_tried_again(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(REX, PHOTO)
    with monkeypatch.context() as broken:
        broken.setattr(ingest, "perceptual_hash", lambda _image: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sync_blob(REX, store, images_settings)
    [failure] = store.failures("dogs")
    assert (failure.reason, failure.retry) == ("An error of the app: ZeroDivisionError.", True)
    assert sync_blob(REX, store, images_settings) == "embedded"
    assert store.failures("dogs") == []


@pytest.mark.parametrize("path", ["dogs/../cats/tom.jpg", "..", "./a.jpg", "dogs/.", "", "half \ud800.jpg"])
def test_a_path_that_urls_would_turn_into_another_is_not_read(
    store: SqliteFeatureStore,
    images_settings: Settings,
    put: Callable[..., str],
    path: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put("cats/tom.jpg", PHOTO)
    assert sync_blob(path, store, images_settings) == "failed"
    assert store.counts() == {}
    assert repr(path) in caplog.text


def test_a_blob_that_was_given_up_is_shown(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]
) -> None:
    etag = put(REX, PHOTO)
    note_given_up(REX, store, images_settings)
    [failure] = store.failures("dogs")
    assert (failure.path, f'"{failure.etag}"', failure.retry) == (REX, etag, True)
    assert "five tries" in failure.reason


def test_a_blob_that_was_given_up_and_is_settled_since_is_not(
    store: SqliteFeatureStore, images_settings: Settings, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)
    sync_blob(REX, store, images_settings)
    put("dogs/text.jpg", b"text")
    sync_blob("dogs/text.jpg", store, images_settings)
    for path in (REX, "dogs/text.jpg", "dogs/gone.jpg", "dogs/../x"):
        note_given_up(path, store, images_settings)
    assert store.get(REX)
    assert [(failure.path, failure.retry) for failure in store.failures("dogs")] == [("dogs/text.jpg", False)]


def test_one_that_is_embedded_while_it_is_noted_is_no_failure(
    meddler: Meddler, images_settings: Settings, put: Callable[..., str]
) -> None:
    put(REX, PHOTO)

    def replaced() -> None:
        put(REX, OTHER)
        sync_blob(REX, meddler, images_settings)

    meddler.before_write = replaced
    note_given_up(REX, meddler, images_settings)
    version, feature = version_of(REX, images_settings), meddler.get(REX)
    assert version
    assert feature
    assert feature.etag == version[0]


def test_a_feature_of_a_blob_read_elsewhere(images_settings: Settings, put: Callable[..., str]) -> None:
    put(REX, PHOTO)
    blob = read_blob(REX, images_settings)
    assert isinstance(blob, Blob)
    assert feature_of(blob, images_settings).path == REX
