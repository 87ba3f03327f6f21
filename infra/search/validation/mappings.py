"""From the enriched document to the index: field mappings, output field mappings and index projections."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from infra.search.definitions import Definitions
from infra.search.validation.enrichment import ROOT, Unproduced, entry_node, found
from infra.search.validation.fits import unfit
from infra.search.validation.index_fields import element_type, field_named, key_of
from infra.search.validation.names import twice
from infra.search.validation.shapes import Node, Shape, cracked
from shared.contract import Json

SKIP: Final = "skipIndexingParentDocuments"

FUNCTIONS: Final[Mapping[str, Shape]] = {
    "base64encode": "string",
    "base64decode": "string",
    "extracttokenatposition": "string",
    "jsonarraytostringcollection": ["string"],
    "urlencode": "string",
    "urldecode": "string",
    "fixedlengthencode": "string",
    "tojson": None,
}
"""Mapping functions, in lower case as the service compares them, and what they give."""

type Entry = Mapping[str, Json]


class Mapped(NamedTuple):
    """A value on its way into a field."""

    place: str
    """What maps it, as the beginning of a sentence."""
    target: str
    node: Node


def mapping_problems(definitions: Definitions, tree: Node) -> Iterator[str]:
    """What would not arrive in the index, or not fit."""
    indexer, index = definitions.indexer, definitions.index
    projections = definitions.skillset.get("indexProjections") or {}
    selectors = projections.get("selectors") or []
    skipped = bool(selectors) and (projections.get("parameters") or {}).get("projectionMode") == SKIP
    mapped: list[Mapped] = []
    targets: list[str] = []
    for member in ("fieldMappings", "outputFieldMappings"):
        for entry in indexer.get(member) or []:
            yield from _gathered(_indexer_mapping(indexer, member, entry, tree), mapped)
            yield from _target_problems(indexer, member, entry, index)
            targets.append(_target(entry))
    yield from _twice_problems(f"Indexer {indexer['name']!r}", targets)
    written: list[str] = []
    if not skipped:
        yield from _key_problems(indexer, index)
        implicit = _implicit(indexer, {target.lower() for target in targets}, index)
        mapped += implicit
        written = targets + [one.target for one in implicit]
    for selector in selectors:
        place = f"Skillset {definitions.skillset['name']!r}, index projection"
        yield from _selector_problems(place, selector, index)
        entries = selector["mappings"]
        for entry in entries:
            yield from _gathered(_projection(place, entry, selector["sourceContext"], tree), mapped)
        yield from _twice_problems(place, [entry["name"] for entry in entries])
        written += [selector["parentKeyFieldName"], *(entry["name"] for entry in entries)]
    for one in mapped:
        yield from _arrival_problems(one, index)
    yield from _empty_problems(index, {name.lower() for name in written})


def _target(entry: Entry) -> str:
    return str(entry.get("targetFieldName") or entry["sourceFieldName"])


def _gathered(outcome: Mapped | str, mapped: list[Mapped]) -> Iterator[str]:
    if isinstance(outcome, str):
        yield outcome
    else:
        mapped.append(outcome)


def _indexer_mapping(indexer: Entry, member: str, entry: Entry, tree: Node) -> Mapped | str:
    source = entry["sourceFieldName"]
    place = f"Indexer {indexer['name']!r}, {member} from {source!r}"
    path = source if source.startswith(("/", "=")) else f"{ROOT}/{source}"
    try:
        node = found(tree, path)
    except Unproduced as error:
        return f"{place}: it {error}."
    if function := entry.get("mappingFunction"):
        if function["name"].lower() not in FUNCTIONS:
            return f"{place}: there is no mapping function {function['name']!r}."
        node = Node.of(FUNCTIONS[function["name"].lower()])
    return Mapped(place, _target(entry), node)


def _projection(place: str, entry: Entry, under: str, tree: Node) -> Mapped | str:
    try:
        return Mapped(f"{place}, mapping {entry['name']!r}", entry["name"], entry_node(tree, entry, under))
    except Unproduced as error:
        return f"{place}, mapping {entry['name']!r}: it {error}."


def _implicit(indexer: Entry, targets: set[str], index: Entry) -> list[Mapped]:
    """What goes into fields of its own name without a mapping: what the blob has, not what skills found out."""
    configuration = (indexer.get("parameters") or {}).get("configuration") or {}
    mapped = {entry["sourceFieldName"].lower() for entry in indexer.get("fieldMappings") or []}
    return [
        Mapped(f"Indexer {indexer['name']!r}, without a mapping", name, node)
        for name, node in cracked(configuration).members.items()
        if field_named(index, name) and name.lower() not in mapped | targets
    ]


def _target_problems(indexer: Entry, member: str, entry: Entry, index: Entry) -> Iterator[str]:
    """What only mappings of an indexer may not do."""
    field = field_named(index, _target(entry))
    if member == "fieldMappings" and field is not None and element_type(field) == "Edm.ComplexType":
        yield (
            f"Indexer {indexer['name']!r}, fieldMappings from {entry['sourceFieldName']!r}: field {field['name']!r} is "
            "complex; map it in outputFieldMappings."
        )


def _arrival_problems(one: Mapped, index: Entry) -> Iterator[str]:
    field = field_named(index, one.target)
    if field is None:
        # The first words are those of the service.
        hint = "; map to the whole complex field" if "/" in one.target else ""
        yield (
            f"{one.place}: Field mapping specifies target field '{one.target}' that doesn't exist in the index "
            f"{index['name']!r}{hint}."
        )
        return
    yield from (
        f"{one.place}: field {field['name']!r} cannot have it, it {problem}." for problem in unfit(one.node, field)
    )


def _key_problems(indexer: Entry, index: Entry) -> Iterator[str]:
    key = key_of(index)
    for entry in indexer.get("fieldMappings") or []:
        function = (entry.get("mappingFunction") or {}).get("name", "")
        if key and _target(entry).lower() == key["name"].lower() and function.lower() != "base64encode":
            yield (
                f"Indexer {indexer['name']!r}, fieldMappings from {entry['sourceFieldName']!r}: a key has letters, "
                "digits, _, - and = only; give it the mappingFunction base64Encode."
            )


def _selector_problems(place: str, selector: Entry, index: Entry) -> Iterator[str]:
    key, parent = key_of(index), field_named(index, selector["parentKeyFieldName"])
    if key and key.get("analyzer") != "keyword":
        yield f"{place}: the key field {key['name']!r} needs the analyzer 'keyword'."
    if parent is None:
        yield f"{place}: parentKeyFieldName is {selector['parentKeyFieldName']!r}; there is no such field in the index."
    elif parent["type"] != "Edm.String" or not parent.get("filterable") or parent.get("key"):
        yield f"{place}: parentKeyFieldName is {parent['name']!r}; that is a filterable Edm.String that is not the key."
    service_sets = {field["name"].lower() for field in (key, parent) if field}
    for entry in selector["mappings"]:
        if entry["name"].lower() in service_sets:
            yield f"{place}: mapping {entry['name']!r} is of a key, which the service sets by itself; remove it."


def _twice_problems(place: str, targets: Sequence[str]) -> Iterator[str]:
    yield from (f"{place}: two mappings give {name!r} its value; remove one." for name in twice(targets))


def _empty_problems(index: Entry, written: set[str]) -> Iterator[str]:
    for field in index["fields"]:
        if field["name"].lower() not in written and not field.get("key"):
            yield f"Index {index['name']!r}, field {field['name']!r} gets no value from anywhere; map something to it."
