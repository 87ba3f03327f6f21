"""Figures and gains worked by hand."""

import math

import numpy as np
import pytest

from similarity.evaluation.measure import Measured, figures, gain, measure
from similarity.measures.retrieval import Retrieval
from similarity.measures.sets import comparative_sets
from tests.similarity.evaluation.rankers import Constant, Nearest, line


def measured(ranks: list[float], precisions: list[float]) -> Measured:
    recalls = np.array([[0, 1, 1]] * len(precisions), float)
    rows = np.arange(len(precisions))
    return Measured(np.array(ranks), Retrieval(0, 0, 0, 0, {}, rows, np.array(precisions), recalls))


def test_figures_are_means_over_queries_with_their_errors() -> None:
    found = figures(measured([1, 2, 2, 7], [0.5, 1]))
    assert (found.sets, found.mean_rank, found.median_rank) == (4, 3, 2)
    assert found.mean_rank_error == pytest.approx(1.96 * math.sqrt((4 + 1 + 1 + 16) / 3) / 2)
    assert found.top_n[:7] == (0.25, 0.75, 0.75, 0.75, 0.75, 0.75, 1)
    assert (found.queries, found.mean_average_precision) == (2, 0.75)
    assert found.mean_average_precision_error == pytest.approx(1.96 * 0.25)
    assert (found.recall_at_1, found.recall_at_5) == (0, 1)


def test_figures_of_a_part_are_of_that_part() -> None:
    found = figures(measured([1, 2, 2, 7], [0.5, 1]), np.array([0, 0, 0, 1], bool), np.array([0, 1], bool))
    assert (found.sets, found.mean_rank, found.mean_rank_error) == (1, 7, 0)
    assert (found.queries, found.mean_average_precision, found.mean_average_precision_error) == (1, 1, 0)


def test_a_gain_is_counted_query_by_query_and_positive_when_better() -> None:
    more = gain(measured([1, 4], [0.6, 0.9]), than=measured([2, 9], [0.5, 0.8]))
    assert more.mean_average_precision == pytest.approx(0.1)
    assert more.mean_average_precision_error == pytest.approx(0)  # both gained the same, however far apart they are
    assert more.mean_rank == 3
    assert more.mean_rank_error == pytest.approx(1.96 * 2)


def test_who_finds_the_label_is_measured_as_perfect_and_who_finds_all_alike_as_chance() -> None:
    labels = [label for label in "abcdefgh" for _ in range(10)]
    places, sets = line(*map(ord, labels)), comparative_sets(labels)
    perfect, chance = (figures(measure(ranker, places, labels, sets)) for ranker in (Nearest(), Constant()))
    assert (perfect.mean_average_precision, perfect.mean_rank, perfect.recall_at_1) == (1, 1, 1)
    assert (chance.mean_rank, chance.median_rank) == (26, 26)
    assert chance.mean_average_precision < 0.2
    assert chance.recall_at_1 == pytest.approx(9 / 79)
