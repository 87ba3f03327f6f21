"""Which cluster is which after a refit."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustering.fitting.matching import Followed, follow
from shared.fits import NOISE

groupings = st.lists(st.lists(st.integers(NOISE, 5), min_size=30, max_size=30), min_size=1, max_size=6)
PATHS = [f"c/{n:02}" for n in range(30)]


def refit(before: str, after: str, next_id: int = 10) -> Followed:
    """One character an image: before, a cluster's id; after, a group's label; "." is noise, a space is not there."""
    former = {f"c/{n}": int(sign) for n, sign in enumerate(before) if sign not in ". "}
    now = [(f"c/{n}", NOISE if sign == "." else int(sign)) for n, sign in enumerate(after) if sign != " "]
    return follow(former, [path for path, _ in now], np.array([label for _, label in now], np.int64), next_id)


def test_a_group_is_the_cluster_it_shares_most_images_with() -> None:
    found = refit("7777333", "0001111")
    assert found.ids == [7, 3]
    assert found.next_id == 10
    assert (found.changes.new, found.changes.gone) == ([], [])


def test_labels_in_another_order_change_no_id() -> None:
    assert refit("55556666", "11110000").ids == [6, 5]


def test_images_that_came_or_went_do_not_count() -> None:
    # Of cluster 1 there were more images, but only one of them is in the group.
    assert refit("2.2..11111", "000000    ").ids == [2]
    assert refit("22      ", "00000000").ids == [2]


def test_what_is_left_over_is_new_and_takes_numbers_that_were_never_used() -> None:
    found = refit("44....", "112200", next_id=9)
    assert found.ids == [9, 4, 10]
    assert found.next_id == 11
    assert found.changes.new == [9, 10]


def test_of_a_split_the_larger_part_keeps_the_id() -> None:
    found = refit("3333333", "1111000")
    assert found.ids == [10, 3]
    assert found.changes.splits == {3: [3, 10]}
    assert found.changes.new == [10]
    assert found.changes.merges == {}


def test_of_a_merge_the_larger_one_gives_the_id_and_the_other_is_gone() -> None:
    found = refit("1122222", "0000000")
    assert found.ids == [2]
    assert found.changes.merges == {2: [1, 2]}
    assert found.changes.gone == [1]
    assert found.changes.splits == {}


def test_the_largest_overlap_of_all_comes_first() -> None:
    # Group 0 shares four with cluster 1, but cluster 1 shares five with group 1: group 0 takes what is left.
    found = refit("1111111112", "0000111110")
    assert found.ids == [2, 1]
    assert found.changes.splits == {1: [1, 2]}
    assert found.changes.merges == {2: [1, 2]}


def test_equal_overlaps_go_by_the_lower_id_and_then_the_lower_label() -> None:
    assert refit("1122", "0000").ids == [1]
    assert refit("1111", "0011").ids == [1, 10]


def test_fewer_than_a_tenth_that_change_sides_are_no_split() -> None:
    before = "1" * 21 + "2" * 5
    assert refit(before, "0" * 19 + "11" + "1" * 5).changes.splits == {}  # 2 of 21
    found = refit(before, "0" * 18 + "111" + "1" * 5)  # 3 of 21
    assert found.changes.splits == {1: [1, 2]}
    assert found.changes.merges == {2: [1, 2]}


def test_the_tenth_is_of_all_images_that_are_still_there() -> None:
    before, new = "1" * 25 + " " * 5, "1" * 5
    assert refit(before, "0" * 9 + "1" * 3 + "." * 13 + new).changes.splits == {1: [1, 10]}  # 3 of 25
    assert refit(before, "0" * 9 + "1" * 2 + "." * 14 + new).changes.splits == {}  # 2 of 25, and 2 of 7


def test_a_cluster_that_shrinks_to_less_than_a_tenth_keeps_its_id() -> None:
    assert refit("1" * 25, "00" + "." * 23).ids == [1]


def test_a_stray_image_carries_no_name_to_others() -> None:
    found = refit("1" * 99 + "1" + " " * 9, "0" * 99 + "1" * 10)
    assert found.ids == [1, 10]
    assert refit("1" * 99 + "1" + " " * 9, "." * 99 + "0" * 10).ids == [10]


def test_a_remembered_cluster_comes_back() -> None:
    paths, labels = list("abcdef"), np.array([0, 0, 0, 1, 1, 1], np.int64)
    lost = dict.fromkeys("def", 7)
    assert follow({}, paths, labels, 10, remembered=lost).ids == [10, 7]
    # One cluster of all has swallowed it; when it falls apart again, both have their names.
    found = follow(dict.fromkeys("abcdef", 3), paths, labels, 10, remembered=lost)
    assert found.ids == [3, 7]
    assert found.changes.splits == {3: [3, 7]}


def test_a_fit_that_finds_nothing_and_the_first_fit() -> None:
    nothing = refit("1122", "....")
    assert nothing.ids == []
    assert nothing.changes.gone == [1, 2]
    assert nothing.next_id == 10
    assert follow({}, [], np.array([], np.int64), 0) == Followed([], nothing.changes._replace(gone=[]), 0)
    assert refit("    ", "0011", next_id=0).ids == [0, 1]


@given(groupings)
def test_over_many_refits_an_id_that_is_gone_never_comes_back(fits: list[list[int]]) -> None:
    before: dict[str, int] = {}
    next_id, alive, dead = 0, set[int](), set[int]()
    for labels in fits:
        # A group that no image is in does not happen: labels are 0, 1, 2, …
        dense = np.unique([NOISE, *labels], return_inverse=True)[1][1:] - 1
        found = follow(before, PATHS, dense.astype(np.int64), next_id)
        ids = set(found.ids)
        assert len(ids) == len(found.ids) == dense.max(initial=-1) + 1
        assert not ids & dead
        assert ids - alive == set(found.changes.new) == set(range(next_id, found.next_id))
        assert alive - ids == set(found.changes.gone)
        assert set(found.changes.splits) <= alive
        assert set(found.changes.merges) <= ids
        dead |= alive - ids
        before = {path: found.ids[label] for path, label in zip(PATHS, dense, strict=True) if label != NOISE}
        alive, next_id = ids, found.next_id


@given(st.lists(st.integers(NOISE, 5), min_size=30, max_size=30))
def test_the_same_groups_again_keep_every_id(labels: list[int]) -> None:
    dense = (np.unique([NOISE, *labels], return_inverse=True)[1][1:] - 1).astype(np.int64)
    first = follow({}, PATHS, dense, 40)
    before = {path: first.ids[label] for path, label in zip(PATHS, dense, strict=True) if label != NOISE}
    order = np.random.default_rng(len(set(labels))).permutation(len(first.ids))
    turned = np.array([NOISE if label == NOISE else order[label] for label in dense], np.int64)
    again = follow(before, PATHS, turned, first.next_id)
    assert [again.ids[order[label]] for label in range(len(order))] == first.ids
    assert again.next_id == first.next_id
    assert not any(again.changes)


@given(groupings)
def test_a_cluster_that_most_of_a_group_comes_from_and_goes_to_is_that_group(fits: list[list[int]]) -> None:
    labels = np.array(fits[0], np.int64)
    before = {path: 20 + label for path, label in zip(PATHS, fits[-1], strict=True) if label != NOISE}
    found = follow(before, PATHS, labels, 30)
    for label, id_ in enumerate(found.ids):
        mine = [before.get(path) for path, other in zip(PATHS, fits[0], strict=True) if other == label]
        for former in set(before.values()):
            now = [other for path, other in zip(PATHS, fits[0], strict=True) if before.get(path) == former]
            if mine.count(former) * 2 > len(mine) and now.count(label) * 2 > len(now):
                assert id_ == former


def test_a_hundred_thousand_images_take_no_time() -> None:
    paths = [f"c/{n}" for n in range(100_000)]
    labels = np.arange(100_000) // 4
    before = {path: n // 5 for n, path in enumerate(paths)}
    start = time.process_time()
    assert len(follow(before, paths, labels, 20_000).ids) == 25_000
    assert time.process_time() - start < 5
