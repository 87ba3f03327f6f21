"""Definitions into the service: what that would change, and the writing of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

from infra.search.definitions import Definitions
from infra.search.deployment.differences import Difference, change_text, differences, unshown
from infra.search.deployment.objects import KINDS, Kind, existing
from infra.search.deployment.service import Service, ServiceError, asking
from shared.contract import Json
from shared.terminal import printable

_MODEL: Final = re.compile(r"by the model (\S+)\.$")


class Change(NamedTuple):
    """What a deployment means for one object."""

    kind: Kind
    name: str
    existing: Mapping[str, Json] | None
    """None: it is new."""
    wanted: dict[str, Json]
    differences: list[Difference]
    unshown: list[str]
    """Secrets of it that the service does not show. It is written again, lest they are old ones."""

    @property
    def writes(self) -> bool:
        """Whether there is something to write."""
        return self.existing is None or bool(self.differences or self.unshown)


def plan(service: Service, definitions: Definitions) -> list[Change]:
    """What would change, in the order of writing. Nothing is written.

    Raises:
        ServiceError: The service cannot be read.
    """
    changes = []
    for kind in KINDS:
        wanted = getattr(definitions, kind.member)
        with asking(service):
            there = existing(service, kind, wanted["name"])
        found = ([], []) if there is None else (differences(there, wanted), unshown(there, wanted))
        changes.append(Change(kind, wanted["name"], there, wanted, *found))
    return changes


def models(changes: Sequence[Change]) -> tuple[str, str] | None:
    """The model of the deployed skillset and the wanted one, where the two differ."""
    for change in changes:
        if change.kind.member == "skillset" and change.existing is not None:
            before, after = (_MODEL.search(one.get("description") or "") for one in (change.existing, change.wanted))
            if before and after and before[1] != after[1]:
                return before[1], after[1]
    return None


def write(service: Service, changes: Sequence[Change]) -> Iterator[str]:
    """Write what changes, each object only if it is still as it was shown, and say of each when it is written.

    When the model changes, the indexer is reset before anything is written: were it the other way round, a deployment
    that breaks off between the two would leave documents of the old model for good.

    Raises:
        ServiceError: The service refuses one of them. Those before it are written.
    """
    written: list[str] = []
    if models(changes) and changes[-1].existing is not None:
        _reset(service, changes[-1].name)
        written.append(f"indexer {changes[-1].name} (reset)")
        yield f"indexer {changes[-1].name}: reset"
    for change in changes:
        if not change.writes:
            continue
        try:
            _write(service, change)
        except ServiceError as error:
            so_far = f" Written before that: {', '.join(written)}." if written else " Nothing was written."
            raise ServiceError(f"The {change.kind.called} {change.name} is not written. {error}{so_far}") from error
        written.append(f"{change.kind.called} {change.name}")
        yield f"{written[-1]}: {'updated' if change.existing else 'created'}"


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """What would change, for people."""
    for change in changes:
        state = "new" if change.existing is None else "changed" if change.differences else "unchanged"
        secrets = ", ".join(dict.fromkeys(path.rpartition(".")[2] for path in change.unshown))
        again = f"; written again, as the service does not show its {secrets}" if secrets else ""
        yield f"{change.kind.called} {change.name}: {state}{again}"
        for difference in change.differences:
            yield printable(f"  {difference.path}: {change_text(difference)}")


def content(changes: Sequence[Change]) -> list[Json]:
    """What would change, as JSON."""
    return [
        {
            "kind": change.kind.called,
            "name": change.name,
            "state": "new" if change.existing is None else "changed" if change.differences else "unchanged",
            "differences": [one._asdict() for one in change.differences],
            "notShown": change.unshown,
        }
        for change in changes
    ]


def _reset(service: Service, indexer: str) -> None:
    try:
        with asking(service):
            service.indexers.reset_indexer(indexer)
    except ServiceError as error:
        raise ServiceError(
            f"The indexer {indexer} is not reset, which another model needs. {error} Nothing was written. When a run "
            "is going, wait for its end, which `python -m infra.search status` shows; then deploy again."
        ) from error


def _write(service: Service, change: Change) -> None:
    with asking(service):
        try:
            if change.existing is None:
                change.kind.put(service, change.wanted, MatchConditions.IfMissing)
            else:
                seen = change.wanted | {"@odata.etag": change.existing["@odata.etag"]}
                change.kind.put(service, seen, MatchConditions.IfNotModified)
        except (ResourceModifiedError, ResourceExistsError) as error:
            if error.status_code != 412:
                raise
            raise ServiceError("Somebody changed it meanwhile: run deploy again.") from error
