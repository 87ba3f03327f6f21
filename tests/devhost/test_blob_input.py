"""A file as a blob function is given it."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from devhost import blob_input, blobs
from devhost.bindings import BlobTrigger, read
from devhost.protos import RpcFunctionMetadata


@pytest.fixture
def container(tmp_path: Path) -> blobs.Container:
    (tmp_path / "images" / "dogs").mkdir(parents=True)
    return blobs.Container((tmp_path / "images").resolve(), "images", "http://localhost:1")


def _trigger(*, by_reference: bool) -> BlobTrigger:
    raw: dict[str, Any] = {
        "type": "blobTrigger",
        "direction": "IN",
        "name": "blob",
        "path": "images/{name}",
        "connection": "HERE",
    }
    if by_reference:
        raw |= {"properties": {"SupportsDeferredBinding": True}}
    [function], _ = read([RpcFunctionMetadata("f", "id", "", "", "", "python", {}, [json.dumps(raw)])], {})
    assert isinstance(function.trigger, BlobTrigger)
    return function.trigger


def test_the_bytes_and_what_is_told_beside_them(container: blobs.Container) -> None:
    (container.root / "dogs" / "a b.jpg").write_bytes(b"wuff")
    blob = blob_input.read_file(container, "dogs/a b.jpg", content=True)
    assert blob
    trigger = _trigger(by_reference=False)
    assert blob_input.trigger_data(trigger, "dogs/a b.jpg", blob).bytes == b"wuff"
    metadata = blob_input.trigger_metadata(trigger, "dogs/a b.jpg", blob)
    assert metadata["BlobTrigger"].string == "images/dogs/a b.jpg"
    assert metadata["name"].string == "dogs/a b.jpg"
    assert json.loads(metadata["Uri"].json or "") == "http://localhost:1/images/dogs/a%20b.jpg"
    properties = json.loads(metadata["Properties"].json or "")
    assert (properties["ContentLength"], properties["ETag"]) == (4, {})
    assert base64.b64decode(properties["ContentHash"]) == hashlib.md5(b"wuff").digest()


def test_a_reference_is_no_bytes(container: blobs.Container) -> None:
    (container.root / "a.jpg").write_bytes(b"wuff")
    blob = blob_input.read_file(container, "a.jpg", content=False)
    assert blob
    assert (blob.content, blob.length) == (None, 4)
    data = blob_input.trigger_data(_trigger(by_reference=True), "a.jpg", blob).model_binding_data
    assert data
    assert json.loads(data.content) == {"Connection": "HERE", "ContainerName": "images", "BlobName": "a.jpg"}


@pytest.mark.parametrize("path", ["none", "dogs", "../secret", ""])
def test_no_blob(container: blobs.Container, path: str) -> None:
    (container.root.parent / "secret").write_text("secret")
    assert blob_input.read_file(container, path, content=True) is None


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    container: blobs.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = container.root / "a.jpg"
    file.write_bytes(b"half")
    plain_open = Path.open

    class Growing(io.FileIO):
        def read(self, *arguments: Any) -> bytes:
            content: bytes = super().read(*arguments)
            with plain_open(file, "ab") as more:
                more.write(b" and half")
            return content

    def growing(self: Path, mode: str) -> Growing:
        return Growing(self, mode)

    monkeypatch.setattr(Path, "open", growing)
    assert blob_input.read_file(container, "a.jpg", content=True) is None
