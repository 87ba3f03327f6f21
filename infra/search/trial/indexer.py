"""One run of an indexer: from the files of a folder to the documents that the search service would have indexed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import batched
from pathlib import Path
from typing import NamedTuple

from infra.search.definitions import Definitions
from infra.search.trial.cracking import crack
from infra.search.trial.documents import Document, Issue
from infra.search.trial.folder import Blob, blobs
from infra.search.trial.outputs import index_documents
from infra.search.trial.skills import enrich
from infra.search.trial.web_api import WebApi
from shared.contract import Json
from shared.markup import plural

CRACKED_AT_ONCE = 4
"""Blobs that are read and decoded at a time; Pillow does most of it without Python's lock."""

BATCH_SIZE = 10
"""Blobs that the service takes together when the indexer does not say."""

UNLIMITED = -1


class Run(NamedTuple):
    """What came of it."""

    documents: list[dict[str, Json]]
    """What would have been indexed."""
    blobs: int
    """How many were read, of `listed`."""
    listed: int
    failed: int
    issues: list[Issue]
    skills_left_out: dict[str, str]
    """Skills that only the service can run: their names and types."""
    files_left_out: dict[str, int]
    """How many files the indexer does not read, by the ending of their names."""
    stopped: str
    """Why it ended early, or ""."""


def run(
    definitions: Definitions, folder: Path, base_url: str, call: WebApi, progress: Callable[[str, float], None]
) -> Run:
    """Index a folder as if it were the container.

    Args:
        definitions: Without problems, see `validation.problems`.
        folder: The container, or the folder that holds it under its name.
        base_url: What the blobs' urls begin with, up to the slash after the container.
        call: Asks the skills.
        progress: Told what is being done and how much of it is done, 0 to 1.

    Raises:
        OSError: The folder cannot be read.
    """
    parameters = definitions.indexer.get("parameters") or {}
    configuration = parameters.get("configuration") or {}
    listing = blobs(folder, definitions.data_source, configuration)
    most, most_in_batch = _limit(parameters, "maxFailedItems"), _limit(parameters, "maxFailedItemsPerBatch")
    indexed: list[dict[str, Json]] = []
    issues: list[Issue] = []
    left_out: dict[str, str] = {}
    read = failed = 0
    stopped = ""
    progress("Indexing", 0)
    cracked = partial(crack, base_url=base_url, configuration=configuration)
    with ThreadPoolExecutor(CRACKED_AT_ONCE, thread_name_prefix="crack") as pool:
        batches = batched(listing.blobs, parameters.get("batchSize") or BATCH_SIZE, strict=False)
        for documents in _cracked_ahead(pool, cracked, batches):
            left_out |= enrich(documents, definitions.skillset, call)
            for document in documents:
                indexed += index_documents(document, definitions)
                issues += document.issues
            read += len(documents)
            failed_here = sum(document.failed for document in documents)
            failed += failed_here
            progress("Indexing", read / len(listing.blobs))
            stopped = _too_many(failed, most, "maxFailedItems")
            stopped = stopped or _too_many(failed_here, most_in_batch, "maxFailedItemsPerBatch")
            if stopped:
                pool.shutdown(cancel_futures=True)
                break
    return Run(indexed, read, len(listing.blobs), failed, issues, left_out, listing.left_out, stopped)


def _cracked_ahead(
    pool: ThreadPoolExecutor, crack: Callable[[Blob], Document], batches: Iterable[Sequence[Blob]]
) -> Iterator[list[Document]]:
    """Cracks each batch while its user still works on the one before."""
    ready: list[Future[Document]] = []
    for batch in batches:
        coming = [pool.submit(crack, blob) for blob in batch]
        if ready:
            yield [one.result() for one in ready]
        ready = coming
    if ready:
        yield [one.result() for one in ready]


def _limit(parameters: Mapping[str, Json], name: str) -> int:
    """How many blobs may fail; the service takes null for 0."""
    return int(parameters.get(name) or 0)


def _too_many(failed: int, most: int, name: str) -> str:
    if most == UNLIMITED or failed <= most:
        return ""
    return f"The run was stopped: {plural(failed, 'blob')} failed, and {name} is {most}."
