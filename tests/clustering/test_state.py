"""What a collection's clustering stands at."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from clustering.state import State, StateTooLongError, change_state, read_state
from shared.fits import NOISE
from tests.conftest import Stores

FULL = State(
    fit="fit-2",
    next_id=12,
    labels={3: ("книга", "<b>"), 11: ('"quoted"',)},
    merged={7: 3},
    begun={"fit-2": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)},
)


def test_a_collection_that_was_never_fitted_has_an_empty_state(stores: Stores) -> None:
    assert read_state("c", stores.features) == State()


def test_a_state_comes_back_as_it_was_and_each_collection_has_its_own(stores: Stores) -> None:
    assert change_state("c", stores.features, lambda _before: FULL) == FULL
    assert read_state("c", stores.features) == FULL
    assert read_state("d", stores.features) == State()


def test_people_see_a_merged_cluster_as_the_other_and_noise_without_words() -> None:
    assert [FULL.shown(cluster) for cluster in (7, 3, 5, NOISE)] == [3, 3, 5, NOISE]
    assert FULL.words(7) == FULL.words(3) == ("книга", "<b>")
    assert FULL.words(5) == FULL.words(NOISE) == ()
    assert replace(FULL, labels={NOISE: ("never",)}).words(NOISE) == ()


def test_what_another_changed_meanwhile_is_changed_once_more(stores: Stores) -> None:
    seen = []

    def change(state: State) -> State:
        seen.append(state.next_id)
        if len(seen) == 1:
            change_state("c", stores.features, lambda other: replace(other, next_id=5, fit="theirs"))
        return replace(state, next_id=state.next_id + 1)

    assert change_state("c", stores.features, change) == State(fit="theirs", next_id=6)
    assert seen == [0, 5]
    assert read_state("c", stores.features).next_id == 6


def test_many_who_change_it_at_once_lose_nothing(stores: Stores) -> None:
    def count(_: int) -> None:
        change_state("c", stores.features, lambda state: replace(state, next_id=state.next_id + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    assert read_state("c", stores.features).next_id == 20


def test_a_change_that_raises_changes_nothing(stores: Stores) -> None:
    change_state("c", stores.features, lambda _before: FULL)

    def change(_state: State) -> State:
        raise LookupError

    with pytest.raises(LookupError):
        change_state("c", stores.features, change)
    assert read_state("c", stores.features) == FULL


def test_more_text_than_a_store_takes_is_refused(stores: Stores) -> None:
    kept = change_state("c", stores.features, lambda _before: FULL)
    # Cosmos DB gets 6 bytes for each character beyond ASCII.
    for character, count, refused in (("a", 1_400_000, False), ("a", 1_600_000, True), ("я", 740_000, True)):
        wanted = replace(FULL, labels={1: (character * count,)})

        def change(_before: State, wanted: State = wanted) -> State:
            return wanted

        if refused:
            with pytest.raises(StateTooLongError, match="more labels than a collection can keep"):
                change_state("c", stores.features, change)
        else:
            kept = change_state("c", stores.features, change)
        assert read_state("c", stores.features) == kept
