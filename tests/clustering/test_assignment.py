"""Which cluster an image belongs to: worked out by hand on a circle, and against scikit-learn."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, HDBSCAN

from clustering.assignment import Assignment, Current, FitGoneError, assign, current
from clustering.fits import forget_fit
from clustering.state import change_state
from shared.features import DIMENSIONS, StoreBusy, Vector
from shared.fits import NOISE, Member
from tests.clustering.small_fits import apart, at, feature, fit_of, member, on_one_store, publish
from tests.conftest import Stores

TWO_GROUPS = [member("c/0", 4, at(0)), member("c/5", 4, at(5)), member("c/90", 7, at(90)), member("c/95", 7, at(95))]


def about(distance: float) -> Any:
    """The distance, but for float32."""
    return pytest.approx(distance, abs=1e-6)


def put_in_force(
    stores: Stores, members: list[Member], *, name: str = "f", reach: float = 0.1, labels: dict[int, tuple[str, ...]]
) -> Current:
    publish(stores, members, fit_of(name, members, reach=reach), labels)
    now = current("c", stores.features)
    assert now
    return now


def ask(stores: Stores, vector: Vector, path: str | None = None, now: Current | None = None) -> Assignment:
    now = now or current("c", stores.features)
    assert now
    (found,) = assign(vector[None], [path], now, stores.features, stores.fits)
    return found


def test_a_new_image_belongs_to_the_cluster_of_its_nearest_core_sample(stores: Stores) -> None:
    put_in_force(stores, TWO_GROUPS, labels={4: ("dog", "animal")})
    found = ask(stores, at(-3))
    assert found == Assignment(4, ("dog", "animal"), about(apart(3)), 4, 0.1)
    assert ask(stores, at(100), "c/new") == Assignment(7, (), about(apart(5)), 7, 0.1)


def test_beyond_the_reach_it_is_noise_that_says_how_near_it_was(stores: Stores) -> None:
    put_in_force(stores, TWO_GROUPS, labels={4: ("dog",), 7: ("cat",)})
    assert ask(stores, at(50)) == Assignment(NOISE, (), about(apart(40)), 7, 0.1)
    assert ask(stores, at(40)) == Assignment(NOISE, (), about(apart(35)), 4, 0.1)


@on_one_store
def test_exactly_at_the_reach_it_still_belongs(stores: Stores) -> None:
    # A cosine of 0.7, which float32 makes a little less.
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[:2] = 0.7, 0.51**0.5
    for name, reach, cluster in (("at", 0.3, 4), ("below", 0.299999, NOISE)):
        put_in_force(stores, TWO_GROUPS[:1], name=name, reach=reach, labels={})
        found = ask(stores, vector)
        assert found.cluster == cluster
        assert found.distance
        assert 0.3 < found.distance < 0.3 + 1e-7


@on_one_store
def test_each_cluster_has_its_own_reach(stores: Stores) -> None:
    fit = fit_of("f", TWO_GROUPS)
    fit = replace(fit, clusters=[fit.clusters[0]._replace(reach=apart(10)), fit.clusters[1]._replace(reach=apart(30))])
    publish(stores, TWO_GROUPS, fit)
    assert ask(stores, at(-15)).cluster == NOISE
    assert ask(stores, at(110)).cluster == 7
    assert ask(stores, at(110)).reach == apart(30)


def test_many_are_assigned_at_once_each_as_alone(stores: Stores) -> None:
    now = put_in_force(stores, TWO_GROUPS, labels={4: ("dog",)})
    stores.features.upsert(feature("c/5", at(5)))
    vectors, paths = [at(angle) for angle in range(0, 180, 20)], [None, "c/5", "c/other"] * 3
    alone = [ask(stores, vector, path) for vector, path in zip(vectors, paths, strict=True)]
    assert assign(np.stack(vectors), paths, now, stores.features, stores.fits) == alone
    assert {found.cluster for found in alone} == {4, 7, NOISE}


def test_a_fitted_image_has_its_fitted_cluster_by_path_and_by_bytes(stores: Stores) -> None:
    # At 12 degrees, core sample 10 of cluster 1 is nearer than 0 of cluster 0, to which the image belongs.
    members = [member("c/0", 0, at(0)), member("c/10", 1, at(10)), member("c/12", 0), member("c/13", NOISE)]
    put_in_force(stores, members, labels={0: ("zero",), 1: ("one",)})
    for angle in (0, 10, 12, 13):
        stores.features.upsert(feature(f"c/{angle}", at(angle)))
    for path in ("c/12", None):
        found = ask(stores, at(12), path)
        assert found == Assignment(0, ("zero",), about(apart(2)), 1, 0.1)
    for path in ("c/13", None):
        found = ask(stores, at(13), path)
        assert found == Assignment(NOISE, (), about(apart(3)), 1, 0.1)
    # Whoever knows the path may send a smaller copy, whose embedding is a little different.
    assert ask(stores, at(11.5), "c/12").cluster == 0
    assert ask(stores, at(11.5)).cluster == 1
    assert ask(stores, at(12), "c/another").cluster == 1


def test_a_changed_or_deleted_image_is_a_new_one(stores: Stores) -> None:
    put_in_force(stores, [member("c/0", 0, at(0)), member("c/10", 1, at(10)), member("c/12", 0)], labels={})
    assert ask(stores, at(12), "c/12").cluster == 1  # no feature: it was deleted
    stores.features.upsert(feature("c/12", at(12), etag="2"))
    assert ask(stores, at(12), "c/12").cluster == 1
    assert ask(stores, at(12)).cluster == 1


def test_merged_clusters_are_one_to_people(stores: Stores) -> None:
    put_in_force(stores, [*TWO_GROUPS, member("c/border", 7)], labels={4: ("pet",)})
    stores.features.upsert(feature("c/border", at(60)))
    change_state("c", stores.features, lambda state: replace(state, merged={7: 4}))
    assert ask(stores, at(90))[:2] == (4, ("pet",))
    assert ask(stores, at(60), "c/border")[:2] == (4, ("pet",))
    assert ask(stores, at(125)) == Assignment(NOISE, (), about(apart(30)), 4, 0.1)


def test_a_fit_of_noise_only_says_noise_and_no_distance(stores: Stores) -> None:
    put_in_force(stores, [member("c/1", NOISE), member("c/2", NOISE)], labels={})
    stores.features.upsert(feature("c/1", at(1)))
    for path in ("c/1", "c/new", None):
        assert ask(stores, at(1), path) == Assignment(NOISE, (), None, None, None)


@on_one_store
def test_before_any_fit_there_is_no_clustering(stores: Stores) -> None:
    assert current("c", stores.features) is None


def test_a_fit_that_was_dropped_meanwhile_is_not_taken_for_noise(stores: Stores) -> None:
    now = put_in_force(stores, TWO_GROUPS, labels={})
    stores.fits.drop("f")
    for path in ("c/0", None):
        with pytest.raises(FitGoneError):
            ask(stores, at(0), path, now)


def test_a_fit_dropped_while_an_image_is_looked_up_is_noticed(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    now = put_in_force(stores, [member("c/0", 0, at(0)), member("c/10", 1, at(10)), member("c/12", 0)], labels={})
    stores.features.upsert(feature("c/12", at(12)))
    look = stores.fits.member

    def late(fit: str, path: str) -> Member | None:
        stores.fits.drop(fit)
        return look(fit, path)

    monkeypatch.setattr(stores.fits, "member", late)
    with pytest.raises(FitGoneError):
        ask(stores, at(12), "c/12", now)
    publish(stores, [member("c/0", 0, at(0)), member("c/10", 1, at(10)), member("c/12", 0)], now.fit)
    with pytest.raises(FitGoneError):
        ask(stores, at(12), None, now)


def test_a_fit_that_takes_over_while_the_state_is_read_is_the_one_in_force(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(stores, TWO_GROUPS, fit_of("old", TWO_GROUPS))
    recall = stores.features.recall

    def late(name: str) -> str | None:
        text = recall(name)
        if name == "clusters of c":
            monkeypatch.undo()
            publish(stores, TWO_GROUPS, fit_of("new", TWO_GROUPS))
            forget_fit("old", stores.features)
        return text

    monkeypatch.setattr(stores.features, "recall", late)
    now = current("c", stores.features)
    assert now
    assert now.state.fit == now.fit.id == "new"


@on_one_store
def test_a_fit_that_is_nowhere_is_told_and_not_waited_for(stores: Stores) -> None:
    change_state("c", stores.features, lambda state: replace(state, fit="lost"))
    with pytest.raises(StoreBusy, match="start a new fit"):
        current("c", stores.features)


@on_one_store
def test_what_came_of_a_fit_is_read_once(stores: Stores) -> None:
    first = put_in_force(stores, TWO_GROUPS, labels={})
    change_state("c", stores.features, lambda state: replace(state, labels={4: ("dog",)}))
    again = current("c", stores.features)
    assert again
    assert again.fit is first.fit
    assert again.state.labels == {4: ("dog",)}


def learned(stores: Stores, vectors: Vector, model: DBSCAN | HDBSCAN, reach: float) -> int:
    """Assign each image that a model of scikit-learn learned from; how many have another cluster's core nearer."""
    labels = model.fit_predict(vectors.astype(np.float64))
    cores = np.zeros(len(vectors), bool)
    cores[model.core_sample_indices_ if isinstance(model, DBSCAN) else labels != NOISE] = True
    paths = [f"c/{n}" for n in range(len(vectors))]
    members = [
        member(path, int(label), vector if core else None)
        for path, vector, label, core in zip(paths, vectors, labels, cores, strict=True)
    ]
    for path, vector in zip(paths, vectors, strict=True):
        stores.features.upsert(feature(path, vector))
    now = put_in_force(stores, members, reach=reach, labels={})
    for known in (paths, [None] * len(paths)):
        found = assign(vectors, known, now, stores.features, stores.fits)
        assert [assignment.cluster for assignment in found] == labels.tolist()
    return sum(one.cluster not in (one.nearest, NOISE) for one in found)


