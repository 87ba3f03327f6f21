"""The similarity skill on the real network and a real store."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.blobs import Blob
from shared.embedding import embed_bytes
from shared.features import Failure, Feature
from shared.image_ids import id_of
from shared.ingest import feature_of
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity.skill import answer_similarity
from tests.pictures import as_base64, encoded, scene, skill_call, stripes

SETTINGS = Settings(images_account="https://account.blob.core.windows.net")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PICTURES = {
    "waves/0.png": stripes(0),
    "waves/4.png": stripes(4),
    "waves/30.png": stripes(30),
    "waves/80 %.png": stripes(80),
    "waves/scene.png": scene(),
    "alone.png": Image.new("RGB", (64, 64), "red"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(Path(tmp_path_factory.mktemp("store")) / "features.sqlite")
    for path, image in PICTURES.items():
        tags = {"name": path[:5]}
        blob = Blob(path=path, etag="1", modified=NOON, tags=tags, data=encoded(image))
        assert store.upsert(feature_of(blob, SETTINGS))
    yield store
    store.close()


def ask(store: SqliteFeatureStore, *records: dict[str, Any], **params: str) -> list[dict[str, Any]]:
    reply = answer_similarity(skill_call(*records), params, store, SETTINGS)
    assert reply.status == 200, reply.body
    values: list[dict[str, Any]] = json.loads(reply.body)["values"]
    return values


def ask_one(store: SqliteFeatureStore, image: Image.Image, record: dict[str, Any] | None = None, **params: str) -> Any:
    (answer,) = ask(store, {"image": as_base64(encoded(image))} | (record or {}), **params)
    assert answer["errors"] is None
    return answer


def test_look_alikes_come_best_first_with_all_that_explains_them(store: SqliteFeatureStore) -> None:
    data = ask_one(store, stripes(2), collection="waves")["data"]
    assert set(data["most_similar"][:2]) == {"waves/0.png", "waves/4.png"}
    assert len(data["most_similar"]) == 3
    assert data["most_similar"] == [match["path"] for match in data["matches"]]
    scores = [match["score"] for match in data["matches"]]
    assert scores == sorted(scores, reverse=True)
    assert -1 <= scores[-1] < scores[0] <= 1
    assert data["collection"] == "waves"
    assert data["top"] == 3
    assert data["minScore"] == -1
    assert data["model"].startswith("efficientnet-lite0")
    assert data["offset"] == 0
    assert data["took"].keys() == {"image", "search"}
    assert data["took"]["image"] > 0
    assert data["took"]["search"] > 0
    assert data["matches"][0]["tags"] == {"name": "waves"}
    assert data["matches"][0]["id"] == id_of(data["most_similar"][0])
    assert data["matches"][0].keys() == {"path", "id", "url", "score", "tags"}


def test_a_score_is_the_cosine_of_the_two_embeddings(store: SqliteFeatureStore) -> None:
    query = embed_bytes(encoded(stripes(2)), SETTINGS).vector
    for match in ask_one(store, stripes(2), collection="waves", top="5")["data"]["matches"]:
        other = embed_bytes(encoded(PICTURES[match["path"]]), SETTINGS).vector
        assert match["score"] == pytest.approx(float(query @ other), abs=2e-6)


def test_the_url_of_a_match_opens_its_blob(store: SqliteFeatureStore) -> None:
    matches = ask_one(store, stripes(80), {"includeSelf": True}, collection="waves", top="1")["data"]["matches"]
    assert matches[0]["url"] == "https://account.blob.core.windows.net/images/waves/80%20%25.png"
    reply = answer_similarity(
        skill_call({"image": as_base64(encoded(stripes(80)))}), {"collection": "waves"}, store, Settings()
    )
    assert json.loads(reply.body)["values"][0]["data"]["matches"][0]["url"] is None


def test_an_image_is_not_its_own_look_alike(store: SqliteFeatureStore) -> None:
    data = ask_one(store, stripes(0), collection="waves", top="10")["data"]
    assert "waves/0.png" not in data["most_similar"]
    assert len(data["most_similar"]) == 4
    assert ask_one(store, stripes(0), collection="waves", top="2")["data"]["most_similar"] == data["most_similar"][:2]


def test_unless_it_is_asked_for(store: SqliteFeatureStore) -> None:
    data = ask_one(store, stripes(0), collection="waves", includeSelf="true", top="10")["data"]
    assert data["matches"][0]["path"] == "waves/0.png"
    assert data["matches"][0]["score"] == pytest.approx(1, abs=1e-6)
    assert len(data["most_similar"]) == 5


def test_a_known_path_is_what_is_left_out_however_its_pixels_came(store: SqliteFeatureStore) -> None:
    # An indexer sends a smaller JPEG of the blob, which scores below 1.
    sent = {"image": as_base64(encoded(stripes(0).resize((200, 200)), "JPEG", quality=70))}
    url = f"{SETTINGS.images_url}waves/0.png"
    (answer,) = ask(store, sent | {"metadata_storage_path": url, "top": 10})
    assert answer["data"]["collection"] == "waves"
    assert "waves/0.png" not in answer["data"]["most_similar"]
    assert len(answer["data"]["most_similar"]) == 4


def test_an_image_whose_path_is_known_comes_with_its_tags(store: SqliteFeatureStore) -> None:
    image = {"image": as_base64(encoded(stripes(2))), "collection": "waves"}
    at = {"metadata_storage_path": f"{SETTINGS.images_url}waves/80%20%25.png"}
    both = Blob(path="b/x.png", etag="1", modified=NOON, tags={"owner": "me=you", "age": "7"}, data=encoded(scene()))
    assert store.upsert(feature_of(both, SETTINGS))
    assert store.fail(Failure(path="b/y", etag="1", modified=NOON, model="m", reason="Text.", time=NOON))
    answers = ask(
        store,
        image | at,
        image | {"url": "https://elsewhere.example/a.png"},
        image | {"path": "b/x.png"},
        image | {"path": "b/y"},
        image | {"path": "b/z"},
        {"path": "b/x.png"},
        {"positives": ["waves/0.png"]},
    )
    assert [(answer["data"]["path"], answer["data"]["tags"]) for answer in answers] == [
        ("waves/80 %.png", ["name=waves"]),
        (None, []),
        ("b/x.png", ["age=7", "owner=me=you"]),
        ("b/y", []),
        ("b/z", []),
        ("b/x.png", ["age=7", "owner=me=you"]),
        (None, []),
    ]


def test_another_copy_of_a_known_image_stays(store: SqliteFeatureStore) -> None:
    (answer,) = ask(store, {"image": as_base64(encoded(stripes(0))), "path": "waves/copy.png", "top": 1})
    assert answer["data"]["most_similar"] == ["waves/0.png"]


def test_the_collection_is_said_or_the_image_s_own_or_default(store: SqliteFeatureStore) -> None:
    image = {"image": as_base64(encoded(stripes(10)))}
    said, own, default = ask(
        store, image | {"collection": "waves"}, image | {"path": "waves/x.png"}, image | {"collection": None}
    )
    assert said["data"]["collection"] == own["data"]["collection"] == "waves"
    assert default["data"]["collection"] == "default"
    assert default["data"]["most_similar"] == ["alone.png"]


def test_an_unknown_collection_is_an_empty_list_and_a_warning(store: SqliteFeatureStore) -> None:
    answer = ask_one(store, stripes(0), collection="nowhere")
    assert answer["data"]["most_similar"] == answer["data"]["matches"] == []
    assert "'nowhere' holds no images" in answer["warnings"][0]["message"]


def test_nothing_good_enough_is_an_empty_list_without_a_warning(store: SqliteFeatureStore) -> None:
    answer = ask_one(store, scene(), {"minScore": 0.999}, collection="waves")
    assert answer["data"]["most_similar"] == []
    assert answer["warnings"] is None


def test_min_score_cuts_exactly_there(store: SqliteFeatureStore) -> None:
    matches = ask_one(store, stripes(2), collection="waves", top="10")["data"]["matches"]
    middle = matches[2]["score"] - 1e-6  # scores are shown with six digits
    kept = ask_one(store, stripes(2), collection="waves", top="10", minScore=repr(middle))["data"]
    assert kept["most_similar"] == [match["path"] for match in matches[:3]]


def test_a_top_beyond_the_limit_gives_what_there_is_and_a_warning(store: SqliteFeatureStore) -> None:
    answer = ask_one(store, stripes(2), collection="waves", top="1000000000")
    assert len(answer["data"]["most_similar"]) == 5
    assert "at most 1000" in answer["warnings"][0]["message"]
    assert ask_one(store, stripes(2), collection="waves", top="1000")["warnings"] is None


@pytest.mark.parametrize("top", ["0", "-1", "three"])
def test_a_query_string_that_cannot_be_used_is_a_400(store: SqliteFeatureStore, top: str) -> None:
    reply = answer_similarity(skill_call({}), {"top": top}, store, SETTINGS)
    assert reply.status == 400
    assert "'top' takes a whole number" in json.loads(reply.body)["error"]


def test_one_bad_record_does_not_spoil_its_neighbours(store: SqliteFeatureStore) -> None:
    good = {"image": as_base64(encoded(stripes(2))), "collection": "waves"}
    answers = ask(store, good, good | {"top": 0}, good | {"image": as_base64(b"text")}, {}, good)
    assert [bool(answer["errors"]) for answer in answers] == [False, True, True, True, False]
    assert answers[0]["data"]["matches"] == answers[4]["data"]["matches"]
    assert "known format" in answers[2]["errors"][0]["message"]


def test_vectors_of_another_model_are_never_met(store: SqliteFeatureStore) -> None:
    query = embed_bytes(encoded(stripes(0)), SETTINGS).vector
    old = Feature(
        path="old/0.png",
        etag="1",
        modified=datetime(2026, 1, 1, tzinfo=UTC),
        model="something-else/1",
        embedding=query,
        pixel_hash="0" * 16,
        size=1,
    )
    assert store.upsert(old)
    answer = ask_one(store, stripes(0), collection="old", includeSelf="true")
    assert answer["data"]["most_similar"] == []
    assert "holds no images of the model" in answer["warnings"][0]["message"]
    assert store.upsert(replace(old, model=answer["data"]["model"]))
    assert ask_one(store, stripes(0), collection="old", includeSelf="true")["data"]["most_similar"] == ["old/0.png"]


def test_a_stored_image_is_asked_for_by_its_path(store: SqliteFeatureStore) -> None:
    sent = ask_one(store, stripes(0), {"path": "waves/0.png"}, top="10")
    (stored,) = ask(store, {"path": "waves/0.png", "top": 10})
    assert stored["data"]["matches"] == sent["data"]["matches"]
    assert stored["data"]["collection"] == "waves"


def test_options_of_the_call_and_of_the_record_work_together(store: SqliteFeatureStore) -> None:
    record = {"positives": ["waves/0.png"], "negatives": ["waves/80 %.png"], "offset": 1, "groupBy": None}
    (answer,) = ask(store, record, top="2", filter='{"name": "waves"}', groupBy="tag:name")
    assert answer["data"]["matches"] == []  # one group, and the page begins behind it
    assert (answer["data"]["top"], answer["data"]["offset"]) == (2, 1)
    (answer,) = ask(store, record | {"offset": 0}, top="2", filter='{"name": "waves"}', groupBy="tag:name")
    assert [match["group"] for match in answer["data"]["matches"]] == ["waves"]
    assert answer["data"]["most_similar"] == ["waves/4.png"]


def test_a_region_finds_what_it_shows(store: SqliteFeatureStore) -> None:
    page = Image.new("RGB", (900, 700), "red")
    page.paste(stripes(30), (500, 300))
    record = {"boundingBox": {"x": 500, "y": 300, "w": 320, "h": 320}, "top": 1}
    data = ask_one(store, page, record, collection="waves")["data"]
    assert data["most_similar"] == ["waves/30.png"]
    assert data["matches"][0]["score"] == pytest.approx(1, abs=1e-6)
    clipped = ask_one(store, page, {"boundingBox": {"x": 500, "y": 300, "w": 900, "h": 320}}, collection="waves")
    assert clipped["warnings"] == [{"message": "The region sticks out of its image; what is inside was used."}]


def test_a_record_that_names_no_ranker_that_there_is_fails_and_true_is_a_warning(store: SqliteFeatureStore) -> None:
    named, on = ask(store, {"path": "waves/0.png", "rerank": "svm"}, {"path": "waves/0.png", "rerank": True})
    assert named["data"] == {}
    assert "svm" in named["errors"][0]["message"]
    assert len(on["data"]["matches"]) == 3
    assert "No ranker of the collection 'waves' is switched on" in on["warnings"][0]["message"]
    assert "rerank" not in on["data"]["took"]


def test_what_the_skill_does_not_know_is_ignored(store: SqliteFeatureStore) -> None:
    (answer,) = ask(store, {"path": "waves/0.png", "recordNumber": 7, "image_text": "a"})
    assert answer["errors"] is None
