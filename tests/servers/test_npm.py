"""Installing the packages of a server: once, whole, and with a reason when it fails."""

import threading
from pathlib import Path

import pytest

from tests.servers import npm
from tests.servers.azurite import HERE


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own."""
    monkeypatch.setattr(npm, "ROOT", tmp_path)
    return tmp_path / ".local" / "some-server"


def test_two_can_install_at_the_same_time(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=30)

    def install(folder: Path, name: str) -> None:
        together.wait()
        (folder / "node_modules").mkdir()
        together.wait()

    monkeypatch.setattr(npm, "_npm_ci", install)
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(npm.installed(HERE, "some-server"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [folders[0], folders[0]]
    assert (folders[0] / "node_modules").is_dir()
    assert list(elsewhere.iterdir()) == [folders[0]]
    assert npm.installed(HERE, "some-server") == folders[0]  # without installing: the barrier would break


def test_an_installation_that_fails_says_why_and_leaves_nothing(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "npm.js"
    script.write_text("console.error('no network'); process.exit(1)")
    monkeypatch.setattr(npm, "_NPM", script)
    with pytest.raises(RuntimeError, match=r"some-server(.|\n)*registry(.|\n)*no network"):
        npm.installed(HERE, "some-server")
    assert list(elsewhere.iterdir()) == []
