"""Where labels come from: the folders of the images, a tag, or a table of paths."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.contract import Json
from shared.features import Feature, FeatureStore, Vector
from shared.markup import plural
from shared.sampling import Sampler, scan

MAX_LENGTH = 200
"""Characters of a label, or of the name of a tag."""

MAX_IMAGES = 100_000
"""Images that a ranker learns from; where more have a label, it is a sample of them."""

NAMED = 5
"""Paths and tags that an error names."""

TAG = "tag:"

type LabelSource = str | Mapping[str, str]
"""`folder`, `tag:NAME`, or the labels themselves by path."""


class LabelError(ValueError):
    """The labels cannot be used as they are given; the message says why."""


class Labelled(NamedTuple):
    """Images with labels, in the order of their paths."""

    paths: Sequence[str]
    vectors: Vector
    """float32 [n, d], in the order of the paths."""
    labels: Sequence[str]
    of: int = 0
    """How many images with a label there are: more than n where these are a sample."""
    missing: Sequence[str] = ()
    """Paths that labels were given for, but that are not in the collection, sorted."""


def folder_label(path: str) -> str:
    """The name of the folder that holds an image, or "" of one that is in none."""
    return path.rpartition("/")[0].rpartition("/")[2]


def labels_from_folders(paths: Iterable[str]) -> dict[str, str]:
    """The label of each path that has one: its folder's name, where that folder holds no further folders."""
    found = list(paths)
    outer: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in found}:
        above = folder.rpartition("/")[0]
        while above and above not in outer:
            outer.add(above)
            above = above.rpartition("/")[0]
    return {path: folder_label(path) for path in found if folder_label(path) and path.rpartition("/")[0] not in outer}


def labels_from_csv(text: str) -> dict[str, str]:
    """The labels of a table with the columns path and label, in that order; a line that says so may come first.

    Lines with nothing in them do not count.

    Raises:
        LabelError: It is no such table, is empty, or has two labels for one path.
    """
    labels: dict[str, str] = {}
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for n, row in enumerate(row for row in lines if any(map(str.strip, row))):
            if n == 0 and [cell.strip().lower() for cell in row] == ["path", "label"]:
                continue
            if len(row) != 2:
                raise LabelError(f"Line {lines.line_num} is not a path and a label, as in: photos/fish/a.jpg,fish")
            path, label = row[0].strip(), _label(row[1], f"line {lines.line_num}")
            if labels.setdefault(path, label) != label:
                raise LabelError(f"Line {lines.line_num} has another label for {path!r:.200} than a line before.")
    except csv.Error as error:
        raise LabelError(f"Line {lines.line_num} is no CSV: {error}.") from error
    if not labels:
        raise LabelError("There are no labels in the table, lines such as: photos/fish/a.jpg,fish")
    return labels


def label_source(given: Json) -> LabelSource:
    """What a caller gives as `labels`. Raises LabelError when that is none."""
    if isinstance(given, dict) and given:
        return {path: _label(label, f"{path!r:.200}") for path, label in given.items()}
    if given == "folder" or (isinstance(given, str) and len(TAG) < len(given) <= MAX_LENGTH and given.startswith(TAG)):
        return str(given)
    raise LabelError(
        f"'labels' takes 'folder', 'tag:NAME', or an object with a label for each path, not {given!r:.50}."
    )


def labelled(
    collection: str,
    labels: LabelSource,
    features: FeatureStore,
    progress: Callable[[float], object],
    *,
    limit: int = MAX_IMAGES,
) -> Labelled:
    """The images of a collection that have a label, at most `limit` of them.

    Args:
        collection: Its name.
        labels: Where the labels come from.
        features: Where the images are; those that another model embedded are not met.
        progress: Gets how much is read, 0 to 1; anew where it is read twice. What it raises goes through.
        limit: Of more than these a sample is taken, always the same.

    Raises:
        LabelError: No image has a label.
        StoreBusy: The store did not answer.
    """
    sampler, found, tags = Sampler(limit), dict[str, str](), set[str]()
    for block in scan(collection, features, progress):
        for feature in block:
            tags |= feature.tags.keys() if len(tags) < NAMED else set()
            if label := _label_of(feature, labels):
                found[feature.path] = label
                sampler.show(feature)
    if labels == "folder":
        found = labels_from_folders(found)
    missing = sorted(set(labels) - found.keys()) if isinstance(labels, Mapping) else []
    if not found:
        raise LabelError(_nothing(collection, labels, missing, tags))
    images = sampler.images()
    # By path: which images are held back must not depend on the order of the store.
    rows = sorted((row for row, path in enumerate(images.paths) if path in found), key=images.paths.__getitem__)
    if len(rows) < min(limit, len(found)):
        # Images of outer folders took places in the sample: that they have no label is only known when all were met.
        return labelled(collection, found, features, progress, limit=limit)._replace(missing=())
    paths = [images.paths[row] for row in rows]
    return Labelled(paths, images.vectors[rows], [found[path] for path in paths], len(found), missing)


def _label_of(feature: Feature, labels: LabelSource) -> str:
    if isinstance(labels, Mapping):
        return labels.get(feature.path, "")
    if labels == "folder":
        return folder_label(feature.path)
    return feature.tags.get(labels.removeprefix(TAG), "").strip()[:MAX_LENGTH]


def _nothing(collection: str, labels: LabelSource, missing: Sequence[str], tags: Iterable[str]) -> str:
    if isinstance(labels, Mapping):
        some = ", ".join(f"{path!r:.100}" for path in missing[:NAMED])
        return f"None of the {plural(len(missing), 'image')} with labels is in the collection {collection!r}: {some}, …"
    if labels == "folder":
        return f"No image of the collection {collection!r} is in a folder that could be its label."
    some = ", ".join(f"{tag!r:.50}" for tag in sorted(tags)[:NAMED]) or "none"
    return f"No image of the collection {collection!r} has the tag {labels.removeprefix(TAG)!r}. Tags there: {some}."


def _label(given: Json, where: str) -> str:
    label = given.strip() if isinstance(given, str) else ""
    if not 0 < len(label) <= MAX_LENGTH:
        raise LabelError(f"The label of {where} is not a text of 1 to {MAX_LENGTH} characters.")
    return label
