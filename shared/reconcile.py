"""Finds what events missed: compares the images container with the store, and looks after every blob that differs.

`sync_blob` looks at the blob itself before anything is changed. How far a run came is kept in the store, and the next
one goes on from there. So is what it is about to look after: a blob that ends the process is found out by that, and
does not end every run after it.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched, chain, islice
from typing import Literal

from shared.blob_client import BlobUnreadable
from shared.blobs import Page, list_page
from shared.comparison import Scope, Suspect, differences, scopes_of
from shared.contract import Deadline
from shared.cursor import Cursor, complete, completed, keep, key_of, now, resumed
from shared.features import DEFAULT_COLLECTION, FeatureStore, StoreBusy
from shared.ingest import Outcome, note_fatal, sync_blob
from shared.origin import check_origin
from shared.settings import Settings, SettingsError

MOST = 20_000
"""Blobs that one run looks after at most."""

AT_ONCE = 2 * (os.process_cpu_count() or 1)
"""Blobs looked after at the same time: while some are embedded, others are read."""

FATAL_AFTER = 3
"""How often in a row a run must end while it looks after one blob alone before that blob is not tried any more."""

_ALL = "reconcile"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a run did in one collection, and what it left.

    Attributes:
        collection: Its name.
        began: When the pass over the collection began that this run goes on with: an ISO time in UTC. What was missed
            before then has been found once `complete` is true.
        compared: How many blobs were compared with the store.
        embedded: How many were embedded.
        retagged: How many features got the blob's present tags.
        dropped: How many features and failures were dropped, because their blobs are gone.
        failed: How many could not be embedded; the collection's failures say why.
        remaining: How many are known to differ and were not reached, up to 10,000.
        complete: Whether the end of the collection was reached. If not, another run goes on from here.
    """

    collection: str
    began: str
    compared: int = 0
    embedded: int = 0
    retagged: int = 0
    dropped: int = 0
    failed: int = 0
    remaining: int = 0
    complete: bool = False


@dataclass(slots=True)
class _Budget:
    """What a run may still do."""

    deadline: Deadline
    looks: int

    def spent(self) -> bool:
        return self.looks <= 0 or not self.deadline.remaining()


def reconcile(collection: str, store: FeatureStore, settings: Settings, deadline: Deadline) -> Report:
    """Bring the features of a collection in step with its blobs, as far as time and `MOST` allow.

    Args:
        collection: Its name. One that is nowhere is complete at once.
        store: Where the features are.
        settings: Say which container.
        deadline: When to begin nothing more. A little is done however late it is, so that runs come to an end.

    Raises:
        StoreBusy: The store or Blob storage did not answer. What was done stays done.
        SettingsError: One of them cannot be used as it is set up.
    """
    return _reconcile(collection, store, settings, _Budget(deadline, MOST))


def reconcile_all(store: FeatureStore, settings: Settings, deadline: Deadline) -> list[Report]:
    """Bring all collections in step, as far as the time allows; the next call goes on from there.

    Collections that the store knows come first, then the blobs without a folder, beside which all other folders are
    found.

    Returns:
        The reports of those that were looked at. When the last one is of the default collection and complete, the whole
        container has been compared.

    Raises:
        StoreBusy, SettingsError: As `reconcile`.
    """
    began = store.recall(_ALL) or now()
    store.remember(_ALL, began)
    budget, reports = _Budget(deadline, MOST), list[Report]()

    def run(collection: str) -> bool:
        if reports and budget.spent():
            return False
        if completed(key_of(collection), store) >= began:
            return True
        try:
            reports.append(_reconcile(collection, store, settings, budget))
        except (StoreBusy, SettingsError):
            raise
        except Exception:
            # The edge of a collection: the others come all the same.
            log.exception("reconcile: the collection %r", collection)
            return True
        return reports[-1].complete

    known = [collection for collection in store.collections() if collection != DEFAULT_COLLECTION]
    if not all(run(collection) for collection in known) or (reports and budget.spent()):
        return reports
    beside = partial(_run_unless_default, run)
    reports.append(_reconcile(DEFAULT_COLLECTION, store, settings, budget, on_folder=beside))
    if reports[-1].complete:
        store.remember(_ALL, None)
    return reports


