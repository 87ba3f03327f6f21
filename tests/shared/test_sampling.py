"""Which images a fit learns from."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import backbone, sampling
from shared.sampling import Sampler, load
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.small_fits import at, feature
from tests.conftest import Stores

PATHS = st.lists(st.text(max_size=8), unique=True, max_size=40)


def sample(paths: list[str], limit: int) -> set[str]:
    sampler = Sampler(limit)
    for path in paths:
        sampler.show(feature(path, at(0)))
    return set(sampler.images().paths)


@given(paths=PATHS, limit=st.integers(1, 40), data=st.data())
def test_a_sample_is_the_same_in_whatever_order_images_come(paths: list[str], limit: int, data: st.DataObject) -> None:
    chosen = sample(paths, limit)
    assert len(chosen) == min(limit, len(paths))
    assert sample(data.draw(st.permutations(paths)), limit) == chosen


@given(paths=PATHS, more=PATHS, limit=st.integers(1, 40))
def test_a_sample_changes_only_as_far_as_the_collection_does(paths: list[str], more: list[str], limit: int) -> None:
    new = set(more) - set(paths)
    assert sample(paths + sorted(new), limit) <= sample(paths, limit) | new


def test_every_image_is_as_likely_as_any_other() -> None:
    paths = [f"c/{folder}/{number:05}.jpg" for folder in range(10) for number in range(2000)]
    found = Counter(path.split("/")[1] for path in sample(paths, 2000))
    assert all(140 <= count <= 260 for count in found.values())  # 200 expected, four standard deviations are 54
    assert len(found) == 10


def test_each_vector_stays_with_its_image() -> None:
    angles = {f"c/{number}": number / 10 for number in range(500)}
    sampler = Sampler(50)
    for path, angle in angles.items():
        sampler.show(feature(path, at(angle), etag=f"of {path}"))
    images = sampler.images()
    assert (len(images.paths), images.of, images.vectors.shape) == (50, 500, (50, 256))
    for path, etag, vector in zip(images.paths, images.etags, images.vectors, strict=True):
        assert etag == f"of {path}"
        np.testing.assert_array_equal(vector, at(angles[path]))


def test_only_images_of_the_collection_and_the_present_model_are_loaded(stores: Stores) -> None:
    for n in range(3):
        stores.features.upsert(feature(f"c/{n}", at(n), model=backbone.MODEL))
    stores.features.upsert(feature("c/old", at(3), model="older/1"))
    stores.features.upsert(feature("d/other", at(4), model=backbone.MODEL))
    done: list[float] = []
    images = load("c", 100, stores.features, done.append)
    assert (sorted(images.paths), images.of) == (["c/0", "c/1", "c/2"], 3)
    assert done[-1] == 1
    assert load("nothing", 100, stores.features, done.append).paths == []


def test_images_may_come_and_go_while_they_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 10)
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    for n in range(40):
        store.upsert(feature(f"c/{n:02}", at(n), model=backbone.MODEL))
    calls = itertools.count()

    def change(done: float) -> None:
        assert 0 <= done <= 1
        if next(calls) == 0:  # ten are read
            for n in range(20, 30):
                store.delete(f"c/{n:02}")
            for n in range(60):
                store.upsert(feature(f"c/x{n:02}", at(n), model=backbone.MODEL))

    images = load("c", 100, store, change)
    assert sorted(images.paths) == [f"c/{n:02}" for n in [*range(20), *range(30, 40)]] + [
        f"c/x{n:02}" for n in range(60)
    ]
    store.close()
