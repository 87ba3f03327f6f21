"""What a record asks about: one image or several, whole or a region, sent or stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.storage.blob import ContainerClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.contract import Deadline, RecordError
from shared.embedding import embed_bytes
from shared.features import Failure, FeatureStore
from shared.settings import Settings, SettingsError
from shared.sqlite.store import SqliteFeatureStore
from similarity.asking import AWAY, Asked, asked, turned
from tests.conftest import Stores
from tests.pictures import as_base64, encoded, scene, stripes
from tests.similarity.stored_images import NOON, at, put, stored

PHOTO = encoded(scene())
SETTINGS = Settings(images_account="https://account.blob.core.windows.net")
IMAGES = (
    stored("c/east", at(0)),
    stored("c/north", at(90)),
    stored("c/west", at(180)),
    stored("d/north", at(90)),
    stored("c/old", at(0), model="something-else/1"),
)
BROKEN = Failure(path="c/broken", etag="1", modified=NOON, model="m", reason="It is text.", time=NOON)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = SqliteFeatureStore(Path(tmp_path_factory.mktemp("store")) / "features.sqlite")
    put(store, IMAGES)
    assert store.fail(BROKEN)
    yield store
    store.close()


def ask(
    record: Mapping[str, Any], store: FeatureStore, collection: str | None = "c", settings: Settings = SETTINGS
) -> Asked:
    return asked(record, collection, store, settings, Deadline(60))


def sent(data: bytes = PHOTO) -> dict[str, Any]:
    return {"image": as_base64(data)}


def embedding(image: Image.Image) -> Any:
    return embed_bytes(encoded(image), SETTINGS).vector


def test_a_stored_image_is_asked_for_by_its_vector_as_it_is(stores: Stores) -> None:
    put(stores.features, IMAGES)
    got = ask({"path": "c/north"}, stores.features, None)
    assert np.array_equal(got.vector, at(90))
    assert (got.collection, got.paths, got.anonymous) == ("c", ["c/north"], False)


def test_an_image_that_was_sent_is_embedded_and_its_path_only_says_where_it_is(store: FeatureStore) -> None:
    whole = embed_bytes(PHOTO, SETTINGS).vector
    alone = ask(sent(), store, None)
    assert np.array_equal(alone.vector, whole)
    assert (alone.collection, alone.paths, alone.anonymous) == ("default", [], True)
    known = ask(sent() | {"path": "d/not stored"}, store, None)
    assert np.array_equal(known.vector, whole)
    assert (known.collection, known.paths, known.anonymous) == ("d", ["d/not stored"], False)


def test_a_stored_image_of_another_collection_may_be_asked_for(store: FeatureStore) -> None:
    assert ask({"path": "d/north"}, store, "c").collection == "c"


def test_several_images_are_their_mean(store: FeatureStore) -> None:
    got = ask({"path": "c/east", "positives": ["c/north"]}, store)
    assert got.vector == pytest.approx(at(45), abs=1e-6)
    assert got.paths == ["c/east", "c/north"]
    alone = ask({"positives": ["c/north", {"path": "c/east"}]}, store, None)
    assert alone.vector == pytest.approx(at(45), abs=1e-6)
    assert alone.collection == "c"
    assert not got.anonymous


def test_negatives_turn_it_away(store: FeatureStore) -> None:
    got = ask({"path": "c/east", "negatives": ["c/north"]}, store)
    assert got.vector[1] / got.vector[0] == pytest.approx(-AWAY)
    assert got.paths == ["c/east", "c/north"]
    assert np.linalg.norm(got.vector) == pytest.approx(1)


def test_an_example_may_be_sent_and_be_a_region(store: FeatureStore) -> None:
    box = {"x": 0, "y": 0, "w": 320, "h": 480}
    got = ask({"positives": [sent() | {"boundingBox": box}]}, store)
    assert np.array_equal(got.vector, embedding(scene().crop((0, 0, 320, 480))))
    mean = ask({"path": "c/east", "positives": [sent()]}, store)
    assert mean.vector == pytest.approx(turned([at(0), embed_bytes(PHOTO, SETTINGS).vector], []), abs=1e-6)


def test_a_region_is_embedded_as_the_image_that_it_is(store: FeatureStore) -> None:
    box = {"x": 0.5, "y": 0, "width": 0.5, "height": 0.5}
    got = ask(sent() | {"boundingBox": box}, store)
    assert np.array_equal(got.vector, embedding(scene().crop((320, 0, 640, 240))))
    assert not got.anonymous  # a stored image that looks just so is another image
    assert got.warnings == []


def test_a_region_that_sticks_out_is_clipped_with_a_warning(store: FeatureStore) -> None:
    box = {"x": 320, "y": -50, "w": 9000, "h": 290}
    got = ask({"path": "c/east", "positives": ["c/north", sent() | {"boundingBox": box}]}, store)
    assert got.warnings == ["positives[1]: The region sticks out of its image; what is inside was used."]
    alone = ask(sent() | {"boundingBox": box}, store)
    assert np.array_equal(alone.vector, embedding(scene().crop((320, 0, 640, 240))))


def test_the_region_of_a_stored_image_is_read_from_its_blob(
    store: FeatureStore, images_settings: Settings, images_container: ContainerClient
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    images_container.upload_blob("c/east", encoded(scene().transpose(Image.Transpose.ROTATE_90), exif=exif))
    box = [{"x": 320, "y": 0}, {"x": 640, "y": 0}, {"x": 640, "y": 240}]
    got = ask({"path": "c/east", "boundingBox": box}, store, settings=images_settings)
    assert np.array_equal(got.vector, embedding(scene().crop((320, 0, 640, 240))))
    with pytest.raises(RecordError, match="'c/north' is not in the images container any more"):
        ask({"path": "c/north", "boundingBox": box}, store, settings=images_settings)
    images_container.upload_blob("c/west", b"0" * 200_001)
    with pytest.raises(RecordError, match="'c/west' is larger than MAX_IMAGE_MB"):
        ask({"path": "c/west", "boundingBox": box}, store, settings=images_settings)


def test_the_region_of_a_stored_image_needs_the_images(store: FeatureStore) -> None:
    with pytest.raises(SettingsError, match="IMAGES_STORAGE"):
        ask({"path": "c/east", "boundingBox": {"x": 0, "y": 0, "w": 1, "h": 1}}, store, settings=Settings())


def test_a_path_cannot_lead_to_another_container(stores: Stores) -> None:
    put(stores.features, [stored("c/../../secrets/a", at(0))])
    with pytest.raises(RecordError, match="no url can name it"):
        ask({"path": "c/../../secrets/a", "boundingBox": {"x": 0, "y": 0, "w": 1, "h": 1}}, stores.features)


BOX = {"x": 700, "y": 0, "w": 10, "h": 10}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "has no image"),
        ({"text": "a dog"}, "cannot turn text"),
        ({"path": ""}, "has no image"),
        ({"path": 5}, "'path' is not a string"),
        ({"path": "\ud800"}, "no path of a blob"),
        ({"path": "c/" + "x" * 1023}, "no path of a blob"),
        ({"path": "c/unknown"}, "^The image 'c/unknown' is not stored: check its path, or send the image"),
        ({"path": "c/broken"}, "could not be embedded: It is text."),
        ({"path": "c/old"}, "by the model something-else/1, not .*: reconcile its collection 'c', or send"),
        ({"positives": ["c/north", "c/unknown"]}, r"^positives\[1\]: The image 'c/unknown' is not stored"),
        ({"path": "c/east", "negatives": ["c/old"]}, r"negatives\[0\]: .*reconcile"),
        ({"path": "c/east", "positives": ["d/north"]}, r"positives\[0\]: .*'d/north' is not in the collection 'c'"),
        ({"path": "c/east", "negatives": [{"path": "d/north"}]}, "send the image itself"),
        ({"negatives": ["c/east"]}, "only 'negatives'"),
        ({"path": "c/east", "positives": "c/north"}, "'positives' takes a list of up to 16"),
        ({"path": "c/east", "negatives": ["c/north"] * 17}, "'negatives' takes a list of up to 16"),
        ({"positives": [5]}, r"positives\[0\] is neither the path"),
        ({"positives": [""]}, r"positives\[0\] is neither the path"),
        ({"positives": [{}]}, r"positives\[0\]: The record has no image"),
        ({"positives": [sent(b"text")]}, r"positives\[0\]: Not an image in a known format"),
        ({"positives": ["c/north"], "boundingBox": {"x": 0, "y": 0, "w": 1, "h": 1}}, "put it into a positive"),
        ({"path": "c/east", "positives": ["c/west"]}, "cancel each other out"),
        (sent() | {"boundingBox": BOX}, "The region 700,0 to 710,10 is outside the image, which is 640×480"),
        (sent() | {"boundingBox": BOX | {"x": float("nan")}}, "no number of pixels"),
        ({"path": "c/east", "boundingBox": {"x": 1}}, "no number"),
        ({"path": "c/unknown", "boundingBox": {"x": 0, "y": 0, "w": 1, "h": 1}}, "is not stored"),
    ],
)
def test_what_cannot_be_asked_is_explained(record: dict[str, Any], reason: str, store: FeatureStore) -> None:
    with pytest.raises(RecordError, match=reason):
        ask(record, store)


def test_without_a_collection_the_first_image_with_a_path_says_it(store: FeatureStore) -> None:
    assert ask(sent() | {"positives": ["d/north"]}, store, None).collection == "d"
    with pytest.raises(RecordError, match="'c/north' is not in the collection 'd'"):
        ask({"positives": ["d/north", "c/north"]}, store, None)


ANGLES = st.lists(st.floats(0, 90), min_size=1, max_size=16)


@given(ANGLES, st.lists(st.floats(0, 90), max_size=16), st.randoms(use_true_random=False))
def test_the_order_of_examples_makes_no_difference(towards: list[float], away: list[float], random: Any) -> None:
    got = turned([at(degrees) for degrees in towards], [at(degrees) for degrees in away])
    random.shuffle(towards)
    random.shuffle(away)
    assert got == pytest.approx(
        turned([at(degrees) for degrees in towards], [at(degrees) for degrees in away]), abs=1e-5
    )
    plain = turned([at(degrees) for degrees in towards], [])
    if away:
        mean = np.mean([at(degrees) for degrees in away], axis=0)
        assert got @ mean <= plain @ mean + 1e-5


def test_time_that_is_over_is_said_before_an_image_is_decoded(store: FeatureStore) -> None:
    with pytest.raises(RecordError, match="Not reached"):
        asked(sent(encoded(stripes(0, period=7))), "c", store, SETTINGS, Deadline(0))