def test_predict_agrees_with_fit_at_a_border_between_clusters(stores: Stores) -> None:
    # 9.5 has the core samples 0 of one cluster and 18, 19 of the other within 10 degrees, 18 being the nearest.
    vectors = np.stack([at(angle) for angle in (0, -1, -2, -3, 9.5, 18, 19, 20, 21, 60)])
    model = DBSCAN(eps=apart(10), min_samples=5, metric="cosine")
    assert learned(stores, vectors, model, apart(10)) == 1


@on_one_store
@pytest.mark.parametrize("seed", [3, 5])
def test_predict_agrees_with_fit_on_random_images(stores: Stores, seed: int) -> None:
    vectors = np.zeros((150, DIMENSIONS), np.float32)
    vectors[:, 0] = 1
    vectors[:, 1:3] = np.random.default_rng(seed).normal(size=(150, 2)) * 0.15
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert learned(stores, vectors, DBSCAN(eps=0.002, min_samples=8, metric="cosine"), 0.002) > 0


def test_predict_agrees_with_an_hdbscan_fit_that_leaves_out_images_within_reach(stores: Stores) -> None:
    vectors = np.stack([at(angle) for angle in (*np.linspace(0, 10, 12), *np.linspace(40, 52, 12), 80)])
    model = HDBSCAN(min_samples=4, min_cluster_size=4, metric="cosine", algorithm="brute", copy=True)
    learned(stores, vectors, model, apart(30))
    left_out, new = ask(stores, at(80)), ask(stores, at(79))
    assert left_out.cluster == NOISE != new.cluster == left_out.nearest


