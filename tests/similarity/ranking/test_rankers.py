"""The rankers that learn nothing, and what all have in common."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.features import Vector
from similarity.ranking.examples import TrainingError
from similarity.ranking.rankers import LEARNED, RANKERS, Ranker, make
from tests.similarity.ranking.examples import TWO_LABELS, noise, planted

EAST = np.array([1, 0], np.float32)
PLANE = np.array([[1, 0], [3, 4], [0, 1], [-1, 0], [4, -3]], np.float32)


def fitted(name: str, *, seed: int = 0, dimensions: int = 8) -> Ranker:
    ranker = make(name, seed=seed)
    ranker.fit(planted(TWO_LABELS, dimensions=dimensions), TWO_LABELS)
    return ranker


def test_cosines_worked_by_hand() -> None:
    assert make("cosine").rank(EAST, PLANE).tolist() == pytest.approx([1, 0.6, 0, -1, 0.8])


def test_distances_worked_by_hand() -> None:
    assert make("l2").rank(EAST, PLANE) == pytest.approx([0, -(20**0.5), -(2**0.5), -2, -(18**0.5)])


@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_has_its_name_and_gives_each_candidate_a_number(name: str) -> None:
    ranker = fitted(name)
    assert ranker.name == name
    scores = ranker.rank(noise(1, dimensions=8)[0], noise(7, seed=1, dimensions=8))
    assert scores.shape == (7,)
    assert scores.dtype == np.float64
    assert ranker.rank(noise(1, dimensions=8)[0], noise(0, dimensions=8)).shape == (0,)


@pytest.mark.parametrize("name", RANKERS)
@given(seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_where_a_candidate_stands_and_beside_which_changes_nothing(name: str, seed: int, count: int) -> None:
    ranker, query = FITTED[name], noise(1, seed=seed, dimensions=8)[0]
    candidates = noise(count, seed=seed + 1, dimensions=8)
    scores = ranker.rank(query, candidates)
    order = np.random.default_rng(seed).permutation(count)
    assert ranker.rank(query, candidates[order]).tolist() == scores[order].tolist()
    assert ranker.rank(query, candidates[:1]).tolist() == scores[:1].tolist()
    copies = ranker.rank(query, np.repeat(candidates[:1], 9, axis=0))
    assert copies.tolist() == [scores[0]] * 9


FITTED = {name: fitted(name) for name in RANKERS}


@pytest.mark.parametrize("name", sorted(set(RANKERS) - {"random"}))
def test_nothing_is_more_alike_than_the_query_itself(name: str) -> None:
    candidates = noise(50, dimensions=8)
    for query in candidates[:10]:
        scores = FITTED[name].rank(query, np.concatenate([candidates, query[np.newaxis]]))
        assert scores.max() == scores[-1]


def test_chance_is_the_same_again_and_another_with_another_seed() -> None:
    query, candidates = noise(1)[0], noise(60, seed=1)
    scores = make("random", seed=5).rank(query, candidates)
    assert make("random", seed=5).rank(query, candidates).tolist() == scores.tolist()
    assert len({*scores}) == 60
    assert make("random", seed=6).rank(query, candidates).argsort().tolist() != scores.argsort().tolist()
    assert make("random", seed=5).rank(candidates[0], candidates).argsort().tolist() != scores.argsort().tolist()


def test_chance_prefers_no_place_and_nothing_that_is_near() -> None:
    vectors = noise(40)
    ranks = np.array([(-make("random").rank(query, vectors)).argsort().argsort() for query in noise(400, seed=1)])
    # A mean of 400 ranks from 0 to 39 errs by .58; four of that are exceeded by one of 40 places once in 400 runs.
    assert np.abs(ranks.mean(axis=0) - 19.5).max() < 4 * 0.58
    own = [(-make("random").rank(query, vectors)).argsort().tolist().index(n) for n, query in enumerate(vectors)]
    assert abs(np.mean(own) - 19.5) < 4 * 11.5 / 40**0.5


@pytest.mark.parametrize("name", LEARNED)
def test_the_order_of_the_examples_changes_nothing(name: str) -> None:
    vectors, query, candidates = planted(TWO_LABELS, dimensions=8), noise(1, dimensions=8)[0], noise(9, dimensions=8)
    scores = FITTED[name].rank(query, candidates)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(TWO_LABELS))
        ranker = make(name)
        ranker.fit(vectors[order], [TWO_LABELS[row] for row in order])
        assert ranker.rank(query, candidates).tolist() == scores.tolist()


@pytest.mark.parametrize("name", LEARNED)
def test_what_labels_are_called_changes_nothing_that_matters(name: str) -> None:
    ranker = make(name)
    ranker.fit(planted(TWO_LABELS, dimensions=8), [{"cat": "犬", "dog": "<b>"}[label] for label in TWO_LABELS])
    query, candidates = planted(["cat", "dog"] * 20, seed=1, dimensions=8)[0], planted(TWO_LABELS, dimensions=8)
    scores = ranker.rank(query, candidates)
    assert [row % 2 for row in (-scores).argsort()[:10]] == [0] * 10


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([], "no label has"),
        (["cat"], "no label has"),
        (["cat", "dog", "cow"], "no label has"),
        (["cat"] * 5, "only one label, 'cat', has"),
        (["cat"] * 5 + ["dog"], "only one label, 'cat', has"),
    ],
)
def test_two_labels_of_two_images_are_the_least(name: str, labels: list[str], why: str) -> None:
    ranker = make(name)
    with pytest.raises(TrainingError, match=why):
        ranker.fit(noise(len(labels), dimensions=8), labels)
    with pytest.raises(ValueError, match="was not fitted"):
        ranker.rank(noise(1)[0], noise(2))
    ranker.fit(noise(4, dimensions=8), ["cat", "dog", "dog", "cat"])


@pytest.mark.parametrize("name", LEARNED)
def test_a_label_of_one_image_teaches_nothing(name: str) -> None:
    vectors: Vector = np.concatenate([planted(TWO_LABELS, dimensions=8), noise(1, dimensions=8)])
    ranker = make(name)
    ranker.fit(vectors, [*TWO_LABELS, "alone"])
    for query, candidates in itertools.product(noise(3, dimensions=8), [noise(5, seed=1, dimensions=8)]):
        assert ranker.rank(query, candidates).tolist() == FITTED[name].rank(query, candidates).tolist()


def test_a_name_that_no_ranker_has() -> None:
    with pytest.raises(KeyError):
        make("magic")
