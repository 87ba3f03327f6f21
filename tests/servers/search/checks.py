"""What the service refuses to keep: unknown members, what refers to nothing, and changes of an index that is there."""

from collections.abc import Mapping
from typing import Any

from azure.search.documents.indexes import models

from tests.servers.search.answers import completed
from tests.servers.search.refusal import Refusal

type Body = dict[str, Any]

KINDS: dict[str, type] = {
    "datasources": models.SearchIndexerDataSourceConnection,
    "indexes": models.SearchIndex,
    "skillsets": models.SearchIndexerSkillset,
    "indexers": models.SearchIndexer,
}
"""The models by what paths call them."""

_MAY_CHANGE = ("retrievable", "searchAnalyzer", "synonymMaps")
"""Of a field that is there. Source: the reference of Update Index."""
_ANALYSIS = ("analyzers", "tokenizers", "tokenFilters", "charFilters")
_DOWNTIME = (
    "Index update not allowed because it would cause downtime. In order to add new analyzers, tokenizers, token "
    "filters, or character filters to an existing index, or modify its similarity settings, set the "
    "'allowIndexDowntime' query parameter to 'true' in the index update request."
)
_OPEN = (models.IndexingParametersConfiguration, models.WebApiHttpHeaders)
"""Models that take any member: indexers' settings that the SDK does not know, and headers."""


def check_members(kind: str, body: Body) -> None:
    """Every member is one of the API's."""
    _check(KINDS[kind](body), kind)


def check_references(kind: str, body: Body, objects: Mapping[str, Mapping[str, Body]]) -> None:
    """What it names is there. The texts about an indexer were seen, that of a projection was not."""
    wanted = {
        "indexers": [
            ("datasources", "a data source", body.get("dataSourceName")),
            ("skillsets", "a skillset", body.get("skillsetName")),
            ("indexes", "an index", body.get("targetIndexName")),
        ],
        "skillsets": [
            ("indexes", "an index", selector["targetIndexName"])
            for selector in (body.get("indexProjections") or {}).get("selectors", [])
        ],
    }.get(kind, [])
    for others, called, name in wanted:
        if name and name not in objects[others]:
            raise Refusal(400, f"This {kind[:-1]} refers to {called} '{name}' that doesn't exist")


def check_index(old: Body, new: Body) -> None:
    """Fields may come, but neither change nor go; nor may what they are made by.

    Sources: the reference of Update Index for analyzers, the texts of issues for fields and the names of algorithms.
    That other members of an algorithm cannot change is inferred from it.
    """
    check_fields(old, new)
    if any((old.get(kind) or []) != (new.get(kind) or []) for kind in _ANALYSIS):
        raise Refusal(400, _DOWNTIME, "OperationNotAllowed")
    used = {field.get("vectorSearchProfile") for field in old["fields"]}
    before, after = (_algorithms(index) for index in (old, new))
    if any(before[profile] != after.get(profile) for profile in used & before.keys()):
        raise Refusal(400, "Algorithm name cannot be updated. Parameters: definition")


def _algorithms(index: Body) -> dict[str, Body]:
    """The algorithm of each profile."""
    search = index.get("vectorSearch") or {}
    algorithms = {one["name"]: one for one in search.get("algorithms", [])}
    return {one["name"]: algorithms[one["algorithm"]] for one in search.get("profiles", [])}


def check_fields(old: Body, new: Body, *, many: bool = False) -> None:
    """Fields of an index may come, but neither change nor go."""
    fields = {field["name"]: field for field in new["fields"]}
    for field in old["fields"]:
        name = field["name"]
        if name not in fields:
            text = f"Existing field(s) '{name}' cannot be deleted."
            raise Refusal(400, text, "OperationNotAllowed", "CannotDeleteExistingField")
        if "fields" in field and "fields" in fields[name]:
            inside_list = many or field["type"].startswith("Collection(")
            check_fields(field, fields[name], many=inside_list)  # a complex field may get new ones inside
        if _fixed(field, many=many) != _fixed(fields[name], many=many):
            text = f"Existing field '{name}' cannot be changed."
            raise Refusal(400, text, "OperationNotAllowed", "CannotChangeExistingField")


def _fixed(field: Body, *, many: bool) -> Body:
    whole = completed(field, many=many)
    return {name: value for name, value in whole.items() if name not in (*_MAY_CHANGE, "fields")}


def _check(model: Any, where: str) -> None:
    if isinstance(model, _OPEN):
        return
    names = {member._rest_name for member in model._attr_to_rest_field.values()}
    for extra in model.keys() - names:
        text = f"The property '{extra}' does not exist on type '{type(model).__name__}'."
        raise Refusal(400, f"The request is invalid. Details: {where} : {text}")
    for attribute in model._attr_to_rest_field:
        value = getattr(model, attribute)
        for inner in value if isinstance(value, list) else [value]:
            if hasattr(inner, "_attr_to_rest_field"):
                _check(inner, where)
            elif isinstance(inner, dict) and "@odata.type" in inner:
                raise Refusal(400, f"The request is invalid. Details: {where} : {inner['@odata.type']} is no type.")
