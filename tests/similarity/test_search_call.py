"""The call that searches one collection."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared import backbone
from shared.features import DIMENSIONS, FeatureStore
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity.ranking.measuring import Figures
from similarity.ranking.stored import keep
from similarity.ranking.trained import Trained, as_content
from similarity.search_call import search
from similarity.skill import answer_similarity
from tests.conftest import Stores
from tests.pictures import as_base64, encoded, scene, skill_call
from tests.similarity.stored_images import NOON, at, in_direction, put, stored

IMAGES = [stored(f"c/{n}", at(n), {"odd": str(n % 2)}) for n in range(6)]
SETTINGS = Settings(images_account="https://account.blob.core.windows.net")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(Path(tmp_path_factory.mktemp("store")) / "features.sqlite")
    put(store, IMAGES)
    yield store
    store.close()


def call(
    store: FeatureStore, content: Any, collection: str = "c", params: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    reply = search(collection, body, params or {}, store, SETTINGS)
    assert reply.mimetype == "application/json"
    return reply.status, json.loads(reply.body)


def test_the_answer_is_the_skill_s_with_warnings(stores: Stores) -> None:
    put(stores.features, IMAGES)
    record = {"path": "c/0", "positives": ["c/2"], "negatives": ["c/5"], "top": 2, "offset": 1, "groupBy": "tag:odd"}
    status, content = call(stores.features, record)
    assert status == 200
    reply = answer_similarity(skill_call(record), {}, stores.features, SETTINGS)
    (value,) = json.loads(reply.body)["values"]
    # What is stored of the image itself is for the indexer's index.
    assert value["data"].keys() - {"path", "tags"} == content.keys() - {"warnings"}
    assert "path" not in content
    for name in content.keys() - {"warnings", "took"}:
        assert value["data"][name] == content[name]
    assert content["warnings"] == []
    assert content["most_similar"] == ["c/4"]
    assert content["matches"][0]["group"] == "0"


def test_an_image_without_the_tag_shows_that_it_has_no_group(store: FeatureStore) -> None:
    _, content = call(store, {"path": "c/0", "groupBy": "tag:colour"})
    assert [match["group"] for match in content["matches"]] == [None, None, None]


def test_options_may_be_in_the_query_string_beside_its_key(store: FeatureStore) -> None:
    params = {"top": "5", "offset": "1", "code": "key"}
    status, content = call(store, {"path": "c/0", "top": 2}, params=params)
    assert status == 200
    assert (content["most_similar"], content["collection"]) == (["c/2", "c/3"], "c")
    assert call(store, {"path": "c/0"}, params={"top": "x"})[0] == 400


def test_a_slip_in_the_query_string_is_refused_as_well(store: FeatureStore) -> None:
    status, content = call(store, {"path": "c/0"}, params={"tpo": "3", "code": "key"})
    assert status == 400
    assert content["error"].startswith("There is no 'tpo' in the query string. Known names: clientId, code, filter,")


def test_what_takes_too_long_is_a_503_in_words_of_its_own(store: FeatureStore) -> None:
    body = json.dumps({"positives": [{"image": as_base64(encoded(scene()))}, "c/0"]}).encode()
    reply = search("c", body, {}, store, replace(SETTINGS, time_budget=1e-9))
    assert reply.status == 503
    assert "batch" not in str(reply.body)
    assert "fewer or smaller images" in str(reply.body)


def test_images_are_sent_in_each_part(store: FeatureStore) -> None:
    photo, red = as_base64(encoded(scene())), as_base64(encoded(Image.new("RGB", (50, 50), "red")))
    status, content = call(
        store,
        {
            "image": {"data": photo},
            "boundingBox": {"x": 100, "y": 100, "w": 5000, "h": 200},
            "positives": [{"image": red}],
            "negatives": [{"imageBinary": {"data": red}, "boundingBox": {"x": 0, "y": 0, "w": 0.5, "h": 0.5}}],
        },
    )
    assert status == 200
    assert len(content["matches"]) == 3
    assert content["warnings"] == ["The region sticks out of its image; what is inside was used."]


def svm(model: str = backbone.MODEL) -> Trained:
    """A ranker for which only the second number of a vector counts; measured, and better than cosine."""
    figures = {"svm": Figures(0.9, 0.9, 2.0), "cosine": Figures(0.5, 0.5, 5.0)}
    weights = np.zeros(DIMENSIONS, np.float32)
    weights[1] = 1
    return Trained(
        name="svm",
        model=model,
        trained=NOON,
        source="folder",
        labels=2,
        images=8,
        figures=figures,
        parameters={"weights": weights},
    )


def test_a_trained_ranker_orders_what_the_store_found(stores: Stores) -> None:
    put(stores.features, [stored("c/0", at(0)), stored("c/5", at(5)), stored("c/10", in_direction(0.98, 0, 0.2))])
    assert call(stores.features, {"path": "c/0"})[1]["most_similar"] == ["c/5", "c/10"]
    keep("c", svm(), stores.features)
    for rerank in (True, "svm"):
        _, content = call(stores.features, {"path": "c/0", "rerank": rerank})
        assert content["most_similar"] == ["c/10", "c/5"]
        # What it gives is minus the square of the difference that counts.
        assert [match["rankScore"] for match in content["matches"]] == pytest.approx([0, -(0.0872**2)], abs=1e-4)
        assert [match["score"] for match in content["matches"]] == pytest.approx([0.9798, 0.9962], abs=1e-4)
        assert content["took"].keys() == {"image", "search", "rerank"}
        assert content["warnings"] == []


@pytest.mark.parametrize("rerank", [True, "svm"])
def test_a_ranker_trained_for_another_model_is_refused_with_what_to_do(store: FeatureStore, rerank: Any) -> None:
    content = {"rankers": {"svm": as_content(svm("something-else/1"))}, "on": "svm"}
    store.remember("rankers of c", json.dumps(content))
    status, content = call(store, {"path": "c/0", "rerank": rerank})
    assert status == 400
    assert "trained for the model 'something-else/1'" in content["error"]
    assert "python -m similarity train" in content["error"]
    store.remember("rankers of c", None)


def test_an_offset_past_the_end_is_an_empty_list(store: FeatureStore) -> None:
    status, content = call(store, {"path": "c/0", "offset": 900})
    assert (status, content["matches"], content["warnings"]) == (200, [], [])


def test_a_top_beyond_the_limit_is_a_warning(store: FeatureStore) -> None:
    _, content = call(store, {"path": "c/0", "top": 1001})
    assert content["top"] == 1000
    assert "at most 1000" in content["warnings"][0]


@pytest.mark.parametrize("collection", ["nowhere", "\ud800", "x" * 1025])
def test_a_collection_that_is_not_there_is_a_404(store: FeatureStore, collection: str) -> None:
    status, content = call(store, {"path": "c/0"}, collection)
    assert status == 404
    assert "collection" in content["error"]


def test_a_collection_of_another_model_has_nothing_to_search(store: FeatureStore) -> None:
    put(store, [stored("old/a", at(0), model="something-else/1")])
    status, content = call(store, {"path": "c/0"}, "old")
    assert status == 404
    assert "'old' holds no images of the model" in content["error"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "The body is not JSON. Send an object such as"),
        ([], "The body is no JSON object"),
        ({}, "The record has no image"),
        ({"path": "c/0", "colour": "red", "colecction": 1}, "There is no 'colecction', 'colour'. Known names: bound"),
        ({"path": "c/0", "collection": "c"}, "There is no 'collection'"),
        ({"positives": [{"path": "c/0", "boundingbox": 1}]}, "There is no 'boundingbox' in positives[0]"),
        ({"path": "c/0", "negatives": [{"path": "c/1", "top": 5}]}, "There is no 'top' in negatives[0]"),
        ({"path": "c/0", "top": 0}, "'top' takes a whole number"),
        ({"path": "c/0", "filter": "x"}, "'filter' takes tags"),
        ({"path": "c/0", "minScore": 2}, "'minScore' takes"),
        ({"path": "c/unknown"}, "'c/unknown' is not stored"),
        ({"path": "c/0", "rerank": "banana"}, "banana"),
        ({"path": "c/0", "positives": ["d/1"]}, "'d/1' is not stored"),
        ({"imageUrl": "https://elsewhere.example/a.jpg"}, "elsewhere.example"),
    ],
)
def test_what_cannot_be_answered_is_a_400_that_says_why(store: FeatureStore, content: Any, reason: str) -> None:
    status, answer = call(store, content)
    assert status == 400
    assert reason in answer["error"]


def test_a_body_has_an_end(store: FeatureStore) -> None:
    small = replace(SETTINGS, max_image_bytes=1000)
    reply = search("c", b" " * 4_100_000, {}, store, small)
    assert reply.status == 413
