"""Which files of a folder are the blobs that an indexer would read."""

import errno
import os
from pathlib import Path

import pytest

from infra.search.trial.folder import Listing, blobs

SOURCE = {"container": {"name": "images", "query": None}}


def _folder(root: Path, *paths: str) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return root


def _paths(listing: Listing) -> list[str]:
    return [blob.path for blob in listing.blobs]


def test_blobs_are_named_by_their_path_in_the_container_and_sorted_by_it(tmp_path: Path) -> None:
    found = blobs(_folder(tmp_path, "b.png", "a/z.jpg", "a/b/c.jpg", "a.jpg"), SOURCE, {})
    assert _paths(found) == ["a.jpg", "a/b/c.jpg", "a/z.jpg", "b.png"]
    assert found.blobs[1].file == tmp_path / "a" / "b" / "c.jpg"
    assert found.left_out == {}


def test_a_folder_of_the_containers_name_is_the_container(tmp_path: Path) -> None:
    found = blobs(_folder(tmp_path, "images/a.jpg", "LICENSE"), SOURCE, {})
    assert _paths(found) == ["a.jpg"]
    assert found.left_out == {}
    assert found.root == tmp_path / "images"


def test_only_files_with_the_given_endings_are_read_in_any_case_and_the_others_are_counted(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "a.JPG", "b.jpeg", "c.txt", "d.TXT", "e.pdf", "README", "f.tar.gz")
    found = blobs(folder, SOURCE, {"indexedFileNameExtensions": ".jpg, .Jpeg"})
    assert _paths(found) == ["a.JPG", "b.jpeg"]
    assert found.left_out == {".txt": 2, ".pdf": 1, "": 1, ".gz": 1}


def test_an_ending_that_is_in_both_lists_is_not_read(tmp_path: Path) -> None:
    lists = {"indexedFileNameExtensions": ".jpg,.png", "excludedFileNameExtensions": ".PNG"}
    found = blobs(_folder(tmp_path, "a.jpg", "b.png"), SOURCE, lists)
    assert _paths(found) == ["a.jpg"]
    assert found.left_out == {".png": 1}


@pytest.mark.parametrize("query", ["2020/summer", "/2020/summer/", "2020/summer/"])
def test_the_query_of_the_container_is_a_virtual_folder(tmp_path: Path, query: str) -> None:
    folder = _folder(tmp_path, "2020/summer/a.jpg", "2020/summer/b/c.jpg", "2020/summers/d.jpg", "e.txt")
    found = blobs(folder, {"container": {"name": "images", "query": query}}, {"indexedFileNameExtensions": ".jpg"})
    assert _paths(found) == ["2020/summer/a.jpg", "2020/summer/b/c.jpg"]
    assert found.left_out == {}  # what is outside is not looked at


def test_hidden_files_links_and_names_that_are_no_text_are_not_there(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.jpg", ".hidden.jpg", ".git/b.jpg")
    outside = _folder(tmp_path / "out", "secret.jpg")
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "linked").symlink_to(outside)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"x")
    os.mkfifo(folder / "pipe.jpg")
    assert _paths(blobs(folder, SOURCE, {})) == ["a.jpg"]


def test_a_folder_that_cannot_be_opened_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path, "a.jpg", "b/c/d.jpg", "e/f.jpg")
    scandir = os.scandir

    def denied(where: Path) -> object:
        if where == folder / "b" / "c":
            raise PermissionError(errno.EACCES, "Permission denied", str(where))
        return scandir(where)

    monkeypatch.setattr(os, "scandir", denied)  # root may open everything
    found = blobs(folder, SOURCE, {})
    assert _paths(found) == ["a.jpg", "e/f.jpg"]
    assert found.closed == ["b/c/"]


def test_a_folder_that_is_not_there_is_told_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        blobs(tmp_path / "nowhere", SOURCE, {})
    with pytest.raises(NotADirectoryError):
        blobs(_folder(tmp_path, "a.jpg") / "a.jpg", SOURCE, {})
