"""The command in this process, with an environment that names the test's own images container."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from shared.upload.__main__ import main

Upload = Callable[..., tuple[int, Any]]


@pytest.fixture
def environment(images_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("IMAGES_STORAGE", images_settings.images_connection)
    monkeypatch.delenv("IMAGES_STORAGE__blobServiceUri", raising=False)
    monkeypatch.setenv("IMAGES_CONTAINER", images_settings.images_container)
    monkeypatch.setenv("MAX_IMAGE_MB", str(images_settings.max_image_bytes / 1e6))
    monkeypatch.setenv("FETCH_TIMEOUT_SECONDS", "2")
    elsewhere = tmp_path / "elsewhere"  # where no local.settings.json is
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return monkeypatch


@pytest.fixture
def upload(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Upload:
    """Uploads into the collection `dogs`; returns the exit code and the report."""

    def run(source: Path, *arguments: str) -> tuple[int, Any]:
        code = main([str(source), "--collection", "dogs", "--json", *arguments])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return run
