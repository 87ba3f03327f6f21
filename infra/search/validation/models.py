"""The JSON of the objects against the models of azure-search-documents: members, their types, and known values."""

import difflib
import sys
import types
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from azure.search.documents.indexes import models

from infra.search.definitions import Definitions
from infra.search.durations import seconds
from shared.contract import Json

MODELS: Final[tuple[tuple[str, Any], ...]] = (
    ("Data source", models.SearchIndexerDataSourceConnection),
    ("Index", models.SearchIndex),
    ("Skillset", models.SearchIndexerSkillset),
    ("Indexer", models.SearchIndexer),
)
"""What the objects are called, and the SDK's model of each, in the order of `Definitions`."""

_FREE: Final = (models.WebApiHttpHeaders,)
"""Models without members of their own: any names, with texts."""

_UNLISTED: Final[Mapping[type, Mapping[str, Any]]] = {
    models.IndexingParametersConfiguration: {"normalizedImageMaxWidth": int, "normalizedImageMaxHeight": int}
}
"""Members that the service documents and the SDK's model lacks."""

_OPEN: Final = (
    *(models.LexicalAnalyzerName, models.LexicalTokenizerName, models.TokenFilterName, models.CharFilterName),
    *(models.LexicalNormalizerName, models.SearchFieldDataType),
)
"""Enumerations that an index adds names to, or whose values come in collections; `analyzers` and `index_fields` know
more.
"""

_JSON: Final[Mapping[Any, str]] = {str: "a string", int: "an integer", bool: "true or false", float: "a number"}


class Member(NamedTuple):
    """A member of a model."""

    type: Any
    required: bool


def model_problems(definitions: Definitions) -> Iterator[str]:
    """What does not fit the models of the SDK."""
    for (kind, model), json in zip(MODELS, definitions, strict=True):
        found = [f"{kind} {json.get('name')!r}: {problem}" for problem in _misfits(json, model, "")]
        if not found and model(json).as_dict() != json:
            found = [f"{kind} {json.get('name')!r}: the SDK's model changes it; compare it with {model.__name__}."]
        yield from found


def _misfits(value: Json, annotation: Any, where: str) -> Iterator[str]:
    """Sentences about a value that is not of a type, `where` being its place in the object."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any or (value is None and types.NoneType in args):
        return
    if origin in {Union, types.UnionType}:
        # Optional, or a string of which the SDK knows the values: the last one is the narrowest.
        yield from _misfits(value, [one for one in args if one is not types.NoneType][-1], where)
    elif origin is list:
        yield from _list_misfits(value, args[0], where)
    elif origin is dict or annotation in _FREE:
        yield from _dict_misfits(value, args[1] if args else str, where)
    elif getattr(annotation, "_is_model", False):
        yield from _model_misfits(value, annotation, where)
    else:
        yield from _simple_misfits(value, annotation, where)


def _simple_misfits(value: Json, annotation: Any, where: str) -> Iterator[str]:
    known: list[str] = []
    if get_origin(annotation) is Literal:
        known = [getattr(one, "value", one) for one in get_args(annotation)]
    elif issubclass(annotation, Enum):
        known = [] if annotation in _OPEN else [one.value for one in annotation]
        annotation = str
    if known:
        if value not in known:
            yield f"{where} is {_shown(value)}; {_likely(value, known)}"
    elif annotation is timedelta:
        yield from _duration_misfits(value, where)
    elif annotation is datetime:
        yield from _date_misfits(value, where)
    elif not _is_json(value, annotation):
        yield f"{where} is {_shown(value)}; it takes {_JSON[annotation]}."


def _model_misfits(value: Json, model: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {_shown(value)}; it takes an object ({model.__name__})."
        return
    place = f"{where}." if where else ""
    if (discriminator := _discriminator(model)) is not None:
        kinds = model.__mapping__
        kind = value.get(discriminator)
        if not isinstance(kind, str) or kind not in kinds:
            said = f"is {_shown(kind)}" if discriminator in value else "is missing"
            yield f"{place}{discriminator} {said}; {_likely(kind, list(kinds))}"
            return
        model = kinds[kind]
    members = _members(model)
    for name, content in value.items():
        if name in members:
            yield from _misfits(content, members[name].type, place + name)
        else:
            yield f"{place}{name} is no member of {model.__name__}; {_likely(name, list(members))}"
    for name, member in members.items():
        if member.required and value.get(name) is None:
            yield f"{place}{name} is missing; {model.__name__} needs it."


def _list_misfits(value: Json, element_type: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is {_shown(value)}; it takes a list."
        return
    for position, element in enumerate(value):
        name = element.get("name") if isinstance(element, dict) else None
        yield from _misfits(element, element_type, f"{where}[{name if isinstance(name, str) else position}]")


def _dict_misfits(value: Json, member_type: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {_shown(value)}; it takes an object."
        return
    for name, member in value.items():
        yield from _misfits(member, member_type, f"{where}.{name}")


def _duration_misfits(value: Json, where: str) -> Iterator[str]:
    try:
        seconds(value)
    except (ValueError, TypeError):
        yield f"{where} is {_shown(value)}; it takes a duration such as PT60S or PT5M."


def _date_misfits(value: Json, where: str) -> Iterator[str]:
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        yield f"{where} is {_shown(value)}; it takes a time such as 2026-01-31T08:00:00Z."


def _is_json(value: Json, python_type: type) -> bool:
    accepted = (int, float) if python_type is float else (python_type,)
    return type(value) in accepted  # bool is an int to Python, and not to JSON


@cache
def _discriminator(model: Any) -> str | None:
    """The member that tells which of its kinds an object of this base model is; None where the model is one kind."""
    if "__mapping__" not in vars(model):
        return None
    fields = _rest_fields(model).values()
    return next((field._rest_name for field in fields if field._is_discriminator), None)


@cache
def _members(model: Any) -> dict[str, Member]:
    scope = {**vars(sys.modules[models.SearchIndexerSkill.__module__]), "_models": models}
    hints = get_type_hints(model, scope)
    members = {
        field._rest_name: Member(hints[name], required=types.NoneType not in get_args(hints[name]))
        for name, field in _rest_fields(model).items()
    }
    unlisted = {name: Member(member, required=False) for name, member in _UNLISTED.get(model, {}).items()}
    return members | unlisted


def _rest_fields(model: Any) -> dict[str, Any]:
    model({})  # the SDK collects a model's fields when it makes the first of it
    fields: dict[str, Any] = model._attr_to_rest_field
    return fields


def _likely(name: Json, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1) if isinstance(name, str) else []
    return f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(sorted(known))}."


def _shown(value: Json) -> str:
    return f"{value!r:.80}"
