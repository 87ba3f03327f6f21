"""The index that `try` leaves on this machine: the documents that the service would hold, and how they are searched."""

import json
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from infra.search.asking.querying import (
    Hit,
    Query,
    QueryError,
    searchable_fields,
    searched_fields,
    shown_fields,
    vector_field,
)
from infra.search.asking.vectorizing import image_vector
from shared.contract import Json
from shared.features import Vector

FOLDER = Path(".local/search")

INDEX, REPORT, DOCUMENTS = "index.json", "report.json", "documents.jsonl"

FUSION = 60
"""Of reciprocal rank fusion (Cormack et al., SIGIR 2009), as the search service's documentation has it too."""

WORDS = 1000
"""Of a query; the rest is left out."""

type Ranking = list[tuple[int, float]]
"""Documents by their number, the best first, with their scores."""


class LocalIndexError(Exception):
    """The local index cannot be used; the message says what to do."""


class LocalIndex(NamedTuple):
    """An index that is open."""

    definition: dict[str, Json]
    documents: list[dict[str, Json]]
    """Without their vectors."""
    report: Json
    """What `try` said of its run."""
    vectors: Vector
    """float32 [n, dimensions]: those of `documents`, of unit length; zeros for one that has none."""
    texts: list[list[str]]
    """The text of each field that can be searched, of each of `documents`."""


def open_index(folder: Path) -> LocalIndex:
    """The index in a folder.

    Raises:
        LocalIndexError: There is none, or it is damaged.
        OSError: It cannot be read.
    """
    again = "'python -m infra.search try FOLDER' makes one"
    try:
        definition = json.loads((folder / INDEX).read_bytes())
        report = json.loads((folder / REPORT).read_bytes())
        documents, vectors = _documents(folder / DOCUMENTS, *_vectors_of(definition))
        names = searchable_fields(definition)
        texts = [[_searched(document.get(name)) for name in names] for document in documents]
        return LocalIndex(definition, documents, report, vectors, texts)
    except FileNotFoundError as error:
        raise LocalIndexError(f"There is no local index in {folder}: {again}.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LocalIndexError(f"The local index in {folder} is damaged: {again} anew.") from error


def search(index: LocalIndex, query: Query, headers: Mapping[str, str]) -> list[Hit]:
    """Ask it. Words are found as the service finds them, any of them, but for its query syntax, which counts as words.

    Args:
        index: The index.
        query: What is asked.
        headers: Those of the vectorizer, which are not kept with the index.

    Raises:
        QueryError: It has a filter, or names fields that there are not.
        VectorizerError: There is no vector for the image.
    """
    if query.filter:
        raise QueryError("The local index has no filters: only the search service has, see --service.")
    rankings: list[Ranking] = []
    if query.words:
        rankings.append(_by_words(index, query))
    if query.image is not None:
        rankings.append(_by_vector(index, image_vector(query.image, index.definition, headers), query.neighbours))
    best = fused(rankings) if len(rankings) > 1 else rankings[0]
    shown = shown_fields(index.definition)
    return [Hit(score, {name: index.documents[n].get(name) for name in shown}) for n, score in best[: query.top]]


def fused(rankings: Sequence[Ranking]) -> Ranking:
    """One ranking of several: a document scores 1 / (FUSION + rank) in each that has it, ranks from 1."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (n, _) in enumerate(ranking, 1):
            scores[n] = scores.get(n, 0.0) + 1 / (FUSION + rank)
    return sorted(scores.items(), key=lambda one: (-one[1], one[0]))


def _by_words(index: LocalIndex, query: Query) -> Ranking:
    """By BM25; SQLite's counts a word that most documents have for next to nothing, the service's for a little more."""
    columns = {name: f"c{n}" for n, name in enumerate(searchable_fields(index.definition))}
    searched = " ".join(columns[name] for name in searched_fields(index.definition, query))
    # In quotes, nothing is syntax but the quote. SQLite ends a text at a NUL and takes no half of a character.
    words = _text(query.words).replace("\0", " ").split()[:WORDS]
    asked = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
    if not (asked and searched):
        return []
    with closing(sqlite3.connect(":memory:")) as table:
        # As the service's standard analyzer: lower case, and accents count.
        every = ", ".join(columns.values())
        table.execute(f"CREATE VIRTUAL TABLE words USING fts5({every}, tokenize = 'unicode61 remove_diacritics 0')")
        marks = ", ".join("?" * (1 + len(columns)))
        rows = ((n, *texts) for n, texts in enumerate(index.texts))
        table.executemany(f"INSERT INTO words (rowid, {every}) VALUES ({marks})", rows)  # noqa: S608 - our own names
        ranked = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY 2 DESC, rowid"
        return list(table.execute(ranked, [f"{{{searched}}} : ({asked})"]))


def _by_vector(index: LocalIndex, vector: Vector, most: int) -> Ranking:
    """The nearest, with the service's score of a cosine: 1 / (1 + distance), which is ⅓ to 1."""
    length = float(np.linalg.norm(vector))
    scores = 1 / (2 - np.clip(index.vectors @ (vector / (length or 1.0)), -1, 1))
    there = np.flatnonzero(index.vectors.any(axis=1))
    best = there[np.argsort(-scores[there], kind="stable")[:most]]
    return [(int(n), float(scores[n])) for n in best]


def _vectors_of(definition: Mapping[str, Json]) -> tuple[str, int]:
    """The name of the field that has them and how many numbers each is of; "" and 0 where there is none."""
    try:
        field = vector_field(definition)
    except QueryError:
        return "", 0
    return field["name"], field["dimensions"]


def _documents(file: Path, name: str, dimensions: int) -> tuple[list[dict[str, Json]], Vector]:
    """The documents in a file, without their vectors, and those: as numbers of Python they would take ten times more.

    Args:
        file: A document a line.
        name: The field of the vectors, or "" without one.
        dimensions: Theirs.
    """
    documents: list[dict[str, Json]] = []
    numbers = array("f")
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            vector = document.pop(name, None) or [0.0] * dimensions
            if len(vector) != dimensions:
                raise ValueError(name)
            numbers.extend(vector)
            documents.append(document)
    vectors: Vector = np.frombuffer(numbers, dtype=np.float32).reshape(len(documents), dimensions)
    lengths: Vector = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths == 0, np.float32(1), lengths)
    return documents, vectors


def _searched(value: Json) -> str:
    return _text("\n".join(value) if isinstance(value, list) else value or "")


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
