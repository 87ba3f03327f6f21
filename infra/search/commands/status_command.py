"""`python -m infra.search status`: the indexer's last runs and what is in the index."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

from infra.search.commands.adding import Add
from infra.search.commands.service_asked import service_of
from infra.search.deployment.running import Execution, report, status
from infra.search.deployment.service import Service, ServiceError, add_service_option, asking, documents
from infra.search.names import names_for
from infra.search.parameters import ParameterError
from shared import backbone
from shared.command_line import Options, Outcome
from shared.contract import Json
from shared.markup import plural
from shared.terminal import aligned, printable

ERRORS: tuple[type[Exception], ...] = (ParameterError, ServiceError)

RUNS: Final = 5
"""Runs that are printed."""


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "status",
        _status,
        "show the indexer's last runs, the documents in the index by model, and how old what they say is",
        "--service my-search",
    )
    add_service_option(parser)


def _status(options: Options) -> Outcome:
    names = names_for(options)
    with service_of(options, os.environ) as service:
        now = status(service, names.indexer)
        models = _by_model(service, names.index)
        with asking(service):
            size = service.indexes.get_index_statistics(names.index)
    history = now.get("executionHistory") or []
    last = now.get("lastResult") or {}
    # The service calls an indexer "running" that may run; whether it does is told by the last run.
    content: Json = {
        "state": _state(now, last),
        "indexer": {name: value for name, value in now.items() if name != "status"},
        "index": names.index,
        "documents": size.document_count,
        "bytes": size.storage_size,
        "models": models,
        "otherModels": sum(count for model, count in models.items() if model != backbone.MODEL),
        "since": _since(history),
    }
    lines = [f"Index {names.index}: {plural(size.document_count, 'document')}, {size.storage_size / 1e6:,.1f} MB."]
    lines += [printable(f"  of the model {model}: {count:,}") for model, count in models.items()]
    if content["otherModels"]:
        lines.append(
            f"{content['otherModels']:,} of them are not of this project's model, {backbone.MODEL}: deploy, then "
            "`python -m infra.search reset --run`."
        )
    lines.append(f"Indexer {names.indexer}: {_told(content['state'], last)}.")
    lines += _table(history[:RUNS])
    lines += [_staleness(history)] if history else []
    lines += ["Last run:", *report(last)] if last.get("errors") or last.get("warnings") else []
    return Outcome(content, "\n".join(lines))


def _by_model(service: Service, index: str) -> dict[str, int]:
    with asking(service), closing(documents(service, index)) as client:
        found = client.search("*", facets=["model,count:50"], top=0)
        facets = (found.get_facets() or {}).get("model", [])
    return {str(one["value"]): int(one["count"]) for one in facets}


def _state(now: Mapping[str, Json], last: Execution) -> str:
    """What the indexer does: `error`, `running`, `idle` or `new`."""
    if now.get("status") == "error":
        return "error"
    if last.get("status") == "inProgress":
        return "running"
    return "idle" if last else "new"


def _told(state: str, last: Execution) -> str:
    match state:
        case "error":
            return "it cannot run; its last run says why"
        case "running":
            return f"running, {plural(last.get('itemsProcessed') or 0, 'document')} so far"
        case "new":
            return "it has not run yet"
        case _:
            return state


def _table(runs: Sequence[Execution]) -> list[str]:
    rows = [
        [
            f"{one.get('itemsProcessed') or 0:,} done",
            f"{one.get('itemsFailed') or 0:,} failed",
            f"{len(one.get('warnings') or ()):,} warnings",
            str(one.get("startTime") or "")[:16].replace("T", " "),
            str(one.get("status")),
        ]
        for one in runs
    ]
    return [f"  {line}" for line in aligned(rows, texts=2)] if rows else []


def _since(history: Sequence[Execution]) -> dict[str, Json]:
    """When everything was read last, and how many documents came after that."""
    after = 0
    for run in history:  # newest first
        if run.get("status") != "reset" and not run.get("initialTrackingState"):
            return {"allRead": run.get("startTime"), "indexedAfter": after}
        after += run.get("itemsProcessed") or 0
    return {"allRead": None, "indexedAfter": after}


def _staleness(history: Sequence[Execution]) -> str:
    since = _since(history)
    after = plural(since["indexedAfter"], "document")
    refresh = "`python -m infra.search reset --run` refreshes them."
    if since["allRead"] is None:
        oldest = str(history[-1].get("startTime") or "")[:10]
        return (
            f"Everything was read before {oldest}, as far back as the service remembers; {after} came since. "
            f"Look-alikes and groups are of the day a document was indexed: {refresh}"
        )
    if not since["indexedAfter"]:
        return f"Everything was read on {since['allRead'][:10]}, and nothing came since."
    return (
        f"Everything was read on {since['allRead'][:10]}; {after} came since, which look-alikes and groups of those "
        f"before do not know: {refresh}"
    )
