import contextlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.migrate.pickles import PickleError, image_paths

PATHS = ["../data/mountain_dog1.jpg", "../data/b c/hund é 犬.PNG", "data\\c.jpeg"]
PLAIN = ["../data/mountain_dog1.jpg", "../data/b c/hund é 犬.PNG", "data/c.jpeg"]
FEATURES = np.random.default_rng(1).random((3, 2048), np.float32)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "content",
    [
        dict(zip(PATHS, FEATURES, strict=True)),
        [PATHS, FEATURES],
        {"filenames": np.array(PATHS), "features": FEATURES},
        {"filenames": np.array(PATHS, dtype=object), "features": list(FEATURES), "model": "ResNet50", "n": 3},
        list(zip(FEATURES, PATHS, strict=True)),
    ],
    ids=["dict", "two lists", "array of text", "array of objects", "pairs"],
)
def test_the_paths_are_found_whatever_the_shape(protocol: int, content: object) -> None:
    assert image_paths(pickle.dumps(content, protocol)) == PLAIN


def test_nothing_in_it_is_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "executed.jpg",))  # type: ignore[return-value]  # pickle takes any arguments

    assert image_paths(pickle.dumps([Evil(), "a.jpg"]))[-1] == "a.jpg"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x05", pickle.dumps(PATHS)[:-1], b"\x80\x04\x8e" + b"\xff" * 8])
def test_what_is_no_whole_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(PickleError):
        image_paths(data)


GOOD = pickle.dumps({"filenames": np.array(PATHS), "features": FEATURES[:, :4]})


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_damaged_one_is_read_or_refused(position: int, byte: int) -> None:
    with contextlib.suppress(PickleError):
        image_paths(GOOD[:position] + bytes([byte]) + GOOD[position + 1 :])
