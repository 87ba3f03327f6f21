"""Ranks and curves worked by hand, and what chance gives."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity.measures.ranks import positive_ranks, top_n_accuracy
from similarity.measures.sets import ComparativeSet, comparative_sets
from tests.similarity.evaluation.rankers import Chance, Constant, Nearest, line

LABELS = [label for label in "abcdefgh" for _ in range(60)]


def test_ranks_worked_by_hand() -> None:
    places = line(0, 3, 1, 2, 3, -3, 4, 5)
    sets = [
        ComparativeSet(0, 1, np.array([6, 7])),  # nearest: 1
        ComparativeSet(0, 1, np.array([2, 3, 6, 7])),  # behind 2 and 3
        ComparativeSet(0, 1, np.array([2, 4, 5, 6])),  # behind 2, and level with 4 and 5: ranks 2 to 4
        ComparativeSet(7, 0, np.array([1, 2, 3])),  # the last of four
    ]
    assert positive_ranks(Nearest(), places, sets).tolist() == [1, 3, 3, 4]


def test_one_tie_is_half_a_rank() -> None:
    sets = [ComparativeSet(0, 1, np.array([2, 3]))]
    assert positive_ranks(Nearest(), line(0, 1, -1, 7), sets).tolist() == [1.5]


def test_who_finds_all_images_alike_puts_every_positive_in_the_middle() -> None:
    ranks = positive_ranks(Constant(), line(*range(len(LABELS))), comparative_sets(LABELS))
    assert ranks.tolist() == [26] * len(LABELS)
    assert top_n_accuracy(ranks).tolist() == [0] * 25 + [1] * 7


def test_who_knows_the_labels_puts_every_positive_first() -> None:
    places = line(*(ord(label) for label in LABELS))
    ranks = positive_ranks(Nearest(), places, comparative_sets(LABELS))
    assert ranks.tolist() == [1] * len(LABELS)
    assert top_n_accuracy(ranks).tolist() == [1] * 32


def test_chance_is_within_its_confidence_interval_of_rank_26() -> None:
    sets = comparative_sets(LABELS)
    ranks = positive_ranks(Chance(), line(*range(len(LABELS))), sets)
    # Uniform on 1 … 51: a variance of (51² − 1) / 12. Four standard errors: one run in 16,000 would be outside.
    error = math.sqrt((51**2 - 1) / 12 / len(sets))
    assert abs(ranks.mean() - 26) < 4 * error < 3
    shares = np.arange(1, 33) / 51
    assert (np.abs(top_n_accuracy(ranks) - shares) < 4 * np.sqrt(shares * (1 - shares) / len(sets))).all()


def test_with_fewer_negatives_the_last_rank_is_one_more_than_they_are() -> None:
    sets = comparative_sets(["a"] * 4 + ["b"] * 6)
    assert [len(one.negatives) for one in sets] == [6] * 4 + [4] * 6
    assert positive_ranks(Constant(), line(*range(10)), sets).tolist() == [4] * 4 + [3] * 6


@given(scores=st.lists(st.integers(0, 5), min_size=2, max_size=20))
def test_a_rank_is_the_mean_over_all_orders_of_equally_alike_candidates(scores: list[int]) -> None:
    sets = [ComparativeSet(0, 1, np.arange(2, len(scores) + 1))]
    (rank,) = positive_ranks(Nearest(), line(0, *scores), sets)
    better, equal = sum(score < scores[0] for score in scores), scores.count(scores[0])
    assert rank == np.mean([better + place for place in range(1, equal + 1)])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_ranker_that_gives_no_number_is_not_the_best_of_all(value: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        positive_ranks(Constant(value), line(0, 1, 2), [ComparativeSet(0, 1, np.array([2]))])


def test_a_curve_worked_by_hand() -> None:
    assert top_n_accuracy(np.array([1, 1.5, 3, 40]), 4).tolist() == [0.25, 0.5, 0.75, 0.75]
