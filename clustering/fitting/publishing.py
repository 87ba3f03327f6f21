"""How a fit comes into force in one step, and how nothing stays of one that does not.

A fit is announced in the collection's state before anything of it is written, so what a killed one left is found. What
is dropped is first condemned there: after that nobody can publish it, not even a request that is still under way.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from clustering.fits import forget_fit
from clustering.state import State, change_state
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


def publish(fit: str, next_id: int, follows: str | None, collection: str, features: FeatureStore) -> None:
    """Put a fit in force, all of which is written.

    Args:
        fit: Its id, by `begin`.
        next_id: The first cluster id that was never used.
        follows: The fit whose clusters it took over; that must still be in force.
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
        begun = state.begun if state.fit is None else {**state.begun, state.fit: datetime.now(UTC)}
        return replace(state, fit=fit, next_id=next_id, begun=begun)

    change_state(collection, features, change)


def discard(fit: str, collection: str, features: FeatureStore, fits: FitStore) -> None:
    """Drop what was written of a fit, unless it is in force after all. Raises StoreBusy."""
    _drop(lambda one, _begun: one == fit, collection, features, fits)


def _drop(chosen: Callable[[str, datetime], bool], collection: str, features: FeatureStore, fits: FitStore) -> None:
    def condemn(state: State) -> State:
        doomed = [fit for fit, begun in state.begun.items() if fit != state.fit and chosen(fit, begun)]
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
