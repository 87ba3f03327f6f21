"""Every format and every kind of damage that photo collections hold."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from shared.images import ImageError, open_image, open_region, perceptual_hash, squash
from tests.pictures import encoded, scene

SIZE = (640, 480)


def opened(data: bytes, max_pixels: int = 64_000_000) -> Image.Image:
    return open_image(data, max_pixels=max_pixels, at_least=448)


def distance(image: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, squashed alike, in grey levels."""
    return float(np.abs(squash(image, 64).astype(float) - squash(other, 64).astype(float)).mean())


LOSSLESS = [
    ("PNG", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("BMP", "RGB", {}),
    ("WEBP", "RGB", {"lossless": True}),
]
LOSSY = [
    ("JPEG", "RGB", {"quality": 90}),
    ("JPEG", "RGB", {"quality": 90, "progressive": True}),
    ("JPEG", "CMYK", {"quality": 90}),
    ("TIFF", "CMYK", {}),
    ("WEBP", "RGB", {"quality": 90}),
    ("AVIF", "RGB", {"quality": 90}),
    ("GIF", "P", {}),
    ("PNG", "P", {}),
    ("MPO", "RGB", {}),
]


@pytest.mark.parametrize(("kind", "mode", "options"), LOSSLESS)
def test_a_lossless_format_gives_the_same_pixels(kind: str, mode: str, options: dict[str, Any]) -> None:
    image = opened(encoded(scene(mode), kind, **options))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(scene()))


@pytest.mark.parametrize(("kind", "mode", "options"), LOSSY)
def test_a_lossy_format_gives_nearly_the_same_picture(kind: str, mode: str, options: dict[str, Any]) -> None:
    image = opened(encoded(scene(mode), kind, **options))
    assert image.mode == "RGB"
    assert distance(image, scene()) < 8  # grey levels: a palette of 256 colours costs the most


