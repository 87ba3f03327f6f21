"""How a caller wants its look-alikes: from the query string for a whole call, from a record's inputs for one record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeIs

from shared.contract import Json
from shared.features import usable_collection

MAX_TOP = 1000
"""The most look-alikes in an answer, so that a record's answer stays small beside its image."""

MAX_OFFSET = 1000
"""How far an answer may begin in the list. Every page costs as much as all before it together."""

MAX_TAGS = 20
MAX_LENGTH = 1024
"""Tags of a filter, and characters of a tag's name or value or of a ranker's name."""

TAG = "tag:"
"""What `groupBy` begins with when it names a tag."""


class OptionError(ValueError):
    """An option cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How look-alikes are chosen.

    Attributes:
        collection: Where to look; None is the folder of the queried image, or `default` when its path is not known.
        top: The most look-alikes, from 1.
        offset: How many of them, or of their groups, come before the first that is shown.
        min_score: Look-alikes score at least this, -1 to 1.
        tags: Look-alikes carry all of these tags with these values.
        group_by: None; or `folder`, or `tag:` and a name: of each group only the best is shown.
        include_self: Whether the queried images may be their own look-alikes.
        rerank: Whether the ranker that is switched on decides the order, or the name of the one that does.
    """

    collection: str | None = None
    top: int
    offset: int = 0
    min_score: float = -1.0
    tags: Mapping[str, str] = field(default_factory=dict)
    group_by: str | None = None
    include_self: bool = False
    rerank: bool | str = False


NAMES = frozenset({"collection", "top", "offset", "minScore", "filter", "groupBy", "includeSelf", "rerank"})
"""What they are called on the wire."""


def read_options(given: Mapping[str, Json], default: Options) -> Options:
    """Options by their names on the wire; what is absent or null is taken from `default`.

    Raises:
        OptionError: A value cannot be used.
    """
    return Options(
        collection=_name(given, "collection", default.collection),
        top=_whole(given, "top", default.top, 1, MAX_TOP, beyond=True),
        offset=_whole(given, "offset", default.offset, 0, MAX_OFFSET),
        min_score=_score(given, "minScore", default.min_score),
        tags=_tags(given, "filter", default.tags),
        group_by=_grouping(given, "groupBy", default.group_by),
        include_self=_flag(given, "includeSelf", default.include_self),
        rerank=_ranker(given, "rerank", default.rerank),
    )


def _name(given: Mapping[str, Json], name: str, default: str | None) -> str | None:
    value = given.get(name)
    if value is not None and not (isinstance(value, str) and usable_collection(value)):
        raise OptionError(f"{name!r} takes the name of a collection, not {value!r:.50}.")
    return value or default


def _whole(given: Mapping[str, Json], name: str, default: int, low: int, high: int, *, beyond: bool = False) -> int:
    value = given.get(name)
    if value is None:
        return default
    number = _as_number(value)
    if number is None or number != int(number) or number < low or (number > high and not beyond):
        raise OptionError(f"{name!r} takes a whole number from {low} to {high}, not {value!r:.50}.")
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


def _tags(given: Mapping[str, Json], name: str, default: Mapping[str, str]) -> Mapping[str, str]:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not (isinstance(value, dict) and all(map(_is_text, [*value.keys(), *value.values()]))):
        raise OptionError(f'{name!r} takes tags with their values, such as {{"kind": "dog"}}, not {given[name]!r:.50}.')
    if len(value) > MAX_TAGS:
        raise OptionError(f"{name!r} takes up to {MAX_TAGS} tags, not {len(value)}.")
    return value


def _grouping(given: Mapping[str, Json], name: str, default: str | None) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return default
    if value != "folder" and not (_is_text(value) and value.startswith(TAG) and value != TAG):
        raise OptionError(f"{name!r} takes 'folder', or '{TAG}' and the name of a tag, not {value!r:.50}.")
    return str(value)


def _ranker(given: Mapping[str, Json], name: str, default: bool | str) -> bool | str:
    value = given.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, str):
        value = _FLAGS.get(value.lower(), value)
    if not (isinstance(value, bool) or _is_text(value)):
        raise OptionError(f"{name!r} takes true, false or the name of a ranker, not {given[name]!r:.50}.")
    return value


def _flag(given: Mapping[str, Json], name: str, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, str):
        value = _FLAGS.get(value.lower())
    if not isinstance(value, bool):
        raise OptionError(f"{name!r} takes true or false, not {given[name]!r:.50}.")
    return value


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _is_text(value: Json) -> TypeIs[str]:
    """Whether it is a string that stores take: no longer than they may have to, and without half characters."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_LENGTH
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )
