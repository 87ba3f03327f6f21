"""Vectors of other models, to compare with: a file of what they make of the same images."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector

MAX_BYTES = 2_000_000_000
"""What the arrays of a file may take in memory; the file may be much smaller."""

MAX_DIMENSIONS = 100_000

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    SyntaxError,
    MemoryError,
)
"""What zipfile and numpy raise for other files, damaged ones, and pickles, which are never loaded."""


class VectorsError(ValueError):
    """A file of vectors cannot be used; the message says why."""


class Common(NamedTuple):
    """The images that each model has a vector of."""

    rows: list[int]
    """Which of the images that were asked for these are."""
    models: dict[str, Vector]
    """float32 [len(rows), d], d of each model's own."""
    lacking: dict[str, list[str]]
    """The paths that a model has no vector of, of models that lack some."""


def read_vectors(file: Path) -> dict[str, Vector]:
    """The vectors of a NumPy file (.npz) with the arrays `paths`, text [n], and `vectors`, numbers [n, d].

    Returns:
        float32 [d] by path.

    Raises:
        VectorsError: It is not such a file.
        OSError: It cannot be read.
    """
    paths, vectors = _arrays(file)
    if paths.ndim != 1 or paths.dtype.kind != "U":
        raise VectorsError(f"{file}: 'paths' must be an array of texts, not of {paths.dtype} {list(paths.shape)}.")
    if vectors.dtype.kind not in "fiu" or vectors.ndim != 2 or not 0 < vectors.shape[1] <= MAX_DIMENSIONS:
        raise VectorsError(f"{file}: 'vectors' must be numbers [n, d], not {vectors.dtype} {list(vectors.shape)}.")
    if len(paths) != len(vectors):
        raise VectorsError(f"{file}: there are {len(paths):,} paths, but {len(vectors):,} vectors.")
    with np.errstate(over="ignore"):  # what is too large for float32 is found below
        rows = vectors.astype(np.float32)
    found = dict(zip(paths.tolist(), rows, strict=True))
    if len(found) < len(paths):
        raise VectorsError(f"{file}: a path is there twice.")
    for path, row in found.items():
        if not np.isfinite(row).all() or not row.any():
            raise VectorsError(f"{file}: the vector of {path!r:.200} has no direction: it is zero, or not finite.")
    return found


def in_common(paths: Sequence[str], vectors: Vector, name: str, others: Mapping[str, Mapping[str, Vector]]) -> Common:
    """Of some images those that every model knows: only then are figures of two models about the same thing.

    Args:
        paths: Of the images, as the others call them.
        vectors: What the first model makes of them: float32 [n, d].
        name: Of the first model.
        others: Vectors by path, by the model's name.
    """
    rows = [row for row, path in enumerate(paths) if all(path in known for known in others.values())]
    models = {name: vectors[rows]}
    for other, known in others.items():
        # A row of nothing gives the shape where no image is left.
        models[other] = np.stack([known[paths[row]] for row in rows]) if rows else np.empty((0, 1), np.float32)
    lacking = {other: [path for path in paths if path not in known] for other, known in others.items()}
    return Common(rows, models, {other: some for other, some in lacking.items() if some})


def _arrays(file: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    with file.open("rb") as opened:
        try:
            with zipfile.ZipFile(opened) as packed:
                size = sum(part.file_size for part in packed.infolist())
            found = _loaded(opened) if size <= MAX_BYTES else []
        except DAMAGE as error:
            said = f"{file} is no NumPy file of plain arrays (numpy.savez(FILE, paths=..., vectors=...)): {error}"
            raise VectorsError(said) from error
    if size > MAX_BYTES:
        raise VectorsError(f"{file}: its arrays take {size / 1e9:.1f} GB, more than {MAX_BYTES / 1e9:g}.")
    paths, vectors = found
    if not (isinstance(paths, np.ndarray) and isinstance(vectors, np.ndarray)):  # bytes, of what is no array
        raise VectorsError(f"{file}: there are no arrays 'paths' and 'vectors' in it.")
    return paths, vectors


def _loaded(file: IO[bytes]) -> list[object]:
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return [arrays[name] if name in arrays.files else None for name in ("paths", "vectors")]
