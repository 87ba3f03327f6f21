"""How the service answers an object: not with the text that was written, but with what it made of it.

It fills in members, writes durations its own way and keeps secrets to itself. Seen in answers of the real service:
null connection strings, members of fields, `startTime` of a schedule, `PT3M50S` for `PT230S`.
"""

import re
from copy import deepcopy
from typing import Any

type Body = dict[str, Any]

_TEXTS = ("Edm.String", "Collection(Edm.String)")
_ATTRIBUTES = ("searchable", "filterable", "retrievable", "stored", "sortable", "facetable", "key")
_UNSET: Body = {
    "analyzer": None,
    "searchAnalyzer": None,
    "indexAnalyzer": None,
    "normalizer": None,
    "dimensions": None,
    "vectorSearchProfile": None,
    "vectorEncoding": None,
    "synonymMaps": [],
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def answered(kind: str, body: Body, etag: str, *, headers: str) -> Body:
    """An object as the service answers it.

    Args:
        kind: As in paths.
        body: As it was written.
        etag: Of this version.
        headers: Of calls: `shown`, `redacted` or `null`. What the service really does is not known.
    """
    answer = deepcopy(body) | {"@odata.context": "https://stand-in/$metadata#x/$entity", "@odata.etag": etag}
    {"datasources": _data_source, "indexes": _index, "skillsets": _skillset, "indexers": _indexer}[kind](answer)
    _durations(answer)
    if headers != "shown":
        _hide_headers(answer, redacted=headers == "redacted")
    return answer


def _data_source(answer: Body) -> None:
    answer["credentials"] = {"connectionString": None}
    answer.setdefault("dataChangeDetectionPolicy", None)
    answer["container"].setdefault("query", None)


def _index(answer: Body) -> None:
    answer["fields"] = [completed(field) for field in answer["fields"]]
    answer.setdefault("similarity", {"@odata.type": "#Microsoft.Azure.Search.BM25Similarity", "k1": None, "b": None})
    for empty in ("scoringProfiles", "suggesters", "analyzers", "tokenizers", "tokenFilters", "charFilters"):
        answer.setdefault(empty, [])
    for unset in ("defaultScoringProfile", "corsOptions", "encryptionKey"):
        answer.setdefault(unset, None)
    answer["vectorSearch"].setdefault("compressions", [])


def completed(field: Body, *, many: bool = False) -> Body:
    """A field with the defaults of what it does not say, as the SDK documents them for `SearchField`.

    Args:
        field: As it was written.
        many: Whether it is in a list of complex values.
    """
    kind = field["type"]
    many = many or kind.startswith("Collection(")
    if "fields" in field:
        inside = [completed(inner, many=many) for inner in field["fields"]]
        return dict.fromkeys(_ATTRIBUTES) | _UNSET | field | {"fields": inside}
    if field.get("dimensions"):  # of vectors it documents `retrievable` alone; the others cannot be
        simple = {"searchable": True, "filterable": False, "retrievable": False, "sortable": False, "facetable": False}
    else:
        simple = {
            "searchable": kind in _TEXTS,
            "filterable": True,
            "retrievable": True,
            "sortable": not many,
            "facetable": "GeographyPoint" not in kind,
        }
    return {"key": False, "stored": True} | simple | _UNSET | field


def _skillset(answer: Body) -> None:
    for skill in answer["skills"]:
        if skill["@odata.type"] == "#Microsoft.Skills.Custom.WebApiSkill":
            skill.setdefault("authIdentity", None)
            skill.setdefault("httpHeaders", {})
        if skill["@odata.type"] == "#Microsoft.Skills.Vision.OcrSkill":
            skill["lineEnding"] = skill.get("lineEnding", "space").capitalize()
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
    found = _DURATION.fullmatch(text)
    assert found, f"{text} is no duration."
    days, hours, minutes, rest = (int(count or 0) for count in found.groups())
    minutes, rest = minutes + rest // 60, rest % 60
    hours, minutes = hours + minutes // 60, minutes % 60
    days, hours = days + hours // 24, hours % 24
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if count)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def _hide_headers(answer: Any, *, redacted: bool) -> None:
    for name, member in _items(answer):
        if name == "httpHeaders" and member:
            answer[name] = dict.fromkeys(member, "<redacted>") if redacted else None
        _hide_headers(member, redacted=redacted)


def _items(answer: Any) -> list[tuple[Any, Any]]:
    if isinstance(answer, dict):
        return list(answer.items())
    return list(enumerate(answer)) if isinstance(answer, list) else []