def _reconcile(
    collection: str,
    store: FeatureStore,
    settings: Settings,
    budget: _Budget,
    on_folder: Callable[[str], bool] = lambda _folder: True,
) -> Report:
    check_origin(store, settings)
    key, scopes = key_of(collection), scopes_of(collection)
    cursor = _finish_interrupted(key, resumed(key, store), store, settings)
    report = Report(collection, cursor.began)
    while cursor.scope < len(scopes):
        scope = scopes[cursor.scope]
        page, cursor = _part(scope, cursor, settings)
        report.compared += len(page.blobs)
        if not _look_after_part(scope, page, key, cursor, report, budget, store, settings):
            return report
        if not all(on_folder(folder.rstrip("/")) for folder in page.folders):
            return report
        last = page.blobs[-1].path if page.blobs else cursor.after
        following = {"marker": page.marker, "after": last} if page.marker else {"scope": cursor.scope + 1}
        cursor = Cursor(began=cursor.began, **({"scope": cursor.scope} | following))
        keep(key, cursor, store)
        log.info("%s", report)
        if budget.spent() and cursor.scope < len(scopes):
            return report
    report.complete = True
    complete(key, cursor, store)
    return report


def _part(scope: Scope, cursor: Cursor, settings: Settings) -> tuple[Page, Cursor]:
    """The part of the listing where the cursor is; where that is refused, the first part of all and a new cursor."""
    try:
        return list_page(scope.prefix, cursor.marker, settings, deep=scope.deep), cursor
    except BlobUnreadable as error:
        if not cursor.marker:
            raise SettingsError(f"The images container cannot be listed. {error}") from error
        log.warning("reconcile: begins again, for Blob storage does not go on from where it was: %s", error)
        cursor = Cursor(began=now(), scope=cursor.scope)
        return list_page(scope.prefix, "", settings, deep=scope.deep), cursor


def _look_after_part(
    scope: Scope,
    page: Page,
    key: str,
    cursor: Cursor,
    report: Report,
    budget: _Budget,
    store: FeatureStore,
    settings: Settings,
) -> bool:
    """Whether the end of the part was reached."""
    reached = Suspect(*cursor.reached) if cursor.reached else None
    differing = differences(report.collection, scope, page, cursor.after, reached, store)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="reconcile") as pool:
        for number, some in enumerate(batched(differing, 4 * AT_ONCE, strict=False)):
            if number and budget.spent():
                report.remaining = sum(1 for _ in islice(chain(some, differing), 10_000))
                keep(key, cursor, store)
                return False
            keep(key, replace(cursor, under_way=[suspect.path for suspect in some]), store)
            try:
                for outcome in pool.map(partial(_look_after, store=store, settings=settings), some):
                    _count(report, outcome)
            except (StoreBusy, SettingsError):
                keep(key, cursor, store)  # it is no blob's fault
                raise
            budget.looks -= len(some)
            cursor = replace(cursor, reached=(some[-1].path, some[-1].stored))
    return True


def _finish_interrupted(key: str, cursor: Cursor, store: FeatureStore, settings: Settings) -> Cursor:
    """Look after what the last run was at when it ended, each alone; what ends one run after the other is given up."""
    for path in cursor.under_way:
        tries = cursor.tries + 1 if len(cursor.under_way) == 1 else 1
        if tries >= FATAL_AFTER:
            note_fatal(path, store, settings)
        else:
            keep(key, replace(cursor, under_way=[path], tries=tries), store)
            _look_after(Suspect(path, stored=False), store, settings)
    return replace(cursor, under_way=[], tries=0)


def _look_after(suspect: Suspect, store: FeatureStore, settings: Settings) -> Outcome | Literal["retagged"]:
    try:
        retagged = suspect.tags is not None and _retag(suspect.path, suspect.tags, store)
        outcome = sync_blob(suspect.path, store, settings)  # also then: it may have changed, or gone, meanwhile
    except (StoreBusy, SettingsError):
        raise
    except Exception:
        # The edge of a record: the others are looked after whatever happened here.
        log.exception("reconcile: %r", suspect.path)
        return "failed"
    return "retagged" if retagged and outcome == "current" else outcome


def _retag(path: str, tags: dict[str, str], store: FeatureStore) -> bool:
    feature = store.get(path)
    return feature is not None and store.upsert(replace(feature, tags=tags))


def _run_unless_default(run: Callable[[str], bool], folder: str) -> bool:
    return folder in {"", DEFAULT_COLLECTION} or run(folder)


def _count(report: Report, outcome: str) -> None:
    if outcome != "current":
        setattr(report, outcome, getattr(report, outcome) + 1)
