"""What a collection's clustering stands at: which fit is in force, and what people call its clusters.

It is one short text in the feature store, replaced as a whole and only when nobody else has replaced it meanwhile. So a
new fit takes over in one step, and two people who name clusters at the same time lose nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from shared.features import FeatureStore
from shared.fits import NOISE
from shared.texts import change_text

LONGEST = 1_500_000
"""Bytes of the labels as the Cosmos DB SDK sends it, up to six for a letter beyond ASCII. Documents may have 2 MB."""


class StateTooLongError(ValueError):
    """There are too many labels to keep; the message says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the clustering of a collection stands.

    Attributes:
        fit: The id of the fit in force, or None before the first.
        next_id: The id that the next new cluster gets. Ids are never used twice.
        labels: The words of each cluster that has any.
        merged: Clusters that people merged into others: `{id: id of the other}`, never in a chain or a circle.
        remembered: Clusters that the fit in force does not have, but that people named or merged: `{id: the fit that
            each was last in}`. That fit is kept, so that a later one can find the cluster again.
        begun: When each fit that may have left something in the store was begun or replaced, that in force included.
    """

    fit: str | None = None
    next_id: int = 0
    labels: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    merged: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    remembered: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    begun: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))

    def shown(self, cluster: int) -> int:
        """The cluster that people see in the place of a fit's: that which it was merged into, or itself."""
        return self.merged.get(cluster, cluster)

    def words(self, cluster: int) -> tuple[str, ...]:
        """The labels of a cluster, those of noise and of unnamed ones being none."""
        return () if cluster == NOISE else self.labels.get(self.shown(cluster), ())


def read_state(collection: str, store: FeatureStore) -> State:
    """The state of a collection; of one that was never fitted, an empty one. Raises StoreBusy."""
    text = store.recall(_name(collection))
    return _from_text(text) if text else State()


def change_state(collection: str, store: FeatureStore, change: Callable[[State], State]) -> State:
    """Change the state of a collection: `change` gets the present one and gives the new one, until no one interferes.

    Returns:
        The new state.

    Raises:
        StateTooLongError: It would have too many labels.
        StoreBusy: The store did not answer.
    """

    def changed(text: str | None) -> tuple[str, State]:
        state = change(_from_text(text) if text else State())
        return _to_text(state), state

    return change_text(_name(collection), store, changed)


def _name(collection: str) -> str:
    return f"clusters of {collection}"


def _to_text(state: State) -> str:
    content = {
        "fit": state.fit,
        "nextId": state.next_id,
        "labels": {str(cluster): list(words) for cluster, words in state.labels.items()},
        "merged": {str(cluster): other for cluster, other in state.merged.items()},
        "remembered": {str(cluster): fit for cluster, fit in state.remembered.items()},
        "begun": {fit: moment.isoformat() for fit, moment in state.begun.items()},
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Only what people wrote is limited, and leaves room for the rest: a fit must not fail for the want of it.
    if len(json.dumps(json.dumps([content["labels"], content["merged"]], ensure_ascii=False))) > LONGEST:
        raise StateTooLongError("These are more labels than a collection can keep: some 250,000 letters at least.")
    return text


def _from_text(text: str) -> State:
    content = json.loads(text)
    return State(
        fit=content["fit"],
        next_id=content["nextId"],
        labels={int(cluster): tuple(words) for cluster, words in content["labels"].items()},
        merged={int(cluster): other for cluster, other in content["merged"].items()},
        remembered={int(cluster): fit for cluster, fit in content["remembered"].items()},
        begun={fit: datetime.fromisoformat(moment) for fit, moment in content["begun"].items()},
    )
