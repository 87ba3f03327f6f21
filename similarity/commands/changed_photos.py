"""How duplicates are found, measured on the photos of a folder: each is changed and looked for among all of them."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from PIL import Image

from shared import backbone
from shared.features import Vector
from shared.images import ImageError, open_image, perceptual_hash
from shared.markup import plural
from shared.settings import Settings
from similarity.commands.labelled_images import LabelledImages
from similarity.duplicates.figures import DuplicateFigures, duplicate_figures
from similarity.duplicates.rule import hash_distance, same_picture

PHOTOS = 150
"""Photos that are changed: half a minute, and 1 GB."""


def duplicates_of_folder(
    folder: Path, images: LabelledImages, settings: Settings, progress: Callable[[str, float], object]
) -> tuple[DuplicateFigures | None, LabelledImages]:
    """The figures, None where no photo can be read, and the images with a note on pairs found before any change."""
    photos: dict[str, Image.Image] = {}
    rows = []
    for row in range(0, len(images.paths), -(-len(images.paths) // PHOTOS)):
        try:
            data = (folder / images.paths[row]).read_bytes()
            side = backbone.PREPROCESSING.jpeg_draft
            photos[images.paths[row]] = open_image(data, max_pixels=settings.max_image_pixels, at_least=side)
        except (OSError, ImageError):  # it could be read a moment ago
            continue
        rows.append(row)
    if not photos:
        return None, images
    note = _same_already(photos, images.vectors[rows])
    figures = duplicate_figures(photos, second_look=True, progress=lambda done: progress("duplicates", done))
    return figures, images._replace(notes=[*images.notes, *note])


def _same_already(photos: dict[str, Image.Image], vectors: Vector) -> Sequence[str]:
    hashes = [perceptual_hash(photo) for photo in photos.values()]
    scores = (vectors @ vectors.T).tolist()
    paths = list(photos)
    same = [
        f"{paths[one]} and {paths[other]}"
        for one, other in combinations(range(len(paths)), 2)
        if same_picture(scores[one][other], hash_distance(hashes[one], hashes[other]))
    ]
    if not same:
        return []
    are, them = ("is", "it") if len(same) == 1 else ("are", "them")
    return [
        f"{plural(len(same), 'pair')} of {plural(len(photos), 'photo')} {are} taken for the same picture before any "
        f"change, and what is found of {them} counts as wrong among the duplicates, even where it is right: {same[0]}"
        f"{', …' * (len(same) > 1)}"
    ]
