"""Fits in the background: one job a collection, whose status is a short text in the feature store.

A message on a queue runs it. Messages come twice, late, or again after the process was killed; the status says whether
there is anything to do. Of two that run the same job the later one goes on, and the other one notices and ends.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from clustering.fits import PUBLISHING, Parameters
from shared.contract import Json
from shared.features import FeatureStore
from shared.texts import change_text

STALLED = timedelta(minutes=2)
"""A job of which nothing was heard for so long was lost: its message, or whoever ran it. Another one may be started."""


class JobRunningError(Exception):
    """The collection is being fitted already; the message says where to look."""


class JobOverError(Exception):
    """There is no job that could be cancelled, or not any more; the message says why."""


class JobGoneError(Exception):
    """The job was cancelled or replaced, or is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A fit in the background.

    Attributes:
        id: Unique.
        state: What it is at.
        parameters: By their names on the wire.
        started: When it was asked for, in UTC.
        updated: When it was last heard of, in UTC.
        phase: What is being done, for people.
        progress: How much of that is done, 0 to 1.
        error: What went wrong, for people.
        fit: The id of the fit that came of it.
        run: Which of those that ran it has it in hand.
        tries: How many runs were begun that gave no reason for not coming to an end.
    """

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    parameters: Mapping[str, Json]
    started: datetime
    updated: datetime
    phase: str | None = None
    progress: float = 0.0
    error: str | None = None
    fit: str | None = None
    run: str | None = None
    tries: int = 0

    @property
    def active(self) -> bool:
        """Whether it is to be done."""
        return self.state in {"queued", "running"}

    @property
    def stalled(self) -> bool:
        """Whether nothing was heard of it for too long."""
        return self.active and datetime.now(UTC) - self.updated > STALLED


def start(collection: str, parameters: Parameters, features: FeatureStore) -> Job:
    """Take the collection's place for a new job; `message_of` is to be put on the queue.

    Raises:
        JobRunningError: It is being fitted already.
        StoreBusy: The store did not answer.
    """
    now = datetime.now(UTC)
    new = Job(id=secrets.token_hex(8), state="queued", parameters=to_wire(parameters), started=now, updated=now)

    def change(job: Job | None) -> Job:
        if job and job.active and not job.stalled and job.id != new.id:
            raise JobRunningError(
                f"A fit of the collection {collection!r} is {job.state} already. {status_path(collection)} says how "
                "far it is; DELETE there cancels it."
            )
        return new

    return _change(collection, features, change)


def message_of(job: Job, collection: str) -> str:
    """What is put on the queue for a job."""
    return json.dumps({"collection": collection, "job": job.id})


def read(collection: str, features: FeatureStore) -> Job | None:
    """The last job of a collection, or None when there was none. Raises StoreBusy."""
    text = features.recall(_name(collection))
    return _from_text(text) if text else None


def cancel(collection: str, features: FeatureStore) -> Job:
    """End the job of a collection; what runs notices within seconds.

    Raises:
        JobOverError: There is none that could be cancelled.
        StoreBusy: The store did not answer.
    """

    def change(job: Job | None) -> Job:
        if job is None:
            raise JobOverError(f"There is no fit of the collection {collection!r} to cancel.")
        if job.state == "cancelled":
            return job
        if not job.active:
            raise JobOverError(f"The last fit of the collection {collection!r} is {job.state}; nothing was cancelled.")
        if job.phase == PUBLISHING and not job.stalled:
            raise JobOverError(f"The fit of the collection {collection!r} is being put in force; it is too late.")
        return replace(job, state="cancelled", updated=datetime.now(UTC))

    return _change(collection, features, change)


def change(collection: str, job: str, features: FeatureStore, how: Callable[[Job], Job]) -> Job:
    """Change the status of an active job. Raises JobGoneError when it is not that any more, StoreBusy."""

    def checked(now: Job | None) -> Job:
        if now is None or now.id != job or not now.active:
            raise JobGoneError(job)
        return how(now)

    return _change(collection, features, checked)


def to_wire(parameters: Parameters) -> dict[str, Json]:
    """Parameters by their names on the wire, as `read_parameters` takes them."""
    return {
        "algorithm": parameters.algorithm,
        "eps": parameters.eps,
        "minSamples": parameters.min_samples,
        "maxImages": parameters.max_images,
        "noiseOnly": parameters.noise_only,
    }


def status_path(collection: str) -> str:
    """Where the status of a collection's job is, below the host's name."""
    return f"/api/collections/{quote(collection, safe='')}/clusters/fit"


def _change(collection: str, features: FeatureStore, how: Callable[[Job | None], Job]) -> Job:
    def changed(text: str | None) -> tuple[str, Job]:
        job = how(_from_text(text) if text else None)
        return _to_text(job), job

    return change_text(_name(collection), features, changed)


def _name(collection: str) -> str:
    return f"fitting of {collection}"


def _to_text(job: Job) -> str:
    times = {"started": job.started.isoformat(), "updated": job.updated.isoformat()}
    return json.dumps(asdict(job) | times, ensure_ascii=False, separators=(",", ":"))


def _from_text(text: str) -> Job:
    content = json.loads(text)
    times = {name: datetime.fromisoformat(content[name]) for name in ("started", "updated")}
    return Job(**content | times)
