"""Small pictures: where they come from, what is never read, and what is not there in time."""

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from azure.storage.blob import ContainerClient
from PIL import Image

from shared.contract import Deadline
from shared.features import StoreBusy
from shared.pictures import GAP, SIDE, from_folder, from_storage, read_pictures, sheet
from shared.settings import Settings, SettingsError
from tests.pictures import encoded, stripes

WIDE = stripes(20).resize((800, 400))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "dogs").mkdir(parents=True)
    (root / "dogs/wide.png").write_bytes(encoded(WIDE))
    (root / "dogs/broken.png").write_bytes(encoded(WIDE)[:900])
    (tmp_path / "secret.png").write_bytes(encoded(WIDE))
    return root


def test_a_picture_is_small_and_keeps_its_shape(folder: Path) -> None:
    picture = from_folder(folder, Settings())("dogs/wide.png")
    assert picture
    assert (picture.mode, picture.size) == ("RGB", (SIDE, SIDE // 2))
    near = np.abs(np.asarray(picture, float) - np.asarray(WIDE.resize(picture.size), float))
    assert near.mean() < 10


def test_no_path_leads_out_of_the_folder(folder: Path) -> None:
    picture = from_folder(folder, Settings())
    (folder / "dogs/link.png").symlink_to(folder.parent / "secret.png")
    for path in ("../secret.png", "dogs/../../secret.png", str(folder.parent / "secret.png"), "dogs/link.png"):
        assert picture(path) is None


@pytest.mark.parametrize("path", ["dogs/gone.png", "dogs/broken.png", "dogs", "", "a\0b", "x" * 5000])
def test_what_is_gone_or_broken_is_none(folder: Path, path: str) -> None:
    assert from_folder(folder, Settings())(path) is None


def test_what_is_larger_than_the_settings_allow_is_none(folder: Path) -> None:
    size = (folder / "dogs/wide.png").stat().st_size
    for settings, there in (
        (Settings(max_image_bytes=size), True),
        (Settings(max_image_bytes=size - 1), False),
        (Settings(max_image_pixels=800 * 400 - 1), False),
    ):
        assert (from_folder(folder, settings)("dogs/wide.png") is not None) == there


def test_pictures_come_from_the_images_container(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("dogs/wide.png", encoded(WIDE))
    images_container.upload_blob("dogs/broken.png", b"no picture")
    images_container.upload_blob("dogs/empty.png", b"")
    images_container.upload_blob("dogs/large.png", b"x" * (images_settings.max_image_bytes + 1))
    found = read_pictures([blob.name for blob in images_container.list_blobs()], from_storage(images_settings)).found
    assert {path: picture and picture.size for path, picture in found.items()} == {
        "dogs/wide.png": (SIDE, SIDE // 2),
        "dogs/broken.png": None,
        "dogs/empty.png": None,
        "dogs/large.png": None,
    }
    assert from_storage(images_settings)("dogs/gone.png") is None


def test_a_container_that_is_not_there_is_no_missing_picture(images_settings: Settings) -> None:
    picture = from_storage(replace(images_settings, images_container="nowhere"))
    with pytest.raises(SettingsError, match="IMAGES_CONTAINER"):
        picture("dogs/wide.png")
    asked = read_pictures([f"dogs/{n}.png" for n in range(100)], picture)
    assert "IMAGES_CONTAINER" in asked.trouble
    assert not asked.found


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()  # lets the threads end that wait there


def test_what_is_not_there_in_time_is_left_out(gate: threading.Event) -> None:
    small = Image.new("RGB", (2, 2))

    def picture(path: str) -> Image.Image | None:
        if path.startswith("slow"):
            gate.wait(60)
        return small

    paths = ["a", *(f"slow{n}" for n in range(20)), "b"]
    found = read_pictures(paths, picture, Deadline(0.3))
    assert (found.found, found.trouble) == ({"a": small}, "")


def test_several_are_read_at_a_time_and_each_once() -> None:
    together = threading.Barrier(4)
    asked: list[str] = []

    def picture(path: str) -> Image.Image | None:
        asked.append(path)
        together.wait(60)
        return None

    found = read_pictures(["a", "b", "a", "c", "d", "b"], picture).found
    assert found == dict.fromkeys("abcd")
    assert sorted(asked) == ["a", "b", "c", "d"]


def test_trouble_of_the_storage_ends_the_reading(gate: threading.Event) -> None:
    asked: list[str] = []

    def picture(path: str) -> Image.Image | None:
        asked.append(path)
        if path == "5":
            raise StoreBusy("Blob storage cannot be reached.", 5)
        gate.wait(60)
        return None

    assert read_pictures(map(str, range(1000)), picture).trouble == "Blob storage cannot be reached."
    assert len(asked) < 20


def test_a_sheet_has_each_picture_in_its_place() -> None:
    colours = ["#ff0000", "#00ff00", None, "#0000ff", "#123456"]
    pictures = [colour and Image.new("RGB", (SIDE, SIDE), colour) for colour in colours]
    with Image.open(io.BytesIO(sheet([picture or None for picture in pictures]))) as page:
        assert page.format == "PNG"
        assert page.size == (3 * (SIDE + GAP) + GAP, 2 * (SIDE + GAP) + GAP)
        middles = [
            page.getpixel((GAP + SIDE // 2 + n % 3 * (SIDE + GAP), GAP + SIDE // 2 + n // 3 * (SIDE + GAP)))
            for n in range(6)
        ]
    assert middles == [(255, 0, 0), (0, 255, 0), (228, 228, 228), (0, 0, 255), (18, 52, 86), (255, 255, 255)]


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs pictures"):
        sheet([])
