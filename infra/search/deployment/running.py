"""Runs of the indexer: beginning one, waiting for it, and what came of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from azure.core.exceptions import ResourceExistsError

from infra.search.deployment.document_keys import document_name
from infra.search.deployment.service import Service, ServiceError, asking
from shared.contract import Json
from shared.markup import plural
from shared.terminal import printable

SECONDS: Final = 3.0
"""Between two looks at the status."""

BEGINS_WITHIN: Final = 40
"""Looks, until a run that was asked for must be seen."""

SHOWN: Final = 10
"""Errors and as many warnings that are printed."""

type Execution = Mapping[str, Json]
"""A run, as the service's status has it."""


class Begun(NamedTuple):
    """A run that is to be waited for."""

    before: str | None
    """When the last run began that is not the one."""
    already: bool
    """Whether it was running when one was asked for."""


def status(service: Service, indexer: str) -> Mapping[str, Json]:
    """The indexer's status, as the API has it.

    Raises:
        ServiceError: There is none, or it cannot be asked.
    """
    with asking(service):
        found: Mapping[str, Json] = service.indexers.get_indexer_status(indexer).as_dict()
    return found


def begin(service: Service, indexer: str) -> Begun:
    """Begin a run, or find the one that is under way: the service does one at a time.

    Raises:
        ServiceError: There is no such indexer, or it cannot be asked.
    """
    last = status(service, indexer).get("lastResult") or {}
    with asking(service):
        try:
            service.indexers.run_indexer(indexer)
        except ResourceExistsError:
            return Begun(last.get("startTime") if _ended(last) else None, already=True)
    return Begun(last.get("startTime"), already=False)


def wait(
    service: Service,
    indexer: str,
    begun: Begun,
    progress: Callable[[int], None],
    pause: Callable[[float], None] = time.sleep,
) -> Execution:
    """Wait until the run has ended.

    Args:
        service: Where.
        indexer: Its name.
        begun: What `begin` gave.
        progress: Told how many documents are done.
        pause: Called between two looks, with the seconds.

    Raises:
        ServiceError: It does not begin, or the service cannot be asked.
    """
    looks = 0
    while True:
        last = status(service, indexer).get("lastResult") or {}
        if last and last.get("startTime") != begun.before and last.get("status") != "reset":
            progress(last.get("itemsProcessed") or 0)
            if _ended(last):
                return last
        elif looks == BEGINS_WITHIN:
            raise ServiceError(f"The indexer {indexer} was told to run, but has not begun: see `status`.")
        looks += 1
        pause(SECONDS)


def failed(run: Execution) -> bool:
    """Whether some of it could not be done."""
    return run.get("status") != "success" or bool(run.get("itemsFailed"))


def report(run: Execution) -> list[str]:
    """What came of a run, for people."""
    done, lost = run.get("itemsProcessed") or 0, run.get("itemsFailed") or 0
    lines = [f"{plural(done, 'document')}, {lost:,} failed: {run.get('status')}."]
    if message := run.get("errorMessage"):
        lines.append(printable(f"The run ended early: {message}"))
    lines += _issues("Errors", run.get("errors") or ())
    lines += _issues("Warnings", run.get("warnings") or ())
    return lines


def _issues(title: str, issues: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    if issues:
        yield f"{title}:"
    for one in issues[:SHOWN]:
        told = " ".join(str(part) for name in ("errorMessage", "message", "details") if (part := one.get(name)))
        where = f" ({one['name']})" if one.get("name") else ""
        yield printable(f"  {document_name(one.get('key') or '')}: {' '.join(told.split())}{where}")
    if len(issues) > SHOWN:
        yield f"  and {len(issues) - SHOWN:,} more: --json has all that the service keeps."


def _ended(run: Execution) -> bool:
    return bool(run) and run.get("status") != "inProgress"
