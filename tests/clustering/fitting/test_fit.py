"""One run of clustering, on both stores: what it finds, and what stays of it."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from clustering.fits import Parameters, recall_fit
from clustering.fitting.fit import NothingToFitError, run_fit
from clustering.fitting.members import members_of
from clustering.labels import edit_labels
from clustering.state import read_state
from shared import backbone
from shared.fits import NOISE
from shared.sqlite import entries
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.angles import CLOSE, clusters, group, put, remove
from tests.clustering.small_fits import apart, at, feature
from tests.conftest import Stores


def test_a_fit_finds_the_groups_and_says_what_it_found(stores: Stores) -> None:
    put(stores.features, group("a", 0) | group("b", 90, size=5) | {"c/alone": 45, "c/border": 8.3})
    done: list[tuple[str, float]] = []
    fit = run_fit("c", replace(CLOSE, min_samples=4), *stores, progress=lambda *what: done.append(what))
    assert recall_fit(fit.id, stores.features) == fit
    state = read_state("c", stores.features)
    assert (state.fit, state.next_id, set(state.begun)) == (fit.id, 2, {fit.id})
    found = {member.path: member for member in members_of(fit.id, stores.fits)}
    a, b = found["c/a000"].cluster, found["c/b000"].cluster
    assert {a, b} == {0, 1}
    # Nothing is within eps of the border image's angle but c/a003 at 5.3 degrees: out of reach.
    assert clusters(fit.id, stores.fits) == (
        dict.fromkeys(group("a", 0), a) | dict.fromkeys(group("b", 0, size=5), b) | {"c/alone": -1, "c/border": -1}
    )
    assert (fit.images, fit.learned_from, fit.noise, fit.changes) == (11, 11, 2, None)
    assert {cluster.id: (cluster.size, cluster.cores) for cluster in fit.clusters} == {a: (4, 4), b: (5, 5)}
    assert all(cluster.reach == CLOSE.eps for cluster in fit.clusters)
    of_four = (3 * apart(1) + 2 * apart(2) + apart(3)) / 6
    assert next(cluster.spread for cluster in fit.clusters if cluster.id == a) == pytest.approx(of_four, abs=1e-5)
    assert fit.silhouette is not None
    assert fit.silhouette > 0.9
    assert CLOSE.eps in [row.eps for row in fit.sweep]
    assert len(fit.curve) == 11
    assert done[-1] == ("putting it in force", 0)
    assert all(0 <= part <= 1 for _, part in done)


def test_border_images_are_members_and_no_core_samples(stores: Stores) -> None:
    put(stores.features, {"c/a": 0, "c/b": 1, "c/c": 2, "c/border": 6})  # 4 degrees from its only neighbour
    fit = run_fit("c", CLOSE, *stores)
    assert {member.path: (member.cluster, member.core) for member in members_of(fit.id, stores.fits)} == {
        "c/a": (0, True),
        "c/b": (0, True),
        "c/c": (0, True),
        "c/border": (0, False),
    }
    (nearest,) = stores.fits.nearest(fit.id, at(7)[None])
    assert nearest is not None
    assert nearest.path == "c/c"
    assert nearest.distance == pytest.approx(apart(5), abs=1e-6)


def test_ids_and_labels_follow_the_clusters_and_ids_are_never_used_twice(stores: Stores) -> None:
    put(stores.features, group("b", 90) | group("c", 180))
    first = clusters(run_fit("c", CLOSE, *stores).id, stores.fits)
    b, c = first["c/b000"], first["c/c000"]
    edit_labels("c", {"set": {str(b): ["birds"], str(c): ["cats"]}}, stores.features, fit=None)
    # A group that comes first by path and by size must not take another's id.
    put(stores.features, group("a", 0, size=9))
    fit = run_fit("c", CLOSE, *stores)
    second = clusters(fit.id, stores.fits)
    assert (second["c/b000"], second["c/c000"], second["c/a000"]) == (b, c, 2)
    assert fit.changes is not None
    assert (fit.changes.new, fit.changes.gone) == ([2], [])
    state = read_state("c", stores.features)
    assert (state.words(b), state.words(c), state.words(2)) == (("birds",), ("cats",), ())
    remove(stores.features, group("a", 0, size=9))
    gone = run_fit("c", CLOSE, *stores).changes
    assert gone is not None
    assert (gone.new, gone.gone) == ([], [2])
    put(stores.features, group("a", 0))
    assert clusters(run_fit("c", CLOSE, *stores).id, stores.fits)["c/a000"] == 3


def test_only_the_noise_is_grouped_when_that_is_asked_for(stores: Stores) -> None:
    put(stores.features, group("a", 0) | group("b", 90) | {"c/lonely": 270, "c/other": 45})
    before = run_fit("c", CLOSE, *stores)
    a = clusters(before.id, stores.fits)["c/a000"]
    b = clusters(before.id, stores.fits)["c/b000"]
    edit_labels("c", {"set": {str(a): ["apples"]}}, stores.features, fit=None)
    remove(stores.features, ["c/a003", *group("b", 90)])
    put(stores.features, {"c/near": 5.5, "c/x1": 271, "c/x2": 272})
    # Another picture under the same name is not what it was.
    remove(stores.features, ["c/a000"])
    put(stores.features, {"c/a000": 135}, etag="2")
    after = run_fit("c", Parameters(eps=0.5, min_samples=3, noise_only=True), *stores)
    assert clusters(after.id, stores.fits) == {
        "c/a000": NOISE,
        "c/a001": a,
        "c/a002": a,
        "c/near": a,  # 3.5 degrees from a core sample, by the reach that its cluster had
        "c/lonely": 2,
        "c/x1": 2,
        "c/x2": 2,
        "c/other": NOISE,
    }
    assert {one.id: (one.size, one.cores, one.reach) for one in after.clusters} == {a: (3, 2, 0.003), 2: (3, 3, 0.5)}
    assert (after.images, after.learned_from, after.noise) == (8, 8, 2)
    assert after.changes is not None
    assert (after.changes.new, after.changes.gone) == ([2], [b])
    assert read_state("c", stores.features).words(a) == ("apples",)


def test_noise_can_be_grouped_again_and_there_may_be_none(stores: Stores) -> None:
    put(stores.features, group("a", 0))
    first = run_fit("c", CLOSE, *stores)
    second = run_fit("c", replace(CLOSE, noise_only=True), *stores)
    assert second.clusters == first.clusters
    assert clusters(second.id, stores.fits) == clusters(first.id, stores.fits)
    assert second.warnings == ["No image is noise, so there is nothing to group."]
    (nearest,) = stores.fits.nearest(second.id, at(1)[None])
    assert nearest is not None
    assert (nearest.path, nearest.distance) == ("c/a001", 0)


def test_without_clusters_to_keep_there_is_no_noise(stores: Stores) -> None:
    put(stores.features, group("a", 0))
    with pytest.raises(NothingToFitError, match=r"has no clusters of the model .* without noiseOnly first"):
        run_fit("c", replace(CLOSE, noise_only=True), *stores)


def test_beyond_the_limit_a_sample_is_clustered_and_the_rest_assigned(stores: Stores) -> None:
    wide = {f"c/{name}{n:03}": angle + n / 50 for name, angle in (("a", 0), ("b", 90)) for n in range(75)}
    put(stores.features, wide)
    fit = run_fit("c", replace(CLOSE, max_images=100), *stores)
    assert (fit.images, fit.learned_from, fit.noise) == (150, 100, 0)
    assert sorted(cluster.size for cluster in fit.clusters) == [75, 75]
    assert sum(cluster.cores for cluster in fit.clusters) == 100
    found = clusters(fit.id, stores.fits)
    assert len({(path[2], cluster) for path, cluster in found.items()}) == 2
    assert len(found) == 150
    put(stores.features, {"c/stranger": 200})
    again = run_fit("c", replace(CLOSE, max_images=100), *stores)
    assert clusters(again.id, stores.fits) == found | {"c/stranger": NOISE}
    assert (again.images, again.learned_from, again.noise) == (151, 100, 1)


def test_an_empty_collection_says_so_and_nothing_is_changed(stores: Stores) -> None:
    stores.features.upsert(feature("c/old", at(0), model="older/1"))
    for name in ("c", "nowhere"):
        with pytest.raises(NothingToFitError, match=f"'{name}' holds no images of the model {backbone.MODEL}"):
            run_fit(name, CLOSE, *stores)
        assert read_state(name, stores.features).begun == {}


def test_one_image_is_noise_and_a_warning(stores: Stores) -> None:
    put(stores.features, {"c/one": 0})
    fit = run_fit("c", CLOSE, *stores)
    assert (fit.images, fit.noise, fit.clusters, fit.silhouette) == (1, 1, [], None)
    assert fit.warnings
    assert clusters(fit.id, stores.fits) == {"c/one": NOISE}
    alone = run_fit("c", replace(CLOSE, min_samples=1), *stores)
    assert [(cluster.size, cluster.cores, cluster.spread) for cluster in alone.clusters] == [(1, 1, 0)]


def test_images_that_all_differ_are_all_noise(stores: Stores) -> None:
    put(stores.features, {f"c/{n}": 30 * n for n in range(12)})
    for parameters in (CLOSE, replace(CLOSE, min_samples=1_000_000, eps=2.0)):
        fit = run_fit("c", parameters, *stores)
        assert (fit.noise, fit.clusters) == (12, [])
        assert fit.warnings


def test_images_that_are_all_alike_are_one_cluster(stores: Stores) -> None:
    put(stores.features, {f"c/{n}": n for n in range(12)})
    fit = run_fit("c", CLOSE, *stores)
    assert (fit.noise, [cluster.size for cluster in fit.clusters], fit.silhouette) == (0, [12], None)


def test_ten_thousand_copies_of_one_image_are_one_cluster(tmp_path: Path) -> None:
    features = SqliteFeatureStore(tmp_path / "features.sqlite")
    stores = Stores(features, SqliteFitStore(tmp_path / "clusters.sqlite"))
    with features._file.writing() as connection:  # in one transaction, which takes a tenth of the time
        for n in range(10_000):
            entries.replace(connection, feature(f"c/{n:05}", at(0), model=backbone.MODEL))
    for parameters, cores in ((CLOSE, 10_000), (replace(CLOSE, max_images=1000), 1000)):
        fit = run_fit("c", parameters, *stores)
        assert [(one.size, one.cores, one.spread) for one in fit.clusters] == [(10_000, cores, 0)]
        assert (fit.noise, fit.silhouette) == (0, None)
    for store in stores:
        store.close()


def test_hdbscan_finds_groups_of_different_density(stores: Stores) -> None:
    put(stores.features, group("a", 0, size=6) | {f"c/b{n}": 90 + 4 * n for n in range(6)} | {"c/alone": 200})
    fit = run_fit("c", Parameters(algorithm="hdbscan", min_samples=3), *stores)
    assert sorted(cluster.size for cluster in fit.clusters) == [6, 6]
    assert clusters(fit.id, stores.fits)["c/alone"] == NOISE
    tight, wide = sorted(cluster.reach for cluster in fit.clusters)
    assert 0 < tight < wide


def test_a_collection_may_change_while_it_is_fitted(stores: Stores) -> None:
    put(stores.features, group("a", 0) | group("b", 90))
    new = iter(range(20))

    def change(phase: str, done: float) -> None:
        put(stores.features, {f"c/new{n:03}": 1.5 for n in islice(new, 1)})
        if phase == "grouping the images":
            remove(stores.features, group("b", 90))

    fit = run_fit("c", CLOSE, *stores, progress=change)
    found = clusters(fit.id, stores.fits)
    # What was read is what was fitted; images that came later are assigned by distance when they are asked about.
    assert {path for path in found if "new" not in path} == {*group("a", 0), *group("b", 90)}
    assert fit.images == len(found)
    assert sum(cluster.size for cluster in fit.clusters) + fit.noise == fit.images
