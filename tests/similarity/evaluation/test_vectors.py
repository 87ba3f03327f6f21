"""Files of other models' vectors: what is read, and what is refused with a reason."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.features import Vector
from similarity.evaluation import vectors as module
from similarity.evaluation.vectors import VectorsError, in_common, read_vectors


def saved(file: Path, **arrays: Any) -> Path:
    np.savez(file, **arrays)
    return file


def test_vectors_come_back_by_path_whatever_numbers_they_were(tmp_path: Path) -> None:
    for kind in (np.float64, np.float16, np.int8):
        file = saved(tmp_path / "v.npz", paths=["a/1.jpg", "b/ü.jpg"], vectors=np.array([[1, 2], [3, 4]], kind))
        found = read_vectors(file)
        assert {path: row.tolist() for path, row in found.items()} == {"a/1.jpg": [1, 2], "b/ü.jpg": [3, 4]}
        assert {row.dtype for row in found.values()} == {np.dtype(np.float32)}


GOOD: dict[str, Any] = {"paths": ["a", "b"], "vectors": np.ones((2, 3))}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"vectors": GOOD["vectors"]}, "no arrays 'paths' and 'vectors'"),
        ({"paths": GOOD["paths"]}, "no arrays 'paths' and 'vectors'"),
        ({**GOOD, "paths": [1, 2]}, "array of texts, not of int64"),
        ({**GOOD, "paths": [["a", "b"]]}, r"array of texts, not of <U1 \[1, 2\]"),
        ({**GOOD, "paths": ["a"]}, "there are 1 paths, but 2 vectors"),
        ({**GOOD, "paths": ["a", "a"]}, "a path is there twice"),
        ({"paths": np.empty(0, "U1"), "vectors": np.ones((0, 3))}, "there are no vectors in it"),
        ({**GOOD, "vectors": np.ones(2)}, r"numbers \[n, d\], not float64 \[2\]"),
        ({**GOOD, "vectors": np.ones((2, 0))}, r"numbers \[n, d\], not float64 \[2, 0\]"),
        ({**GOOD, "vectors": [["x"], ["y"]]}, r"numbers \[n, d\], not <U1"),
        ({**GOOD, "vectors": [[1, 2], [0, 0]]}, "vector of 'b' has no direction"),
        ({**GOOD, "vectors": [[np.nan, 2], [0, 1]]}, "vector of 'a' has no direction"),
        ({**GOOD, "vectors": [[1e300, 2], [0, 1]]}, "vector of 'a' has no direction"),
        ({**GOOD, "paths": np.array(["a", None], object)}, "no NumPy file of plain arrays"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(VectorsError, match=said):
        read_vectors(saved(tmp_path / "v.npz", **arrays))


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (pytest.fail, ("a pickle was loaded",))


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    file = tmp_path / "v.npz"
    file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(VectorsError, match="no NumPy file of plain arrays"):
        read_vectors(file)
    saved(file, paths=np.array([Bomb()], object), vectors=np.ones((1, 2)))
    with pytest.raises(VectorsError, match="no NumPy file of plain arrays"):
        read_vectors(file)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.npz", **GOOD).read_bytes()
    file = tmp_path / "v.npz"
    no_array = io.BytesIO()
    with zipfile.ZipFile(no_array, "w") as packed:
        packed.writestr("paths", "a")
        packed.writestr("vectors.npy", b"nothing")
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w") as packed:
        # A header that promises 8 EB.
        packed.writestr("vectors.npy", good_header((10**9, 10**9)))
        packed.writestr("paths.npy", good_header((1,)))
    changed = [good[:n] + b"\xff" + good[n + 1 :] for n in range(0, len(good), 7)]
    for content in [b"", b"PK", b"no zip", good[:100], no_array.getvalue(), lying.getvalue(), *changed]:
        file.write_bytes(content)
        try:
            assert read_vectors(file)  # where a byte was changed that says nothing
        except VectorsError as error:
            assert str(file) in str(error)  # noqa: PT017 - either way is right


def good_header(shape: tuple[int, ...]) -> bytes:
    target = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(target, header)
    return target.getvalue()


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "v.npz"
    np.savez_compressed(file, **{**GOOD, "vectors": np.ones((1000, 1000))})
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(np, "load", pytest.fail)
    with pytest.raises(VectorsError, match=r"its arrays take 0\.0 GB, more than 0\.001"):
        read_vectors(file)


def test_bytes_that_grow_to_too_much_as_float32_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "v.npz"
    np.savez_compressed(file, **{**GOOD, "vectors": np.ones((1000, 500), np.uint8)})
    monkeypatch.setattr(module, "MAX_BYTES", 2_000_000)
    with pytest.raises(VectorsError, match="there are 2 paths, but 1,000 vectors"):
        read_vectors(file)
    monkeypatch.setattr(module, "MAX_BYTES", 1_999_999)
    monkeypatch.setattr(np, "load", pytest.fail)
    with pytest.raises(VectorsError, match=r"its arrays take 0\.0 GB, more than 0\.002"):
        read_vectors(file)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "none.npz")


def row(*numbers: float) -> Vector:
    return np.array(numbers, np.float32)


def test_models_are_compared_on_the_images_that_all_know() -> None:
    mine = np.arange(8, dtype=np.float32).reshape(4, 2)
    one = {"a": row(9), "b": row(8), "d": row(7)}
    other = {path: row(n, n, n) for n, path in enumerate("dcbxyz")}
    found = in_common(list("abcd"), mine, "mine", {"one": one, "other": other})
    assert found.rows == [1, 3]
    assert {name: rows.tolist() for name, rows in found.models.items()} == {
        "mine": [[2, 3], [6, 7]],
        "one": [[8], [7]],
        "other": [[2, 2, 2], [0, 0, 0]],
    }
    assert found.lacking == {"one": ["c"], "other": ["a"]}


def test_models_with_no_image_in_common_say_how_they_call_them() -> None:
    mine = np.ones((2, 2), np.float32)
    some, others = {"a/1": row(1)}, {"a/2": row(1)}
    with pytest.raises(
        VectorsError, match="model two has a vector of none of the 2 images: it calls them 'x/a/1', and"
    ):
        in_common(["a/1", "a/2"], mine, "mine", {"one": some, "two": {"x/a/1": row(1)}})
    with pytest.raises(VectorsError, match="Of the 2 images there is none that each of the models one, two has"):
        in_common(["a/1", "a/2"], mine, "mine", {"one": some, "two": others})
