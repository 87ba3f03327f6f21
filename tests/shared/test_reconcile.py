"""After a reconcile the store holds what the container holds, whatever either held before."""

import json
import string
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.storage.blob import ContainerClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import backbone, blobs, comparison, ingest
from shared import reconcile as module
from shared.blob_client import BlobUnreadable
from shared.blobs import Page, list_page, version_of
from shared.contract import Deadline
from shared.features import Failure, Feature, FeatureStore, StoreBusy, collection_of
from shared.ingest import sync_blob
from shared.reconcile import Report, reconcile, reconcile_all
from shared.settings import Settings, SettingsError
from shared.sqlite.store import SqliteFeatureStore
from tests.pictures import encoded, scene
from tests.servers.azurite import AzuriteServer

PHOTO = encoded(scene(size=(32, 24)), "JPEG")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LONG = 600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    yield store
    store.close()


def feature(path: str, etag: str = "0x1", model: str = backbone.MODEL) -> Feature:
    vector = np.zeros(256, np.float32)
    vector[0] = 1
    return Feature(
        path=path, etag=etag, modified=NOON, model=model, embedding=vector, pixel_hash="0" * 16, size=1, tags={}
    )


def failure(path: str, etag: str = "0x1", *, retry: bool = False) -> Failure:
    return Failure(path=path, etag=etag, modified=NOON, model=backbone.MODEL, reason="why", time=NOON, retry=retry)


def in_container(images_settings: Settings) -> dict[str, str]:
    """What each blob's path and ETag are."""
    found: dict[str, str] = {}
    marker = ""
    while True:
        page = list_page("", marker, images_settings)
        found |= {one.path: one.etag for one in page.blobs}
        marker = page.marker
        if not marker:
            return found


def in_store(store: FeatureStore) -> dict[str, str]:
    return {
        version.path: version.etag
        for collection in store.collections()
        for version in store.versions(collection, limit=100_000)
    }


def run(collection: str, store: FeatureStore, images_settings: Settings) -> Report:
    return reconcile(collection, store, images_settings, Deadline(LONG))


def done(report: Report) -> dict[str, Any]:
    """All of a report but when the pass began."""
    return asdict(report) | {"began": ""}