def test_heic_is_decoded() -> None:
    target = io.BytesIO()
    pillow_heif.from_pillow(scene()).save(target, quality=90)
    assert distance(opened(target.getvalue()), scene()) < 4


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_stays_grey(mode: str) -> None:
    pixels = np.asarray(opened(encoded(scene(mode), "PNG")))
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert np.array_equal(pixels[..., 0], np.asarray(scene(mode).convert("L")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_keep_their_high_byte(kind: str) -> None:
    deep = np.linspace(0, 65535, 4096, dtype=np.uint16).reshape(64, 64)
    pixels = np.asarray(opened(encoded(Image.fromarray(deep), kind)))
    assert np.array_equal(pixels[..., 1], (deep >> 8).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_without_a_range_are_stretched(dtype: type) -> None:
    values: NDArray[Any] = np.array([[-1000, 0], [1000, 3000]], dtype=dtype)
    pixels = np.asarray(opened(encoded(Image.fromarray(values), "TIFF")))
    assert pixels[..., 0].tolist() == [[0, 63], [127, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([10, 20, 30])
        data = encoded(image, "PNG", transparency=0)
    else:
        data = encoded(Image.new(mode, (8, 8)), "PNG")
    assert np.asarray(opened(data)).min() == 255


def test_half_transparent_black_on_white_is_grey() -> None:
    assert opened(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")).getpixel((1, 1)) == (127, 127, 127)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_seen(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert opened(data).getpixel((20, 20)) == (255, 0, 0)


UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def lying(picture: Image.Image, orientation: int, kind: str, **options: Any) -> bytes:
    """A file whose pixels lie so that its EXIF orientation makes the picture of them."""
    stored = picture.transpose(UNDO[orientation]) if orientation in UNDO else picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("size", [(640, 480), (1300, 1000)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_by_its_exif(orientation: int, size: tuple[int, int], kind: str) -> None:
    image = opened(lying(scene(size=size), orientation, kind))
    assert image.width > image.height
    assert distance(image, scene()) < 4


ORIENTATIONS = st.integers(1, 8)
BOXES = st.tuples(st.integers(0, 299), st.integers(0, 199), st.integers(1, 300), st.integers(1, 200))


def clouds(size: tuple[int, int]) -> Image.Image:
    """A picture that looks different everywhere, with nothing in it that is much smaller than a hundredth of it."""
    noise = np.random.default_rng(7).integers(0, 255, (28, 42, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@settings(max_examples=60)
@given(ORIENTATIONS, st.sampled_from(["PNG", "TIFF", "WEBP"]), BOXES)
def test_a_region_is_that_part_of_the_upright_picture(
    orientation: int, kind: str, box: tuple[int, int, int, int]
) -> None:
    picture = clouds((300, 200))
    left, top, right, bottom = box[0], box[1], min(box[0] + box[2], 300), min(box[1] + box[3], 200)
    sizes: list[tuple[int, int]] = []

    def region(width: int, height: int) -> tuple[float, float, float, float]:
        sizes.append((width, height))
        return left, top, right, bottom

    data = lying(picture, orientation, kind, **({"lossless": True} if kind == "WEBP" else {}))
    got = open_region(data, region, max_pixels=10**6, at_least=448)
    assert sizes == [(300, 200)]
    assert got[1:] == (300, 200)
    assert np.array_equal(np.asarray(got.image), np.asarray(picture.crop((left, top, right, bottom))))


LARGE = clouds((2000, 1400))
LARGE_JPEGS = {orientation: lying(LARGE, orientation, "JPEG", quality=92) for orientation in (1, 6, 7, 8)}


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(LARGE_JPEGS)),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.floats(0.1, 1),
    st.floats(0.1, 1),
    st.integers(64, 200),
)
def test_a_region_of_a_jpeg_that_is_decoded_smaller_is_still_there_and_large_enough(
    orientation: int, x: float, y: float, width: float, height: float, at_least: int
) -> None:
    box = (2000 * x, 1400 * y, min(2000 * (x + width), 2000), min(1400 * (y + height), 1400))
    got = open_region(LARGE_JPEGS[orientation], lambda _w, _h: box, max_pixels=10**7, at_least=at_least)
    assert got[1:] == (2000, 1400)
    assert min(got.image.size) >= min(at_least, int(min(box[2] - box[0], box[3] - box[1])))
    plain = LARGE.resize((16, 16), Image.Resampling.BOX, box=box)
    seen = got.image.resize((16, 16), Image.Resampling.BOX)
    # It may begin inside a pixel of the smaller picture. Of 500 boxes none came to 6, nor to less than 12 when it was a
    # twentieth beside its place.
    assert np.abs(np.asarray(plain, float) - np.asarray(seen, float)).mean() < 9


def test_a_region_of_a_jpeg_is_decoded_only_as_large_as_is_needed() -> None:
    data = LARGE_JPEGS[1]
    whole = open_region(data, lambda w, h: (0, 0, w, h), max_pixels=10**7, at_least=300)
    assert whole.image.size == (500, 350)  # a quarter
    assert np.array_equal(np.asarray(whole.image), np.asarray(open_image(data, max_pixels=10**7, at_least=300)))
    part = open_region(data, lambda _w, _h: (1000, 500, 1700, 1200), max_pixels=10**7, at_least=300)
    assert part.image.size == (350, 350)  # half of it; a quarter would be 175, below 300


def test_broken_exif_does_not_spoil_the_picture() -> None:
    data = encoded(scene(), "JPEG", quality=95)
    broken = (
        data[:2]
        + b"\xff\xe1"
        + struct.pack(">H", 22)
        + b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\x00\x00\x00\x00"
        + data[2:]
    )
    assert distance(opened(broken), scene()) < 4


def test_a_large_jpeg_is_decoded_small_but_never_below_what_is_needed() -> None:
    image = opened(encoded(scene(size=(4000, 3000)), "JPEG"))
    assert image.size == (1000, 750)  # a quarter; an eighth would be 500×375, and 375 is below 448
    assert distance(image, scene()) < 4
    assert opened(encoded(scene(size=(500, 460)), "JPEG")).size == (500, 460)


def test_a_progressive_jpeg_with_endless_scans_is_refused() -> None:
    data = encoded(scene("L", (64, 64)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    assert opened(data).size == (64, 64)
    with pytest.raises(ImageError, match="more than 100 scans"):
        opened(data[:-2] + data[start:-2] * 200 + data[-2:])


@pytest.mark.parametrize(
    ("mode", "kind"), [("F", "TIFF"), ("RGBA", "PNG"), ("CMYK", "TIFF"), ("RGB", "PNG"), ("L", "PNG")]
)
def test_a_large_image_of_any_mode_is_reduced_before_it_is_converted(mode: str, kind: str) -> None:
    picture = scene("L", (1800, 1350)).convert(mode) if mode == "F" else scene(mode, (1800, 1350))
    image = opened(encoded(picture, kind))
    assert image.size == (600, 450)  # by three: by four, 337 would be below 448
    if mode not in {"F", "L"}:
        assert distance(image, scene()) < 8


def png_header(width: int, height: int) -> bytes:
    """A PNG of so many black pixels, a few kilobytes long."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = b"\x00" * (1 + width * 3)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png_header(10_000, 10_000)
    assert len(bomb) < 1_000_000
    with pytest.raises(ImageError, match=r"10000×10000 is 100 megapixels, more than MAX_IMAGE_MEGAPIXELS = 64"):
        opened(bomb)


def test_the_limit_itself_is_allowed() -> None:
    assert opened(encoded(scene(size=(20, 10)), "PNG"), max_pixels=200).size == (20, 10)
    with pytest.raises(ImageError, match="too large"):
        opened(encoded(scene(size=(20, 10)), "PNG"), max_pixels=199)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_extreme_shapes_are_squashed(size: tuple[int, int], kind: str) -> None:
    image = opened(encoded(scene(size=size), kind))
    assert squash(image, 224).shape == (224, 224, 3)
    assert len(perceptual_hash(image)) == 16


def test_squash_keeps_the_whole_picture() -> None:
    left, right = Image.new("RGB", (200, 50), "red"), Image.new("RGB", (200, 50), "blue")
    wide = Image.new("RGB", (400, 50))
    wide.paste(left, (0, 0))
    wide.paste(right, (200, 0))
    pixels = squash(wide, 224)
    assert pixels.dtype == np.uint8
    assert pixels[112, 0].tolist() == [255, 0, 0]
    assert pixels[112, 223].tolist() == [0, 0, 255]


def test_empty_text_and_unknown_bytes_say_what_they_are() -> None:
    with pytest.raises(ImageError, match="0 bytes"):
        opened(b"")
    for data in (b"just text", b"%PDF-1.7", b"\x00" * 100, b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ImageError, match="known format"):
            opened(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_truncated_file_is_an_error_not_half_a_picture(kind: str) -> None:
    data = encoded(scene(), kind)
    with pytest.raises(ImageError):
        opened(data[: len(data) // 2])


@settings(max_examples=150)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"]), st.data())
def test_whatever_is_broken_it_is_an_image_error(kind: str, data: st.DataObject) -> None:
    pillow_heif.register_heif_opener()
    broken = bytearray(encoded(scene(size=(64, 48)), kind))
    for position in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=12)):
        broken[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        opened(bytes(broken), max_pixels=1_000_000)


def test_the_hash_stays_near_for_the_same_picture_and_far_for_another() -> None:
    def bits(image: Image.Image) -> int:
        return int(perceptual_hash(image), 16)

    original = bits(scene())
    small = bits(opened(encoded(scene(size=(160, 120)), "JPEG", quality=60)))
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    assert (original ^ small).bit_count() <= 6
    assert (original ^ bits(Image.fromarray(noise))).bit_count() >= 16


def test_the_hash_is_the_sign_of_the_low_frequencies() -> None:
    # One period of a cosine across: all the energy beside the mean is in one coefficient, row 0, column 2.
    wave = np.cos(np.pi / 64 * 2 * (2 * np.arange(32) + 1))
    image = Image.fromarray((127 + 100 * np.tile(wave, (32, 1))).astype(np.uint8))
    first_row = int(perceptual_hash(image)[:2], 16)
    assert first_row & 0b10100000 == 0b10100000
    mirrored_sign = int(perceptual_hash(ImageOps.invert(image))[:2], 16)
    assert mirrored_sign & 0b00100000 == 0
