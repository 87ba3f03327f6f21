"""What people see of failures, and what they can do about them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from shared import backbone, upkeep
from shared.contract import Reply
from shared.features import Failure, StoreBusy
from shared.ingest import sync_blob
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from shared.upkeep import list_failures, reconcile_collection, retry_failures
from tests.pictures import encoded, scene

PHOTO = encoded(scene(size=(32, 24)), "JPEG")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    yield store
    store.close()


def answer(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    return found


def given_up(path: str) -> Failure:
    return Failure(
        path=path, etag="0x1", modified=NOON, model=backbone.MODEL, reason="Given up.", time=NOON, retry=True
    )


def test_a_failure_says_what_why_and_when(store: SqliteFeatureStore) -> None:
    store.fail(given_up("dogs/日本 <b>.jpg"))
    assert answer(list_failures("dogs", {}, store)) == {
        "collection": "dogs",
        "failures": [
            {
                "path": "dogs/日本 <b>.jpg",
                "reason": "Given up.",
                "time": "2026-05-01T12:00:00+00:00",
                "retry": True,
                "etag": "0x1",
                "modified": "2026-05-01T12:00:00+00:00",
                "model": backbone.MODEL,
            }
        ],
        "after": None,
    }
    assert answer(list_failures("cats", {}, store))["failures"] == []


def test_failures_come_in_parts(store: SqliteFeatureStore) -> None:
    paths = [f"dogs/{number}" for number in range(5)]
    for path in paths:
        store.fail(given_up(path))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        part = answer(list_failures("dogs", {"top": "2", "after": after}, store))
        seen += [one["path"] for one in part["failures"]]
        after = part["after"]
    assert seen == paths


@pytest.mark.parametrize("top", ["0", "-1", "1001", "many", "1.5", ""])
def test_a_number_that_cannot_be_is_refused(store: SqliteFeatureStore, top: str) -> None:
    reply = list_failures("dogs", {"top": top}, store)
    assert reply.status == 400
    assert "1 to 1000" in reply.body


def test_what_failed_is_tried_again(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    for name in ("good", "bad", "gone"):
        images_container.upload_blob(f"dogs/{name}", b"text" if name == "bad" else PHOTO)
        store.fail(given_up(f"dogs/{name}"))
    images_container.delete_blob("dogs/gone")
    assert answer(retry_failures("dogs", {}, store, images_settings)) == {
        "collection": "dogs",
        "tried": 3,
        "embedded": 1,
        "failed": 1,
        "dropped": 1,
        "after": None,
    }
    assert store.get("dogs/good")
    assert [one.path for one in store.failures("dogs")] == ["dogs/bad"]


def test_trying_again_is_bounded_in_time_and_goes_on_where_it_was(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    paths = [f"dogs/{number}" for number in range(3)]
    for path in paths:
        images_container.upload_blob(path, b"text")
        sync_blob(path, store, images_settings)
    hurried = replace(images_settings, time_budget=0)
    tried, after = [], ""
    while after is not None:
        part = answer(retry_failures("dogs", {"after": after}, store, hurried))
        tried.append(part["tried"])
        after = part["after"]
    assert tried == [1, 1, 1]


def test_one_that_breaks_does_not_keep_the_others_from_being_tried(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a", "b"):
        images_container.upload_blob(f"dogs/{name}", PHOTO)
        store.fail(given_up(f"dogs/{name}"))

    def broken(path: str, *args: Any, **options: Any) -> str:
        if path == "dogs/a":
            raise ZeroDivisionError
        return sync_blob(path, *args, **options)

    monkeypatch.setattr(upkeep, "sync_blob", broken)
    part = answer(retry_failures("dogs", {}, store, images_settings))
    assert (part["embedded"], part["failed"]) == (1, 1)


def test_a_busy_store_is_told_as_such(
    store: SqliteFeatureStore, images_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.fail(given_up("dogs/a"))

    def busy(*_: Any, **__: Any) -> str:
        raise StoreBusy("away", 3)

    monkeypatch.setattr(upkeep, "sync_blob", busy)
    with pytest.raises(StoreBusy):
        retry_failures("dogs", {}, store, images_settings)


def test_a_reconcile_by_hand_reports(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    report = answer(reconcile_collection("dogs", store, images_settings))
    assert report.pop("began")
    assert report == {
        "collection": "dogs",
        "compared": 1,
        "embedded": 1,
        "retagged": 0,
        "dropped": 0,
        "failed": 0,
        "remaining": 0,
        "complete": True,
    }


@pytest.mark.parametrize("name", ["a\x00", "\x1b", "a\ufffe"])
def test_a_name_that_no_blob_has_is_the_callers_mistake(
    store: SqliteFeatureStore, images_settings: Settings, name: str
) -> None:
    assert reconcile_collection(name, store, images_settings).status == 404
