from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from shared import stores
from shared.settings import Settings, SettingsError
from shared.stores import fit_store, open_fit_store, open_store
from tests.shared.fit_conformance import member_of


@pytest.mark.parametrize("opened", [open_store, open_fit_store])
def test_an_embedded_store_is_refused_where_its_file_would_be_lost(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[[Settings], object]
) -> None:
    monkeypatch.setenv("WEBSITE_INSTANCE_ID", "x")
    with pytest.raises(SettingsError, match="Set COSMOS_ENDPOINT"):
        opened(Settings())


def test_a_file_that_is_no_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_text("junk" * 1000)
    with pytest.raises(SettingsError, match=r"features.sqlite is not .* Delete the folder"):
        open_store(Settings(data_dir=tmp_path))


def test_a_file_that_is_no_store_of_fits_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "clusters.sqlite").write_text("junk" * 1000)
    with pytest.raises(SettingsError, match=r"clusters.sqlite is not .* Delete .*clusters.sqlite and fit"):
        open_fit_store(Settings(data_dir=tmp_path))


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot be used \(DATA_DIR\)"):
        open_fit_store(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_process_has_one_store_of_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stores, "settings", lambda: Settings(data_dir=tmp_path))
    monkeypatch.setattr(stores, "_fits", stores._Shared(open_fit_store))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: fit_store(), range(8)))
    assert len(found) == 1
    with closing(found.pop()) as fits, closing(open_fit_store(Settings(data_dir=tmp_path))) as other:
        fits.write("one", [member_of("dogs/a.jpg")])
        assert other.member("one", "dogs/a.jpg")


def test_a_failed_opening_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stores, "settings", lambda: Settings(data_dir=tmp_path / "data"))
    monkeypatch.setattr(stores, "_fits", stores._Shared(open_fit_store))
    (tmp_path / "data").touch()
    with pytest.raises(SettingsError) as first:
        fit_store()
    (tmp_path / "data").unlink()
    with pytest.raises(SettingsError) as second:
        fit_store()
    assert second.value is first.value
    stores._fits._failed.clear()
    with closing(fit_store()) as fits:
        assert fits.members("one", limit=1) == []
