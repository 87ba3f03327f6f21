"""Vectors of other models, to compare with: a file of what they make of the same images."""

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from shared.markup import plural

MAX_BYTES = 2_000_000_000
"""What the arrays of a file may take in memory, as they are or as float32; the file may be much smaller."""

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


HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By the version of the format; there is one more, which only arrays of records need."""


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
    if not found:
        raise VectorsError(f"{file}: there are no vectors in it.")
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
        others: Vectors by path, by the model's name; at least one of each.

    Raises:
        VectorsError: There are none.
    """
    rows = [row for row, path in enumerate(paths) if all(path in known for known in others.values())]
    if not rows:
        raise VectorsError(_nothing_in_common(paths, others))
    models = {name: vectors[rows]}
    for other, known in others.items():
        models[other] = np.stack([known[paths[row]] for row in rows])
    lacking = {other: [path for path in paths if path not in known] for other, known in others.items()}
    return Common(rows, models, {other: some for other, some in lacking.items() if some})


def _nothing_in_common(paths: Sequence[str], others: Mapping[str, Mapping[str, Vector]]) -> str:
    for other, known in others.items():
        if known.keys().isdisjoint(paths):
            return (
                f"The model {other} has a vector of none of the {plural(len(paths), 'image')}: it calls them "
                f"{next(iter(known))!r:.200}, and here they are called {paths[0]!r:.200}."
            )
    return f"Of the {plural(len(paths), 'image')} there is none that each of the models {', '.join(others)} has."


def _arrays(file: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    with file.open("rb") as opened:
        try:
            with zipfile.ZipFile(opened) as packed:
                size = max(sum(part.file_size for part in packed.infolist()), _size_as_float32(packed))
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


def _size_as_float32(packed: zipfile.ZipFile) -> int:
    """Bytes of the vectors when they are float32, by their header: bytes and halves grow when they are converted."""
    if "vectors.npy" not in packed.namelist():
        return 0
    with packed.open("vectors.npy") as part:
        version = np.lib.format.read_magic(part)
        shape, _, _ = HEADERS[version](part)
    return 4 * math.prod(shape)


def _loaded(file: IO[bytes]) -> list[object]:
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return [arrays[name] if name in arrays.files else None for name in ("paths", "vectors")]
