"""Labels from folders, tags and tables, and what of them is in a collection."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.features import FeatureStore
from similarity.ranking.labels import (
    LabelError,
    Labelled,
    LabelSource,
    folder_label,
    label_source,
    labelled,
    labels_from_csv,
    labels_from_folders,
)
from tests.conftest import Stores
from tests.similarity.stored_images import at, put, stored

ON_ONE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""For what no store has to do with."""

CSV = "path,label\nc/a,cat\nc/b,dog\n"


def read(source: LabelSource, store: FeatureStore, *, limit: int = 1000) -> Labelled:
    return labelled("c", source, store, lambda done: None, limit=limit)


def found(given_: Labelled) -> dict[str, str]:
    return dict(zip(given_.paths, given_.labels, strict=True))


@pytest.mark.parametrize(
    ("path", "label"),
    [("photos/fish/a.jpg", "fish"), ("fish/a.jpg", "fish"), ("a.jpg", ""), ("/a.jpg", ""), ("c//a.jpg", "")],
)
def test_the_label_of_an_image_is_the_folder_that_holds_it(path: str, label: str) -> None:
    assert folder_label(path) == label


def test_a_folder_with_folders_in_it_is_no_label() -> None:
    paths = ["photos/china.jpg", "photos/fish/a.jpg", "photos/birds/b.jpg", "photos/birds/owls/at night/c.jpg", "d.jpg"]
    assert labels_from_folders(paths) == {"photos/fish/a.jpg": "fish", "photos/birds/owls/at night/c.jpg": "at night"}
    assert labels_from_folders(["photos/a.jpg", "photos/b.jpg"]) == {"photos/a.jpg": "photos", "photos/b.jpg": "photos"}
    assert labels_from_folders([]) == {}


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "c/a,cat\nc/b,dog",
        "Path, Label\r\nc/a, cat \r\n\r\nc/b,dog\r\nc/b,dog\r\n",
        '\ufeffpath,label\n"c/a","cat"\nc/b,dog\n',
        "\r\n \n,\npath,label\nc/a,cat\n,\nc/b,dog\n\n",
    ],
)
def test_a_table_is_read_with_a_header_and_without(text: str) -> None:
    assert labels_from_csv(text) == {"c/a": "cat", "c/b": "dog"}


