"""The call that finds duplicates, and every mistake that people can make with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from shared.contract import Reply
from shared.image_ids import id_of
from shared.settings import Settings
from similarity.duplicates import calls
from similarity.duplicates.calls import find_duplicates
from tests.clustering.small_fits import at, feature, on_one_store
from tests.conftest import Stores
from tests.pictures import as_base64, encoded
from tests.similarity.duplicates.collections import SETTINGS, image, photo, put_files, telling


def ask(stores: Stores, body: object = None, collection: str = "c", settings: Settings = SETTINGS) -> Reply:
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return find_duplicates(collection, sent, stores.features, settings)


def answer(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    return json.loads(reply.body)


def why(reply: Reply, status: int = 400) -> str:
    return str(answer(reply, status)["error"])


ALONE = {"secondLook": False}


@pytest.fixture
def some(stores: Stores) -> Stores:
    for one in (
        image("c/a b", 0, size=10, pixel_hash=telling(1)),
        image("c/copy", 0, size=4, pixel_hash=telling(1)),
        image("c/near", 20, size=3),
        image("c/far", 90),
    ):
        stores.features.upsert(one)
    return stores


def test_all_groups_of_a_collection(some: Stores) -> None:
    found = answer(ask(some, ALONE))
    assert found.pop("took")["total"] > 0
    assert found.pop("model")
    keep = {"path": "c/a b", "id": id_of("c/a b"), "url": SETTINGS.url_of("c/a b"), "size": 10}
    assert found.pop("groups") == [
        {
            "keep": keep,
            "duplicates": [
                {
                    "path": "c/copy",
                    "id": id_of("c/copy"),
                    "url": SETTINGS.url_of("c/copy"),
                    "size": 4,
                    "score": 1.0,
                    "hashDistance": 0,
                    "kind": "copy",
                },
                {
                    "path": "c/near",
                    "id": id_of("c/near"),
                    "url": SETTINGS.url_of("c/near"),
                    "size": 3,
                    "score": 0.939693,
                    "hashDistance": None,
                    "kind": "version",
                },
            ],
        }
    ]
    assert found == {
        "images": 4,
        "duplicates": 2,
        "bytes": 7,
        "warnings": [],
        "collection": "c",
        "minScore": 0.87,
    }
    assert answer(ask(some, {**ALONE, "minScore": 0.95}))["duplicates"] == 1
    assert answer(ask(some, b" \n"))["images"] == 4


def test_a_stored_image_by_its_path(some: Stores) -> None:
    found = answer(ask(some, {"path": "c/copy", **ALONE}))
    assert found["isDuplicate"] is True
    assert [one["path"] for one in found["duplicates"]] == ["c/a b", "c/near"]
    alone = answer(ask(some, {"path": "c/far", **ALONE}))
    assert (alone["isDuplicate"], alone["duplicates"], alone["warnings"]) == (False, [], [])


@on_one_store
def test_a_sent_image_with_second_looks_at_stored_blobs(
    stores: Stores, tmp_path: Path, images_container: ContainerClient, images_settings: Settings
) -> None:
    castle = photo("castles/chambord")
    crop = castle.crop((0, 0, round(0.65 * castle.width), round(0.65 * castle.height)))
    files = {"c/castle.jpg": encoded(castle, "JPEG"), "c/fish.jpg": encoded(photo("fish/red-porgy"), "JPEG")}
    put_files(stores.features, tmp_path, files)
    for path, data in files.items():
        images_container.upload_blob(path, data)
    body = {"image": as_base64(encoded(crop, "JPEG"))}
    assert answer(ask(stores, {**body, **ALONE}, settings=images_settings))["isDuplicate"] is False
    (found,) = answer(ask(stores, body, settings=images_settings))["duplicates"]
    assert (found["path"], found["kind"]) == ("c/castle.jpg", "confirmed")
    assert found["score"] < 0.87
    itself = {"image": as_base64(files["c/castle.jpg"]), **ALONE}
    assert answer(ask(stores, itself, settings=images_settings))["isDuplicate"] is True
    known = {**itself, "path": "c/castle.jpg"}
    assert answer(ask(stores, known, settings=images_settings))["isDuplicate"] is False
    images_container.delete_blob("c/castle.jpg")
    gone = answer(ask(stores, body, settings=images_settings))
    assert gone["isDuplicate"] is False
    assert gone["warnings"] == ["One doubtful pair was not compared by the pixels: a picture is gone or broken."]


@on_one_store
def test_without_storage_the_rule_alone_answers_and_a_warning_says_so(stores: Stores) -> None:
    stores.features.upsert(image("c/0", 0, pixel_hash=telling(1)))
    stores.features.upsert(image("c/1", 36, pixel_hash=telling(2)))
    found = answer(ask(stores, settings=Settings()))
    assert found["groups"] == []
    (warning,) = found["warnings"]
    assert warning.startswith("One doubtful pair was not compared by the pixels: ")
    assert "IMAGES_STORAGE" in warning


@on_one_store
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "no JSON object"),
        ({"threshold": 0.9}, "There is no 'threshold'. Known names: "),
        ({"minScore": 0.4}, "'minScore' takes a number from 0.5 to 1, not 0.4"),
        ({"minScore": 1.1}, "'minScore' takes"),
        (b'{"minScore": NaN}', "'minScore' takes"),
        ({"minScore": 10**400}, "'minScore' takes"),
        ({"path": ""}, "No image is said in 'path'. Send {"),
        ({"path": None}, "No image is said in 'path'"),
        ({"image": None, "secondLook": False}, "No image is said in 'image'"),
        ({"imageUrl": ""}, "No image is said in 'imageUrl'"),
        ({"sasToken": "s"}, "No image is said in 'sasToken'"),
        ({"image": ""}, "The image is empty"),
        ({"minScore": "0.9"}, "'minScore' takes"),
        ({"minScore": True}, "'minScore' takes"),
        ({"secondLook": "yes"}, "'secondLook' takes true or false"),
        ({"path": "c/nothing"}, "There is no image 'c/nothing' that"),
        ({"path": "c/failed"}, "There is no image 'c/failed' that"),
        ({"path": "c/old"}, "There is no image 'c/old' that"),
        ({"path": 3}, "'path' is not a string"),
        ({"image": as_base64(b"no image")}, "Not an image in a known format"),
        ({"image": "%"}, "not base64"),
        ({"image": 3}, "neither an object"),
    ],
)
def test_mistakes_are_told(stores: Stores, body: object, said: str) -> None:
    stores.features.upsert(image("c/a", 0))
    stores.features.upsert(feature("c/old", at(0), model="another/1"))
    assert said in why(ask(stores, body))


@on_one_store
def test_an_unknown_collection_and_one_that_is_too_large(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "holds no images" in why(ask(stores), 404)
    for n in range(3):
        stores.features.upsert(image(f"c/{n}", 0))
    monkeypatch.setattr(calls, "MOST_IMAGES", 2)
    said = why(ask(stores, ALONE), 422)
    assert "holds 3 images, and one call can compare 2" in said
    assert "`python -m similarity duplicates c`" in said
    assert answer(ask(stores, {"path": "c/0", **ALONE}))["isDuplicate"] is True  # one image is no trouble


@on_one_store
def test_only_the_largest_groups_are_shown_but_all_are_counted(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        stores.features.upsert(image(f"c/{n}", 90 * (n > 1), size=2))
    monkeypatch.setattr(calls, "MOST_GROUPS", 1)
    found = answer(ask(stores, ALONE))
    assert [group["keep"]["path"] for group in found["groups"]] == ["c/2"]
    assert (found["duplicates"], found["bytes"]) == (3, 6)
    assert found["warnings"] == ["Only the 1 largest of 2 groups are shown."]
