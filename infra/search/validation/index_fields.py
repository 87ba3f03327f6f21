"""The index by itself: its key, its vectors, and what its fields can do. Source: the references of Create Index."""

import re
from collections.abc import Iterator, Mapping, Sequence

from azure.search.documents.indexes.models import LexicalAnalyzerName, SearchFieldDataType

from infra.search.validation.names import twice
from shared.backbone import DIMENSIONS
from shared.contract import Json

VECTOR = "Collection(Edm.Single)"

_NAME = re.compile(r"(?!azureSearch)[A-Za-z][A-Za-z0-9_]{0,127}")
_SIMPLE = frozenset(one.value for one in SearchFieldDataType)
_ANALYZERS = frozenset(one.value for one in LexicalAnalyzerName)

type Field = Mapping[str, Json]


def index_problems(index: Mapping[str, Json]) -> Iterator[str]:
    """What the service would refuse in an index, and vectors that are not those of the app's model."""
    place = f"Index {index['name']!r}"
    keys = [field["name"] for field in index["fields"] if field.get("key")]
    if len(keys) != 1:
        yield f"{place} has {len(keys)} key fields; exactly one field has key true."
    analyzers = _ANALYZERS | {one["name"] for one in index.get("analyzers") or []}
    yield from (f"{place}, {problem}" for problem in _fields_problems(index["fields"], "", analyzers))
    for field in index["fields"]:
        if field["type"] == VECTOR:
            yield from (f"{place}, field {field['name']!r}: {problem}" for problem in _vector_problems(field, index))
    yield from (f"{place}, {problem}" for problem in _profile_problems(index.get("vectorSearch") or {}))


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
    simple, listed = element_type(field), is_list(field)
    if simple not in _SIMPLE:
        yield f"type is {field['type']!r}; it takes one of {', '.join(sorted(_SIMPLE))}, or Collection(…) of it."
    elif (simple == "Edm.ComplexType") != bool(field.get("fields")):
        yield "fields are those of a complex type; a field has both or none."
    if field.get("key") and (above or field["type"] != "Edm.String" or field.get("retrievable") is False):
        yield "key is true; the key is a retrievable Edm.String at the top of the index."
    if field.get("searchable") and simple != "Edm.String" and field["type"] != VECTOR:
        yield f"searchable is true; {field['type']} cannot be, only strings and vectors."
    if field.get("sortable") and (listed or simple == "Edm.ComplexType"):
        yield f"sortable is true; {field['type']} cannot be, only single values."
    if listed and any(member.get("sortable") for member in field.get("fields") or []):
        yield "a field in it has sortable true; nothing can be sorted by what is in a list."
    for member in ("analyzer", "searchAnalyzer", "indexAnalyzer"):
        analyzer = field.get(member)
        if analyzer and not field.get("searchable"):
            yield f"{member} is {analyzer!r}; it needs searchable true."
        elif analyzer and analyzer not in analyzers:
            yield f"{member} is {analyzer!r}; there is no such analyzer."


def _vector_problems(field: Field, index: Mapping[str, Json]) -> Iterator[str]:
    if field.get("dimensions") != DIMENSIONS:
        yield f"dimensions is {field.get('dimensions')}; the app's vectors have {DIMENSIONS}."
    if not field.get("searchable"):
        yield "searchable is not true; a vector that is not searchable answers no query."
    if field.get("stored") is not False or field.get("retrievable") is not False:
        yield "stored and retrievable are not both false; a second copy of each vector would cost storage for nothing."
    profiles = [profile["name"] for profile in (index.get("vectorSearch") or {}).get("profiles") or []]
    if field.get("vectorSearchProfile") not in profiles:
        yield f"vectorSearchProfile is {field.get('vectorSearchProfile')!r}; {_there_are(profiles)}."


def _profile_problems(search: Mapping[str, Json]) -> Iterator[str]:
    for profile in search.get("profiles") or []:
        for member, kind in (
            ("algorithm", "algorithms"),
            ("vectorizer", "vectorizers"),
            ("compression", "compressions"),
        ):
            names = [one["name"] for one in search.get(kind) or []]
            named = profile.get(member)
            if named is not None and named not in names:
                yield f"vector profile {profile['name']!r}: {member} is {named!r}; {_there_are(names)}."
        if not profile.get("vectorizer"):
            yield f"vector profile {profile['name']!r}: vectorizer is missing; queries by image need one."


def _there_are(names: Sequence[str]) -> str:
    return f"there is {', '.join(map(repr, names))}" if names else "there is none"
