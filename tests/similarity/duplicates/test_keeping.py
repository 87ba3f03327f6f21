"""Which images are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.features import Vector
from shared.vectors import cosines
from similarity.duplicates import keeping
from similarity.duplicates.keeping import keepers
from similarity.duplicates.rule import hash_distance, same_picture
from tests.clustering.small_fits import at
from tests.similarity.duplicates.collections import telling

SILENT = "0" * 16


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "TILE", 3)
    monkeypatch.setattr(keeping, "EXACT", 2)


def one_by_one(vectors: Vector, hashes: list[str], min_score: float, confirmed: set[tuple[int, int]]) -> list[int]:
    """As the rule reads: each image in turn is kept, unless one before it that is kept is the same picture."""
    owner: list[int] = []
    for j in range(len(vectors)):
        for i in range(j):
            same = same_picture(
                float(cosines(vectors[i], vectors[j])), hash_distance(hashes[i], hashes[j]), min_score=min_score
            )
            if owner[i] == i and (same or (i, j) in confirmed):
                owner.append(i)
                break
        else:
            owner.append(j)
    return owner


def test_nothing_is_chained() -> None:
    """20 degrees score .94, 40 score .77: each image is like the next, and the first and the third are not alike."""
    vectors = np.stack([at(angle) for angle in (0, 20, 40, 60, 80)])
    assert keepers(vectors, [SILENT] * 5, 0.87).tolist() == [0, 0, 2, 2, 4]
    in_another_order = vectors[[1, 0, 2, 3, 4]]
    assert keepers(in_another_order, [SILENT] * 5, 0.87).tolist() == [0, 0, 0, 3, 3]


def test_a_confirmed_pair_is_one_picture_whatever_the_rule_says() -> None:
    vectors = np.stack([at(angle) for angle in (0, 90, 180, 270)])
    assert keepers(vectors, [SILENT] * 4, 0.87, [(0, 2), (2, 3)]).tolist() == [0, 1, 0, 3]


@pytest.mark.usefixtures("small_tiles")
def test_copies_are_one_group_whatever_the_tile() -> None:
    vectors = np.repeat(np.stack([at(7), at(97)]), 5, axis=0)[[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]]
    assert keepers(vectors, [SILENT] * 10, 1.0).tolist() == [0, 1] * 5
    assert keepers(np.empty((0, 0), np.float32), [], 0.87).tolist() == []


@pytest.mark.usefixtures("small_tiles")
def test_a_score_is_compared_exactly() -> None:
    """Scores nearer to each other than float32 can tell."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((2, 256)).astype(np.float32)
    vectors[1] += 2 * vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    score = float(cosines(vectors[0], vectors[1]))
    assert keepers(vectors, [SILENT] * 2, score).tolist() == [0, 0]
    assert keepers(vectors, [SILENT] * 2, float(np.nextafter(score, 1))).tolist() == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 35), st.integers(0, 6)), max_size=14), st.data())
def test_it_is_what_going_through_them_one_by_one_gives(images: list[tuple[int, int]], data: st.DataObject) -> None:
    vectors = np.stack([at(10 * angle) for angle, _ in images]) if images else np.empty((0, 256), np.float32)
    hashes = [telling(number) if number else SILENT for _, number in images]
    pairs = [(i, j) for j in range(len(images)) for i in range(j)]
    confirmed = data.draw(st.sets(st.sampled_from(pairs), max_size=4)) if pairs else set()
    done: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "TILE", 4)
        owner = keepers(vectors, hashes, 0.87, sorted(confirmed), done.append)
    assert owner.tolist() == one_by_one(vectors, hashes, 0.87, confirmed)
    assert done == sorted(done)
    assert not images or done[-1] == 1
