"""From the bytes of an image file to the pixels that the network sees.

The formats are the ones Pillow decodes safely and photo collections hold. Sizes are checked before pixels are decoded.
"""

import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from shared.boxes import SIDEWAYS, Box, least_side, scaled_box, stored_box

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Brands in a file's `ftyp` box that mean HEIF (ISO/IEC 23008-12); AVIF is Pillow's own."""

MAX_SCANS = 100
"""Scans of a JPEG. A progressive one has about ten; each costs time over the whole picture, and takes a few bytes."""

# Pillow's guard against decompression bombs warns or raises by its own fixed sizes. `open_image` checks its caller's
# limit, after the header and before the pixels, so that there is one limit and one message.
Image.MAX_IMAGE_PIXELS = None


DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
"""What Pillow's decoders raise for damaged files: found by feeding them thousands of broken ones."""


class ImageError(Exception):
    """The bytes are not an image that can be used; the message says why."""


class Opened(NamedTuple):
    """A decoded image, or a region of it, and the size of the whole when it is upright and nothing is left out."""

    image: Image.Image
    width: int
    height: int


def open_image(data: bytes, *, max_pixels: int, at_least: int) -> Image.Image:
    """Decode a whole image; see `open_region`."""
    return open_region(data, None, max_pixels=max_pixels, at_least=at_least).image


def open_region(data: bytes, region: Callable[[int, int], Box] | None, *, max_pixels: int, at_least: int) -> Opened:
    """Decode an image: RGB, upright by its EXIF orientation, transparency on white, the first frame of several.

    Args:
        data: An encoded JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC image.
        region: Given the width and the height of the upright image: which part of it is wanted. May raise ImageError.
        max_pixels: The largest width times height that is decoded.
        at_least: A JPEG is decoded at an eighth, a quarter or half its size where both sides of what is wanted keep
            this many pixels. libjpeg then skips most of the inverse DCT, which is what makes large photos cheap.

    Raises:
        ImageError: Not such an image, damaged, or too large.
    """
    if not data:
        raise ImageError("The image is empty: 0 bytes.")
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        raise ImageError(f"The JPEG has more than {MAX_SCANS} scans; no camera or program writes such files.")
    try:
        with _opened(data) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"The image is too large: {width}×{height} is {width * height / 1e6:.0f} megapixels, "
                    f"more than MAX_IMAGE_MEGAPIXELS = {max_pixels / 1e6:g}."
                )
            box = _stored_box(image, region) if region and image.format in _DRAFTED else None
            drafted = least_side(width, height, box, at_least)
            image.draft("RGB", (drafted, drafted))
            # In one piece: after each of the usual 64 kB the decoder would wait for Python's lock, which others hold.
            image.decodermaxblock = len(data)
            image.load()
            orientation = exif_orientation(image)
            if image.format not in _DRAFTED:
                width, height = image.size
                box = _stored_box(image, region) if region else None
            wanted = image.crop(scaled_box(box, image.width / width, image.height / height)) if box else image
            upright = to_rgb(turned(reduced(wanted, at_least, at_least), orientation))
            return Opened(upright, *((height, width) if orientation in SIDEWAYS else (width, height)))
    except UnidentifiedImageError as error:
        raise ImageError("Not an image in a known format (JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC).") from error
    except DAMAGE as error:
        raise ImageError(f"The image is damaged or incomplete ({error}).") from error


def squash(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Pixels of the whole image squeezed into a square, uint8 [side, side, 3].

    Nothing is cropped away, so a subject at the edge counts; bicubic, as the network was measured with.
    """
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def perceptual_hash(image: Image.Image) -> str:
    """64 bits of what the picture looks like, as 16 hex digits; few bits differ between versions of one picture.

    The 8×8 lowest frequencies of the DCT-II of a 32×32 grey thumbnail, each against their median.
    Source: "pHash", C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), dtype=np.float64)
    # Rounded: what should be 0 in a plain picture is not quite, and must not be above or below the median by chance.
    low = np.round((_DCT @ grey @ _DCT.T).ravel(), 6)
    bits = np.packbits(low > np.median(low))
    return bits.tobytes().hex()


_DCT = np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
"""The 8 lowest rows of the 32-point DCT-II without its scale, which a comparison with the median does not need."""


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of EXIF 2.3, tag 0x0112."""

_DRAFTED = frozenset({"JPEG", "MPO"})
"""Formats that may be decoded smaller than they are. What they say of their size and orientation holds before they are
loaded; of others Pillow turns some itself, so they are to be asked afterwards."""

_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "F"})
"""Modes whose values can be averaged: not palettes, and not what Pillow's `reduce` does not take."""


def _opened(data: bytes) -> ImageFile.ImageFile:
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        # Imported for the few that need it: 50 ms and 20 MB that other calls should not pay.
        import pillow_heif  # noqa: PLC0415

        pillow_heif.register_heif_opener()
        return Image.open(io.BytesIO(data), formats=("HEIF",))
    return Image.open(io.BytesIO(data), formats=FORMATS)


def exif_orientation(image: Image.Image) -> int:
    """How the picture lies, 1 to 8, by its EXIF; 1 is upright. Asked after loading: Pillow turns some itself then."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DAMAGE:
        # Broken EXIF says nothing about the pixels, which are decoded by now.
        return 1


def _stored_box(image: Image.Image, region: Callable[[int, int], Box]) -> Box:
    """Where a region of the upright picture lies in the picture as it is stored."""
    orientation = exif_orientation(image)
    width, height = reversed(image.size) if orientation in SIDEWAYS else image.size
    return stored_box(region(width, height), width, height, orientation)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def reduced(image: Image.Image, width: int, height: int) -> Image.Image:
    """By a whole number smaller where the sides keep these pixels: all that follows then needs little memory."""
    factor = min(image.width // width, image.height // height)
    return image.reduce(factor) if factor > 1 and image.mode in _REDUCIBLE else image


def to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16 bits at 255 when it converts: keep the high byte instead.
        return Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        return _stretched(np.asarray(image, dtype=np.float64))
    if image.has_transparency_data:
        overlay = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", overlay.size, "white"), overlay).convert("RGB")
    return image.convert("RGB")


def _stretched(values: NDArray[np.float64]) -> Image.Image:
    """Grey from numbers that have no fixed range: the least is black, the greatest white."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    grey = (values - low) * (255 / (high - low) if high > low else 0)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
