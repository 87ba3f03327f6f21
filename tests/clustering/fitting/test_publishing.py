"""Fits that are killed, cancelled or run at the same time: one is in force in full, and nothing stays of the others."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from clustering.assignment import current
from clustering.fits import Fit, Parameters, recall_fit
from clustering.fitting import publishing
from clustering.fitting.fit import run_fit
from clustering.fitting.publishing import FitSupersededError, begin, publish
from clustering.state import change_state, read_state
from shared.features import StoreBusy
from shared.fits import NOISE
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.angles import CLOSE, clusters, group, put
from tests.conftest import Stores
from tests.servers.devhost import ROOT

GROUPS = group("a", 0) | group("b", 90)
ALONE = ["c/x", "c/y", "c/z"]

LOOSE = replace(CLOSE, eps=1.9)
"""One cluster of all."""

SAMPLED = replace(CLOSE, max_images=100)


class Killed(BaseException):
    """Nothing of the program runs after it."""


class EndedError(Exception):
    """As a cancelled job raises it."""


class Interruption:
    """Raises at one call of `progress`, and notes which fits have been begun by then."""

    def __init__(self, stores: Stores, at: int, error: BaseException) -> None:
        self._stores, self._at, self._error, self._calls = stores, at, error, count()
        self.begun: set[str] = set()

    def __call__(self, phase: str, done: float) -> None:
        if next(self._calls) == self._at:
            self.begun = set(read_state("c", self._stores.features).begun)
            raise self._error


def interrupted(stores: Stores, parameters: Parameters, error: type[BaseException]) -> Iterator[tuple[Fit, set[str]]]:
    """Interrupts a fit at its first call of `progress`, then one at the second, and so on until one gets through.

    Gives the fit before, and what had been begun of the interrupted one.
    """
    before = run_fit("c", CLOSE, *stores)
    for at in count():
        known = set(read_state("c", stores.features).begun)
        interruption = Interruption(stores, at, error())
        try:
            run_fit("c", parameters, *stores, progress=interruption)
        except error:
            yield before, interruption.begun - known
        else:
            assert at > 5
            return


def left(stores: Stores, fit: str) -> bool:
    return bool(stores.fits.members(fit, limit=1)) or recall_fit(fit, stores.features) is not None


@pytest.fixture
def filled(stores: Stores) -> Stores:
    put(stores.features, GROUPS | {path: 200 + 30 * n for n, path in enumerate(ALONE)})
    return stores


@pytest.mark.parametrize("parameters", [LOOSE, replace(LOOSE, noise_only=True)], ids=["all", "noise"])
def test_a_fit_killed_at_any_moment_leaves_the_old_one_in_force(filled: Stores, parameters: Parameters) -> None:
    killed: set[str] = set()
    for before, begun in interrupted(filled, parameters, Killed):
        now = current("c", filled.features)
        assert now is not None
        assert now.fit == before
        assert clusters(now.fit.id, filled.fits) == (
            {path: int("b" in path) for path in GROUPS} | dict.fromkeys(ALONE, NOISE)
        )
        killed |= begun
    assert len(killed) >= 2
    assert any(left(filled, fit) for fit in killed)  # less than an hour old: they might still run
    long_ago = datetime.now(UTC) - timedelta(minutes=61)
    change_state("c", filled.features, lambda state: replace(state, begun=dict.fromkeys(state.begun, long_ago)))
    in_force = read_state("c", filled.features).fit
    after = run_fit("c", CLOSE, *filled)
    assert set(read_state("c", filled.features).begun) == {in_force, after.id}
    assert not any(left(filled, fit) for fit in killed)
    assert in_force
    assert left(filled, in_force)  # it is still being read


@pytest.mark.parametrize("parameters", [LOOSE, SAMPLED], ids=["all", "sample"])
def test_a_fit_that_is_ended_at_any_moment_leaves_nothing(stores: Stores, parameters: Parameters) -> None:
    size = 60 if parameters is SAMPLED else 4
    put(stores.features, {f"c/{name}{n:02}": n / 20 for n in range(size) for name in "ab"})
    ended = 0
    for before, begun in interrupted(stores, parameters, EndedError):
        state = read_state("c", stores.features)
        assert (state.fit, set(state.begun)) == (before.id, {before.id})
        assert not any(left(stores, fit) for fit in begun)
        ended += len(begun)
    assert ended >= 2


def test_a_process_that_is_killed_while_it_writes_changes_nothing(tmp_path: Path) -> None:
    stores = Stores(SqliteFeatureStore(tmp_path / "features.sqlite"), SqliteFitStore(tmp_path / "clusters.sqlite"))
    put(stores.features, group("a", 0))
    before = run_fit("c", CLOSE, *stores)
    script = """
