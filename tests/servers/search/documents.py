"""Queries of the stand-in: any of some words, nearest vectors, or both by rank fusion; simple filters and facets."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from tests.servers.search.answers import completed

type Body = dict[str, Any]

KNOWN = {"search", "count", "facets", "filter", "searchFields", "select", "top", "skip", "vectorQueries"}

_EQUAL = re.compile(r"(\w+) eq (?:'((?:[^']|'')*)'|(-?\d+))")
_ANY = re.compile(r"(\w+)/any\((\w+): \2 eq '((?:[^']|'')*)'\)")
_TEXTS = ("Edm.String", "Collection(Edm.String)")


class Refused(ValueError):  # noqa: N818 - an answer, not a mistake
    """What the service refuses with 400; its text."""


def search_documents(index: Body, documents: Sequence[Body], body: Body) -> Body:
    """What the service answers to a query.

    Raises:
        Refused: It would answer 400.
    """
    assert not set(body) - KNOWN, f"The stand-in knows no {set(body) - KNOWN} of a query."
    fields = {field["name"]: completed(field) for field in index["fields"]}
    kept = [document for document in documents if _filter(body.get("filter"), fields)(document)]
    lists = []
    if body.get("search") or not body.get("vectorQueries"):
        lists.append(_by_words(body.get("search") or "*", _searched(body, fields), kept))
    lists += [_by_image(query, index, fields, kept) for query in body.get("vectorQueries") or []]
    ranked = lists[0] if len(lists) == 1 else _fused(lists)
    shown = _names(body.get("select")) or [name for name in fields if fields[name].get("retrievable") is not False]
    for name in shown:
        _known(name, fields, "$select")
        if fields[name].get("retrievable") is False:
            raise Refused(f"Invalid expression: '{name}' is not a retrievable field.\r\nParameter name: $select")
    top = ranked[body.get("skip", 0) :][: body.get("top", 50)]
    answer: Body = {"@odata.context": "https://stand-in/$metadata#docs(*)"}
    if body.get("count"):
        answer["@odata.count"] = len(ranked)
    if body.get("facets"):
        answer["@search.facets"] = {name: _facet(name, kept) for name in (one.split(",")[0] for one in body["facets"])}
    answer["value"] = [{"@search.score": score, **{name: kept[n].get(name) for name in shown}} for n, score in top]
    return answer


def _filter(text: str | None, fields: Mapping[str, Body]) -> Callable[[Body], bool]:
    if not text:
        return lambda _: True
    if found := _EQUAL.fullmatch(text):
        name, words, number = found.groups()
        wanted: Any = int(number) if number else words.replace("''", "'")
    elif found := _ANY.fullmatch(text):
        name, wanted = found[1], found[3].replace("''", "'")
    else:
        raise Refused(f"Invalid expression: Syntax error at position 1 in '{text}'.\r\nParameter name: $filter")
    _known(name, fields, "$filter")
    if not fields[name].get("filterable"):
        raise Refused(f"Invalid expression: '{name}' is not a filterable field.\r\nParameter name: $filter")
    return lambda document: (
        wanted in document[name] if isinstance(document.get(name), list) else document.get(name) == wanted
    )


def _searched(body: Body, fields: Mapping[str, Body]) -> list[str]:
    texts = [name for name, field in fields.items() if field["type"] in _TEXTS and field.get("searchable") is not False]
    for name in (named := _names(body.get("searchFields"))):
        if name not in texts:
            raise Refused(f"The field '{name}' in the search field list is not searchable.")
    return named or texts


def _by_words(search: str, names: Sequence[str], documents: Sequence[Body]) -> list[tuple[int, float]]:
    """Documents with any of the words, by how often they have them."""
    words = re.findall(r"\w+", search.lower())
    scores = []
    for n, document in enumerate(documents):
        text = " ".join(str(document.get(name) or "") for name in names).lower()
        scores.append((n, 1.0 if search == "*" else float(sum(re.findall(r"\w+", text).count(word) for word in words))))
    return sorted((one for one in scores if one[1]), key=lambda one: -one[1])


def _by_image(
    query: Body, index: Body, fields: Mapping[str, Body], documents: Sequence[Body]
) -> list[tuple[int, float]]:
    assert query["kind"] == "imageBinary"
    field = fields[query["fields"]]
    profiles = {profile["name"]: profile for profile in index["vectorSearch"]["profiles"]}
    vectorizers = {one["name"]: one["customWebApiParameters"] for one in index["vectorSearch"]["vectorizers"]}
    asked = vectorizers[profiles[field["vectorSearchProfile"]]["vectorizer"]]
    sent = {"values": [{"recordId": "0", "data": {"imageBinary": {"data": query["base64Image"]}}}]}
    reply = httpx.request(
        asked["httpMethod"], asked["uri"], json=sent, headers=asked.get("httpHeaders"), timeout=60, trust_env=False
    )
    if reply.status_code != httpx.codes.OK:
        raise Refused(f"Could not vectorize the query: the endpoint answered {reply.status_code}.")
    (value,) = reply.json()["values"]
    wanted = np.array(value["data"]["vector"])
    scores = []
    for n, document in enumerate(documents):
        if vector := document.get(query["fields"]):
            cosine = wanted @ np.array(vector) / np.linalg.norm(wanted) / np.linalg.norm(vector)
            scores.append((n, float(1 / (2 - cosine))))
    return sorted(scores, key=lambda one: -one[1])[: query["k"]]


def _fused(lists: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    scores: Counter[int] = Counter()
    for ranking in lists:
        for rank, (n, _) in enumerate(ranking):
            scores[n] += 1 / (61 + rank)  # type: ignore[assignment] # counters count in fractions as well
    return sorted(scores.items(), key=lambda one: -one[1])


def _facet(name: str, documents: Sequence[Body]) -> list[Body]:
    """A field that is a list is counted by its items."""
    values = (document.get(name) for document in documents)
    counts = Counter(one for value in values for one in (value if isinstance(value, list) else [value]))
    return [{"value": value, "count": count} for value, count in counts.most_common() if value is not None]


def _names(given: str | list[str] | None) -> list[str]:
    names = given.split(",") if isinstance(given, str) else given or []
    return [name.strip() for name in names]


def _known(name: str, fields: Mapping[str, Body], where: str) -> None:
    if name not in fields:
        raise Refused(
            f"Invalid expression: Could not find a property named '{name}' on type 'search.document'.\r\n"
            f"Parameter name: {where}"
        )
