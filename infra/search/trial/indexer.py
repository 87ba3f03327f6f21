"""One run of an indexer: from the files of a folder to the documents that the search service would have indexed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import NamedTuple

from infra.search.definitions import Definitions
from infra.search.trial.cracking import crack
from infra.search.trial.documents import Document, Issue
from infra.search.trial.folder import Blob, Listing
from infra.search.trial.outputs import index_documents
from infra.search.trial.planning import left_out
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

    documents: int
    """How many would have been indexed."""
    blobs: int
    """How many were read."""
    failed: int
    without_image: frozenset[str]
    """The keys of those in which no image was found and that did not fail."""
    issues: list[Issue]
    skills_left_out: dict[str, str]
    """Skills that only the service can run: their names and types."""
    stopped: str
    """Why it ended early, or ""."""


def run(
    definitions: Definitions,
    listing: Listing,
    base_url: str,
    call: WebApi,
    keep: Callable[[Mapping[str, Json]], None],
    progress: Callable[[str, float], None],
    all_failed: Callable[[], None],
) -> Run:
    """Index the files of a folder as if they were the container's blobs.

    Args:
        definitions: Without problems, see `validation.problems`.
        listing: The blobs that are read, see `folder.blobs`.
        base_url: What the blobs' urls begin with, up to the slash after the container.
        call: Asks the skills.
        keep: Given each document that would have been indexed; none of them is held here.
        progress: Told what is being done and how much of it is done, 0 to 1.
        all_failed: Called when no document of a batch could be indexed. What it raises ends the run.
    """
    parameters = definitions.indexer.get("parameters") or {}
    configuration = parameters.get("configuration") or {}
    most, most_in_batch = _limit(parameters, "maxFailedItems"), _limit(parameters, "maxFailedItemsPerBatch")
    left = left_out(definitions.skillset)
    issues: list[Issue] = []
    slack: set[str] = set()
    without_image: set[str] = set()
    read = failed = indexed = 0
    stopped = ""
    progress("Indexing", 0)
    cracked = partial(crack, base_url=base_url, configuration=configuration)
    with ThreadPoolExecutor(CRACKED_AT_ONCE, thread_name_prefix="crack") as pool:
        batches = batched(listing.blobs, parameters.get("batchSize") or BATCH_SIZE, strict=False)
        for documents in _cracked_ahead(pool, cracked, batches):
            enrich(documents, definitions.skillset, call, slack)
            for document in documents:
                for one in index_documents(document, definitions, left):
                    keep(one)
                    indexed += 1
                issues += document.issues
                if not (document.failed or document.tree.get("normalized_images", True)):
                    without_image.add(document.key)
                document.tree = {}  # its images: the next batch comes, and with it the one that is cracked meanwhile
            read += len(documents)
            failed_here = sum(document.failed for document in documents)
            failed += failed_here
            progress("Indexing", read / len(listing.blobs))
            stopped = _too_many(failed, most, "maxFailedItems")
            stopped = stopped or _too_many(failed_here, most_in_batch, "maxFailedItemsPerBatch")
            if failed_here == len(documents):
                all_failed()
            if stopped:
                pool.shutdown(cancel_futures=True)
                break
    return Run(indexed, read, failed, frozenset(without_image), issues, dict(left.skills), stopped)


def _cracked_ahead(
    pool: ThreadPoolExecutor, crack: Callable[[Blob], Document], batches: Iterable[Sequence[Blob]]
) -> Iterator[list[Document]]:
    """Cracks each batch while its user still works on the one before.

    So two batches are in memory, and a document may have a thousand images: with normalised images of 100 kB, the
    worst that eight PDFs in two batches of four come to is 1 GB, and their calls to skills some more. The batch size of
    the indexer is what bounds it.
    """
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
