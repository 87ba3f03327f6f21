"""What people ask an index, and the answer of the search service."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from azure.search.documents import SearchClient
from azure.search.documents.models import VectorizableImageBinaryQuery, VectorQuery

from shared.contract import Json

MOST = 1000
"""Hits that one answer of the service holds."""

NEIGHBOURS = 50
"""Nearest vectors, at the least. Both rankings of words with an image need some length, or they share nothing."""


class QueryError(ValueError):
    """The index cannot be asked so; the message says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: words, an image, or both."""

    words: str = ""
    image: bytes | None = None
    """An encoded image."""
    top: int = 10
    """How many, 1 to MOST."""
    filter: str = ""
    """An OData filter; only the service has them."""
    fields: tuple[str, ...] = ()
    """Where the words are looked for; (): in all fields that can be searched."""

    @property
    def neighbours(self) -> int:
        """How many nearest vectors are ranked."""
        return max(self.top, NEIGHBOURS)


class Hit(NamedTuple):
    """A document that was found."""

    score: float
    """By words: BM25, from 0. By image: 1 / (2 − cosine), ⅓ to 1. By both: of rank fusion, up to 2 / 61."""
    document: dict[str, Json]
    """Its fields but for the vector."""


def service_search(client: SearchClient, index: Mapping[str, Json], query: Query) -> list[Hit]:
    """Ask the service.

    Args:
        client: Of the index.
        index: Its definition.
        query: What is asked.

    Raises:
        QueryError: The index has no such fields.
        AzureError: The service refuses or does not answer.
    """
    vectors: list[VectorQuery] | None = None
    if query.image is not None:
        image = base64.b64encode(query.image).decode()
        field = vector_field(index)["name"]
        vectors = [VectorizableImageBinaryQuery(base64_image=image, k_nearest_neighbors=query.neighbours, fields=field)]
    found: Any = client.search(
        query.words or None,
        top=query.top,
        filter=query.filter or None,
        search_fields=searched_fields(index, query) if query.words and query.fields else None,
        select=shown_fields(index),
        vector_queries=vectors,
    )
    # A page of an answer that was cut into several can hold more than is left to take.
    return [Hit(one["@search.score"], _plain(one)) for _, one in zip(range(query.top), found, strict=False)]


def shown_fields(index: Mapping[str, Json]) -> list[str]:
    """The fields that an answer holds: all that can be retrieved, so not the vector."""
    return [
        field["name"] for field in index["fields"] if field.get("retrievable") is not False and not _is_vector(field)
    ]


def searchable_fields(index: Mapping[str, Json]) -> list[str]:
    """The fields that words are looked for in, unless the query names some: its texts, and not the key."""
    texts = ("Edm.String", "Collection(Edm.String)")
    return [
        field["name"]
        for field in index["fields"]
        if field["type"] in texts and field.get("searchable") is not False and not field.get("key")
    ]


def searched_fields(index: Mapping[str, Json], query: Query) -> list[str]:
    """The fields that the words of a query are looked for in.

    Raises:
        QueryError: One of those that it names cannot be searched.
    """
    known = searchable_fields(index)
    if unknown := [name for name in query.fields if name not in known]:
        raise QueryError(f"Words cannot be looked for in {', '.join(unknown)}: the index has {', '.join(known)}.")
    return list(query.fields) or known


def about_scores(query: Query) -> str:
    """What the scores of an answer are, for people."""
    if query.words and query.image is not None:
        return "Scores: by words and by image, 1 / (60 + rank) in either ranking, added up: at most 2 / 61 = 0.0328."
    if query.image is not None:
        return "Scores: 1 / (1 + distance), the distance being 1 − cosine: 1 for the same image, ⅓ for the opposite."
    return "Scores: BM25 of the words; next to 0 for a word that nearly every document has. The order is what counts."


def about_nothing(index: Mapping[str, Json], query: Query) -> str:
    """Why nothing may have been found, for people."""
    held = " The filter has to hold as well." if query.filter else ""
    if query.image is not None:
        return f"No document has a vector.{held}"
    fields = ", ".join(searched_fields(index, query))
    return f"Words are found whole, in these fields: {fields or 'none'}.{held}"


def vector_field(index: Mapping[str, Json]) -> dict[str, Json]:
    """The field that images are compared by.

    Raises:
        QueryError: The index has none.
    """
    for field in index["fields"]:
        if _is_vector(field):
            found: dict[str, Json] = field
            return found
    raise QueryError(f"The index {index['name']} has no vectors: it cannot be asked by an image.")


def _is_vector(field: Mapping[str, Json]) -> bool:
    return bool(field.get("vectorSearchProfile"))


def _plain(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if not name.startswith("@search.")}