def test_each_kind_of_difference_is_mended_and_reported(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    for name in ("same", "missing", "changed", "retagged", "old model", "bad", "known bad", "passing"):
        data = b"text" if "bad" in name else PHOTO
        images_container.upload_blob(f"dogs/{name}", data, metadata={"n": "1"})
    for name in ("same", "changed", "retagged", "known bad"):
        sync_blob(f"dogs/{name}", store, images_settings)
    images_container.upload_blob("dogs/changed", encoded(scene(size=(16, 16))), overwrite=True)
    images_container.get_blob_client("dogs/retagged").set_blob_tags({"kind": "dog"})
    old = version_of("dogs/old model", images_settings)
    assert old
    store.upsert(replace(feature("dogs/old model", old[0], "older"), modified=old[1]))
    passing = version_of("dogs/passing", images_settings)
    assert passing
    store.fail(replace(failure("dogs/passing", passing[0], retry=True), modified=passing[1]))
    store.upsert(feature("dogs/orphan"))
    store.fail(failure("dogs/orphaned failure"))
    store.upsert(feature("cats/not asked for"))

    report = run("dogs", store, images_settings)

    assert done(report) == done(
        Report("dogs", "", compared=8, embedded=4, retagged=1, dropped=2, failed=1, complete=True)
    )
    assert in_store(store) == in_container(images_settings) | {"cats/not asked for": "0x1"}
    retagged = store.get("dogs/retagged")
    assert retagged
    assert retagged.tags == {"n": "1", "kind": "dog"}
    assert [one.path for one in store.failures("dogs")] == ["dogs/bad", "dogs/known bad"]
    assert store.counts() == {"dogs": {backbone.MODEL: 6}, "cats": {backbone.MODEL: 1}}
    assert done(run("dogs", store, images_settings)) == done(Report("dogs", "", compared=8, complete=True))


NAMES = st.lists(
    st.sampled_from([*string.ascii_letters, "-", "/", ".", "0", "é", "\uffee", "\N{DOG FACE}"]), min_size=1, max_size=5
).map(lambda parts: "".join(parts).strip("./") or "x")
STATES = st.dictionaries(
    NAMES, st.sampled_from(["blob", "stored", "both", "changed", "text", "failed"]), min_size=1, max_size=12
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(states=STATES, page=st.integers(1, 5), block=st.integers(1, 5))
def test_any_difference_in_parts_of_any_size(
    states: dict[str, str],
    page: int,
    block: int,
    images_settings: Settings,
    images_container: ContainerClient,
    tmp_path: Path,
) -> None:
    """The container lists by UTF-16 and the store by code points, so their orders differ for some of these names."""
    store = SqliteFeatureStore(tmp_path / "any.sqlite")
    with pytest.MonkeyPatch.context() as sizes:
        sizes.setattr(blobs, "PAGE", page)
        sizes.setattr(comparison, "BLOCK", block)
        for name in in_container(images_settings):
            images_container.delete_blob(name)
        for collection in store.collections():
            for version in store.versions(collection, limit=1000):
                store.delete(version.path)
        for name, state in states.items():
            path = f"c/{name}"
            if state != "stored":
                images_container.upload_blob(path, b"text" if state in {"text", "failed"} else PHOTO)
            if state in {"both", "failed"}:
                sync_blob(path, store, images_settings)
            if state in {"stored", "changed"}:
                store.upsert(feature(path))
        report = run("c", store, images_settings)
        assert in_store(store) == in_container(images_settings)
        assert report.complete
        assert report.compared == sum(state != "stored" for state in states.values())
        # Where the orders differ a blob may be looked at once more, but nothing is done twice.
        assert report.embedded == sum(state in {"blob", "changed"} for state in states.values())
        assert report.dropped == sum(state == "stored" for state in states.values())
        assert report.failed == sum(state == "text" for state in states.values())
    store.close()


def test_orphans_are_read_in_blocks_however_many_there_are(
    store: SqliteFeatureStore, images_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "BLOCK", 2)
    for number in range(7):
        store.upsert(feature(f"dogs/{number}"))
    assert done(run("dogs", store, images_settings)) == done(Report("dogs", "", dropped=7, complete=True))
    assert in_store(store) == {}


def test_a_run_that_ends_early_says_so_and_the_next_one_goes_on_from_there(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    azurite_server: AzuriteServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 10)
    monkeypatch.setattr(module, "AT_ONCE", 1)  # looks after four blobs before it looks at the time
    for number in range(25):
        images_container.upload_blob(f"dogs/{number:02}", PHOTO)
    lines: list[str] = []
    with azurite_server.listening(lines.append):
        reports = [reconcile("dogs", store, images_settings, Deadline(0))]
        while not reports[-1].complete:
            reports.append(reconcile("dogs", store, images_settings, Deadline(0)))
    assert in_store(store) == in_container(images_settings)
    assert [report.embedded for report in reports] == [4, 4, 2, 4, 4, 2, 4, 1]
    assert [report.remaining for report in reports] == [6, 2, 0, 6, 2, 0, 1, 0]
    assert max(report.compared for report in reports) == 10  # no run listed more than one part
    assert sum("comp=list" in line and "marker" not in line for line in lines) == 3  # the first part, until it was done


def test_one_run_looks_after_so_many_at_most(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    for number in range(9):
        images_container.upload_blob(f"dogs/{number}", PHOTO)
    report = run("dogs", store, images_settings)
    assert (report.embedded, report.remaining, report.complete) == (4, 5, False)


def test_a_run_that_is_broken_off_loses_nothing(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 2)
    for number in range(7):
        images_container.upload_blob(f"dogs/{number}", PHOTO)
    with monkeypatch.context() as broken:
        seen: list[str] = []

        def busy_at_the_fifth(path: str, *args: Any, **options: Any) -> str:
            seen.append(path)
            if len(seen) == 5:
                raise StoreBusy("away", 1)
            return sync_blob(path, *args, **options)

        broken.setattr(module, "sync_blob", busy_at_the_fifth)
        with pytest.raises(StoreBusy):
            run("dogs", store, images_settings)
    assert run("dogs", store, images_settings).complete
    assert in_store(store) == in_container(images_settings)


def test_one_broken_blob_does_not_keep_the_others_from_being_embedded(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        images_container.upload_blob(f"dogs/{number}", PHOTO, metadata={"number": str(number)})
    real = ingest.feature_of

    def broken(blob: blobs.Blob, images_settings: Settings) -> Feature:
        return real(replace(blob, data=1) if blob.path == "dogs/1" else blob, images_settings)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "feature_of", broken)
        report = run("dogs", store, images_settings)
    assert (report.embedded, report.failed, report.complete) == (2, 1, True)
    assert [(one.path, one.retry) for one in store.failures("dogs")] == [("dogs/1", True)]
    assert run("dogs", store, images_settings).embedded == 1


class Killed(BaseException):
    """The end of the process."""


def test_a_blob_that_was_given_up_is_tried_once_in_each_pass(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    version = version_of("dogs/a", images_settings)
    assert version
    store.fail(replace(failure("dogs/a", version[0], retry=True), modified=version[1]))
    assert run("dogs", store, images_settings).embedded == 1
    assert store.failures("dogs") == []


@pytest.mark.parametrize("error", [StoreBusy("away", 1), SettingsError("no token for a minute")])
def test_trouble_that_passes_hides_nothing(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    images_container.upload_blob("dogs/b", PHOTO)
    version = version_of("dogs/a", images_settings)
    assert version
    store.fail(replace(failure("dogs/a", version[0], retry=True), modified=version[1]))

    def fails(*_: Any, **__: Any) -> str:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, "sync_blob", fails)
        for _ in range(module.FATAL_AFTER + 1):
            with pytest.raises(type(error)):
                run("dogs", store, images_settings)
    assert run("dogs", store, images_settings).embedded == 2
    assert store.failures("dogs") == []


def test_a_blob_that_ends_the_process_does_not_end_every_run_after_it(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a", "b", "deadly", "z"):
        images_container.upload_blob(f"dogs/{name}", PHOTO)

    def deadly(path: str, *args: Any, **options: Any) -> str:
        if path == "dogs/deadly":
            raise Killed
        return sync_blob(path, *args, **options)

    kills = 0
    with monkeypatch.context() as patch:
        patch.setattr(module, "sync_blob", deadly)
        while True:
            try:
                report = run("dogs", store, images_settings)
                break
            except Killed:
                kills += 1
                assert kills < 10
    assert report.complete
    assert 1 < kills <= 1 + module.FATAL_AFTER
    assert in_store(store) == in_container(images_settings)
    [fatal] = store.failures("dogs")
    assert (fatal.path, fatal.retry) == ("dogs/deadly", False)
    assert "memory" in fatal.reason
    assert store.counts() == {"dogs": {backbone.MODEL: 3}}


def test_a_process_that_was_ended_for_another_reason_blames_nobody(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deployment, say: once, in the middle of a batch and of a single blob."""
    for name in ("a", "b"):
        images_container.upload_blob(f"dogs/{name}", PHOTO)

    def killed(*_: Any, **__: Any) -> str:
        raise Killed

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(module, "sync_blob", killed)
            with pytest.raises(Killed):
                run("dogs", store, images_settings)
    assert run("dogs", store, images_settings).complete
    assert store.failures("dogs") == []
    assert in_store(store) == in_container(images_settings)


def test_what_stays_different_does_not_keep_a_run_from_the_rest(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Archived blobs, for one: they are suspected each time."""
    monkeypatch.setattr(module, "AT_ONCE", 1)
    names = [f"dogs/{number:02}" for number in range(20)]
    for name in names:
        images_container.upload_blob(name, PHOTO)
    stored = names[:8]
    for name in stored:
        store.upsert(feature(name))
    looked: list[str] = []

    def stubborn(path: str, *_: Any, **__: Any) -> str:
        looked.append(path)
        return "current"

    monkeypatch.setattr(module, "sync_blob", stubborn)
    for _ in range(5):
        report = reconcile("dogs", store, images_settings, Deadline(0))
    assert report.complete
    assert looked == names


def test_a_store_that_is_away_when_the_run_is_noted_loses_no_place(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    store.remember("reconcile/dogs", "{}")
    assert run("dogs", store, images_settings).complete
    store.remember("reconcile/dogs", json.dumps({"began": "2026", "unknown": 1}))
    assert run("dogs", store, images_settings).complete


def test_a_place_that_storage_does_not_know_any_more_begins_the_listing_again(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("dogs/a", "dogs/b"):
        images_container.upload_blob(name, PHOTO)
    real = list_page

    def refusing(prefix: str, marker: str, *args: Any, **options: Any) -> Page:
        if marker:
            raise BlobUnreadable("OutOfRangeInput")
        return real(prefix, marker, *args, **options)

    monkeypatch.setattr(module, "list_page", refusing)
    store.remember("reconcile/dogs", json.dumps({"began": "2026", "marker": "of another account", "after": "dogs/b"}))
    assert run("dogs", store, images_settings).embedded == 2
    assert in_store(store) == in_container(images_settings)


def test_a_pass_that_goes_on_says_since_when(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 1)
    for name in ("dogs/a", "dogs/b"):
        images_container.upload_blob(name, PHOTO)
    first = reconcile("dogs", store, images_settings, Deadline(0))
    images_container.upload_blob("dogs/A", PHOTO)  # behind its back
    second = run("dogs", store, images_settings)
    assert (first.complete, second.complete) == (False, True)
    assert first.began == second.began
    third = run("dogs", store, images_settings)
    assert third.began > first.began
    assert third.embedded == 1


def test_one_run_over_many_collections_is_bounded_too(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    for number in range(6):
        images_container.upload_blob(f"c{number}/a", PHOTO)
    embedded = 0
    while embedded < 2:
        in_this_run = sum(report.embedded for report in reconcile_all(store, images_settings, Deadline(0)))
        assert in_this_run <= 1
        embedded += in_this_run
    monkeypatch.setattr(module, "MOST", 2)
    reports = reconcile_all(store, images_settings, Deadline(LONG))
    assert sum(report.embedded for report in reports) == 2


def test_one_broken_collection_does_not_keep_the_others_from_being_compared(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("aa/1", "bb/1"):
        images_container.upload_blob(name, PHOTO)
    real = list_page

    def broken(prefix: str, *args: Any, **options: Any) -> Page:
        if prefix == "aa/":
            raise ZeroDivisionError
        return real(prefix, *args, **options)

    monkeypatch.setattr(module, "list_page", broken)
    assert reconcile_all(store, images_settings, Deadline(LONG))[-1].complete
    assert list(in_store(store)) == ["bb/1"]
    assert "'aa'" in caplog.text


def test_an_image_that_is_deleted_while_its_tags_are_renewed_does_not_come_back(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    sync_blob("dogs/a", store, images_settings)
    images_container.get_blob_client("dogs/a").set_blob_tags({"kind": "dog"})
    real = store.upsert

    def too_late(entry: Feature) -> bool:
        images_container.delete_blob("dogs/a")
        return real(entry)

    monkeypatch.setattr(store, "upsert", too_late)
    assert run("dogs", store, images_settings).dropped == 1
    assert store.entry("dogs/a") is None


def test_the_default_collection_is_what_has_no_folder_and_the_folder_of_that_name(
    store: SqliteFeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    for name in ("top.jpg", "default/in.jpg", "/slash.jpg", "dogs/other.jpg", "zebra.jpg"):
        images_container.upload_blob(name, PHOTO)
    for name in ("apple.jpg", "default/gone.jpg", "/gone.jpg", "zoo.jpg"):
        store.upsert(feature(name))
    report = run("default", store, images_settings)
    assert (report.embedded, report.dropped, report.complete) == (4, 4, True)
    mine = {path: etag for path, etag in in_container(images_settings).items() if collection_of(path) == "default"}
    assert len(mine) == 4
    assert in_store(store) == mine


@pytest.mark.parametrize("seconds", [LONG, 0])
def test_all_collections_those_of_the_store_and_those_of_the_container(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 2)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    for name in ("dogs/a", "dogs/b", "cats/a", "top", "default/x", "birds/1/2/3", "ants/a", "-/odd"):
        images_container.upload_blob(name, PHOTO)
    for name in ("dogs/gone", "lost/a", "lost/b"):
        store.upsert(feature(name))
    calls = 0
    while True:
        calls += 1
        reports = reconcile_all(store, images_settings, Deadline(seconds))
        if reports[-1].complete and reports[-1].collection == "default":
            break
        assert calls < 50
    assert in_store(store) == in_container(images_settings)
    assert (calls == 1) == bool(seconds)
    # The next pass begins at the beginning.
    images_container.delete_blob("ants/a")
    while not (reports := reconcile_all(store, images_settings, Deadline(seconds)))[-1].complete or (
        reports[-1].collection != "default"
    ):
        pass
    assert in_store(store) == in_container(images_settings)


def test_a_container_that_is_not_there_drops_nothing(store: SqliteFeatureStore, images_settings: Settings) -> None:
    store.upsert(feature("dogs/a"))
    with pytest.raises(SettingsError, match="IMAGES_CONTAINER"):
        run("dogs", store, replace(images_settings, images_container="there-is-none"))
    assert store.get("dogs/a")


def test_how_far_it_came_is_kept_as_text(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 1)
    for name in ("dogs/a", "dogs/b", "dogs/c"):
        images_container.upload_blob(name, PHOTO)
    reconcile("dogs", store, images_settings, Deadline(0))
    kept = json.loads(store.recall("reconcile/dogs") or "")
    assert (kept["scope"], kept["after"]) == (0, "dogs/a")
    assert kept["marker"]


def test_progress_is_logged(
    store: SqliteFeatureStore,
    images_settings: Settings,
    images_container: ContainerClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    images_container.upload_blob("dogs/a", PHOTO)
    with caplog.at_level("INFO"):
        run("dogs", store, images_settings)
    assert "'dogs'" in caplog.text
    assert "compared=1, embedded=1" in caplog.text
