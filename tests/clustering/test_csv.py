"""The table of images: every one that there is now, as the skill would label it."""

import csv
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.assignment import Current, FitGoneError, assign, current
from clustering.labels import BLOCK, as_csv, edit_labels, labelled_images
from shared.fits import NOISE
from tests.clustering.small_fits import at, feature, fit_of, member, on_one_store, publish
from tests.conftest import Stores

REACH = 0.1
"""25.8 degrees."""


def now(stores: Stores) -> Current:
    found = current("c", stores.features)
    assert found
    return found


def table(stores: Stores) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {path: (cluster, words) for path, cluster, words in labelled_images(now(stores), *stores)}


def words_in(cell: str) -> list[str]:
    """As the docstring of `as_csv` says."""
    return next(csv.reader([cell], delimiter=";", skipinitialspace=True), [])


def read(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines(keepends=True)))


@pytest.fixture
def moved_on(stores: Stores) -> Stores:
    """Clusters 0 at 0 degrees and 1 at 90, named; since the fit images came, changed and went."""
    members = [
        member("c/core", 0, at(0)),
        member("c/other core", 1, at(90)),
        member("c/kept far away", 0),  # as HDBSCAN does, or a border of two
        member("c/kept as noise", NOISE),
        member("c/changed", 0),
        member("c/gone", 1),
    ]
    publish(stores, members, fit_of("f", members, reach=REACH), {0: ("zero", "null"), 1: ("one",)})
    for path, angle, etag in [
        ("c/core", 0, "1"),
        ("c/other core", 90, "1"),
        ("c/kept far away", 180, "1"),
        ("c/kept as noise", 1, "1"),
        ("c/changed", 85, "2"),
        ("c/new", 25, "1"),
        ("c/new and alone", 26, "1"),
    ]:
        stores.features.upsert(feature(path, at(angle), etag))
    stores.features.upsert(feature("c/older model", at(0), model="older/1"))
    return stores


def test_the_table_has_every_image_that_there_is_now(moved_on: Stores) -> None:
    zero, one = (0, ("zero", "null")), (1, ("one",))
    assert table(moved_on) == {
        "c/core": zero,
        "c/other core": one,
        "c/kept far away": zero,
        "c/kept as noise": (NOISE, ()),
        "c/changed": one,
        "c/new": zero,
        "c/new and alone": (NOISE, ()),
    }


def test_merged_clusters_are_one_in_the_table(moved_on: Stores) -> None:
    edit_labels("c", {"merge": {"1": 0}}, moved_on.features, fit=None)
    found = table(moved_on)
    assert found["c/changed"] == found["c/other core"] == found["c/new"] == (0, ("zero", "null", "one"))
    assert found["c/new and alone"] == (NOISE, ())


def test_the_table_says_what_the_skill_says(moved_on: Stores) -> None:
    images = [
        image for block in moved_on.features.scan("c") for image in block if image.model == now(moved_on).fit.model
    ]
    vectors = np.stack([image.embedding for image in images])
    said = assign(vectors, [image.path for image in images], now(moved_on), *moved_on)
    assert table(moved_on) == {
        image.path: (found.cluster, found.labels) for image, found in zip(images, said, strict=True)
    }


@on_one_store
def test_a_table_longer_than_a_block_has_each_image_once_in_the_order_of_the_scan(stores: Stores) -> None:
    members = [member(f"c/{n:04}", 0, at(0) if n == 0 else None) for n in range(BLOCK + 3)]
    publish(stores, members, fit_of("f", members))
    paths = [f"c/{n:04}" for n in range(2, BLOCK + 7)]
    for path in paths:
        stores.features.upsert(feature(path, at(0)))
    rows = list(labelled_images(now(stores), *stores))
    assert [path for path, _, _ in rows] == paths
    assert {cluster for _, cluster, _ in rows} == {0}


def test_without_core_samples_what_is_new_is_noise(stores: Stores) -> None:
    publish(stores, [member("c/a", NOISE)], fit_of("f", [member("c/a", NOISE)]))
    stores.features.upsert(feature("c/new", at(0)))
    assert table(stores) == {"c/new": (NOISE, ())}


def test_a_fit_that_was_dropped_makes_no_table(moved_on: Stores) -> None:
    before = now(moved_on)
    rows = labelled_images(before, *moved_on, check=lambda: moved_on.fits.drop("f"))
    with pytest.raises(FitGoneError):
        # Its members were read before it went.
        list(rows)
    with pytest.raises(FitGoneError):
        list(labelled_images(before, *moved_on))


word = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text == text.strip()
)


def written(words: Iterable[str], path: str = "c/a.jpg") -> list[str]:
    _, row = read("".join(as_csv([(path, 0, tuple(words))])))
    return row


@given(st.lists(word | st.text('";a, ', min_size=1).map(str.strip).filter(bool), max_size=4))
def test_words_read_back_whatever_they_are(words: list[str]) -> None:
    cell = written(words)[2]
    plain = cell.removeprefix("'") if words and words[0].startswith(("=", "+", "-", "@")) else cell
    assert words_in(plain) == words


def test_only_words_that_would_be_mistaken_are_quoted() -> None:
    assert written(["dog", "our pet"])[2] == "dog; our pet"
    assert written(["salt; pepper", 'say "x"', '"x"'])[2] == '"salt; pepper"; say "x"; """x"""'
    assert written([])[2] == ""


@pytest.mark.parametrize("path", ['c/a, "b".jpg', "c/two\nlines", "c/книга;"])
def test_paths_read_back_whatever_they_are(path: str) -> None:
    assert written([], path) == [path, "0", ""]
