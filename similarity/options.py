"""How a caller wants its look-alikes: from the query string for a whole call, from a record's inputs for one record."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contract import Json
from shared.features import usable_collection

MAX_TOP = 1000
"""The most look-alikes in an answer, so that a record's answer stays small beside its image."""


class OptionError(ValueError):
    """An option cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How look-alikes are chosen.

    Attributes:
        collection: Where to look; None is the folder of the queried image, or `default` when its path is not known.
        top: The most look-alikes, from 1.
        min_score: Look-alikes score at least this, -1 to 1.
        include_self: Whether the queried image may be its own look-alike.
    """

    collection: str | None = None
    top: int
    min_score: float = -1.0
    include_self: bool = False


def read_options(given: Mapping[str, Json], default: Options) -> Options:
    """Options by their names on the wire; what is absent or null is taken from `default`.

    Raises:
        OptionError: A value cannot be used.
    """
    return Options(
        collection=_name(given, "collection", default.collection),
        top=_whole(given, "top", default.top),
        min_score=_score(given, "minScore", default.min_score),
        include_self=_flag(given, "includeSelf", default.include_self),
    )


def _name(given: Mapping[str, Json], name: str, default: str | None) -> str | None:
    value = given.get(name)
    if value is not None and not (isinstance(value, str) and usable_collection(value)):
        raise OptionError(f"{name!r} takes the name of a collection, not {value!r:.50}.")
    return value or default


def _whole(given: Mapping[str, Json], name: str, default: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    number = _as_number(value)
    if number is None or number != int(number) or number < 1:
        raise OptionError(f"{name!r} takes a whole number from 1 to {MAX_TOP}, not {value!r:.50}.")
    return int(number)


def _score(given: Mapping[str, Json], name: str, default: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    number = _as_number(value)
    if number is None or not -1 <= number <= 1:
        raise OptionError(f"{name!r} takes a number from -1 to 1, not {value!r:.50}.")
    return number


def _as_number(value: Json) -> float | None:
    """A finite number written as a number or, in a query string, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _flag(given: Mapping[str, Json], name: str, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    if not isinstance(value, bool):
        raise OptionError(f"{name!r} takes true or false, not {given[name]!r:.50}.")
    return value
