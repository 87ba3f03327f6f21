"""Two halves that rankers cannot learn anything about each other from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity.measures.split import numbered, rows_of, split

LABELS = st.lists(st.sampled_from(["fish", "cat", "a\0", "a", ""]), max_size=60)


@given(labels=LABELS, seed=st.integers(0, 9), train=st.floats(0.01, 0.99))
def test_each_label_is_in_both_parts_and_no_image_is(labels: list[str], seed: int, train: float) -> None:
    learned, measured = split(labels, train=train, seed=seed)
    assert not set(learned) & set(measured)
    for label in set(labels):
        count, here = labels.count(label), sum(labels[row] == label for row in learned)
        there = sum(labels[row] == label for row in measured)
        if count == 1:
            assert (here, there) == (0, 0)
        else:
            assert here + there == count
            assert here >= 1 <= there
            assert here == pytest.approx(train * count, abs=1 + len(set(labels)) / 2)
    assert list(learned) == sorted(learned)
    assert list(measured) == sorted(measured)


def test_of_odd_labels_every_other_half_is_larger_so_that_the_whole_is_halved() -> None:
    labels = ["a"] * 3 + ["b"] * 5 + ["c"] * 4 + ["d"] * 3 + ["alone"]
    learned, measured = split(labels)
    assert [[labels[row] for row in half].count(label) for half in (learned, measured) for label in "abcd"] == [
        *(1, 3, 2, 1),
        *(2, 2, 2, 2),
    ]


def test_a_share_is_that_of_each_label() -> None:
    learned, measured = split(["a"] * 10 + ["b"] * 20, train=0.3)
    assert (sum(learned < 10), sum(learned >= 10), len(measured)) == (3, 6, 21)


def test_a_seed_draws_the_same_halves_again_and_another_one_others() -> None:
    labels = ["fish", "cat"] * 20
    first, again, other = (split(labels, seed=seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


@given(labels=LABELS)
def test_images_of_a_label_are_those_with_its_number(labels: list[str]) -> None:
    numbers = numbered(labels)
    for label, rows in rows_of(labels).items():
        assert [labels[row] for row in rows] == [label] * labels.count(label)
        assert np.array_equal(np.flatnonzero(numbers == numbers[rows[0]]), rows)
