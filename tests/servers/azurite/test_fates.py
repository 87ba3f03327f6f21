"""What becomes of events: by shares, by seed, and nothing twice."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.azurite.fates import Fate, fate

SHARES = st.floats(0, 1)
NONE = {"duplicate": 0.0, "reorder": 0.0, "delay": 0.0, "drop": 0.0}


@given(st.integers(), st.integers(1, 1000), SHARES, SHARES, SHARES, SHARES)
def test_a_seed_repeats_them(
    seed: int, number: int, duplicate: float, reorder: float, delay: float, drop: float
) -> None:
    once, twice = (fate(seed, number, duplicate=duplicate, reorder=reorder, delay=delay, drop=drop) for _ in range(2))
    assert once == twice
    assert sum((once.dropped, once.delayed, once.behind > 0)) <= 1
    assert not (once.dropped and once.again_behind)
    assert 0 <= once.behind <= 10
    assert 0 <= once.again_behind <= 10


def test_seeds_and_numbers_differ() -> None:
    def fates(seed: int) -> list[Fate]:
        return [fate(seed, number, **NONE | {"drop": 0.5}) for number in range(100)]

    assert fates(1) != fates(2)
    assert fates(1)[1:] != fates(1)[:-1]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("knob", NONE)
def test_each_share_is_kept(knob: str, share: float) -> None:
    fates = [fate(0, number, **NONE | {knob: share}) for number in range(1000)]
    hit = {
        "duplicate": [one.again_behind > 0 for one in fates],
        "reorder": [one.behind > 0 for one in fates],
        "delay": [one.delayed for one in fates],
        "drop": [one.dropped for one in fates],
    }
    # Four standard deviations of so many draws.
    assert sum(hit.pop(knob)) / 1000 == pytest.approx(share, abs=4 * (share * (1 - share) / 1000) ** 0.5)
    assert not any(any(others) for others in hit.values())


@pytest.mark.parametrize("behind", ["behind", "again_behind"])
def test_all_distances_from_1_to_10_occur(behind: str) -> None:
    every = partial(fate, 0, duplicate=1, reorder=1, delay=0, drop=0)
    assert {getattr(every(number), behind) for number in range(200)} == set(range(1, 11))


@given(st.integers(), st.integers(1, 1000), SHARES, SHARES)
def test_what_is_doubled_does_not_depend_on_what_is_held_back(
    seed: int, number: int, duplicate: float, reorder: float
) -> None:
    alone = fate(seed, number, **NONE | {"duplicate": duplicate})
    together = fate(seed, number, **NONE | {"duplicate": duplicate, "reorder": reorder})
    assert alone.again_behind == together.again_behind
