from pathlib import Path

import pytest

from shared.settings import Settings, SettingsError
from shared.stores import open_store


def test_the_embedded_store_is_refused_where_its_file_would_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_INSTANCE_ID", "x")
    with pytest.raises(SettingsError, match="Set COSMOS_ENDPOINT"):
        open_store(Settings())


def test_a_file_that_is_no_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_text("junk" * 1000)
    with pytest.raises(SettingsError, match=r"features.sqlite is not .* Delete the folder"):
        open_store(Settings(data_dir=tmp_path))
