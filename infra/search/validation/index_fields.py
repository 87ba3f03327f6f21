"""The index by itself: its key, and what its fields can do. Source: the references of Create Index."""

import re
from collections.abc import Iterator, Mapping, Sequence

from azure.search.documents.indexes.models import SearchFieldDataType

from infra.search.validation.analyzers import analyzer_names
from infra.search.validation.names import twice
from shared.contract import Json

VECTOR = "Collection(Edm.Single)"

_NAME = re.compile(r"(?!azureSearch)[A-Za-z][A-Za-z0-9_]{0,127}")
_SIMPLE = frozenset(one.value for one in SearchFieldDataType)

_OF_SIMPLE_FIELDS = (
    *("key", "retrievable", "stored", "searchable", "filterable", "sortable", "facetable"),
    *("analyzer", "searchAnalyzer", "indexAnalyzer", "normalizer"),
)
"""Attributes that a complex field must not have; those in it may."""

type Field = Mapping[str, Json]


def index_problems(index: Mapping[str, Json]) -> Iterator[str]:
    """What the service would refuse in an index's fields."""
    place = f"Index {index['name']!r}"
    keys = [field["name"] for field in index["fields"] if field.get("key")]
    if len(keys) != 1:
        yield f"{place} has {len(keys)} key fields; exactly one field has key true."
    yield from (f"{place}, {problem}" for problem in _fields_problems(index["fields"], "", analyzer_names(index)))


def field_named(index: Mapping[str, Json], name: str) -> Field | None:
    """A top-level field of an index, or None."""
    return next((field for field in index["fields"] if field["name"].lower() == name.lower()), None)


def key_of(index: Mapping[str, Json]) -> Field | None:
    """The key field of an index, or None."""
    return next((field for field in index["fields"] if field.get("key")), None)


def is_list(field: Field) -> bool:
    """Whether a field holds a list."""
    return str(field["type"]).startswith("Collection(")


def element_type(field: Field) -> str:
    """The type of a field, or of what is in its list."""
    return str(field["type"]).removeprefix("Collection(").removesuffix(")")


def _fields_problems(fields: Sequence[Field], above: str, analyzers: frozenset[str]) -> Iterator[str]:
    for name in twice([field["name"] for field in fields]):
        yield f"field '{above}{name}' is there twice; rename one."
    for field in fields:
        name = above + field["name"]
        if not _NAME.fullmatch(field["name"]):
            yield f"field {name!r} cannot be called so; use a letter, then letters, digits and underscores."
        yield from (f"field {name!r}: {problem}" for problem in _field_problems(field, above, analyzers))
        yield from _fields_problems(field.get("fields") or [], f"{name}/", analyzers)


def _field_problems(field: Field, above: str, analyzers: frozenset[str]) -> Iterator[str]:
    simple = element_type(field)
    if simple not in _SIMPLE:
        yield f"type is {field['type']!r}; it takes one of {', '.join(sorted(_SIMPLE))}, or Collection(…) of it."
    elif (simple == "Edm.ComplexType") != bool(field.get("fields")):
        yield "fields are those of a complex type; a field has both or none."
    if field.get("key") and (above or field["type"] != "Edm.String" or field.get("retrievable") is False):
        yield "key is true; the key is a retrievable Edm.String at the top of the index."
    yield from _complex_problems(field) if simple == "Edm.ComplexType" else _simple_problems(field)
    for member in ("analyzer", "searchAnalyzer", "indexAnalyzer"):
        analyzer = field.get(member)
        if analyzer and not field.get("searchable"):
            yield f"{member} is {analyzer!r}; it needs searchable true."
        elif analyzer and analyzer not in analyzers:
            yield f"{member} is {analyzer!r}; there is no such analyzer."


def _simple_problems(field: Field) -> Iterator[str]:
    if field.get("searchable") and element_type(field) != "Edm.String" and field["type"] != VECTOR:
        yield f"searchable is true; {field['type']} cannot be, only strings and vectors."
    if field.get("sortable") and is_list(field):
        yield f"sortable is true; {field['type']} cannot be, only single values."


def _complex_problems(field: Field) -> Iterator[str]:
    for member in _OF_SIMPLE_FIELDS:
        if field.get(member) is not None:
            yield f"{member} is {field[member]!r}; a complex field has none, only the fields in it."
    if is_list(field) and any(member.get("sortable") for member in field.get("fields") or []):
        yield "a field in it has sortable true; nothing can be sorted by what is in a list."
