"""How a fit comes into force in one step, and how nothing stays of one that does not.

A fit is announced in the collection's state before anything of it is written, so what a killed one left is found. What
is dropped is first condemned there: after that nobody can publish it, not even a request that is still under way.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from clustering.fits import forget_fit
from clustering.state import State, change_state, read_state
from shared.features import FeatureStore
from shared.fits import FitStore

KEPT = timedelta(hours=1)
"""How long after it was begun or replaced a fit that is not in force is left alone: it may still run, or be read."""

_CONDEMNED = datetime.min.replace(tzinfo=UTC)


class FitSupersededError(Exception):
    """A fit cannot be published any more; the message says why."""


def begin(collection: str, features: FeatureStore, fits: FitStore) -> tuple[str, State]:
    """Announce a new fit, and drop what fits left that were begun more than an hour ago.

    Returns:
        The fit's id, and the state of the collection.

    Raises:
        StoreBusy: A store did not answer.
    """
    now = datetime.now(UTC)
    _drop(lambda _fit, begun: begun < now - KEPT, collection, features, fits)
    fit = f"{now:%Y%m%dt%H%M%S}-{secrets.token_hex(4)}"
    return fit, change_state(collection, features, lambda state: replace(state, begun={**state.begun, fit: now}))


def publish(
    fit: str,
    clusters: Collection[int],
    next_id: int,
    *,
    follows: str | None,
    former: Collection[int],
    collection: str,
    features: FeatureStore,
) -> None:
    """Put a fit in force, all of which is written.

    Args:
        fit: Its id, by `begin`.
        clusters: The clusters that it has.
        next_id: The first cluster id that was never used.
        follows: The fit whose clusters it took over; that must still be in force.
        former: The clusters of that one.
        collection: Where.
        features: Where the state is.

    Raises:
        FitSupersededError: It cannot be published.
        StoreBusy: The store did not answer. The fit may be in force nevertheless.
    """

    def change(state: State) -> State:
        if state.fit == fit:  # it was done at once, and only the answer got lost
            return state
        if state.fit != follows:
            raise FitSupersededError(
                "Another fit of the collection was published meanwhile. It stays in force; start again to replace it."
            )
        if state.begun.get(fit, _CONDEMNED) == _CONDEMNED:
            raise FitSupersededError("The fit took longer than an hour, and a later one has dropped it.")
        # Those who read the fit that is replaced have an hour from now to be done.
        begun = state.begun if follows is None else {**state.begun, follows: datetime.now(UTC)}
        last_in = {**state.remembered, **(dict.fromkeys(former, follows) if follows else {})}
        cared_for = {*state.labels, *state.merged, *state.merged.values()}
        missing = {cluster: fit for cluster, fit in last_in.items() if cluster in cared_for and cluster not in clusters}
        return replace(state, fit=fit, next_id=next_id, remembered=missing, begun=begun)

    change_state(collection, features, change)


def discard(fit: str, collection: str, features: FeatureStore, fits: FitStore) -> None:
    """Drop what was written of a fit, unless it is in force after all. Raises StoreBusy."""
    _drop(lambda one, _begun: one == fit, collection, features, fits)
    state = read_state(collection, features)
    if fit not in {state.fit, *state.begun}:  # a later fit has dropped it, but it went on writing
        fits.drop(fit)
        forget_fit(fit, features)


def _drop(chosen: Callable[[str, datetime], bool], collection: str, features: FeatureStore, fits: FitStore) -> None:
    def condemn(state: State) -> State:
        needed = {state.fit, *state.remembered.values()}
        doomed = [fit for fit, begun in state.begun.items() if fit not in needed and chosen(fit, begun)]
        return replace(state, begun={**state.begun, **dict.fromkeys(doomed, _CONDEMNED)}) if doomed else state

    # Those that another process condemned and could not drop are among them.
    state = change_state(collection, features, condemn)
    condemned = {fit for fit, begun in state.begun.items() if begun == _CONDEMNED}
    for fit in condemned:
        fits.drop(fit)
        forget_fit(fit, features)
    if condemned:
        change_state(
            collection,
            features,
            lambda state: replace(state, begun={fit: t for fit, t in state.begun.items() if fit not in condemned}),
        )
