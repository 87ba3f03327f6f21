from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from shared import backbone
from shared.embedding import embed_bytes
from shared.images import perceptual_hash
from shared.ingest import Blob, drop_feature, store_feature
from shared.settings import Settings
from shared.sqlite_store import SqliteFeatureStore
from tests.pictures import encoded, scene, stripes

SETTINGS = Settings(max_image_bytes=200_000)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PHOTO = encoded(scene(), "JPEG")
SUBJECT = "/blobServices/default/containers/images/blobs/dogs/rex.jpg"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    yield store
    store.close()


def blob(data: bytes = PHOTO, etag: str = "0x1", modified: datetime = NOON) -> Blob:
    return Blob(
        path="dogs/rex.jpg",
        data=data,
        properties={"ETag": f'"{etag}"', "LastModified": modified.isoformat()},
        metadata={"caption": "Rex"},
    )


def test_a_feature_says_all_about_its_blob(store: SqliteFeatureStore) -> None:
    assert store_feature(blob(), store, SETTINGS)
    feature = store.get("dogs/rex.jpg")
    assert feature
    embedded = embed_bytes(PHOTO, SETTINGS)
    assert (feature.etag, feature.modified, feature.model) == ("0x1", NOON, backbone.MODEL)
    assert (feature.size, feature.tags) == (len(PHOTO), {"caption": "Rex"})
    assert feature.pixel_hash == perceptual_hash(embedded.image)
    assert np.array_equal(feature.embedding, embedded.vector)


def test_a_repeated_event_does_nothing_and_does_not_even_decode(store: SqliteFeatureStore) -> None:
    assert store_feature(blob(), store, SETTINGS)
    assert not store_feature(replace(blob(), data=b"would fail"), store, SETTINGS)
    assert store.get("dogs/rex.jpg")


def test_a_changed_blob_replaces_its_feature_and_a_late_event_does_not(store: SqliteFeatureStore) -> None:
    newer = blob(encoded(stripes(0)), "0x2", NOON + timedelta(seconds=1))
    assert store_feature(newer, store, SETTINGS)
    assert not store_feature(blob(), store, SETTINGS)
    feature = store.get("dogs/rex.jpg")
    assert feature
    assert feature.etag == "0x2"


@pytest.mark.parametrize(("data", "reason"), [(b"text", "known format"), (PHOTO[:500], "damaged"), (b"", "0 bytes")])
def test_what_is_no_image_is_skipped_with_a_reason(
    store: SqliteFeatureStore, caplog: pytest.LogCaptureFixture, data: bytes, reason: str
) -> None:
    assert not store_feature(blob(data), store, SETTINGS)
    assert store.counts() == {}
    assert "skipped dogs/rex.jpg" in caplog.text
    assert reason in caplog.text


def test_what_is_too_large_is_skipped(store: SqliteFeatureStore, caplog: pytest.LogCaptureFixture) -> None:
    assert not store_feature(blob(bytes(200_001)), store, SETTINGS)
    assert "MAX_IMAGE_MB = 0.2" in caplog.text


@pytest.mark.parametrize("data", [b"now it is text", bytes(200_001)])
def test_a_picture_overwritten_by_something_else_is_not_found_any_more(store: SqliteFeatureStore, data: bytes) -> None:
    assert store_feature(blob(), store, SETTINGS)
    assert store_feature(blob(data, "0x2", NOON + timedelta(seconds=1)), store, SETTINGS)
    assert store.get("dogs/rex.jpg") is None


def test_the_same_content_uploaded_later_has_the_later_time_and_tags(store: SqliteFeatureStore) -> None:
    """Deleted and uploaded again with the same bytes: the late event of that deletion must not drop it."""
    assert store_feature(blob(), store, SETTINGS)
    again = replace(blob(modified=NOON + timedelta(seconds=20)), metadata={"caption": "Rex again"})
    assert store_feature(again, store, SETTINGS)
    assert not drop_feature(SUBJECT, NOON + timedelta(seconds=10), store, SETTINGS)
    feature = store.get("dogs/rex.jpg")
    assert feature
    assert feature.tags == {"caption": "Rex again"}
    assert np.array_equal(feature.embedding, embed_bytes(PHOTO, SETTINGS).vector)


def test_without_a_usable_etag_the_content_is_the_version(store: SqliteFeatureStore) -> None:
    odd = replace(blob(), properties={"ETag": {}, "LastModified": NOON.isoformat()})
    assert store_feature(odd, store, SETTINGS)
    assert not store_feature(odd, store, SETTINGS)
    assert store_feature(replace(odd, data=encoded(stripes(0))), store, SETTINGS)


def test_a_deleted_blob_takes_its_feature_along(store: SqliteFeatureStore) -> None:
    store_feature(blob(), store, SETTINGS)
    assert drop_feature(SUBJECT, NOON + timedelta(seconds=5), store, SETTINGS)
    assert store.get("dogs/rex.jpg") is None


@pytest.mark.parametrize(
    ("subject", "time"),
    [
        (SUBJECT, NOON - timedelta(seconds=5)),
        (SUBJECT.replace("/images/", "/images-old/"), NOON + timedelta(seconds=5)),
        (SUBJECT.replace("/images/", "/other/"), NOON + timedelta(seconds=5)),
        ("", NOON + timedelta(seconds=5)),
    ],
)
def test_a_late_event_or_another_container_s_drops_nothing(
    store: SqliteFeatureStore, subject: str, time: datetime
) -> None:
    store_feature(blob(), store, SETTINGS)
    assert not drop_feature(subject, time, store, SETTINGS)
    assert store.get("dogs/rex.jpg")
