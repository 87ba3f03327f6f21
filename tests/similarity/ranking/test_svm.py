"""The SVM-weighted distance."""

import numpy as np
import pytest

from shared.features import Vector
from similarity.ranking import svm
from similarity.ranking.examples import examples
from similarity.ranking.svm import SvmRanker
from tests.similarity.ranking.examples import TWO_LABELS, noise, planted


def weights(vectors: Vector, labels: list[str], seed: int = 0) -> Vector:
    ranker = SvmRanker(seed=seed)
    ranker.fit(vectors, labels)
    return ranker.parameters["weights"]


def test_weighted_distances_worked_by_hand() -> None:
    ranker = SvmRanker({"weights": np.array([4, 0.25], np.float32)})
    candidates = np.array([[0, 0], [1, 0], [0, 2], [-1, 2]], np.float32)
    assert ranker.rank(np.zeros(2, np.float32), candidates).tolist() == [0, -4, -1, -5]
    assert ranker.rank(np.array([1, 2], np.float32), candidates).tolist() == [-5, -1, -4, -16]


def test_dimensions_that_tell_labels_apart_weigh_most() -> None:
    found = weights(planted(TWO_LABELS, dimensions=8), TWO_LABELS)
    assert set(found.argsort()[-2:]) == {0, 1}
    assert found[:2].min() > 3 * found[2:].max()


def test_no_difference_makes_images_more_alike() -> None:
    # The last number always differs within a label, and only half the time elsewhere: its weight would be below 0.
    labels = [f"{n // 2}" for n in range(16)]
    vectors = planted(labels, dimensions=9)
    vectors[:, 8] = np.tile([3, -3], 8)
    found = weights(vectors, labels)
    assert found[8] == 0
    assert found.min() >= 0


def test_a_seed_draws_the_same_pairs_again_and_another_one_others() -> None:
    labels = [f"{n % 8}" for n in range(80)]
    vectors = planted(labels)
    found = weights(vectors, labels)
    assert weights(vectors, labels).tolist() == found.tolist()
    assert weights(vectors, labels, seed=1).tolist() != found.tolist()


def test_however_many_labels_there_are_the_pairs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm, "MOST_SETS", 10)
    vectors = noise(120, dimensions=8)
    for labels in (2, 30):
        differences, alike = svm._pairs(examples(vectors, [f"{n % labels}" for n in range(120)]), 0)
        assert differences.shape == (10 * 51, 8)
        assert alike.sum() == 10


def test_parameters_that_are_none_are_refused() -> None:
    for wrong in (np.zeros((2, 2), np.float32), np.array([np.nan, 1], np.float32), np.array([-1, 1], np.float32)):
        with pytest.raises(ValueError, match=r"must be numbers from 0, \[d\]"):
            SvmRanker({"weights": wrong})
