"""Normalised images: what the indexer makes of the pictures in a blob, and the skills are given."""

import base64
import io
import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from shared.boxes import SIDEWAYS
from shared.contract import Json
from shared.images import DAMAGE, MAX_SCANS, ImageError, exif_orientation, reduced, to_rgb, turned
from shared.settings import Settings

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF")
"""What the service documents, by Pillow's names."""

MAX_PIXELS = Settings().max_image_pixels
"""Width times height of one picture: what the app takes too. Ours; the service documents bytes only."""

decoders = threading.BoundedSemaphore(os.process_cpu_count() or 1)
"""Each may hold a large image in memory, and more than cores would not be faster. For who calls `normalized`."""

QUALITY = 90
"""Of the JPEGs. Ours: the service does not say."""

_TURNED = {3: 180, 4: 180, 5: 90, 6: 270, 7: 270, 8: 90}
"""Degrees counter-clockwise that make each EXIF orientation upright, beside a mirror for 2, 4, 5 and 7."""


class Bounds(NamedTuple):
    """The largest width and height that a normalised image may have, in pixels."""

    width: int
    height: int


def normalized_file(data: bytes, bounds: Bounds) -> Iterator[dict[str, Json]]:
    """The pictures in an image file: all pages of a TIFF, and of others the first frame.

    How many images the service makes of a TIFF of several pages or of an animated GIF is documented nowhere; this is
    a choice.

    Args:
        data: A JPEG, PNG, GIF, BMP or TIFF.
        bounds: What they must fit into.

    Yields:
        Items of `normalized_images`.

    Raises:
        ImageError: Not such a file, damaged, or too large.
    """
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        raise ImageError(f"The JPEG has more than {MAX_SCANS} scans; no camera or program writes such files.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            # In one piece: after each of the usual 64 kB the decoder would wait for Python's lock, which others hold.
            image.decodermaxblock = len(data)
            for page in range(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1):
                if page:
                    image.seek(page)
                with decoders:
                    item = normalized(image, bounds)
                yield item
    except UnidentifiedImageError as error:
        raise ImageError("It is not an image in a known format (JPEG, PNG, GIF, BMP, TIFF).") from error
    except DAMAGE as error:
        raise ImageError(f"The image is damaged or incomplete ({error}).") from error


def normalized(image: Image.Image, bounds: Bounds, page_number: int = 0) -> dict[str, Json]:
    """An item of `normalized_images`: upright, RGB, JPEG, never larger than the bounds and never enlarged.

    Args:
        image: As opened; what is not decoded yet is decoded here.
        bounds: What it must fit into.
        page_number: From 1 in a PDF; 0 elsewhere.

    Raises:
        ImageError: It is too large.
        shared.images.DAMAGE: It cannot be decoded.
    """
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"The image is too large: {image.width}×{image.height} is more than {MAX_PIXELS / 1e6:g} megapixels."
        )
    orientation = exif_orientation(image)
    sideways = orientation in SIDEWAYS
    by_pillow = image.format == "TIFF"  # which Pillow turns when it decodes, and gives the size of that before
    whole = _swapped(image.size) if sideways and not by_pillow else image.size
    size = _fitted(*whole, bounds)
    # A JPEG is decoded at half its size or less where that is still enough.
    stored = _swapped(size) if sideways else size
    image.draft("RGB", stored)
    image.load()
    small = reduced(_averageable(image), *(size if by_pillow else stored))
    upright = to_rgb(small if by_pillow else turned(small, orientation))
    if upright.size != size:
        upright = upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    original = _swapped(whole) if sideways else whole
    target = io.BytesIO()
    upright.save(target, "JPEG", quality=QUALITY, comment=b"")
    return {
        "$type": "file",
        "url": None,
        "data": base64.b64encode(target.getbuffer()).decode("ascii"),
        "contentType": "image/jpeg",
        "width": size[0],
        "height": size[1],
        "originalWidth": original[0],
        "originalHeight": original[1],
        "rotationFromOriginal": _TURNED.get(orientation, 0),
        "contentOffset": 0,
        "pageNumber": page_number,
    }


def _fitted(width: int, height: int, bounds: Bounds) -> tuple[int, int]:
    """The size that fits into the bounds in the same ratio; fractions of a pixel are cut off, as the service does."""
    if width <= bounds.width and height <= bounds.height:
        return width, height
    if width * bounds.height > height * bounds.width:
        return bounds.width, max(1, height * bounds.width // width)
    return max(1, width * bounds.height // height), bounds.height


def _averageable(image: Image.Image) -> Image.Image:
    """A picture in a mode that can be reduced, where it would take much memory to make it RGB as it is."""
    if image.mode in {"P", "PA"}:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("F") if image.mode == "I" else image


def _swapped(size: tuple[int, int]) -> tuple[int, int]:
    return size[1], size[0]
