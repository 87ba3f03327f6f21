"""Doing the job that a message asks for, and telling its status how far it is."""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from clustering import jobs
from clustering.fits import PUBLISHING, ParameterError, read_parameters
from clustering.fitting.fit import NothingToFitError, run_fit
from clustering.fitting.publishing import FitSupersededError
from clustering.jobs import Job, JobGoneError
from clustering.state import StateTooLongError
from shared.bulk import patiently
from shared.features import FeatureStore, StoreBusy
from shared.fits import FitStore
from shared.settings import SettingsError

BEAT_SECONDS = 2.0

ALIVE = timedelta(seconds=6)
"""A run that was heard of so recently is not taken over."""

MOST_SECONDS = 25 * 60.0
"""How long a fit may take: it ends before the host would kill it (functionTimeout in host.json), with a reason."""

TRIES = 3
"""Runs that were cut short without a word, by a lack of memory mostly. The host would give the message two more."""

log = logging.getLogger(__name__)


class _TooLongError(Exception):
    pass


def run(message: bytes, features: FeatureStore, fits: FitStore, *, last: bool = False) -> None:
    """Do what a message of `jobs.message_of` asks for, unless that is done, cancelled or replaced already.

    What goes wrong is in the job's status.

    Args:
        message: What `jobs.message_of` gave.
        features: Where the images are, and the status.
        fits: Where the fit goes.
        last: Whether the message will not come again.

    Raises:
        StoreBusy: A store did not answer, or the job seems to be run already. The message is to come again.
    """
    try:
        content = json.loads(message)
        collection, job = str(content["collection"]), str(content["job"])
    except (ValueError, TypeError, KeyError, RecursionError):
        log.warning("a message that asks for no fit is left out: %r", message[:200])
        return
    token = secrets.token_hex(8)
    with suppress(JobGoneError):
        taken = jobs.change(collection, job, features, lambda now: _taken(now, token))
        if taken.run == token:
            _run(collection, taken, features, fits, last=last)
        elif taken.active:
            raise StoreBusy(f"The fit of {collection!r} is being run already.", round(ALIVE.total_seconds()))


def _taken(job: Job, token: str) -> Job:
    now = datetime.now(UTC)
    if job.run and job.state == "running" and now - job.updated < ALIVE:
        return job
    if job.tries >= TRIES:
        error = (
            f"The fit was cut short {job.tries} times, most likely for want of memory: give a smaller maxImages, or a "
            "larger instance."
        )
        return replace(job, state="failed", error=error, updated=now)
    return replace(job, state="running", phase=None, run=token, tries=job.tries + 1, error=None, updated=now)


def _run(collection: str, job: Job, features: FeatureStore, fits: FitStore, *, last: bool) -> None:
    watch = _Watch(collection, job, features)
    try:
        with watch:
            fit = run_fit(collection, read_parameters(job.parameters), features, fits, progress=watch.progress)
    except JobGoneError:
        log.info("the fit of %s was cancelled or taken over", collection)
    except StoreBusy as error:
        busy = str(error)
        with suppress(StoreBusy, JobGoneError):
            watch.tell(
                lambda now: replace(
                    now, state="failed" if last else "queued", phase=None, tries=now.tries - 1, error=busy
                )
            )
        raise
    except (NothingToFitError, FitSupersededError, ParameterError, StateTooLongError, SettingsError) as error:
        _fail(watch, str(error))
    except _TooLongError:
        minutes = round(MOST_SECONDS / 60)
        _fail(watch, f"The fit took longer than {minutes} minutes: give a smaller maxImages, or use the command.")
    except MemoryError:
        _fail(watch, "There is not enough memory: give a smaller maxImages, or a larger instance.")
    except Exception:
        # The edge of a message: another try would end the same way.
        log.exception("the fit of %s failed", collection)
        _fail(watch, "An internal error, which the app's log describes.")
    else:
        # The fit is in force: were this not to be told, it would be made once more.
        patiently(lambda: watch.tell(lambda now: replace(now, state="done", fit=fit.id, phase=None, progress=1.0)))


def _fail(watch: "_Watch", why: str) -> None:
    watch.tell(lambda now: replace(now, state="failed", error=why, phase=None))


class _Watch:
    """Tells the status every few seconds that the job runs, and the job when it is not wanted any more.

    In a thread of its own, because the work is silent for minutes where scikit-learn does it.
    """

    def __init__(self, collection: str, job: Job, features: FeatureStore) -> None:
        self._collection, self._job, self._features = collection, job, features
        self._at: tuple[str | None, float] = (None, 0.0)
        self._end = time.monotonic() + MOST_SECONDS
        self._gone = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fit status", daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def progress(self, phase: str, done: float) -> None:
        """Raise JobGoneError or _TooLongError to end the work."""
        self._at = phase, done
        if self._gone.is_set():
            raise JobGoneError(self._job.id)
        if time.monotonic() > self._end:
            raise _TooLongError
        if phase == PUBLISHING:  # at once: whoever cancels must know that it is too late
            self.tell(self._moved)

    def tell(self, how: Callable[[Job], Job]) -> None:
        """Change the status. Raises JobGoneError when it is another one's, StoreBusy."""

        def mine(now: Job) -> Job:
            if now.run != self._job.run:
                raise JobGoneError(now.id)
            return replace(how(now), updated=datetime.now(UTC))

        jobs.change(self._collection, self._job.id, self._features, mine)

    def _moved(self, now: Job) -> Job:
        phase, done = self._at
        return replace(now, phase=phase, progress=round(done, 3))

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self.tell(self._moved)
            except JobGoneError:
                self._gone.set()
                return
            except Exception:
                # The edge of a beat: the next one may reach the store, and without any the job counts as stalled.
                log.warning("the status of the fit of %s could not be written", self._collection, exc_info=True)
