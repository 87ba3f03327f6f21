"""Fits in the background: whatever becomes of messages and processes, the status says what is true."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clustering import jobs
from clustering.fits import PUBLISHING, Fit, Parameters
from clustering.fitting import running
from clustering.fitting.fit import run_fit
from clustering.fitting.learning import Progress
from clustering.fitting.running import run
from clustering.jobs import Job, JobOverError, JobRunningError, cancel, message_of, read, start
from clustering.state import read_state
from shared.features import FeatureStore, StoreBusy
from tests.clustering.angles import CLOSE, group, put
from tests.conftest import Stores
from tests.servers.devhost import wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.02)


@pytest.fixture
def filled(stores: Stores) -> Stores:
    put(stores.features, group("a", 0))
    return stores


def status(features: FeatureStore) -> Job:
    job = read("c", features)
    assert job is not None
    return job


def message(job: Job) -> bytes:
    return message_of(job, "c").encode()


def age(features: FeatureStore, job: Job) -> None:
    """As if nothing had been heard of the job for two minutes."""

    before = datetime.now(UTC) - timedelta(seconds=121)
    jobs.change("c", job.id, features, lambda now: replace(now, updated=before))


class Waiting:
    """A fit that does nothing until it is told to go on."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *args: Any, progress: Progress) -> Fit:
        self.began.set()
        for _ in range(3000):
            if self.go_on.wait(0.01):
                break
            progress("grouping the images", 0.5)
        return run_fit(*args, progress=progress)


def test_a_job_runs_and_its_status_tells(filled: Stores) -> None:
    job = start("c", CLOSE, filled.features)
    assert (job.state, job.active, job.stalled, job.parameters["eps"]) == ("queued", True, False, CLOSE.eps)
    run(message(job), *filled)
    done = status(filled.features)
    assert (done.id, done.state, done.error, done.progress) == (job.id, "done", None, 1)
    assert done.fit == read_state("c", filled.features).fit is not None
    assert job.started == done.started <= done.updated


def test_a_message_that_comes_twice_or_too_late_does_nothing(filled: Stores) -> None:
    first = start("c", CLOSE, filled.features)
    run(message(first), *filled)
    done = status(filled.features)
    run(message(first), *filled)
    assert status(filled.features) == done
    second = start("c", CLOSE, filled.features)
    cancelled = cancel("c", filled.features)
    run(message(second), *filled)
    run(message(first), *filled)
    assert status(filled.features) == cancelled
    assert read_state("c", filled.features).fit == done.fit


def test_only_one_job_at_a_time(filled: Stores) -> None:
    def try_to_start(_: int) -> Job | None:
        try:
            return start("c", CLOSE, filled.features)
        except JobRunningError:
            return None

    with ThreadPoolExecutor(4) as pool:
        (started,) = [job for job in pool.map(try_to_start, range(8)) if job]
    assert status(filled.features) == started
    with pytest.raises(JobRunningError, match="/api/collections/c/clusters/fit says how far it is"):
        start("c", CLOSE, filled.features)
    start("other", CLOSE, filled.features)


def test_a_job_whose_message_got_lost_blocks_for_two_minutes_or_until_it_is_cancelled(filled: Stores) -> None:
    lost = start("c", CLOSE, filled.features)
    age(filled.features, lost)
    assert status(filled.features).stalled
    second = start("c", CLOSE, filled.features)
    run(message(lost), *filled)  # it was only late
    assert status(filled.features) == second
    assert cancel("c", filled.features).state == "cancelled"
    start("c", CLOSE, filled.features)


