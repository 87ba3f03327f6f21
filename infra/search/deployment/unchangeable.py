"""What a deployment cannot change: an index's fields and their analysis, and where its documents come from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from infra.search.deployment.deploying import Change
from infra.search.deployment.differences import change_text, differences
from shared.contract import Json
from shared.terminal import printable

_CHANGEABLE: Final = frozenset({"retrievable", "searchAnalyzer", "synonymMaps"})
"""Members of an index's field that the service lets change."""

_ANALYSIS: Final = frozenset({"analyzers", "tokenizers", "tokenFilters", "charFilters"})
_ACCOUNT: Final = re.compile(r"(?:storageAccounts/|AccountName=)([a-z0-9]+)")
"""A storage account, in the description of our data source or in a connection string that is shown."""

_STAY: Final = "the documents that are in the index by the old one would stay there, as nothing removes them."


def refused(changes: Sequence[Change]) -> list[str]:
    """Why a deployment must not be, a sentence each. Where there is no index, there is nothing to lose."""
    by_member = {change.kind.member: change for change in changes}
    index = by_member["index"]
    if index.existing is None:
        return []
    sentences = [*_fields(index.existing["fields"], index.wanted["fields"]), *_settings(index), *_left(by_member)]
    return [printable(sentence) for sentence in sentences]


def _fields(old: Sequence[Json], new: Sequence[Json]) -> Iterator[str]:
    """Fields may come, but neither change nor go."""
    for name, how in _changed(old, new):
        yield f"The field {name} would change ({how}); the service cannot do that."
    if gone := list(_gone(old, new)):
        yield f"The service cannot remove fields, and these are not in the definitions: {', '.join(gone)}."


def _changed(old: Sequence[Json], new: Sequence[Json], inside: str = "") -> Iterator[tuple[str, str]]:
    """Fields that would change, and how."""
    for field, other in _both(old, new):
        for difference in differences(field, other):
            if difference.path.split(".")[0] not in {*_CHANGEABLE, "fields"}:
                yield f"{inside}{field['name']}", f"{difference.path} {change_text(difference)}"
        yield from _changed(field.get("fields") or (), other.get("fields") or (), f"{inside}{field['name']}/")


def _gone(old: Sequence[Json], new: Sequence[Json], inside: str = "") -> Iterator[str]:
    names = {field["name"] for field in new}
    yield from (f"{inside}{field['name']}" for field in old if field["name"] not in names)
    for field, other in _both(old, new):
        yield from _gone(field.get("fields") or (), other.get("fields") or (), f"{inside}{field['name']}/")


def _both(old: Sequence[Json], new: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    wanted = {field["name"]: field for field in new}
    return ((field, wanted[field["name"]]) for field in old if field["name"] in wanted)


def _settings(index: Change) -> Iterator[str]:
    """What the index has beside its fields, and they rely on."""
    used = set(_used(index.existing or {}))
    for difference in index.differences:
        first, *rest = difference.path.split(".")
        how = f"{difference.path} of the index would change ({change_text(difference)})"
        if first in _ANALYSIS:
            # The SDK's allow_index_downtime would close the index for some seconds, and fields keep their analyzers.
            yield f"{how}; the service changes no analyzer, and adds one only while the index is closed."
        elif first == "vectorSearch" and tuple(rest[:2]) in used and rest[2:] != ["vectorizer"]:
            yield f"{how}; the service cannot do that, as a field has vectors by it."


def _used(index: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The profiles, algorithms and compressions by which an index has vectors, each with the list that it is in."""
    profiles = {field.get("vectorSearchProfile") for field in index["fields"]}
    for profile in (index.get("vectorSearch") or {}).get("profiles") or ():
        if profile["name"] in profiles:
            yield "profiles", profile["name"]
            yield "algorithms", profile["algorithm"]
            yield "compressions", profile.get("compression") or ""


def _left(changes: Mapping[str, Change]) -> Iterator[str]:
    """The indexer removes documents of blobs that were deleted, and not of those that it no longer reads."""
    source, skillset = changes["data_source"], changes["skillset"]
    found = list(_sources(source)) if source.existing is not None else []
    if skillset.existing is not None:
        before, after = (_shape(one) for one in (skillset.existing, skillset.wanted))
        found.append(("shape", before, after))
    for what, before, after in found:
        if before != after:
            yield f"The {what} would change ({before or 'none'} → {after or 'none'}); {_STAY}"
    key = next(field["name"] for field in changes["index"].wanted["fields"] if field.get("key"))
    for difference in changes["indexer"].differences:
        if difference.path.split(".")[:2] == ["fieldMappings", key]:
            yield f"What keys are made of would change ({difference.path}: {change_text(difference)}); {_STAY}"


def _sources(source: Change) -> Iterator[tuple[str, str, str]]:
    """Where blobs come from: what it is called, what it was, what it would be."""
    old, new = source.existing or {}, source.wanted
    if before := _account(old):  # else the service keeps it to itself
        yield "storage account", before, _account(new)
    yield "container", old["container"]["name"], new["container"]["name"]
    yield "folder", old["container"].get("query") or "", new["container"].get("query") or ""


def _account(source: Mapping[str, Json]) -> str:
    connection = (source.get("credentials") or {}).get("connectionString")
    found = _ACCOUNT.search(f"{connection} {source.get('description')}")
    return found[1] if found else ""


def _shape(skillset: Mapping[str, Json]) -> str:
    return "documents" if skillset.get("indexProjections") else "images"
