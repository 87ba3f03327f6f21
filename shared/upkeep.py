"""The calls by which people keep a collection in step: reconcile it, see what failed, try that again."""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

from shared.calls import SHOWN, page_size
from shared.contract import CallError, Deadline, Reply, error_reply
from shared.features import Failure, FeatureStore, StoreBusy
from shared.ingest import sync_blob
from shared.reconcile import reconcile
from shared.settings import Settings, SettingsError

NOT_IN_NAMES = re.compile("[\x00-\x1f\ufffe\uffff]")
"""What no blob's name holds: Blob storage could not list it, as XML cannot carry it."""

log = logging.getLogger(__name__)


def reconcile_collection(collection: str, store: FeatureStore, settings: Settings) -> Reply:
    """Bring a collection in step as far as a call's time budget allows: the report says whether it is `complete`."""
    if NOT_IN_NAMES.search(collection):
        return error_reply(CallError(404, "No blob's name can begin so: this one has a control character."))
    report = reconcile(collection, store, settings, Deadline(settings.time_budget))
    return _reply(asdict(report))


def list_failures(collection: str, params: Mapping[str, str], store: FeatureStore) -> Reply:
    """What of a collection could not be embedded, why and when.

    Args:
        collection: Its name.
        params: `top`, 1 to 1000, and `after`, the last path of the answer before.
        store: Where the failures are.

    Returns:
        `{"collection", "failures": [{path, reason, time, retry, etag, modified, model}], "after": path or null}`.
        `after` is null at the end.
    """
    try:
        top = page_size(params)
    except CallError as error:
        return error_reply(error)
    found = store.failures(collection, after=params.get("after", ""), limit=top)
    return _reply(
        {
            "collection": collection,
            "failures": [_shown(failure) for failure in found],
            "after": found[-1].path if len(found) == top else None,
        }
    )


def retry_failures(collection: str, params: Mapping[str, str], store: FeatureStore, settings: Settings) -> Reply:
    """Try the failures of a collection again, as far as the time budget of a call allows.

    Args:
        collection: Its name.
        params: `after`, the last path of the answer before.
        store: Where the failures are.
        settings: Say which container.

    Returns:
        How many were `tried`, `embedded`, `failed` again and `dropped`; `after` is where to go on, null at the end.
    """
    deadline = Deadline(settings.time_budget)
    outcomes: Counter[str] = Counter()
    after: str | None = params.get("after", "")
    while found := store.failures(collection, after=after or "", limit=SHOWN):
        for failure in found:
            # One is tried however late it is, so that calling again always comes to an end.
            if outcomes and not deadline.remaining():
                return _reply(_retried(collection, outcomes, after))
            outcomes[_tried(failure, store, settings)] += 1
            after = failure.path
    return _reply(_retried(collection, outcomes, None))


def _retried(collection: str, outcomes: Counter[str], after: str | None) -> dict[str, object]:
    named = {name: outcomes[name] for name in ("embedded", "failed", "dropped")}
    return {"collection": collection, "tried": outcomes.total(), **named, "after": after}


def _tried(failure: Failure, store: FeatureStore, settings: Settings) -> str:
    try:
        return sync_blob(failure.path, store, settings, again=True)
    except (StoreBusy, SettingsError):
        raise
    except Exception:
        # The edge of a record: the others are tried whatever happened here.
        log.exception("retry: %s", failure.path)
        return "failed"


def _shown(failure: Failure) -> dict[str, object]:
    return {
        "path": failure.path,
        "reason": failure.reason,
        "time": failure.time.isoformat(),
        "retry": failure.retry,
        "etag": failure.etag,
        "modified": failure.modified.isoformat(),
        "model": failure.model,
    }


def _reply(answer: Mapping[str, object]) -> Reply:
    return Reply(200, json.dumps(answer))