def test_only_the_first_line_is_a_header() -> None:
    assert labels_from_csv("c/a,cat\npath,label\n") == {"c/a": "cat", "path": "label"}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).map("c/".__add__).map(str.strip),
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=200).filter(str.strip),
        min_size=1,
    )
)
def test_any_paths_and_labels_come_back_from_a_table(labels: dict[str, str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label"), *labels.items()])
    assert labels_from_csv(text.getvalue()) == {path: label.strip() for path, label in labels.items()}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "There are no labels"),
        ("path,label\n", "There are no labels"),
        ("\n\nc/a;cat\n", "Line 3 is not a path and a label"),
        ("c/a;cat\n", "Line 1 is not a path and a label"),
        ("path,label\nc/a,cat\nc/b,dog,1\n", "Line 3 is not a path and a label"),
        ("c/a,cat\nc/b, \n", "label of line 2 is not a text of 1 to 200 characters"),
        ("c/a," + "x" * 201, "label of line 1 is not a text of 1 to 200 characters"),
        ("c/a,cat\nc/a,dog\n", "Line 2 has another label for 'c/a'"),
        ('c/a,"cat\n', "Line 1 is no CSV"),
        ("\x89PNG\r\n\x1a\n", "Line 1 is not a path and a label"),
        ("<!DOCTYPE html>\n<html>", "Line 1 is not a path and a label"),
        ("x" * 200_000 + ",cat", "Line 1 is no CSV"),
    ],
)
def test_a_table_that_is_none_names_the_line(text: str, why: str) -> None:
    with pytest.raises(LabelError, match=why) as caught:
        labels_from_csv(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("given_", ["folder", "tag:kind", {"c/a": "cat"}])
def test_where_labels_can_come_from(given_: Any) -> None:
    assert label_source(given_) == given_


@pytest.mark.parametrize(
    "given_",
    [None, "", "folders", "tag:", "tag:" + "x" * 300, {}, [], 3, True, {"c/a": 1}, {"c/a": " "}, {"c/a": None}],
)
def test_where_labels_cannot_come_from(given_: Any) -> None:
    with pytest.raises(LabelError) as caught:
        label_source(given_)
    assert len(str(caught.value)) < 200


def test_labels_of_a_collection_by_folder_tag_and_path(stores: Stores) -> None:
    put(
        stores.features,
        [
            stored("c/cats/a", at(1), {"kind": " lion "}),
            stored("c/dogs/b", at(2), {"kind": "wolf", "size": "small"}),
            stored("c/dogs/c", at(3), {"kind": ""}),
            stored("c/d", at(4)),
            stored("c/dogs/old", at(5), {"kind": "fox"}, model="older/1"),
            stored("other/dogs/e", at(6), {"kind": "fox"}),
        ],
    )
    by_folder = read("folder", stores.features)
    assert found(by_folder) == {"c/cats/a": "cats", "c/dogs/b": "dogs", "c/dogs/c": "dogs"}
    assert (by_folder.of, by_folder.missing) == (3, [])
    assert found(read("tag:kind", stores.features)) == {"c/cats/a": "lion", "c/dogs/b": "wolf"}
    by_path = read({"c/d": "x", "c/cats/a": "y", "c/dogs/old": "z", "other/dogs/e": "z", "c/é": "z"}, stores.features)
    assert found(by_path) == {"c/d": "x", "c/cats/a": "y"}
    assert list(by_path.paths) == ["c/cats/a", "c/d"]
    assert by_path.missing == ["c/dogs/old", "c/é", "other/dogs/e"]
    vectors = {path: vector.tolist() for path, vector in zip(by_path.paths, by_path.vectors, strict=True)}
    assert vectors == {"c/d": at(4).tolist(), "c/cats/a": at(1).tolist()}


@ON_ONE
def test_of_too_many_images_a_sample_is_taken_which_stays_the_same(stores: Stores) -> None:
    put(stores.features, [stored(f"c/{'ab'[n % 2]}/{n}", at(n)) for n in range(30)])
    few = read("folder", stores.features, limit=10)
    assert (len(few.paths), len(few.labels), few.vectors.shape, few.of) == (10, 10, (10, 256), 30)
    assert found(read("folder", stores.features, limit=10)) == found(few)


@ON_ONE
def test_images_of_outer_folders_take_no_place_in_the_sample(stores: Stores) -> None:
    put(stores.features, [stored(f"c/{n}", at(n)) for n in range(30)])
    inner = {f"c/{'ab'[n % 2]}/{n}": at(n) for n in range(30)}
    put(stores.features, [stored(path, vector) for path, vector in inner.items()])
    few = read("folder", stores.features, limit=10)
    assert (len(few.paths), few.of, few.missing) == (10, 30, ())
    for path, vector in zip(few.paths, few.vectors, strict=True):
        assert vector.tolist() == inner[path].tolist()
    assert found(read(labels_from_folders(inner), stores.features, limit=10)) == found(few)


@ON_ONE
def test_labels_of_nothing_that_is_there_say_what_is(stores: Stores) -> None:
    put(stores.features, [stored("c/a", at(1), {"kind": "x", "size": "y"}), stored("c/deep/er/b", at(2))])
    put(stores.features, [stored("default/a", at(1))])
    with pytest.raises(LabelError, match=r"has the tag 'sort'\. Tags there: 'kind', 'size'\."):
        read("tag:sort", stores.features)
    with pytest.raises(LabelError, match="None of the 2 images with labels is in the collection 'c': 'c/x', 'd/a'"):
        read({"c/x": "cat", "d/a": "dog"}, stores.features)
    with pytest.raises(LabelError, match="No image of the collection 'nowhere' is in a folder"):
        labelled("nowhere", "folder", stores.features, lambda done: None)
    assert found(read("folder", stores.features)) == {"c/deep/er/b": "er"}
