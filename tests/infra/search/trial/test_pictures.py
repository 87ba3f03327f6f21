"""Normalised images: how large, which way up, and of which files."""

import base64
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from infra.search.trial.pictures import Bounds, normalized, normalized_file
from shared.images import ImageError
from tests.pictures import encoded, scene
from tests.servers.devhost import ROOT

BOUNDS = Bounds(512, 512)

_LIES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is to be stored so that the orientation undoes it."""


def _decoded(item: Mapping[str, Any]) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(item["data"])))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    assert image.size == (item["width"], item["height"])
    return image


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the pixels, 0 to 255."""
    pixels = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def test_an_item_has_the_members_that_skills_were_seen_to_get() -> None:
    (item,) = normalized_file(encoded(scene(size=(300, 200))), BOUNDS)
    assert _difference(_decoded(item), scene(size=(300, 200))) < 3
    assert item | {"data": ""} == {
        "$type": "file",
        "url": None,
        "data": "",
        "contentType": "image/jpeg",
        "width": 300,
        "height": 200,
        "originalWidth": 300,
        "originalHeight": 200,
        "rotationFromOriginal": 0,
        "contentOffset": 0,
        "pageNumber": 0,
    }


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize(
    ("orientation", "turned"), [(1, 0), (2, 0), (3, 180), (4, 180), (5, 90), (6, 270), (7, 270), (8, 90)]
)
def test_a_picture_that_lies_by_its_exif_is_set_upright(kind: str, orientation: int, turned: int) -> None:
    stored = scene().transpose(_LIES[orientation]) if orientation in _LIES else scene()
    exif = Image.Exif()
    exif[0x0112] = orientation
    (item,) = normalized_file(encoded(stored, kind, exif=exif), Bounds(320, 320))
    assert (item["originalWidth"], item["originalHeight"]) == stored.size
    assert (item["width"], item["height"]) == (320, 240)
    assert item["rotationFromOriginal"] == turned
    assert _difference(_decoded(item), scene().resize((320, 240))) < 5


@pytest.mark.parametrize(
    ("size", "bounds", "fitted"),
    [
        ((1895, 4077), (2000, 2000), (929, 2000)),  # seen: 929.6 is cut off
        ((500, 300), (50, 50), (50, 30)),
        ((300, 500), (400, 50), (30, 50)),
        ((512, 512), (512, 512), (512, 512)),
        ((513, 10), (512, 512), (512, 9)),
        ((3000, 1), (512, 512), (512, 1)),
        ((1, 1), (512, 512), (1, 1)),  # never enlarged
    ],
)
def test_a_large_picture_is_made_to_fit_and_a_small_one_is_left(
    size: tuple[int, int], bounds: tuple[int, int], fitted: tuple[int, int]
) -> None:
    (item,) = normalized_file(encoded(Image.new("RGB", size), "JPEG"), Bounds(*bounds))
    assert _decoded(item).size == fitted
    assert (item["originalWidth"], item["originalHeight"]) == size


@given(*[st.integers(1, 300)] * 2, *[st.integers(50, 200)] * 2)
def test_what_fits_is_as_large_as_it_may_be_in_the_same_ratio(width: int, height: int, most: int, highest: int) -> None:
    item = normalized(Image.new("RGB", (width, height)), Bounds(most, highest))
    scale = min(1.0, most / width, highest / height)
    assert item["width"] == max(1, int(width * scale + 1e-9))
    assert item["height"] == max(1, int(height * scale + 1e-9))


def test_a_large_jpeg_looks_the_same_although_it_is_not_decoded_in_full() -> None:
    photo = scene(size=(1600, 1200))
    (item,) = normalized_file(encoded(photo, "JPEG", quality=95), Bounds(320, 320))
    assert _difference(_decoded(item), photo.resize((320, 240), Image.Resampling.LANCZOS)) < 3


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("1", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGB", "BMP")]
)
def test_every_mode_becomes_the_same_colours(mode: str, kind: str) -> None:
    picture = scene().quantize(64, dither=Image.Dither.NONE) if mode == "P" else scene(mode)
    (item,) = normalized_file(encoded(picture, kind), Bounds(1000, 1000))
    assert _difference(_decoded(item), picture) < 6


def test_transparency_is_white_and_16_bits_are_not_clipped() -> None:
    clear = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    (item,) = normalized_file(encoded(clear), BOUNDS)
    assert np.asarray(_decoded(item)).min() >= 253
    half = Image.fromarray(np.full((60, 60), 0x8000, dtype=np.uint16))
    (item,) = normalized_file(encoded(half), BOUNDS)
    assert abs(np.asarray(_decoded(item)).mean() - 0x80) < 2


