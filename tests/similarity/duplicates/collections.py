"""Small collections with duplicates: by hand, with angles for vectors; and of real photos."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from shared import backbone
from shared.embedding import embed_bytes
from shared.features import Feature, FeatureStore
from shared.images import open_image, perceptual_hash
from shared.settings import Settings
from tests.clustering.small_fits import NOON, at, feature
from tests.conftest import SAMPLES

SETTINGS = Settings(images_account="https://account.blob.core.windows.net")

PHOTOS = ("castles/chambord", "fish/red-porgy", "flowers/flower-8", "hammers/hammer-5", "planets/mercury")


def photo(name: str) -> Image.Image:
    """A sample, whole."""
    return open_image((SAMPLES / "photos" / f"{name}.jpg").read_bytes(), max_pixels=10**8, at_least=448)


def telling(number: int) -> str:
    """A hash with 32 ones, as photos have it; different numbers' are strangers'."""
    bits = np.zeros(64, np.uint8)
    bits[np.random.default_rng(number).permutation(64)[:32]] = 1
    return np.packbits(bits).tobytes().hex()


def image(path: str, degrees: float, *, pixel_hash: str = "0" * 16, size: int = 1, minutes: int = 0) -> Feature:
    """An image with an angle for its vector and, if nothing is said, a hash that says nothing."""
    plain = feature(path, at(degrees), model=backbone.MODEL)
    return replace(plain, pixel_hash=pixel_hash, size=size, modified=NOON + timedelta(minutes=minutes))


def put_files(store: FeatureStore, folder: Path, files: Mapping[str, bytes]) -> None:
    """Write images into a folder that stands for the container, and their features into a store."""
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        embedded = embed_bytes(data, SETTINGS)
        plain = feature(path, embedded.vector, model=backbone.MODEL)
        store.upsert(replace(plain, pixel_hash=perceptual_hash(embedded.image), size=len(data)))
