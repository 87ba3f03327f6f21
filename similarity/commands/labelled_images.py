"""Labelled images to measure on: of a folder of this machine, or of a collection."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.command_line import CommandError, Tools, elsewhere
from shared.embedding import embed_bytes
from shared.features import Vector
from shared.images import ImageError
from shared.markup import plural
from shared.settings import Settings
from shared.terminal import printable
from shared.upload.content import ItemError
from shared.upload.files import File, read_folder
from similarity.ranking.labels import TAG, LabelError, LabelSource, labelled, labels_from_folders

MAX_IMAGES = 2000
"""Images that are measured with; of more a sample is taken. Times grow with their square: these take a minute."""

NAMED = 5
"""Paths that a note names."""


class LabelledImages(NamedTuple):
    """What is measured with."""

    paths: Sequence[str]
    vectors: Vector
    """float32 [n, 256]"""
    labels: Sequence[str]
    notes: Sequence[str]
    """What was left out, and why."""
    failed: Mapping[str, str]
    """Why an image could not be read."""


def of_collection(
    collection: str, labels: LabelSource, tools: Tools, progress: Callable[[float], object]
) -> LabelledImages:
    """The images of a collection that have a label.

    Raises:
        LabelError: No image has a label.
        CommandError: There is no such collection.
        StoreBusy: The store did not answer.
    """
    if where := elsewhere(collection, tools):
        name = printable(collection)
        raise CommandError(f"There is no folder {name}, and no collection with images that is called so.{where}")
    given = labelled(collection, labels, tools.features, progress, limit=MAX_IMAGES)
    notes = [*_sampled(len(given.paths), given.of), *_not_there(given.missing)]
    return LabelledImages(given.paths, given.vectors, given.labels, notes, {})


def of_folder(
    folder: Path, labels: LabelSource, settings: Settings, progress: Callable[[float], object]
) -> LabelledImages:
    """The images of a folder that have a label, embedded; their paths are those below the folder.

    Raises:
        LabelError: No image has a label.
        CommandError: There are no images, or none that can be read.
        OSError: A folder cannot be listed.
    """
    files = {file.path.partition("/")[2]: file for file in read_folder(folder, "images").files}
    if not files:
        raise CommandError(f"There are no images in the folder {printable(str(folder))}.")
    known = _labels(files, labels)
    there = [path for path in files if path in known]
    if not there:
        which = "in a folder that could be its label" if labels == "folder" else "named in the table of labels"
        some = printable(next(iter(files)))
        raise LabelError(f"Of {plural(len(files), 'image')} in the folder, such as {some}, none is {which}.")
    chosen = sorted(np.random.default_rng(0).permutation(there)[:MAX_IMAGES].tolist())
    vectors, failed = _embedded([files[path] for path in chosen], settings, progress)
    read = [path for path in chosen if path not in failed]
    if not read:
        path, why = next(iter(failed.items()))
        raise CommandError(f"None of {plural(len(failed), 'image')} can be read; {printable(path)}: {why}")
    bare = [path for path in files if path not in known]
    notes = [
        *_sampled(len(chosen), len(there)),
        *_some(bare, "has no label", "have no label"),
        *_not_there([path for path in known if path not in files]),
        *(f"{path} was left out: {why}" for path, why in failed.items()),
    ]
    return LabelledImages(read, np.stack(vectors), [known[path] for path in read], notes, failed)


def _labels(paths: Iterable[str], labels: LabelSource) -> Mapping[str, str]:
    if isinstance(labels, str) and labels.startswith(TAG):
        raise LabelError("The images of a folder have no tags: take the labels from their folders, or from a CSV file.")
    return labels_from_folders(paths) if isinstance(labels, str) else labels


def _embedded(
    files: Sequence[File], settings: Settings, progress: Callable[[float], object]
) -> tuple[list[Vector], dict[str, str]]:
    """The vectors of those that can be read, and why others cannot, by path."""

    def embed(file: File) -> Vector | str:
        try:
            return embed_bytes(file.content(settings).data, settings).vector
        except (ItemError, ImageError) as error:
            return str(error)

    vectors: list[Vector] = []
    failed: dict[str, str] = {}
    pool = ThreadPoolExecutor(os.process_cpu_count() or 1)
    try:
        for done, (file, found) in enumerate(zip(files, pool.map(embed, files), strict=True), 1):
            if isinstance(found, str):
                failed[file.path.partition("/")[2]] = found
            else:
                vectors.append(found)
            progress(done / len(files))
    finally:
        pool.shutdown(cancel_futures=True)  # who stops the command does not wait for all of them
    return vectors, failed


def _sampled(count: int, of: int) -> list[str]:
    return [f"A sample was taken: {count:,} of {of:,} labelled images."] if count < of else []


def _not_there(paths: Sequence[str]) -> list[str]:
    return _some(paths, "has a label, but is not there", "have a label, but are not there")


def _some(paths: Sequence[str], one: str, many: str) -> list[str]:
    if not paths:
        return []
    named = ", ".join(paths[:NAMED]) + (", …" if len(paths) > NAMED else "")
    return [f"{plural(len(paths), 'image')} {one if len(paths) == 1 else many}: {named}"]
