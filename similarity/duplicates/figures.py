"""How well duplicates are found: photos are changed in known ways, and each changed one is held against all photos."""

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from shared import backbone
from shared.features import Vector
from shared.images import perceptual_hash, squash
from similarity.duplicates.keeping import unwatched
from similarity.duplicates.registration import Look, prepare
from similarity.duplicates.rule import DOUBTFUL_SCORE, hash_distance, same_picture
from similarity.duplicates.second_look import CONFIRMED, agreement

type Change = Callable[[Image.Image], Image.Image]


def _crop(image: Image.Image, share: float, left: float, top: float) -> Image.Image:
    """A part with `share` of both sides; of the rest, `left` and `top` (0 to 1) are cut off there."""
    width, height = round(image.width * share), round(image.height * share)
    x, y = round((image.width - width) * left), round((image.height - height) * top)
    return image.crop((x, y, x + width, y + height))


def _jpeg(image: Image.Image) -> Image.Image:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=30)
    return Image.open(target).convert("RGB")


def _smaller(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 3), max(1, image.height // 3)), Image.Resampling.LANCZOS)


def _jitter(image: Image.Image) -> Image.Image:
    """Lighter, flatter, more colourful, and all hues moved by 14 degrees."""
    brighter = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.2)).enhance(0.8)
    hue, saturation, value = ImageEnhance.Color(brighter).enhance(1.4).convert("HSV").split()
    moved = Image.fromarray(np.asarray(hue) + np.uint8(10))  # 256 is all the way round
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


CHANGES: Mapping[str, Change] = {
    "crop 80 %": lambda image: _crop(image, 0.8, 0.5, 0.5),
    "JPEG 30": _jpeg,
    "a third of the size": _smaller,
    "mirror": ImageOps.mirror,
    "colour jitter": _jitter,
    "rotation 10°": lambda image: image.rotate(10, Image.Resampling.BICUBIC),
    "grey": lambda image: image.convert("L").convert("RGB"),
}
"""Those over which the totals are."""

HARDER: Mapping[str, Change] = {
    "crop 80 %, off centre": lambda image: _crop(image, 0.8, 0, 0),
    "crop 60 %": lambda image: _crop(image, 0.6, 0.5, 0.5),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
}

THRESHOLDS = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
"""Of the cosine similarity, for the curve."""


class Found(NamedTuple):
    """What was found of some changed photos: each has one original, and all other photos are strangers."""

    change: str
    asked: int
    right: int
    wrong: int

    @property
    def recall(self) -> float:
        return self.right / self.asked if self.asked else 0.0

    @property
    def precision(self) -> float:
        """1 where nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0


class Point(NamedTuple):
    """Recall and precision of the cosine similarity alone, over `CHANGES`, with this threshold."""

    min_score: float
    recall: float
    precision: float


class DuplicateFigures(NamedTuple):
    """How well duplicates of some photos are found."""

    photos: int
    second_look: bool
    changes: tuple[Found, ...]
    """Of each of `CHANGES`, then of each of `HARDER`."""
    total: Found
    """Over `CHANGES`."""
    curve: tuple[Point, ...]


def duplicate_figures(
    photos: Mapping[str, Image.Image],
    *,
    second_look: bool,
    progress: Callable[[float], object] = unwatched,
) -> DuplicateFigures:
    """Change each photo in each way, and look for its original among all photos.

    It takes 3 ms for a photo and a change, and 20 to 50 ms for each second look.

    Args:
        photos: RGB photos by name, no two of one picture.
        second_look: Whether doubtful pairs are compared by their pixels.
        progress: Gets how much is done, 0 to 1.
    """
    images = list(photos.values())
    vectors, hashes = _features(images)
    looks: dict[int, Look] = {}  # of the few that are looked at: all at once would be much
    found, scores = [], []
    every = {**CHANGES, **HARDER}
    for number, (name, change) in enumerate(every.items(), 1):
        changed = [change(image) for image in images]
        new, new_hashes = _features(changed)
        likeness = (new @ vectors.T).astype(np.float64)
        same = np.zeros(likeness.shape, np.bool_)
        for row, scores_of in enumerate(likeness.tolist()):
            distances = [hash_distance(new_hashes[row], one) for one in hashes]
            same[row] = [same_picture(*pair) for pair in zip(scores_of, distances, strict=True)]
        if second_look:
            _look(changed, images, looks, likeness, same)
        found.append(_found(name, same))
        if name in CHANGES:
            scores.append(likeness)
        progress(number / len(every))
    named = found[: len(CHANGES)]
    total = Found("in total", *(sum(column) for column in zip(*(one[1:] for one in named), strict=True)))
    curve = tuple(_point(threshold, scores) for threshold in THRESHOLDS)
    return DuplicateFigures(len(images), second_look, tuple(found), total, curve)


def _features(images: list[Image.Image]) -> tuple[Vector, list[str]]:
    side = backbone.PREPROCESSING.size
    vectors = [backbone.embed(squash(image, side)[None]) for image in images]
    return np.concatenate(vectors), [perceptual_hash(image) for image in images]


def _look(
    changed: list[Image.Image],
    images: list[Image.Image],
    looks: dict[int, Look],
    likeness: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> None:
    """Decide the doubtful pairs in `same`."""
    for row in range(len(changed)):
        doubtful = np.flatnonzero((likeness[row] >= DOUBTFUL_SCORE) & ~same[row]).tolist()
        look = prepare(changed[row]) if doubtful else None
        for column in doubtful if look else ():
            if column not in looks:
                looks[column] = prepare(images[column])
            same[row, column] = look is not None and agreement(look, looks[column]) >= CONFIRMED


def _found(name: str, same: NDArray[np.bool_]) -> Found:
    right = int(np.trace(same))
    return Found(name, len(same), right, int(same.sum()) - right)


def _point(threshold: float, scores: list[NDArray[np.float64]]) -> Point:
    asked, right, wrong = (
        sum(column) for column in zip(*(_found("", one >= threshold)[1:] for one in scores), strict=True)
    )
    one = Found("", asked, right, wrong)
    return Point(threshold, one.recall, one.precision)
