import os
import time
from pathlib import Path

import pytest

from devhost import blobs
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


def test_a_file_just_written_is_left_to_settle(container: blobs.Container) -> None:
    _put(container, "a", age=0)
    with pytest.raises(blobs.StillChangingError):
        blobs.read(container, "a")
    _put(container, "a", b"whole", age=60)
    blob = blobs.read(container, "a")
    assert blob
    assert blob.content == b"whole"
    _put(container, "a", age=-3600)  # a clock ahead of ours must not keep it waiting for an hour
    assert blobs.read(container, "a")


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    container: blobs.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _put(container, "a", b"half")
    plain_read = Path.read_bytes

    def read_and_grow(self: Path) -> bytes:
        content = plain_read(self)
        _put(container, "a", b"half and half", age=30)
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_grow)
    with pytest.raises(blobs.StillChangingError):
        blobs.read(container, "a")

    def vanish(self: Path) -> bytes:
        file.unlink()
        return b"half"

    monkeypatch.setattr(Path, "read_bytes", vanish)
    assert blobs.read(container, "a") is None


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