import os, sys
from pathlib import Path
from clustering.fitting.fit import run_fit
from clustering.fits import Parameters
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
folder = Path(sys.argv[1])
stores = SqliteFeatureStore(folder / "features.sqlite"), SqliteFitStore(folder / "clusters.sqlite")
def die(phase, done):
    if phase == "writing the images" and done == 1:
        os._exit(9)
run_fit("c", Parameters(), *stores, progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, env={**os.environ}, check=False)
    assert done.returncode == 9
    state = read_state("c", stores.features)
    (lost,) = set(state.begun) - {before.id}
    assert left(stores, lost)
    assert state.fit == before.id
    assert current("c", stores.features) == (state, before)
    assert clusters(before.id, stores.fits) == dict.fromkeys(group("a", 0), 0)
    for store in stores:
        store.close()


def test_of_two_fits_at_the_same_time_one_wins_and_the_other_leaves_nothing(filled: Stores) -> None:
    at_the_same_time = threading.Barrier(2, timeout=30)
    before = read_state("c", filled.features)

    def wait(phase: str, done: float) -> None:
        if phase == "writing the images" and done == 0:
            at_the_same_time.wait()

    def run(parameters: Parameters) -> Fit | FitSupersededError:
        try:
            return run_fit("c", parameters, *filled, progress=wait)
        except FitSupersededError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, [CLOSE, LOOSE]))
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Fit)]
    (lost,) = [outcome for outcome in outcomes if isinstance(outcome, FitSupersededError)]
    assert "Another fit of the collection was published meanwhile" in str(lost)
    state = read_state("c", filled.features)
    assert state.fit == won.id
    assert set(state.begun) == {*before.begun, won.id}
    members = clusters(won.id, filled.fits)
    assert members.keys() == {*GROUPS, *ALONE}
    assert len(set(members.values())) == (3 if won.parameters == CLOSE else 1)


def test_a_fit_follows_one_that_was_published_while_it_was_still_grouping(filled: Stores) -> None:
    published: list[Fit] = []

    def overtake(phase: str, done: float) -> None:
        if phase == "measuring the groups":
            published.append(run_fit("c", LOOSE, *filled))

    late = run_fit("c", CLOSE, *filled, progress=overtake)
    assert read_state("c", filled.features).fit == late.id
    assert late.changes is not None
    assert (late.changes.new, late.changes.gone, late.changes.splits) == ([1], [], {0: [0, 1]})


def test_readers_never_see_a_mixture(filled: Stores) -> None:
    run_fit("c", CLOSE, *filled)
    over = threading.Event()

    def read() -> int:
        seen = set()
        while not over.is_set():
            now = current("c", filled.features)
            assert now is not None
            found = list(clusters(now.fit.id, filled.fits).values())
            assert {one.id: one.size for one in now.fit.clusters} == {
                one: found.count(one) for one in set(found) - {NOISE}
            }
            seen.add(now.fit.id)
        return len(seen)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for n in range(8):
            run_fit("c", LOOSE if n % 2 else CLOSE, *filled)
        over.set()
        assert reading.result() > 1


def test_a_fit_that_a_later_one_dropped_cannot_be_published(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, state = begin("c", filled.features, filled.fits)
    monkeypatch.setattr(publishing, "KEPT", timedelta(0))
    begin("c", filled.features, filled.fits)
    with pytest.raises(FitSupersededError, match="a later one has dropped it"):
        publish(slow, [], 5, follows=state.fit, former=[], collection="c", features=filled.features)
    assert read_state("c", filled.features).fit is None


class NoDrop(SqliteFitStore):
    """Cannot be reached by those who want to drop a fit, until it can."""

    reachable = False

    def drop(self, fit: str) -> None:
        if not self.reachable:
            raise StoreBusy("The store is out of reach.", 1)
        super().drop(fit)


def test_what_could_not_be_dropped_is_dropped_by_the_next_fit(tmp_path: Path) -> None:
    fits = NoDrop(tmp_path / "clusters.sqlite")
    stores = Stores(SqliteFeatureStore(tmp_path / "features.sqlite"), fits)
    put(stores.features, group("a", 0))

    def end(phase: str, done: float) -> None:
        if phase == "putting it in force":
            raise EndedError

    with pytest.raises(EndedError):
        run_fit("c", CLOSE, *stores, progress=end)
    (lost,) = read_state("c", stores.features).begun
    assert left(stores, lost)
    fits.reachable = True
    fit = run_fit("c", CLOSE, *stores)
    assert set(read_state("c", stores.features).begun) == {fit.id}
    assert not left(stores, lost)
    for store in stores:
        store.close()