def test_readers_never_see_a_mixture_of_two_fits(stores: Stores) -> None:
    """Each fit says another cluster, word, distance and reach for the same two images; each answer is of one fit."""
    done = threading.Event()
    stores.features.upsert(feature("c/border", at(20)))

    def publish_many() -> None:
        for number in range(25):
            # Even fits have the core sample at 0 degrees, odd ones at 5.
            members = [member("c/core", number, at(number % 2 * 5)), member("c/border", number)]
            fit = fit_of(f"fit-{number}", members, reach=1 + number / 100)
            publish(stores, members, fit, {number: (fit.id,)})
            if number:
                stores.fits.drop(f"fit-{number - 1}")
                forget_fit(f"fit-{number - 1}", stores.features)

    def read() -> set[int]:
        seen = set()
        for path in itertools.cycle(["c/border", None]):
            if done.is_set():
                break
            now = current("c", stores.features)
            if now is None:
                continue
            try:
                border, new = assign(np.stack([at(20), at(-40)]), [path, "c/new"], now, stores.features, stores.fits)
            except FitGoneError:
                continue
            number = border.cluster
            shift, reach = number % 2 * 5, 1 + number / 100
            word = (f"fit-{number}",)
            assert border == Assignment(number, word, about(apart(20 - shift)), number, reach)
            assert new == Assignment(number, word, about(apart(40 + shift)), number, reach)
            seen.add(number)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            publish_many()
        finally:
            done.set()
        for reader in readers:
            assert len(reader.result()) > 3
