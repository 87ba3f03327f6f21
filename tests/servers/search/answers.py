"""How the service answers an object: not with the text that was written, but with what it made of it.

It fills in members, writes durations its own way and keeps secrets to itself. Seen in answers of the real service:
null connection strings, members of fields, `startTime` of a schedule, `PT3M50S` for `PT230S`.
"""

from copy import deepcopy
from typing import Any

from infra.search.durations import seconds

type Body = dict[str, Any]

_FIELD: Body = {
    "searchable": False,
    "filterable": False,
    "retrievable": True,
    "stored": True,
    "sortable": False,
    "facetable": False,
    "key": False,
    "analyzer": None,
    "searchAnalyzer": None,
    "indexAnalyzer": None,
    "normalizer": None,
    "dimensions": None,
    "vectorSearchProfile": None,
    "vectorEncoding": None,
    "synonymMaps": [],
}


def answered(kind: str, body: Body, etag: str, *, shows_headers: bool) -> Body:
    """An object as the service answers it."""
    answer = deepcopy(body) | {"@odata.context": "https://stand-in/$metadata#x/$entity", "@odata.etag": etag}
    {"datasources": _data_source, "indexes": _index, "skillsets": _skillset, "indexers": _indexer}[kind](answer)
    _durations(answer)
    if not shows_headers:
        _hide_headers(answer)
    return answer


def _data_source(answer: Body) -> None:
    answer["credentials"] = {"connectionString": None}
    answer.setdefault("dataChangeDetectionPolicy", None)
    answer["container"].setdefault("query", None)


def _index(answer: Body) -> None:
    answer["fields"] = [_field(field) for field in answer["fields"]]
    answer.setdefault("similarity", {"@odata.type": "#Microsoft.Azure.Search.BM25Similarity", "k1": None, "b": None})
    for empty in ("scoringProfiles", "suggesters", "analyzers", "tokenizers", "tokenFilters", "charFilters"):
        answer.setdefault(empty, [])
    for unset in ("defaultScoringProfile", "corsOptions", "encryptionKey"):
        answer.setdefault(unset, None)
    answer["vectorSearch"].setdefault("compressions", [])


def _field(field: Body) -> Body:
    if "fields" in field:
        return field | {"fields": [_field(inner) for inner in field["fields"]]}
    return _FIELD | field


def _skillset(answer: Body) -> None:
    for skill in answer["skills"]:
        if skill["@odata.type"] == "#Microsoft.Skills.Custom.WebApiSkill":
            skill.setdefault("authIdentity", None)
            skill.setdefault("httpHeaders", {})
    store = answer.setdefault("knowledgeStore", None)
    if store:
        store["storageConnectionString"] = None
        store["parameters"] = {"synthesizeGeneratedKeyName": True}
        for group in store["projections"]:
            for projection in (*group["objects"], *group["files"]):
                projection.setdefault("generatedKeyName", f"{projection['storageContainer']}Key")
    answer.setdefault("encryptionKey", None)


def _indexer(answer: Body) -> None:
    answer.setdefault("disabled", None)
    answer.setdefault("cache", None)
    if answer.setdefault("schedule", None):
        answer["schedule"].setdefault("startTime", "0001-01-01T00:00:00Z")
    for mapping in (*answer.setdefault("fieldMappings", []), *answer.setdefault("outputFieldMappings", [])):
        mapping.setdefault("mappingFunction", None)
        if mapping["mappingFunction"]:
            mapping["mappingFunction"].setdefault("parameters", None)


def _durations(answer: Any) -> None:
    for name, member in _items(answer):
        if name in ("timeout", "interval"):
            answer[name] = _duration(member)
        _durations(member)


def _duration(text: str) -> str:
    minutes, rest = divmod(int(seconds(text)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if count)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def _hide_headers(answer: Any) -> None:
    for name, member in _items(answer):
        if name == "httpHeaders" and member:
            answer[name] = dict.fromkeys(member, "<redacted>")
        _hide_headers(member)


def _items(answer: Any) -> list[tuple[Any, Any]]:
    if isinstance(answer, dict):
        return list(answer.items())
    return list(enumerate(answer)) if isinstance(answer, list) else []
