"""What people see of collections and of images, on both stores."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from shared import backbone
from shared.contract import Reply
from shared.features import Failure, Feature
from shared.image_ids import id_of
from shared.settings import Settings
from similarity.browsing import list_collections, list_images, show_collection, show_image
from tests.clustering.small_fits import at, on_one_store
from tests.conftest import Stores

SETTINGS = Settings(images_account="https://account.blob.core.windows.net")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DOG = Feature(
    path="dogs/日本 1.jpg",
    etag="0x8D",
    modified=NOON,
    model=backbone.MODEL,
    embedding=at(30),
    pixel_hash="00ff00ff00ff00ff",
    size=1234,
    tags={"kind": "dog <b>"},
)
OLD = replace(DOG, path="dogs/old.jpg", model="older/1", tags={})
BROKEN = Failure(
    path="broken/a.jpg", etag="1", modified=NOON, model=backbone.MODEL, reason="Damaged.", time=NOON, retry=False
)


@pytest.fixture
def filled(stores: Stores) -> Stores:
    """Dogs of two models and a broken one, a red picture of an older model, and a folder where all is broken."""
    for feature in (DOG, OLD, replace(OLD, path="red/a.jpg")):
        assert stores.features.upsert(feature)
    for failure in (BROKEN, replace(BROKEN, path="dogs/broken.jpg")):
        assert stores.features.fail(failure)
    return stores


def answer(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    return json.loads(reply.body)


def refused(reply: Reply, status: int) -> str:
    return str(answer(reply, status)["error"])


def images(stores: Stores, collection: str = "dogs", **params: str) -> Any:
    return answer(list_images(collection, params, stores.features, SETTINGS))


def image(stores: Stores, path: str, collection: str = "dogs", **params: str) -> Reply:
    return show_image(collection, id_of(path), params, stores.features, SETTINGS)


def test_collections_are_listed_with_what_they_hold(filled: Stores) -> None:
    assert answer(list_collections({}, filled.features)) == {
        "model": backbone.MODEL,
        "collections": [
            {"collection": "broken", "images": 0, "outdated": 0},
            {"collection": "dogs", "images": 1, "outdated": 1},
            {"collection": "red", "images": 0, "outdated": 1},
        ],
        "after": None,
    }


def test_a_collection_that_lost_its_last_image_is_not_listed(filled: Stores) -> None:
    filled.features.delete("broken/a.jpg")
    filled.features.delete("red/a.jpg")
    assert [one["collection"] for one in answer(list_collections({}, filled.features))["collections"]] == ["dogs"]
    assert "no collection 'red'" in refused(show_collection("red", filled.features), 404)


def test_collections_come_in_pages(filled: Stores) -> None:
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = answer(list_collections({"top": "2", "after": after}, filled.features))
        assert len(page["collections"]) <= 2
        seen += [one["collection"] for one in page["collections"]]
        after = page["after"]
    assert seen == ["broken", "dogs", "red"]


def test_a_collection_says_what_it_holds_and_where_there_is_more(filled: Stores) -> None:
    shown = answer(show_collection("dogs", filled.features))
    links = shown.pop("links")
    assert shown == {
        "collection": "dogs",
        "model": backbone.MODEL,
        "images": 1,
        "outdated": 1,
        "models": {backbone.MODEL: 1, "older/1": 1},
        "failures": 1,
        "ranker": None,
    }
    assert links["images"] == "/api/collections/dogs/images"
    assert answer(show_collection("broken", filled.features))["failures"] == 1


def test_the_links_of_an_odd_name_are_urls(stores: Stores) -> None:
    stores.features.upsert(replace(DOG, path="a b?/x.jpg"))
    assert answer(show_collection("a b?", stores.features))["links"]["search"] == "/api/collections/a%20b%3F/search"


def test_images_are_listed_by_path_with_their_state(filled: Stores) -> None:
    assert images(filled) == {
        "collection": "dogs",
        "images": [
            {
                "id": id_of(path),
                "path": path,
                "url": f"https://account.blob.core.windows.net/images/{quoted}",
                "state": state,
                "model": model,
                "etag": etag,
                "tags": tags,
            }
            for path, quoted, state, model, etag, tags in (
                ("dogs/broken.jpg", "dogs/broken.jpg", "failed", backbone.MODEL, "1", {}),
                ("dogs/old.jpg", "dogs/old.jpg", "outdated", "older/1", "0x8D", {}),
                (DOG.path, "dogs/%E6%97%A5%E6%9C%AC%201.jpg", "current", backbone.MODEL, "0x8D", {"kind": "dog <b>"}),
            )
        ],
        "after": None,
    }


def test_images_come_in_pages_and_past_the_end_there_are_none(filled: Stores) -> None:
    first = images(filled, top="2")
    rest = images(filled, top="2", after=first["after"])
    paths = [one["path"] for one in first["images"] + rest["images"]]
    assert paths == ["dogs/broken.jpg", "dogs/old.jpg", DOG.path]
    assert rest["after"] is None
    assert images(filled, after="dogs/日本 9")["images"] == []


def test_an_image_is_shown_with_all_that_is_stored_of_it(filled: Stores) -> None:
    shown = answer(image(filled, DOG.path))
    assert shown == {
        "collection": "dogs",
        "id": id_of(DOG.path),
        "path": DOG.path,
        "url": SETTINGS.url_of(DOG.path),
        "state": "current",
        "model": backbone.MODEL,
        "etag": "0x8D",
        "modified": "2026-01-02T12:00:00+00:00",
        "size": 1234,
        "pixelHash": "00ff00ff00ff00ff",
        "tags": {"kind": "dog <b>"},
    }
    with_vector = answer(image(filled, DOG.path, vector="true"))
    assert np.array_equal(np.array(with_vector.pop("vector"), np.float32), DOG.embedding)
    assert with_vector == shown
    assert answer(image(filled, OLD.path))["state"] == "outdated"


def test_of_an_image_that_could_not_be_embedded_the_reason_is_shown(filled: Stores) -> None:
    shown = answer(image(filled, "dogs/broken.jpg", vector="true"))
    assert (shown["state"], shown["reason"], shown["retry"]) == ("failed", "Damaged.", False)
    assert shown["time"] == "2026-01-02T12:00:00+00:00"
    assert "vector" not in shown


def test_an_image_without_a_folder_is_in_the_default_collection(stores: Stores) -> None:
    stores.features.upsert(replace(DOG, path="alone.jpg"))
    assert [one["path"] for one in images(stores, "default")["images"]] == ["alone.jpg"]
    assert answer(image(stores, "alone.jpg", "default"))["path"] == "alone.jpg"


def test_what_is_not_there_is_told(filled: Stores) -> None:
    assert "Nothing is stored" in refused(image(filled, "dogs/gone.jpg"), 404)
    assert "not in the collection 'dogs'" in refused(image(filled, "red/a.jpg"), 404)
    assert "not the id of an image" in refused(show_image("dogs", "dogs.jpg", {}, filled.features, SETTINGS), 400)
    assert "/api/collections lists them" in refused(list_images("cats", {}, filled.features, SETTINGS), 404)


@on_one_store
@pytest.mark.parametrize("params", [{"top": "0"}, {"top": "1001"}, {"top": "many"}, {"vector": "yes"}])
def test_parameters_that_cannot_be_are_refused(filled: Stores, params: dict[str, str]) -> None:
    (name,) = params
    if name == "vector":
        assert "'vector' takes" in refused(image(filled, DOG.path, **params), 400)
    else:
        assert "'top' takes" in refused(list_images("dogs", params, filled.features, SETTINGS), 400)
        assert "'top' takes" in refused(list_collections(params, filled.features), 400)
