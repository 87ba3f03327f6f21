"""What is said where a folder has no blob to read."""

from pathlib import Path

import pytest

from infra.search.definitions import define
from infra.search.parameters import read_parameters
from infra.search.trial.folder import blobs
from infra.search.trial.nothing import why_nothing


def _said(root: Path, **given: str) -> str:
    definitions = define(read_parameters(given, None, {}, local=True))
    listing = blobs(root, definitions.data_source, definitions.indexer["parameters"]["configuration"])
    assert not listing.blobs
    return why_nothing(listing._replace(root=Path("images")), definitions)


@pytest.mark.parametrize(
    ("files", "given", "told"),
    [
        ([], {}, "images has no files."),
        ([".hidden.jpg"], {}, "Hidden files and links do not count."),
        (["a.txt", "b.TXT", "c"], {}, "images has 2 .txt, 1 without ending, and .jpg,"),
        (["a.txt"], {}, "--set extensions=…"),
        (["a.pdf", "b.txt"], {}, "--set shape=documents"),
        (["a.jpg"], {"shape": "documents"}, "--set shape=images"),
        (["a.jpg"], {"extensions": ".png"}, "images has 1 .jpg, and .png are read. --set extensions=…"),
    ],
)
def test_the_cause_is_told_with_what_to_do(tmp_path: Path, files: list[str], given: dict[str, str], told: str) -> None:
    for file in files:
        (tmp_path / file).touch()
    assert told in _said(tmp_path, **given)


def test_a_folder_parameter_that_names_none_is_told_with_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cats", "dogs", ".git"):
        Path("images", name).mkdir(parents=True)
    told = _said(Path("images"), folder="dog")
    assert "images has no folder dog, which --set folder asks for. It has cats, dogs." in told
    assert "images/dogs has no files." in _said(Path("images"), folder="dogs/")


def test_folders_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    definitions = define(read_parameters({}, None, {}, local=True))
    listing = blobs(tmp_path, definitions.data_source, {})._replace(closed=["cats/"])
    assert "they cannot be opened: cats/." in why_nothing(listing, definitions)
