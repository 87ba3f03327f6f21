"""From the bytes of an image file to the pixels that the network sees.

The formats are the ones Pillow decodes safely and photo collections hold. Sizes are checked before pixels are decoded.
"""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Brands in a file's `ftyp` box that mean HEIF (ISO/IEC 23008-12); AVIF is Pillow's own."""

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


def open_image(data: bytes, *, max_pixels: int, at_least: int) -> Image.Image:
    """Decode an image: RGB, upright by its EXIF orientation, transparency on white, the first frame of several.

    Args:
        data: An encoded JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC image.
        max_pixels: The largest width times height that is decoded.
        at_least: A JPEG is decoded at an eighth, a quarter or half its size where both sides keep this many pixels.
            libjpeg then skips most of the inverse DCT, which is what makes large photos cheap.

    Raises:
        ImageError: Not such an image, damaged, or too large.
    """
    if not data:
        raise ImageError("The image is empty: 0 bytes.")
    try:
        with _opened(data) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"The image is too large: {width}×{height} is {width * height / 1e6:.0f} megapixels, "
                    f"more than MAX_IMAGE_MEGAPIXELS = {max_pixels / 1e6:g}."
                )
            image.draft("RGB", (at_least, at_least))
            return _to_rgb(_upright(image))
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
    low = (_DCT @ grey @ _DCT.T).ravel()
    bits = np.packbits(low > np.median(low))
    return bits.tobytes().hex()


_DCT = np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
"""The 8 lowest rows of the 32-point DCT-II without its scale, which a comparison with the median does not need."""


def _opened(data: bytes) -> Image.Image:
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        # Imported for the few that need it: 50 ms and 20 MB that other calls should not pay.
        import pillow_heif  # noqa: PLC0415

        pillow_heif.register_heif_opener()
        return Image.open(io.BytesIO(data), formats=("HEIF",))
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGE:
        # Broken EXIF says nothing about the pixels, which are decoded by now.
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
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
