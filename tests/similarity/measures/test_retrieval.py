"""Average precision and recall, by hand and against every order of what is equally alike."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity.measures.retrieval import Retrieval, retrieval
from tests.similarity.evaluation.rankers import Constant, Nearest, line


def same(one: Retrieval, other: Retrieval) -> bool:
    return np.allclose(one[:4], other[:4]) and one.per_label == pytest.approx(other.per_label)


def test_figures_worked_by_hand() -> None:
    # 0 finds a b b a: hits at 1 and 4. 1 finds a b b a. 4 finds b b a a: hits at 3 and 4.
    # The two of b find each other first, or an image of a.
    found = retrieval(Nearest(), line(0, 1, 2.5, 3.75, 6), ["a", "a", "b", "b", "a"])
    by_hand = [(1 + 2 / 4) / 2, (1 + 2 / 4) / 2, 1, 1, (1 / 3 + 2 / 4) / 2]
    assert found.average_precisions.tolist() == pytest.approx(by_hand)
    assert found.queries.tolist() == [0, 1, 2, 3, 4]
    assert found.mean_average_precision == pytest.approx(np.mean(by_hand))
    assert (found.recall_at_1, found.recall_at_5, found.recall_at_10) == (0.8, 1, 1)
    assert found.per_label == pytest.approx({"a": np.mean([by_hand[n] for n in (0, 1, 4)]), "b": 1})


def test_an_image_alone_of_its_label_is_in_the_way_but_asks_nothing() -> None:
    found = retrieval(Nearest(), line(0, 1, 3), ["a", "alone", "a"])
    assert found.queries.tolist() == [0, 2]
    assert found.average_precisions.tolist() == [0.5, 0.5]
    assert set(found.per_label) == {"a"}


@given(scores=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_each_figure_is_its_mean_over_all_orders_of_what_is_equally_alike(scores: list[tuple[int, bool]]) -> None:
    if not any(hit for _, hit in scores):
        return
    # The one query that counts is at 0; others are queries too, so its figures are looked at alone.
    found = retrieval(
        Nearest(), line(0, *(score for score, _ in scores)), ["a", *("a" if h else "b" for _, h in scores)]
    )
    precisions = []
    for order in permutations(scores):
        if [score for score, _ in order] == sorted(score for score, _ in scores):
            places = [place for place, (_, hit) in enumerate(order, 1) if hit]
            precisions.append(np.mean([n / place for n, place in enumerate(places, 1)]))
    assert found.average_precisions[0] == pytest.approx(np.mean(precisions))


@given(hits=st.integers(1, 6), misses=st.integers(0, 12))
def test_who_finds_all_images_alike_has_the_recall_of_a_draw(hits: int, misses: int) -> None:
    labels = ["a"] * (hits + 1) + [f"b{n}" for n in range(misses)]
    found = retrieval(Constant(), line(*range(len(labels))), labels)
    for recall, first in zip(found[1:4], (1, 5, 10), strict=True):
        missed = [np.prod([(misses - n) / (hits + misses - n) for n in range(min(first, hits + misses))])]
        assert recall == pytest.approx(1 - max(0, missed[0]))


def test_a_constant_embedding_does_not_look_good_however_images_are_sorted() -> None:
    labels = [label for label in "abcdefghij" for _ in range(10)]
    found = retrieval(Constant(), line(*range(100)), labels)
    assert found.recall_at_1 == pytest.approx(9 / 99)
    assert 0.09 < found.mean_average_precision < 0.16  # at random: a little above the share of hits


@given(seed=st.integers(0, 99), count=st.integers(4, 20))
def test_the_order_of_the_images_changes_nothing(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    places, labels = random.integers(0, 6, count), random.choice(["a", "b"], count)
    order = random.permutation(count)
    one = retrieval(Nearest(), line(*places), labels.tolist())
    assert same(one, retrieval(Nearest(), line(*places[order]), labels[order].tolist()))


def test_recall_counts_the_first_candidates_only() -> None:
    places = line(0, *range(1, 12), 12)  # the other of "a" is the twelfth for the first
    found = retrieval(Nearest(), places, ["a", *"bcdefghijkl", "a"])
    assert (found.recall_at_1, found.recall_at_5, found.recall_at_10) == (0, 0, 0)
    nearer = retrieval(Nearest(), line(0, *range(1, 10), 9.5), ["a", *"bcdefghij", "a"])
    assert nearer.recall_at_10 == 1
    assert nearer.recall_at_5 == 0


def test_without_a_label_of_two_images_there_is_nothing_to_find() -> None:
    with pytest.raises(ValueError, match="a label with two images"):
        retrieval(Nearest(), line(0, 1), ["a", "b"])
