"""The embedding skill: an image's vector. The same route is the vectorizer that Azure AI Search calls at query time."""

from collections.abc import Mapping
from functools import partial

from shared import backbone
from shared.contract import Answer, Deadline, Json, Reply, answer_call
from shared.embedding import embed_record
from shared.settings import Settings


def answer_embedding(body: bytes, settings: Settings) -> Reply:
    """Answer a call of the embedding skill or of the vectorizer."""
    return answer_call(body, partial(vector, settings=settings), budget=settings.time_budget)


def vector(record: Mapping[str, Json], deadline: Deadline, *, settings: Settings) -> Answer:
    """The embedding of one record's image: `vector`, 256 numbers of unit length, and the `model` that made it.

    Raises:
        RecordError: The record has no image that can be used.
    """
    query = embed_record(record, settings, deadline)
    # NumPy prints a float32 by the fewest digits that give it back; Python's own float would print twice as many.
    return Answer({"vector": [float(str(value)) for value in query.vector], "model": backbone.MODEL})
