"""The learned rankers of a collection, and which of them is switched on: one text in the feature store."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from shared import backbone
from shared.contract import Json
from shared.features import FeatureStore
from shared.texts import change_text
from similarity.ranking.rankers import LEARNED, Ranker
from similarity.ranking.trained import Trained, as_content, from_content

TEXTS = 8
"""Collections whose rankers stay in memory, half a megabyte each."""


class RankerError(ValueError):
    """A ranker cannot be used; the message says why and what to do."""


class UnknownRankerError(RankerError):
    """There is no such ranker; the message says what there can be."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The rankers of a collection by name, and which of them is switched on."""

    rankers: Mapping[str, Trained] = field(default_factory=lambda: MappingProxyType({}))
    on: str | None = None


def ranker_for(collection: str, which: bool | str, store: FeatureStore) -> Ranker | None:
    """The ranker to order the look-alikes of a collection by.

    Args:
        collection: Its name.
        which: The name of a ranker that was trained; True for that which is switched on, and False for none.
        store: Where they are.

    Returns:
        It, or None where none was asked for or none is switched on.

    Raises:
        RankerError: There is none of that name, or it was trained for another model, or what is stored is damaged.
        StoreBusy: The store did not answer.
    """
    if which is False:
        return None
    stored = read(collection, store)
    name = stored.on if which is True else which
    if name is None:
        return None
    trained = _known(collection, name, stored)
    if trained.model != backbone.MODEL:
        raise RankerError(
            f"The ranker {name} of the collection {collection!r} was trained for the model {trained.model!r:.100}, and "
            f"the model is {backbone.MODEL} now. {_how_to_train(name)}"
        )
    return trained.ranker()


def switched_on(collection: str, store: FeatureStore) -> str | None:
    """The name of the ranker that is switched on; None where there is none, or none that can be read."""
    try:
        return read(collection, store).on
    except RankerError:
        return None


def read(collection: str, store: FeatureStore) -> Stored:
    """The rankers of a collection. Raises RankerError when what is stored is damaged, and StoreBusy."""
    return _from_text(store.recall(_name(collection)), collection)


def keep(collection: str, trained: Trained, store: FeatureStore) -> Stored:
    """Store a ranker, in the place of one of its name, and switch it on if nothing speaks against it.

    One of its name against which nothing speaks stays when something speaks against the new one. Another one that is on
    and gains more stays on. What is damaged is replaced.

    Returns:
        What is stored then.
    """

    def change(stored: Stored) -> Stored:
        before = stored.rankers.get(trained.name)
        if before and not before.objection and trained.objection:
            return stored
        rankers = {**stored.rankers, trained.name: trained}
        rival = rankers.get(stored.on or "", trained)
        if rival.objection or (rival.gain <= trained.gain and not trained.objection):
            rival = trained
        return Stored(rankers, None if rival.objection else rival.name)

    return _change(collection, store, change, mend=True)


def switch(collection: str, name: str | None, store: FeatureStore) -> Stored:
    """Switch a ranker on, or with None off: where none is on, nothing is written.

    Returns:
        What is stored then.

    Raises:
        RankerError: There is none of that name, or something speaks against it.
        StoreBusy: The store did not answer.
    """
    if name is None and (stored := read(collection, store)).on is None:
        return stored

    def change(stored: Stored) -> Stored:
        if name is not None and (objection := _known(collection, name, stored).objection):
            raise RankerError(f"The ranker {name} cannot be switched on: {objection}.")
        return replace(stored, on=name)

    return _change(collection, store, change)


def drop(collection: str, name: str, store: FeatureStore) -> Stored:
    """Forget a ranker.

    Returns:
        What is stored then.

    Raises:
        RankerError: There is none of that name.
        StoreBusy: The store did not answer.
    """

    def change(stored: Stored) -> Stored:
        _known(collection, name, stored)
        rankers = {one: trained for one, trained in stored.rankers.items() if one != name}
        return Stored(rankers, None if stored.on == name else stored.on)

    return _change(collection, store, change)


def _known(collection: str, name: str, stored: Stored) -> Trained:
    if name not in LEARNED:
        raise UnknownRankerError(f"There is no ranker {name!r:.50}; there can be {' and '.join(LEARNED)}.")
    if name not in stored.rankers:
        said = f"The ranker {name} was never trained for the collection {collection!r}."
        raise UnknownRankerError(f"{said} {_how_to_train(name)}")
    return stored.rankers[name]


def _how_to_train(name: str) -> str:
    return (
        f'Train it with POST /api/collections/{{collection}}/rankers and {{"ranker": "{name}"}}, or with the command: '
        f"python -m similarity train COLLECTION --ranker {name}"
    )


def _change(collection: str, store: FeatureStore, change: Callable[[Stored], Stored], *, mend: bool = False) -> Stored:
    def changed(text: str | None) -> tuple[str, Stored]:
        try:
            before = _from_text(text, collection)
        except RankerError:
            if not mend:
                raise
            before = Stored()
        after = change(before)
        return _to_text(after), after

    return change_text(_name(collection), store, changed)


def _name(collection: str) -> str:
    return f"rankers of {collection}"


def _to_text(stored: Stored) -> str:
    """Less than a megabyte, of which documents of Cosmos DB may have two: there are two rankers at most."""
    rankers = {name: as_content(trained) for name, trained in stored.rankers.items()}
    return json.dumps({"rankers": rankers, "on": stored.on})


@lru_cache(TEXTS)
def _from_text(text: str | None, collection: str) -> Stored:
    if text is None:
        return Stored()
    try:
        return _from_content(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RankerError(
            f"What is stored as the rankers of the collection {collection!r} is damaged. {_how_to_train(LEARNED[-1])}"
        ) from error


def _from_content(content: Json) -> Stored:
    stored = Stored({name: from_content(name, one) for name, one in content["rankers"].items()}, content["on"])
    if stored.on is not None and stored.on not in stored.rankers:
        raise ValueError("the ranker that is switched on is not there")
    return stored