def test_a_cancelled_fit_ends_within_seconds_and_leaves_nothing(
    filled: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def slowly(*args: Any, progress: Progress) -> Fit:
        def slow(phase: str, done: float) -> None:
            while phase == "writing the images":  # until it is told to end
                began.set()
                progress(phase, done)

        return run_fit(*args, progress=slow)

    monkeypatch.setattr(running, "run_fit", slowly)
    job = start("c", CLOSE, filled.features)
    with ThreadPoolExecutor(1) as pool:
        runs = pool.submit(run, message(job), *filled)
        assert began.wait(30)
        assert set(read_state("c", filled.features).begun)
        assert cancel("c", filled.features).state == "cancelled"
        assert runs.result(30) is None
    assert status(filled.features).state == "cancelled"
    assert (read_state("c", filled.features).fit, read_state("c", filled.features).begun) == (None, {})
    assert cancel("c", filled.features).state == "cancelled"


def test_a_message_that_will_not_come_again_ends_the_job(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*args: object, **options: object) -> None:
        raise StoreBusy("The store is throttled.", 1)

    monkeypatch.setattr(running, "run_fit", throttled)
    job = start("c", CLOSE, filled.features)
    for last, state in ((False, "queued"), (True, "failed")):
        with pytest.raises(StoreBusy):
            run(message(job), *filled, last=last)
        assert (status(filled.features).state, status(filled.features).error) == (state, "The store is throttled.")


def test_what_is_over_or_was_never_begun_cannot_be_cancelled(filled: Stores) -> None:
    with pytest.raises(JobOverError, match="There is no fit"):
        cancel("c", filled.features)
    run(message(start("c", CLOSE, filled.features)), *filled)
    with pytest.raises(JobOverError, match="is done; nothing was cancelled"):
        cancel("c", filled.features)


def test_a_fit_that_is_being_put_in_force_cannot_be_cancelled(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []

    def publishing(*args: object, progress: Progress) -> None:
        progress(PUBLISHING, 0)
        with pytest.raises(JobOverError, match="too late") as error:
            cancel("c", filled.features)
        answers.append(str(error.value))
        raise StoreBusy("The store is throttled.", 1)

    monkeypatch.setattr(running, "run_fit", publishing)
    with pytest.raises(StoreBusy):
        run(message(start("c", CLOSE, filled.features)), *filled)
    assert answers
    assert cancel("c", filled.features).state == "cancelled"


def test_of_two_that_run_the_same_job_the_later_one_goes_on(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    job, earlier, later = start("c", CLOSE, filled.features), Waiting(), Waiting()
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(running, "run_fit", earlier)
        first = pool.submit(run, message(job), *filled)
        assert earlier.began.wait(30)
        assert status(filled.features).state == "running"
        monkeypatch.setattr(running, "run_fit", later)
        with pytest.raises(StoreBusy, match="being run already"):
            run(message(job), *filled)
        monkeypatch.setattr(running, "ALIVE", timedelta(0))
        second = pool.submit(run, message(job), *filled)  # as after the process was killed
        assert later.began.wait(30)
        first.result(30)
        assert status(filled.features).state == "running"
        later.go_on.set()
        second.result(30)
    assert status(filled.features).state == "done"
    assert status(filled.features).fit == read_state("c", filled.features).fit


def test_a_running_job_is_heard_of_even_while_the_work_is_silent(
    filled: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, job = threading.Event(), threading.Event(), start("c", CLOSE, filled.features)

    def silent(*args: object, **options: object) -> None:
        began.set()
        go_on.wait(30)
        raise ZeroDivisionError

    monkeypatch.setattr(running, "run_fit", silent)
    with ThreadPoolExecutor(1) as pool:
        runs = pool.submit(run, message(job), *filled)
        assert began.wait(30)
        first = status(filled.features).updated
        wait_until(lambda: status(filled.features).updated > first, timeout=10)
        with pytest.raises(JobRunningError):
            start("c", CLOSE, filled.features)
        go_on.set()
        runs.result(30)
    assert status(filled.features).error == "An internal error, which the app's log describes."


@pytest.mark.parametrize(
    ("collection", "parameters", "why"),
    [("empty", CLOSE, "holds no images of the model"), ("c", Parameters(noise_only=True), "without noiseOnly first")],
)
def test_what_cannot_be_fitted_fails_with_a_reason(
    filled: Stores, collection: str, parameters: Parameters, why: str
) -> None:
    job = start(collection, parameters, filled.features)
    run(message_of(job, collection).encode(), *filled)
    failed = read(collection, filled.features)
    assert failed is not None
    assert failed.state == "failed"
    assert why in (failed.error or "")


def test_a_fit_that_takes_too_long_ends_with_a_reason(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_SECONDS", -60)
    run(message(start("c", CLOSE, filled.features)), *filled)
    failed = status(filled.features)
    assert (failed.state, (failed.error or "")[:25]) == ("failed", "The fit took longer than ")
    assert read_state("c", filled.features).begun == {}


def test_a_busy_store_leaves_the_job_queued_and_the_message_comes_again(
    filled: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: object, **options: object) -> None:
        raise StoreBusy("The store is throttled.", 1)

    monkeypatch.setattr(running, "run_fit", busy)
    job = start("c", CLOSE, filled.features)
    for _ in range(4):
        with pytest.raises(StoreBusy):
            run(message(job), *filled)
    now = status(filled.features)
    assert (now.state, now.error) == ("queued", "The store is throttled.")
    monkeypatch.setattr(running, "run_fit", run_fit)
    run(message(job), *filled)
    assert (status(filled.features).state, status(filled.features).error) == ("done", None)


def test_a_job_that_is_killed_again_and_again_fails_with_a_reason(
    filled: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*args: object, **options: object) -> None:
        raise Killed

    monkeypatch.setattr(running, "run_fit", killed)
    monkeypatch.setattr(running, "ALIVE", timedelta(0))
    job = start("c", CLOSE, filled.features)
    for _ in range(3):
        with pytest.raises(Killed):
            run(message(job), *filled)
        assert status(filled.features).state == "running"
    run(message(job), *filled)
    failed = status(filled.features)
    assert failed.state == "failed"
    assert failed.error
    assert failed.error.startswith("The fit was cut short 3 times")


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"collection": "c"}', b"\xff", b"[" * 100_000, b"null"])
def test_a_message_that_asks_for_no_fit_is_left_out(filled: Stores, body: bytes) -> None:
    run(body, *filled)
    run(b'{"collection": "c", "job": "unknown"}', *filled)
    assert read("c", filled.features) is None
