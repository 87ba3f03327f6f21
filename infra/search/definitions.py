"""The definitions of the search service's objects: the templates of `templates/`, filled with parameters.

A template is the object's JSON as the REST API takes it, and two things more:

- `{{name}}` in a string is the parameter's value. A string that is only that becomes the value with its type.
- `"$when": condition` in an object keeps it only where the condition holds; elsewhere it is gone, with the member or
  the list element that it is. A condition is `"name"` (anything but false, 0 and ""), `"name=value"`, or a list of
  them of which one must hold. `{"$when": …, "$value": …}` is for what is no object.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from shared.backbone import DIMENSIONS, MODEL
from shared.contract import Json

type Value = str | int | bool

TEMPLATES: Final = Path(__file__).with_name("templates")

BUILT_IN: Final[Mapping[str, Value]] = {"model": MODEL, "dimensions": DIMENSIONS}
"""Values that the app's model decides and nobody gives."""

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_GONE: Final = object()


class TemplateError(ValueError):
    """A template cannot be filled; the message says what is wrong with it."""


class Definitions(NamedTuple):
    """The objects of the search service, as JSON of its REST API."""

    data_source: dict[str, Json]
    index: dict[str, Json]  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    skillset: dict[str, Json]
    indexer: dict[str, Json]


class Use(NamedTuple):
    """A place in a template that needs a parameter."""

    name: str
    under: tuple[tuple[str, ...], ...]
    """The conditions around it, from the outermost: of each, one must hold."""


def define(values: Mapping[str, Value]) -> Definitions:
    """The definitions with these values of all parameters.

    Raises:
        TemplateError: A template names a parameter that has no value.
    """
    return Definitions(**{name: fill(template, {**values, **BUILT_IN}) for name, template in templates().items()})


@cache
def templates() -> dict[str, Json]:
    """The templates by the names of `Definitions`. Do not change them."""
    return {name: json.loads((TEMPLATES / f"{name}.json").read_bytes()) for name in Definitions._fields}


def fill(template: Json, values: Mapping[str, Value]) -> Json:
    """A template's JSON with values; None when a condition took all of it.

    Raises:
        TemplateError: It names a parameter that has no value.
    """
    filled = _filled(template, values)
    return None if filled is _GONE else filled


def uses(template: Json, under: tuple[tuple[str, ...], ...] = ()) -> Iterator[Use]:
    """All places in a template that need a parameter, conditions included."""
    match template:
        case {"$when": condition, **rest}:
            one_of = _one_of(condition)
            yield from (Use(_switch(one), under) for one in one_of)
            yield from uses(rest, (*under, one_of))
        case dict():
            for member in template.values():
                yield from uses(member, under)
        case list():
            for element in template:
                yield from uses(element, under)
        case str():
            yield from (Use(name, under) for name in _PLACEHOLDER.findall(template))


def holds(one_of: Sequence[str], values: Mapping[str, Value]) -> bool:
    """Whether one of these conditions holds."""
    return any(_holds(condition, values) for condition in one_of)


def _filled(template: Json, values: Mapping[str, Value]) -> Json:
    match template:
        case {"$when": condition, **rest}:
            return _filled(rest.get("$value", rest), values) if holds(_one_of(condition), values) else _GONE
        case dict():
            members = {name: _filled(member, values) for name, member in template.items()}
            return {name: member for name, member in members.items() if member is not _GONE}
        case list():
            return [one for element in template if (one := _filled(element, values)) is not _GONE]
        case str() if whole := _PLACEHOLDER.fullmatch(template):
            return _value(whole[1], values)
        case str():
            return _PLACEHOLDER.sub(lambda found: str(_value(found[1], values)), template)
        case _:
            return template


def _one_of(condition: Json) -> tuple[str, ...]:
    return (condition,) if isinstance(condition, str) else tuple(condition)


def _switch(condition: str) -> str:
    return condition.partition("=")[0]


def _holds(condition: str, values: Mapping[str, Value]) -> bool:
    name, equals, wanted = condition.partition("=")
    value = _value(name, values)
    return str(value) == wanted if equals else bool(value)


def _value(name: str, values: Mapping[str, Value]) -> Value:
    if name not in values:
        raise TemplateError(f"A template names the parameter {name!r}, which has no value.")
    return values[name]
