"""Finds what events missed: compares the images container with the store, and looks after every blob that differs.

`sync_blob` looks at the blob itself before anything is changed. How far a run came is kept in the store, and the next
one goes on from there.
"""

import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import batched, chain, islice
from typing import Any, Literal

from shared.blob_client import BlobUnreadable
from shared.blobs import Page, list_page
from shared.comparison import Scope, Suspect, differences, scopes_of
from shared.contract import Deadline
from shared.features import DEFAULT_COLLECTION, Failure, FeatureStore, StoreBusy
from shared.ingest import Outcome, sync_blob
from shared.settings import Settings, SettingsError

MOST = 20_000
"""Blobs that one run looks after at most."""

AT_ONCE = 2 * (os.process_cpu_count() or 1)
"""Blobs looked after at the same time: while some are embedded, others are read."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a run did in one collection, and what it left.

    Attributes:
        collection: Its name.
        compared: How many blobs were compared with the store.
        embedded: How many were embedded.
        retagged: How many features got the blob's present tags.
        dropped: How many features and failures were dropped, because their blobs are gone.
        failed: How many could not be embedded; the collection's failures say why.
        remaining: How many are known to differ and were not reached, up to 10,000.
        complete: Whether the end of the collection was reached. If not, another run goes on from here.
    """

    collection: str
    compared: int = 0
    embedded: int = 0
    retagged: int = 0
    dropped: int = 0
    failed: int = 0
    remaining: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far a collection has been compared: the scope, the part of its listing, the last name before that part."""

    scope: int = 0
    marker: str = ""
    after: str = ""


def reconcile(
    collection: str,
    store: FeatureStore,
    settings: Settings,
    deadline: Deadline,
    *,
    on_folder: Callable[[str], bool] = lambda _collection: True,
) -> Report:
    """Bring the features of a collection in step with its blobs, as far as time and `MOST` allow.

    Args:
        collection: Its name. One that is nowhere is complete at once.
        store: Where the features are.
        settings: Say which container.
        deadline: When to begin nothing more.
        on_folder: Called with each folder beside the blobs of the default collection; whether to go on.

    Raises:
        StoreBusy: The store or Blob storage did not answer. What was done stays done.
        SettingsError: One of them cannot be used as it is set up.
    """
    report, scopes, key = Report(collection), scopes_of(collection), _key(collection)
    cursor = _resumed(store.recall(key))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="reconcile") as pool:
        while cursor.scope < len(scopes):
            scope = scopes[cursor.scope]
            page = _listed(scope, cursor, settings)
            report.compared += len(page.blobs)
            differing = differences(collection, scope, page, cursor.after, store)
            for number, some in enumerate(batched(differing, 4 * AT_ONCE, strict=False)):
                # Some of it is done however late it is, so that calling again always comes to an end.
                if number and (not deadline.remaining() or _looked_after(report) >= MOST):
                    report.remaining = sum(1 for _ in islice(chain(some, differing), 10_000))
                    return report
                for outcome in pool.map(partial(_look_after, store=store, settings=settings), some):
                    _count(report, outcome)
            if not all(on_folder(folder.rstrip("/")) for folder in page.folders):
                return report
            last = page.blobs[-1].path if page.blobs else cursor.after
            cursor = _Cursor(cursor.scope, page.marker, last) if page.marker else _Cursor(cursor.scope + 1)
            store.remember(key, json.dumps(asdict(cursor)))
            log.info("reconcile: %s", report)
            if not deadline.remaining() and cursor.scope < len(scopes):
                return report
    store.remember(key, json.dumps({"completed": datetime.now(UTC).isoformat()}))
    report.complete = True
    return report


def reconcile_all(store: FeatureStore, settings: Settings, deadline: Deadline) -> list[Report]:
    """Bring all collections in step, as far as the time allows; the next call goes on from there.

    Collections that the store knows come first, then the blobs without a folder, beside which all other folders are
    found.

    Returns:
        The reports of those that were looked at. When the last one is complete, the whole container has been compared.

    Raises:
        StoreBusy, SettingsError: As `reconcile`.
    """
    began = store.recall(_ALL) or datetime.now(UTC).isoformat()
    store.remember(_ALL, began)
    reports: list[Report] = []

    def run(collection: str) -> bool:
        if _completed(store.recall(_key(collection))) >= began:
            return True
        reports.append(reconcile(collection, store, settings, deadline))
        return reports[-1].complete

    if not all(run(collection) for collection in store.collections() if collection != DEFAULT_COLLECTION):
        return reports
    others = partial(_run_unless_default, run)
    reports.append(reconcile(DEFAULT_COLLECTION, store, settings, deadline, on_folder=others))
    if reports[-1].complete:
        store.remember(_ALL, None)
    return reports


_ALL = "reconcile"


def _run_unless_default(run: Callable[[str], bool], folder: str) -> bool:
    return folder in {"", DEFAULT_COLLECTION} or run(folder)


def _key(collection: str) -> str:
    return f"reconcile/{collection}"


def _resumed(text: str | None) -> _Cursor:
    kept: dict[str, Any] = json.loads(text) if text else {}
    return _Cursor() if not kept or "completed" in kept else _Cursor(**kept)


def _completed(text: str | None) -> str:
    return str((json.loads(text) if text else {}).get("completed", ""))


def _listed(scope: Scope, cursor: _Cursor, settings: Settings) -> Page:
    try:
        return list_page(scope.prefix, cursor.marker, settings, deep=scope.deep)
    except BlobUnreadable as error:
        raise SettingsError(f"The images container cannot be listed. {error}") from error


def _look_after(suspect: Suspect, store: FeatureStore, settings: Settings) -> Outcome | Literal["retagged"]:
    try:
        if suspect.tags is not None:
            feature = store.get(suspect.path)
            return "retagged" if feature and store.upsert(replace(feature, tags=suspect.tags)) else "current"
        if suspect.failed_before:
            return _try_again(suspect.path, store, settings)
        return sync_blob(suspect.path, store, settings)
    except (StoreBusy, SettingsError):
        raise
    except Exception:
        # The edge of a record: the others are looked after whatever happened here.
        log.exception("reconcile: %s", suspect.path)
        return "failed"


def _try_again(path: str, store: FeatureStore, settings: Settings) -> Outcome:
    """Try a blob that was given up. That is noted before: should it end this process, it is not begun once more."""
    failure = store.entry(path)
    if not isinstance(failure, Failure):
        return sync_blob(path, store, settings)
    store.fail(replace(failure, retry=False))
    try:
        return sync_blob(path, store, settings, again=True)
    except StoreBusy:
        store.fail(failure)
        raise


def _looked_after(report: Report) -> int:
    return report.embedded + report.retagged + report.dropped + report.failed


def _count(report: Report, outcome: str) -> None:
    if outcome != "current":
        setattr(report, outcome, getattr(report, outcome) + 1)
