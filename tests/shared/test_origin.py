"""A store is never brought in step with another container than its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared import origin
from shared.contract import Deadline
from shared.ingest import sync_blob
from shared.origin import check_origin
from shared.reconcile import reconcile
from shared.settings import Settings, SettingsError
from shared.sqlite.store import SqliteFeatureStore

HOME = Settings(images_account="https://pics.blob.core.windows.net")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    yield store
    store.close()


@pytest.mark.parametrize("elsewhere", [{"images_container": "pics-old"}, {"images_account": "https://x.example"}])
def test_another_container_is_refused_before_anything_is_dropped(
    store: SqliteFeatureStore, elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_origin(store, HOME)
    monkeypatch.setattr(origin, "_checked", set())  # another process
    check_origin(store, HOME)
    moved = replace(HOME, **elsewhere)  # type: ignore[arg-type]
    for ask in (
        lambda: check_origin(store, moved),
        lambda: sync_blob("dogs/a", store, moved),
        lambda: reconcile("dogs", store, moved, Deadline(1)),
    ):
        with pytest.raises(SettingsError, match=r"come from https://pics\.blob"):
            ask()


def test_a_folder_or_an_emulator_may_answer_elsewhere_tomorrow(store: SqliteFeatureStore) -> None:
    for port in (7071, 7072):
        check_origin(store, Settings(images_account=f"http://127.0.0.1:{port}"))
    assert store.recall("images container") is None
