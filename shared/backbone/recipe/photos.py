"""The photos that the recipe measures on: activation ranges, mean activations, principal directions. No labels.

Crops make up for missing photos: always the same ones, so that the same photos build the same model.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from shared.backbone import PREPROCESSING
from shared.images import open_image, squash

FOLDER = Path(__file__).with_name("photos")

VIEWS = (
    # left, top, right, bottom as shares of the sides; mirrored or not
    (0.0, 0.0, 1.0, 1.0, False),
    (0.15, 0.15, 0.85, 0.85, True),
    (0.0, 0.0, 0.6, 0.6, False),
    (0.4, 0.4, 1.0, 1.0, True),
    (0.4, 0.0, 1.0, 0.6, False),
    (0.0, 0.4, 0.6, 1.0, True),
    (0.3, 0.3, 0.7, 0.7, False),
    (0.0, 0.2, 1.0, 0.8, True),
)
MAX_PIXELS = 100_000_000


def files(folder: Path) -> list[Path]:
    """The photos in a folder, in an order that does not depend on the file system.

    Raises:
        FileNotFoundError: There are none.
    """
    found = sorted(folder.glob("*.jpg"), key=lambda path: path.name)
    if not found:
        raise FileNotFoundError(f"No .jpg file in {folder}.")
    return found


def load(paths: Sequence[Path], views: int) -> NDArray[np.uint8]:
    """Pixels as the app prepares them, uint8 [views · photos, 224, 224, 3]: first every photo whole, then its crops."""
    if not 1 <= views <= len(VIEWS):
        raise ValueError(f"views must be from 1 to {len(VIEWS)}, not {views}.")
    opened = [open_image(path.read_bytes(), max_pixels=MAX_PIXELS, at_least=PREPROCESSING.jpeg_draft) for path in paths]
    pixels = []
    for left, top, right, bottom, mirrored in VIEWS[:views]:
        for image in opened:
            width, height = image.size
            crop = image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
            pixels.append(squash(ImageOps.mirror(crop) if mirrored else crop, PREPROCESSING.size))
    return np.stack(pixels)
