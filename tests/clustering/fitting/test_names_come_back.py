"""Names outlive fits that do not find their clusters: trying parameters must not cost people their work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from clustering.fits import Parameters
from clustering.fitting import publishing
from clustering.fitting.fit import run_fit
from clustering.fitting.publishing import begin, discard
from clustering.labels import edit_labels
from clustering.state import change_state, read_state
from shared.fits import NOISE
from tests.clustering.angles import CLOSE, clusters, group, put, remove
from tests.clustering.fitting.test_publishing import LOOSE, left
from tests.clustering.small_fits import member
from tests.conftest import Stores

NOTHING = replace(CLOSE, min_samples=50)


def words(stores: Stores, path: str) -> tuple[str, ...]:
    state = read_state("c", stores.features)
    assert state.fit
    return state.words(clusters(state.fit, stores.fits)[path])


@pytest.fixture
def named(stores: Stores) -> Stores:
    put(stores.features, group("a", 0, size=5) | group("b", 60) | group("c", 120))
    run_fit("c", CLOSE, *stores)
    edits = {"set": {"0": ["rose"], "1": ["花"]}, "merge": {"2": 1}}
    edit_labels("c", edits, stores.features, fit=None)
    return stores


@pytest.mark.parametrize("trial", [NOTHING, LOOSE], ids=["no cluster", "one of all"])
@pytest.mark.parametrize("noise_only", [False, True])
def test_a_trial_that_loses_clusters_keeps_their_names(named: Stores, trial: Parameters, noise_only: bool) -> None:
    before = read_state("c", named.features)
    assert before.fit
    told = run_fit("c", trial, *named).warnings
    assert any("Not found again: " in text and "1 (花)" in text for text in told)
    # However long the trial is in force, the fit that knows the clusters is kept.
    long_ago = datetime.now(UTC) - timedelta(days=9)
    change_state("c", named.features, lambda state: replace(state, begun=dict.fromkeys(state.begun, long_ago)))
    run_fit("c", trial, *named)
    if noise_only and trial is NOTHING:
        run_fit("c", replace(CLOSE, noise_only=True), *named)
    else:
        run_fit("c", CLOSE, *named)
    after = read_state("c", named.features)
    assert after.fit
    assert clusters(after.fit, named.fits) == clusters(before.fit, named.fits)
    assert (words(named, "c/a000"), words(named, "c/b000"), words(named, "c/c000")) == (("rose",), ("花",), ("花",))
    assert after.remembered == {}
    # Once all are found again, what kept them is dropped like any fit.
    change_state("c", named.features, lambda state: replace(state, begun=dict.fromkeys(state.begun, long_ago)))
    run_fit("c", CLOSE, *named)
    assert not left(named, before.fit)


def test_an_image_that_was_overwritten_carries_no_name_elsewhere(named: Stores) -> None:
    remove(named.features, [path for path in group("a", 0, size=5) if path != "c/a000"])
    put(named.features, {"c/a000": 200} | group("trucks", 201, size=6), etag="2")
    run_fit("c", CLOSE, *named)
    assert words(named, "c/trucks000") == words(named, "c/a000") == ()
    assert words(named, "c/b000") == ("花",)


def test_what_a_dropped_fit_went_on_writing_is_dropped(named: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, _ = begin("c", named.features, named.fits)
    monkeypatch.setattr(publishing, "KEPT", timedelta(0))
    begin("c", named.features, named.fits)
    named.fits.write(slow, [member("c/late", NOISE)])
    discard(slow, "c", named.features, named.fits)
    assert not left(named, slow)
    in_force = read_state("c", named.features).fit
    assert in_force
    discard(in_force, "c", named.features, named.fits)
    assert left(named, in_force)
