"""The clustering skill on the real network, real stores and small fits."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clustering.skill import answer_clustering
from clustering.state import change_state
from shared import backbone
from shared.blobs import Blob
from shared.contract import Reply
from shared.embedding import embed_bytes
from shared.features import Feature, Vector
from shared.fits import NOISE, Core
from shared.ingest import feature_of
from shared.settings import Settings
from tests.clustering.small_fits import NOON, fit_of, member, on_one_store, publish
from tests.conftest import Stores
from tests.pictures import as_base64, encoded, scene, skill_call, stripes

SETTINGS = Settings(images_account="https://account.blob.core.windows.net")
KINDS = {0: stripes(0), 4: stripes(4), 90: stripes(90), 300: scene()}
FEATURES: dict[int, Feature] = {}
START = "start a fit with POST /api/collections/waves/clusters"


@pytest.fixture
def waves(stores: Stores) -> Stores:
    """Near-vertical waves are cluster 2, level ones 5; waves/4 is a border image of 5, and the scene is noise."""
    for angle, picture in KINDS.items():
        if angle not in FEATURES:
            blob = Blob(path=f"waves/{angle}.png", etag="1", modified=NOON, tags={}, data=encoded(picture))
            FEATURES[angle] = feature_of(blob, SETTINGS)
        stores.features.upsert(FEATURES[angle])
    fit_waves(stores, "first")
    return stores


def fit_waves(stores: Stores, name: str, *, model: str = backbone.MODEL, cluster: int = 2, reach: float = 0.2) -> None:
    members = [
        member("waves/0.png", cluster, FEATURES[0].embedding),
        member("waves/90.png", 5, FEATURES[90].embedding),
        member("waves/4.png", 5),
        member("waves/300.png", NOISE),
    ]
    fit = fit_of(name, members, collection="waves", reach=reach, model=model)
    publish(stores, members, fit, {cluster: ("upright", "стоит"), 5: (name,)})


def sent(picture: Image.Image, **inputs: Any) -> dict[str, Any]:
    return {"image": as_base64(encoded(picture)), **inputs}


def call(stores: Stores, *records: dict[str, Any], params: Mapping[str, str] | None = None) -> Reply:
    return answer_clustering(skill_call(*records), params or {}, stores.features, stores.fits, SETTINGS)


def ask(stores: Stores, *records: dict[str, Any], params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    reply = call(stores, *records, params=params)
    assert reply.status == 200, reply.body
    values: list[dict[str, Any]] = json.loads(reply.body)["values"]
    return values


def cosine_distance(one: Vector, other: Vector) -> float:
    return 1 - float(one.astype(np.float64) @ other)


def test_an_image_gets_the_words_of_its_group_and_all_that_explains_them(waves: Stores) -> None:
    (value,) = ask(waves, sent(stripes(1), collection="waves"))
    near = embed_bytes(encoded(stripes(1)), SETTINGS).vector
    assert value["errors"] is None
    assert value["warnings"] is None
    assert value["data"] == {
        "label": ["upright", "стоит"],
        "cluster": 2,
        "distance": pytest.approx(cosine_distance(near, FEATURES[0].embedding), abs=2e-6),
        "nearest": 2,
        "reach": 0.2,
        "fit": "first",
        "collection": "waves",
        "model": backbone.MODEL,
    }
    assert value["data"]["distance"] == round(value["data"]["distance"], 6) > 0


def test_noise_is_an_answer_and_no_error(waves: Stores) -> None:
    (value,) = ask(waves, sent(Image.new("RGB", (64, 64), "red"), collection="waves"))
    assert value["errors"] is None
    assert value["warnings"] is None
    data = value["data"]
    assert (data["label"], data["cluster"], data["fit"]) == ([], -1, "first")
    assert data["distance"] > data["reach"] == 0.2
    assert data["nearest"] in (2, 5)


def test_a_fitted_image_has_its_fitted_cluster_however_it_comes(waves: Stores) -> None:
    # The waves at 4 degrees are nearest to those at 0, but the fit put them with those at 90.
    smaller = stripes(4).resize((200, 200))
    for record in (
        sent(stripes(4), collection="waves"),
        sent(smaller, path="waves/4.png"),
        sent(smaller, metadata_storage_path=f"{SETTINGS.images_url}waves/4.png"),
    ):
        (value,) = ask(waves, record)
        assert (value["data"]["cluster"], value["data"]["label"], value["data"]["nearest"]) == (5, ["first"], 2)
    (value,) = ask(waves, sent(scene(), path="waves/300.png"))
    assert (value["data"]["cluster"], value["data"]["label"]) == (-1, [])


@on_one_store
def test_the_collection_is_said_or_of_the_call_or_the_image_s_own_or_default(waves: Stores) -> None:
    params = {"collection": "of-the-call"}
    records = [sent(stripes(1), collection="said", path="waves/x.png"), sent(stripes(1), path="waves/x.png")]
    assert [value["data"]["collection"] for value in ask(waves, *records, params=params)] == ["said", "of-the-call"]
    assert [value["data"]["collection"] for value in ask(waves, *records)] == ["said", "waves"]
    assert ask(waves, sent(stripes(1)), params={"collection": ""})[0]["data"]["collection"] == "default"
    assert ask(waves, sent(stripes(1), collection=None), params={"collection": "waves"})[0]["data"]["cluster"] == 2
    assert ask(waves, sent(stripes(1), collection="wave/s"))[0]["warnings"][0]["message"].count("/wave%2Fs/clusters")


def test_before_any_fit_the_answer_is_empty_and_says_what_to_do(stores: Stores) -> None:
    (value,) = ask(stores, sent(stripes(1), collection="waves"))
    assert value["errors"] is None
    assert value["data"] == {
        "label": [],
        "cluster": -1,
        "distance": None,
        "nearest": None,
        "reach": None,
        "fit": None,
        "collection": "waves",
        "model": backbone.MODEL,
    }
    assert "'waves' has no clusters yet" in value["warnings"][0]["message"]
    assert START in value["warnings"][0]["message"]


@on_one_store
def test_clusters_of_another_model_are_not_used(waves: Stores) -> None:
    fit_waves(waves, "older", model="older/1")
    (value,) = ask(waves, sent(stripes(0), path="waves/0.png"))
    assert (value["data"]["label"], value["data"]["cluster"], value["data"]["distance"]) == ([], -1, None)
    assert value["data"]["fit"] == "older"
    assert "older/1" in value["warnings"][0]["message"]
    assert START in value["warnings"][0]["message"]


@on_one_store
def test_a_bad_record_fails_alone(waves: Stores) -> None:
    good, number, none, text = ask(
        waves,
        sent(stripes(1), collection="waves"),
        sent(stripes(1), collection=7),
        {"collection": "waves"},
        {"image": as_base64(b"no image"), "collection": "waves"},
    )
    assert good["data"]["cluster"] == 2
    assert "'collection' takes the name of a collection, not 7" in number["errors"][0]["message"]
    for value in (number, none, text):
        assert value["data"] == {}
        assert len(value["errors"]) == 1
    assert call(waves).status == 200
    assert answer_clustering(b"[]", {}, waves.features, waves.fits, SETTINGS).status == 400


def test_words_that_people_just_gave_are_in_the_next_answer(waves: Stores) -> None:
    record = sent(stripes(1), collection="waves")
    change_state("waves", waves.features, lambda state: replace(state, labels={2: ("new",)}, merged={5: 2}))
    assert ask(waves, record)[0]["data"]["label"] == ["new"]
    border = ask(waves, sent(stripes(4), collection="waves"))[0]["data"]
    assert (border["cluster"], border["label"]) == (2, ["new"])


def test_the_state_is_read_once_for_all_records_of_a_call(waves: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    recall, read = waves.features.recall, []

    def counting(name: str) -> str | None:
        read.append(name)
        return recall(name)

    monkeypatch.setattr(waves.features, "recall", counting)
    records = [sent(stripes(angle), collection=name) for angle in range(4) for name in ("waves", "empty")]
    assert [value["data"]["cluster"] for value in ask(waves, *records)] == [2, -1] * 4
    assert sorted(name for name in read if name.startswith("clusters of")) == ["clusters of empty", "clusters of waves"]


def test_a_fit_that_takes_over_within_a_call_answers_it(waves: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    nearest = waves.fits.nearest

    def late(fit: str, vectors: NDArray[np.float32]) -> list[Core | None]:
        monkeypatch.undo()
        fit_waves(waves, "second", cluster=8)
        waves.fits.drop("first")
        return nearest(fit, vectors)

    monkeypatch.setattr(waves.fits, "nearest", late)
    (value,) = ask(waves, sent(stripes(1), collection="waves"))
    assert (value["data"]["fit"], value["data"]["cluster"], value["data"]["label"]) == (
        "second",
        8,
        ["upright", "стоит"],
    )


def test_a_fit_whose_members_are_lost_is_trouble_to_try_again(waves: Stores) -> None:
    waves.fits.drop("first")
    reply = call(waves, sent(stripes(1), collection="waves"))
    assert reply.status == 503
    assert "Retry-After" in reply.headers
    assert "a new fit would write them" in reply.body


SCRIPT = """
import json, sys
from pathlib import Path

from shared.settings import Settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore

from clustering.skill import answer_clustering

features, fits = SqliteFeatureStore(Path("features.sqlite")), SqliteFitStore(Path("clusters.sqlite"))
reply = answer_clustering(sys.stdin.buffer.read(), {}, features, fits, Settings())
(value,) = json.loads(reply.body)["values"]
heavy = {name.partition(".")[0] for name in sys.modules} & {"sklearn", "scipy", "joblib", "pandas"}
print(json.dumps([value["data"]["cluster"], sorted(heavy)]))
"""


@on_one_store
def test_the_skill_never_imports_scikit_learn(waves: Stores, tmp_path: Any, pytestconfig: pytest.Config) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=skill_call(sent(stripes(1), collection="waves")),
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(pytestconfig.rootpath)},
    )
    assert json.loads(done.stdout) == [2, []]
