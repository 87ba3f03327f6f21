"""The index's vectors: of the app's model, with algorithm and vectorizer. Source: the references of Create Index."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from infra.search.validation.index_fields import VECTOR, Field
from shared.backbone import DIMENSIONS
from shared.contract import Json

_HNSW: Final = {"m": (4, 10), "efConstruction": (100, 1000), "efSearch": (100, 1000)}
"""What the parameters of HNSW may be."""


def vector_problems(index: Mapping[str, Json]) -> Iterator[str]:
    """What the service would refuse in vectors, and those that are not of the app's model."""
    place = f"Index {index['name']!r}"
    search = index.get("vectorSearch") or {}
    for field in index["fields"]:
        if field["type"] == VECTOR:
            yield from (f"{place}, field {field['name']!r}: {problem}" for problem in _vector_problems(field, index))
    yield from (f"{place}, {problem}" for problem in (*_algorithm_problems(search), *_profile_problems(search)))


def _vector_problems(field: Field, index: Mapping[str, Json]) -> Iterator[str]:
    if field.get("dimensions") != DIMENSIONS:
        yield f"dimensions is {field.get('dimensions')}; the app's vectors have {DIMENSIONS}."
    for member in ("filterable", "facetable"):
        if field.get(member):
            yield f"{member} is true; a vector cannot be."
    if not field.get("searchable"):
        yield "searchable is not true; a vector that is not searchable answers no query."
    if field.get("stored") is not False or field.get("retrievable") is not False:
        yield "stored and retrievable are not both false; a second copy of each vector would cost storage for nothing."
    profiles = [profile["name"] for profile in (index.get("vectorSearch") or {}).get("profiles") or []]
    if field.get("vectorSearchProfile") not in profiles:
        yield f"vectorSearchProfile is {field.get('vectorSearchProfile')!r}; {_there_are(profiles)}."


def _algorithm_problems(search: Mapping[str, Json]) -> Iterator[str]:
    for algorithm in search.get("algorithms") or []:
        parameters = algorithm.get("hnswParameters") or {}
        for member, (least, most) in _HNSW.items():
            number = parameters.get(member)
            if number is not None and not least <= number <= most:
                yield f"vector algorithm {algorithm['name']!r}: {member} is {number}; it is {least} to {most}."


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