def test_large_pictures_with_a_palette_or_of_32_bits_keep_their_colours_and_their_transparency() -> None:
    red = Image.new("P", (300, 300), 1)
    red.putpalette([0, 0, 0, 255, 0, 0])
    red.paste(0, (0, 0, 150, 300))
    (item,) = normalized_file(encoded(red, transparency=0), Bounds(50, 50))
    pixels = np.asarray(_decoded(item))
    assert (pixels[:, 5].min(), pixels[:, 45].mean(axis=0).round(-1).tolist()) == (255, [250, 0, 0])
    ramp = Image.fromarray(np.tile(np.arange(300, dtype=np.int32) * 1000, (300, 1)))
    (item,) = normalized_file(encoded(ramp, "TIFF"), Bounds(50, 50))
    middle = np.asarray(_decoded(item).convert("L"))[25].astype(int)
    assert abs(middle - np.linspace(0, 255, 50)).max() < 6


def test_a_tiff_gives_an_image_a_page_and_an_animation_its_first_frame() -> None:
    pages = [Image.new("RGB", (60, 40 + at), (at * 100, 0, 0)) for at in range(3)]
    items = list(normalized_file(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), BOUNDS))
    assert [item["height"] for item in items] == [40, 41, 42]
    assert [round(np.asarray(_decoded(item))[..., 0].mean(), -1) for item in items] == [0, 100, 200]
    (first,) = normalized_file(encoded(pages[1], "GIF", save_all=True, append_images=pages[:1]), BOUNDS)
    assert round(np.asarray(_decoded(first))[..., 0].mean(), -1) == 100


def test_notes_and_orientation_do_not_go_on_into_the_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    (item,) = normalized_file(encoded(scene(), "JPEG", exif=exif, comment=b"private"), BOUNDS)
    image = _decoded(item)
    assert not image.getexif()
    assert "comment" not in image.info


def png(width: int, height: int, colours: int, rows: bytes) -> bytes:
    """A PNG of 8 bits.

    Args:
        width: What it says of itself.
        height: That too.
        colours: 0 for grey, 4 for grey with transparency.
        rows: Its rows, packed.
    """

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _png_of(width: int, height: int) -> bytes:
    """A file that says that it is so large, and holds a few bytes."""
    return png(width, height, 0, zlib.compress(b""))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image in a known format"),
        (b"just text", "not an image in a known format"),
        (encoded(scene(), "WEBP"), "not an image in a known format"),
        (encoded(scene(), "JPEG")[:2000], "damaged or incomplete"),
        (encoded(scene())[:2000], "damaged or incomplete"),
        (_png_of(8001, 8000), "too large: 8001×8000 is more than 64 megapixels"),
        (_png_of(8000, 8000), "damaged or incomplete"),
        (b"\xff\xd8" + b"\xff\xda" * 101, "more than 100 scans"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_large_is_decoded(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        list(normalized_file(data, BOUNDS))


BOMBS = """
import threading, zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from infra.search.trial import pictures
from tests.infra.search.trial.test_pictures import png

def highest():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000

packer = zlib.compressobj(1)
rows = b"".join(packer.compress(bytes(16001)) for _ in range(7999)) + packer.flush()
bomb = png(8000, 7999, 4, rows)
pictures.decoders = threading.BoundedSemaphore(1)
before = highest()
with ThreadPoolExecutor(2) as pool:
    found = list(pool.map(lambda _: list(pictures.normalized_file(bomb, pictures.Bounds(512, 512))), range(2)))
print(len(bomb), sum(map(len, found)), highest() - before)
"""
"""Two pictures of grey with transparency, each 256 MB when it is decoded, and as much beside it; but one at a time."""


def test_a_picture_just_below_the_limit_takes_little_memory_and_the_next_waits_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", BOMBS], cwd=ROOT, check=True, capture_output=True, text=True)
    size, images, megabytes = done.stdout.split()
    assert int(size) < 1_000_000
    assert int(images) == 2
    assert float(megabytes) < 700


_FILES = [encoded(scene(size=(40, 30)), kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF")]


@given(st.data())
def test_broken_files_raise_nothing_else(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(_FILES)))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(file) - 1), st.integers(0, 255)), max_size=8)):
        file[at] = value
    try:
        for item in normalized_file(bytes(file[: data.draw(st.integers(0, len(file)))]), BOUNDS):
            _decoded(item)
    except ImageError:
        pass
