import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from devhost import blob_listing, blobs
from devhost.bindings import BlobTrigger, read
from devhost.protos import RpcFunctionMetadata


@pytest.fixture
def container(tmp_path: Path) -> blobs.Container:
    root = tmp_path / "images"
    root.mkdir()
    return blobs.Container(root.resolve(), "images", "http://localhost:1")


def _put(container: blobs.Container, path: str, content: bytes = b"x", *, age: float = 60) -> Path:
    file = container.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    at = time.time() - age
    os.utime(file, (at, at))
    return file


def test_what_counts_as_a_blob(container: blobs.Container, tmp_path: Path) -> None:
    _put(container, "a.jpg")
    _put(container, "dogs/big/b c.jpg")
    _put(container, ".hidden")
    _put(container, ".git/config")
    _put(container, "dogs/.DS_Store")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (container.root / "leads-out").symlink_to(outside / "secret")
    (container.root / "folder-out").symlink_to(outside, target_is_directory=True)
    (container.root / "to-hidden").symlink_to(container.root / ".hidden")
    (container.root / ".link").symlink_to(container.root / "a.jpg")
    (container.root / "dangling").symlink_to(container.root / "none")
    (container.root / "loop").symlink_to(container.root / "loop")
    (container.root / "same").symlink_to(container.root / "a.jpg")
    os.mkfifo(container.root / "pipe")
    (container.root / os.fsdecode(b"not-\xff-text")).write_text("x")
    assert list(blobs.list_blobs(container)) == ["a.jpg", "dogs/big/b c.jpg", "same"]
    assert blobs.find(container, os.fsdecode(b"not-\xff-text")) is None


def test_a_walk_reads_only_the_folders_it_needs(container: blobs.Container, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ["a/1", "b.c", "b/1", "b/2", "b/x/3", "b/y/4", "bb/5", "c/6"]:
        _put(container, path)
    read: list[str] = []
    scandir = os.scandir

    def recorded(folder: Path) -> object:
        read.append(folder.relative_to(container.root).as_posix())
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", recorded)
    assert [path for path, _ in blobs.walk(container, "b/", "b/x/")] == ["b/x/3", "b/y/4"]
    assert read == [".", "b", "b/x", "b/y"]
    read.clear()
    assert next(blobs.walk(container))[0] == "a/1"
    assert read == [".", "a"]
    assert [path for path, _ in blobs.walk(container, "b")] == ["b.c", "b/1", "b/2", "b/x/3", "b/y/4", "bb/5"]
    assert [path for path, _ in blobs.walk(container, start="b/y/5")] == ["bb/5", "c/6"]


def test_a_blob_that_goes_while_it_is_listed_is_left_out(
    container: blobs.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = blobs.walk

    def losing(*how: Any) -> Iterator[tuple[str, os.DirEntry[str]]]:
        for path, entry in walk(*how):
            if path == "b":
                Path(entry).unlink()
            yield path, entry

    monkeypatch.setattr(blobs, "walk", losing)
    for path in "abc":
        _put(container, path)
    assert list(blobs.list_blobs(container)) == ["a", "c"]
    _put(container, "b")
    page = ET.fromstring(blob_listing.page(container, "", "", "", 2))
    assert [name.text for name in page.iter("Name")] == ["a", "c"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.JPG", "image/jpeg"),
        ("a.svg.gz", "application/octet-stream"),
        ("a.jpg/b", "application/octet-stream"),
        ("data:text/html,x", "application/octet-stream"),
    ],
)
def test_the_content_type_follows_from_the_name(path: str, kind: str) -> None:
    assert blobs.content_type(path) == kind


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "dogs",
        ".link",
        "dogs/../dogs/a",
        "./dogs/a",
        "../outside",
        "dogs/../../outside",
        "/etc/passwd",
        "dogs//a",
        "a\0",
        "x" * 300,
        "..",
        "a\\b",
    ],
)
def test_no_other_path_leads_to_a_file(container: blobs.Container, tmp_path: Path, path: str) -> None:
    _put(container, "dogs/a")
    (tmp_path / "outside").write_text("secret")
    (container.root / ".link").symlink_to(container.root / "dogs/a")
    assert blobs.find(container, path) is None


def test_an_etag_stands_for_one_state(container: blobs.Container) -> None:
    file = _put(container, "a", b"one")
    first = blobs.etag(container, "a")
    assert first == blobs.etag(container, "a")
    _put(container, "a", b"three", age=60)
    second = blobs.etag(container, "a")
    os.utime(file, ns=(1, 1))
    assert len({first, second, blobs.etag(container, "a")}) == 3
    assert blobs.etag(container, "b") is None


@pytest.mark.parametrize(
    ("pattern", "name", "captures"),
    [
        ("{name}", "a/b.jpg", {"name": "a/b.jpg"}),
        ("{collection}/{file}", "a/b/c.jpg", {"collection": "a/b", "file": "c.jpg"}),
        ("{name}.{type}", "a.b.jpg", {"name": "a.b", "type": "jpg"}),
        ("in/{name}.jpg", "in/x.jpg", {"name": "x"}),
        ("in/{name}.jpg", "in/x.png", None),
        ("in/{name}.jpg", "in/xjpg", None),
        ("", "a/b", {}),
    ],
)
def test_captures_of_a_blob_path(pattern: str, name: str, captures: dict[str, str] | None) -> None:
    raw = '{"type": "blobTrigger", "direction": "IN", "name": "blob", "path": "%BOX%/PATTERN"}'.replace(
        "PATTERN", pattern
    )
    metadata = RpcFunctionMetadata("f", "id", "", "", "", "python", {}, [raw])
    [function], notes = read([metadata], {"BOX": "images"})
    assert not notes
    assert isinstance(function.trigger, BlobTrigger)
    assert function.trigger.container == "images"
    match = function.trigger.pattern.fullmatch(name)
    assert (match and match.groupdict()) == captures
