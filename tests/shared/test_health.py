import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared import backbone, health
from shared.features import FeatureStore, StoreBusy
from shared.settings import SettingsError
from shared.sqlite.store import SqliteFeatureStore
from tests.shared.store_conformance import feature_of


def ask(monkeypatch: pytest.MonkeyPatch, store: Callable[[], FeatureStore]) -> tuple[int, Any]:
    monkeypatch.setattr(health, "feature_store", store)
    reply = health.check_health()
    return reply.status, json.loads(reply.body)


def test_features_of_another_model_are_counted_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    for path, model in (("a/1", backbone.MODEL), ("b/2", backbone.MODEL), ("b/3", "old/1"), ("b/4", "old/2")):
        store.upsert(feature_of(path, model=model))
    status, body = ask(monkeypatch, lambda: store)
    store.close()
    assert (status, body["status"], body["model"]) == (200, "ready", backbone.MODEL)
    assert (body["features"], body["outdated"]) == (2, 2)


@pytest.mark.parametrize("error", [SettingsError("no key"), StoreBusy("busy", 5)])
def test_a_store_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> FeatureStore:
        raise error

    status, body = ask(monkeypatch, fail)
    assert (status, body["status"], body["reason"]) == (503, "not ready", str(error))


def test_any_other_error_is_the_log_s(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> FeatureStore:
        raise ZeroDivisionError("secret detail")

    status, body = ask(monkeypatch, fail)
    assert status == 503
    assert "secret detail" not in json.dumps(body)
    assert "secret detail" in caplog.text
