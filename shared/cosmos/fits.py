"""`FitStore` on Cosmos DB: a fit is a partition, its members are documents."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import Any

import numpy as np
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError
from numpy.typing import NDArray

from shared.bulk import patiently
from shared.cosmos import items
from shared.cosmos.containers import open_client, open_clusters
from shared.cosmos.documents import Document, document_id, to_numbers
from shared.cosmos.faults import told_plainly
from shared.features import Vector
from shared.fits import Core, Member
from shared.settings import Settings
from shared.vectors import check_vectors, embedding_of, nearest_rows

SCHEMA = 1
"""Raised when a document changes so that an older app would misread it."""

ASKED_AT_ONCE = 32
"""Vector queries under way at the same time."""

WRITTEN_AT_ONCE = 8
"""Batches under way at the same time."""

BATCH = 100
"""Operations of a batch; Cosmos DB takes no more."""

BATCH_BYTES = 1_500_000
"""About the most that a batch may be long; Cosmos DB takes 2 MB."""

FIRST = 4
"""Core samples that a query asks for: if the last of them is farther than the nearest, that is the nearest of all."""

MOST_TIED = 256
"""How far ties are followed. Beyond, which of so many equally near core samples is given is the database's choice."""

SCORE_MARGIN = 1e-5
"""How far a score of the database, a float32, may be from the exact one."""

NEAREST = (
    "SELECT TOP @limit c.path, c.cluster, c.embedding, VectorDistance(c.embedding, @vector) AS score FROM c"
    " WHERE c.core = true ORDER BY VectorDistance(c.embedding, @vector)"
)

MEMBERS = "SELECT TOP @limit c.path, c.etag, c.cluster, c.core FROM c WHERE c.path > @after {cluster} ORDER BY c.path"

IDS = "SELECT TOP @limit VALUE c.id FROM c"


class CosmosFitStore:
    """A `FitStore` in Cosmos DB. Nothing of a fit is kept in memory."""

    def __init__(self, settings: Settings) -> None:
        """Open the container; make it where it is missing and that is allowed.

        Raises:
            SettingsError: The key is wrong, or the container is not what this app needs.
            StoreBusy: The account cannot be reached.
        """
        with told_plainly():
            self._client = open_client(settings)
            self.clusters = open_clusters(self._client, settings)
        self._pool = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="fits")

    def write(
        self,
        fit: str,
        members: Iterable[Member],
        *,
        progress: Callable[[int], object] = lambda _count: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """See `FitStore.write`. While the database is busy it waits, for minutes if it must."""

        def write_one(documents: Sequence[Document]) -> int:
            operations = [("upsert", (document,)) for document in documents]
            patiently(partial(_execute, self.clusters, operations, fit), sleep)
            return len(documents)

        # No more are begun at a time than can be under way, so that nothing is left to do when `progress` raises. The
        # pool is left when all is written: what comes after the write, such as `drop`, meets none of it.
        with ThreadPoolExecutor(WRITTEN_AT_ONCE, thread_name_prefix="write") as pool:
            for some in batched(members, WRITTEN_AT_ONCE * BATCH, strict=False):
                # Batches are not written in order, so of one path there may be only one document among them.
                latest = {document["id"]: document for document in (_document(fit, member) for member in some)}
                for count in pool.map(write_one, _batches(latest.values())):
                    progress(count)

    def member(self, fit: str, path: str) -> Member | None:
        with told_plainly():
            document = items.read(self.clusters, document_id(path), fit)
        return _member(document) if document else None

    def members(self, fit: str, *, cluster: int | None = None, after: str = "", limit: int) -> list[Member]:
        text = MEMBERS.format(cluster="" if cluster is None else "AND c.cluster = @cluster")
        values: dict[str, object] = {"@after": after, "@limit": limit}
        if cluster is not None:
            values["@cluster"] = cluster
        return [_member(row) for row in self._ask(fit, text, values)]

    def nearest(self, fit: str, vectors: NDArray[np.float32]) -> list[Core | None]:
        check_vectors(vectors)
        if len(vectors) == 1:
            return [self._nearest(fit, vectors[0])]
        return list(self._pool.map(partial(self._nearest, fit), vectors))

    def drop(self, fit: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """See `FitStore.drop`. One that was broken off has dropped some members; the next one drops the others."""

        def drop_some(ids: Sequence[str]) -> None:
            patiently(partial(_delete, self.clusters, ids, fit), sleep)

        with ThreadPoolExecutor(WRITTEN_AT_ONCE, thread_name_prefix="drop") as pool:
            while ids := patiently(partial(self._ask, fit, IDS, {"@limit": WRITTEN_AT_ONCE * BATCH}), sleep):
                list(pool.map(drop_some, batched(ids, BATCH, strict=False)))

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()

    def _nearest(self, fit: str, vector: Vector) -> Core | None:
        limit = FIRST
        numbers = to_numbers(vector)
        while True:
            rows = self._ask(fit, NEAREST, {"@vector": numbers, "@limit": limit})
            if not rows:
                return None
            rows.sort(key=lambda row: str(row["path"]))
            embeddings = np.array([row["embedding"] for row in rows], np.float32)
            (index,), (distance,) = (each.tolist() for each in nearest_rows(vector[np.newaxis], embeddings))
            # What was not sent scores no more than the last that was. When that might be as near, ask for more.
            rest = min(row["score"] for row in rows)
            if len(rows) < limit or limit >= MOST_TIED or 1.0 - distance > rest + SCORE_MARGIN:
                return Core(rows[index]["path"], rows[index]["cluster"], distance)
            limit *= 4

    def _ask(self, fit: str, text: str, values: Mapping[str, object]) -> list[Any]:
        parameters = [{"name": name, "value": value} for name, value in values.items()]
        with told_plainly():
            return items.query(self.clusters, text, parameters, fit)


def _execute(clusters: ContainerProxy, operations: Sequence[tuple[str, tuple[Any, ...]]], fit: str) -> None:
    with told_plainly():
        clusters.execute_item_batch(operations, fit)


def _delete(clusters: ContainerProxy, ids: Sequence[str], fit: str) -> None:
    """Delete documents, or leave them all when some are gone already: the next look finds those that are not."""
    with told_plainly():
        try:
            clusters.execute_item_batch([("delete", (identity,)) for identity in ids], fit)
        except CosmosBatchOperationError as error:
            if error.status_code != 404:
                raise


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in groups that a batch can hold."""
    batch: list[Document] = []
    room = BATCH_BYTES
    for document in documents:
        # JSON writes a character in 12 bytes at most, and one of these numbers with its comma in 20.
        size = 500 + 12 * (len(document["path"]) + len(document["etag"])) + 20 * len(document.get("embedding", ()))
        if batch and (size > room or len(batch) == BATCH):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(document)
        room -= size
    if batch:
        yield batch


def _document(fit: str, member: Member) -> Document:
    embedding = embedding_of(member)
    document = {
        "id": document_id(member.path),
        "partition": fit,
        "path": member.path,
        "etag": member.etag,
        "cluster": member.cluster,
        "core": member.core,
        "schema": SCHEMA,
    }
    return document if embedding is None else document | {"embedding": to_numbers(embedding)}


def _member(row: Mapping[str, Any]) -> Member:
    return Member(path=row["path"], etag=row["etag"], cluster=row["cluster"], core=row["core"])
