"""Whether a document may go into the index: every value against the type of its field, and the key.

Texts are the service's where they are known. It says nothing known of nulls in collections, of numbers out of range,
and of members that a complex type does not have when an indexer sends them; those texts are ours.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from infra.search.trial.edm import RANGES, SUITS, type_of
from shared.contract import Json

NOT_PARSED = "Could not parse document"
NOT_VALID = "Could not index document because some of the document's data was not valid"
NOT_MERGED = "Could not 'MergeOrUpload' document to the search index"

LONGEST_KEY = 1024
LONGEST_TERM = 32766
"""Bytes of a string, in UTF-8, that is filtered, sorted or counted by: it is indexed in one piece."""

MOST_OBJECTS = 3000
"""Objects in all collections of one document."""

_KEY = re.compile(r"[A-Za-z0-9_\-=]+")


class _At(NamedTuple):
    """Which value is looked at."""

    key: str
    field: Mapping[str, Json]
    path: str
    kind: str

    def problem(self, text: str) -> str:
        return f"The data field '{self.path}' in the document with key '{self.key}' {text}"


def check(document: Mapping[str, Json], index: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Why a document cannot be indexed: messages and details, none when it can.

    Args:
        document: Its fields. A field that is not there, or null, is empty.
        index: The definition of the index.
    """
    key = next((document.get(field["name"]) for field in index["fields"] if field.get("key")), None)
    if problem := key_problem(key):
        return [(NOT_PARSED, problem)]
    fields = {field["name"]: field for field in index["fields"]}
    found: list[tuple[str, str]] = []
    for name, value in document.items():
        if name in fields:
            at = _At(str(key), fields[name], name, fields[name]["type"])
            found += [(NOT_VALID, details) for details in _problems(value, at)]
            found += [(NOT_MERGED, details) for details in _too_long(value, fields[name], name)]
        else:
            found.append((NOT_VALID, _no_property(name, "search.documentFields")))
    objects = sum(_objects(value) for value in document.values())
    if objects > MOST_OBJECTS:
        text = (
            f"The document with key '{key}' has '{objects}' objects in collections (JSON arrays). "
            f"At most '{MOST_OBJECTS}' objects are allowed to be in collections across the entire document. "
            "Remove objects from collections and try indexing the document again."
        )
        found.append((NOT_MERGED, text))
    return found


def key_problem(key: Json) -> str:
    """What is wrong with a document's key, or ""."""
    if key is None or key == "":
        return "Document key cannot be missing or empty"
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return (
            "Invalid document key. Keys can only contain letters, digits, underscore (_), dash (-), or equal sign (=). "
        )
    return f"Document key cannot be longer than {LONGEST_KEY} characters" if len(key) > LONGEST_KEY else ""


def _problems(value: Json, at: _At) -> Iterator[str]:
    if value is None:
        return
    if at.kind.startswith("Collection("):
        yield from _problems_of_collection(value, at)
    elif problem := _misfit(value, at.kind, value, at):
        yield problem
    elif at.kind == "Edm.ComplexType":
        yield from _problems_of_members(value, at)


def _problems_of_collection(value: Json, at: _At) -> Iterator[str]:
    if not isinstance(value, list):
        yield _mismatch(value, at)
        return
    dimensions = at.field.get("dimensions")
    if dimensions and len(value) != dimensions:
        yield (
            f"There's a mismatch in vector dimensions. The vector field '{at.path}', with dimension of '{dimensions}', "
            f"expects a length of '{dimensions}'. However, the provided vector has a length of '{len(value)}'. Please "
            "ensure that the vector length matches the expected length of the vector field. Read the following "
            "documentation for more details: https://go.microsoft.com/fwlink/?linkid=2113719."
        )
        return
    kind = at.kind.removeprefix("Collection(").removesuffix(")")
    for item in value:
        if item is None:
            problem = at.problem("has a null among its values. A collection cannot hold null.")
        else:
            problem = _misfit(item, kind, value, at)
        if problem:
            yield problem
            return  # one such sentence is enough for a vector of 256 numbers
        if kind == "Edm.ComplexType":
            yield from _problems_of_members(item, at)


def _problems_of_members(value: Mapping[str, Json], at: _At) -> Iterator[str]:
    members = {member["name"]: member for member in at.field.get("fields") or ()}
    for name, one in value.items():
        if name in members:
            yield from _problems(one, _At(at.key, members[name], f"{at.path}/{name}", members[name]["type"]))
        else:
            yield at.problem(f"is not valid. {_no_property(name, at.path)}")


def _misfit(value: Json, kind: str, whole: Json, at: _At) -> str:
    """What is wrong with a value that is no collection, or ""; `whole` is the array that it stands in, or itself."""
    suits = SUITS.get(kind)
    if suits is None:
        return f"Unknown type '{kind}' cannot be indexed"
    if kind == "Edm.GeographyPoint" and isinstance(value, str):
        return "WKT POINT string literals are not supported. Use GeoJson point literals instead"
    if not suits(value):
        return _mismatch(whole, at)
    if kind in RANGES and not RANGES[kind][0] <= value <= RANGES[kind][1]:
        return at.problem(f"has the value {value}, which is out of the range of '{kind}'.")
    return ""


def _too_long(value: Json, field: Mapping[str, Json], path: str) -> Iterator[str]:
    """Strings that are one term and larger than a term may be."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str | dict):
                yield from _too_long(item, field, path)
    elif isinstance(value, dict):
        for member in field.get("fields") or ():
            yield from _too_long(value.get(member["name"]), member, f"{path}/{member['name']}")
    elif isinstance(value, str) and _is_one_term(field) and len(value.encode(errors="replace")) > LONGEST_TERM:
        yield (
            f"Field '{path}' contains a term that is too large to process. The max length for UTF-8 encoded terms "
            f"is {LONGEST_TERM} bytes. The most likely cause of this error is that filtering, sorting, and/or "
            "faceting are enabled on this field, which causes the entire field value to be indexed as a single "
            "term. Please avoid the use of these options for large fields."
        )


def _is_one_term(field: Mapping[str, Json]) -> bool:
    return any(field.get(use) for use in ("filterable", "sortable", "facetable"))


def _objects(value: Json) -> int:
    """Objects in arrays, at any depth."""
    if isinstance(value, list):
        return sum(1 + _objects(item) for item in value if isinstance(item, dict))
    return sum(_objects(one) for one in value.values()) if isinstance(value, dict) else 0


def _mismatch(value: Json, at: _At) -> str:
    return at.problem(f"has an invalid value 'of type '{type_of(value)}''. The expected type was '{at.kind}'.")


def _no_property(name: str, owner: str) -> str:
    return (
        f"The property '{name}' does not exist on type '{owner}'. "
        "Make sure to only use property names that are defined by the type."
    )
