"""The whole path: photos in a folder, the blob trigger, the store, HTTP. Network, photos and worker library: real."""

import json
import os
import subprocess
import sys
from itertools import batched
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from shared import backbone
from shared.settings import Settings, read_settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.small_fits import at, fit_of, member, publish
from tests.conftest import SAMPLES, Stores, running_on
from tests.pictures import as_base64, encoded, scene, skill_call
from tests.servers.devhost import ROOT

PHOTOS = sorted(SAMPLES.rglob("*.jpg"))
SETTINGS_SAMPLE = ROOT / "local.settings.sample.json"


def image(path: Path) -> dict[str, Any]:
    return {"image": {"$type": "file", "data": as_base64(path.read_bytes())}}


def ask(http: httpx.Client, *records: dict[str, Any], route: str = "similarity", **params: str) -> list[dict[str, Any]]:
    reply = http.post(f"/api/{route}", params=params, content=skill_call(*records))
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    values: list[dict[str, Any]] = reply.json()["values"]
    assert [value["recordId"] for value in values] == [str(n) for n in range(len(records))]
    return values


def test_most_photos_find_their_own_kind(http: httpx.Client) -> None:
    hits = 0
    for photos in batched(PHOTOS, 16, strict=False):
        for photo, answer in zip(photos, ask(http, *map(image, photos), collection="photos", top="1"), strict=True):
            (found,) = answer["data"]["most_similar"]
            assert SAMPLES / found != photo
            hits += found.split("/")[1] == photo.parent.name
    assert hits / len(PHOTOS) >= 0.75


def test_an_image_finds_itself_when_asked_for(http: httpx.Client) -> None:
    (answer,) = ask(http, image(PHOTOS[7]), collection="photos", includeSelf="true")
    (first, *_) = answer["data"]["matches"]
    assert first["path"] == PHOTOS[7].relative_to(SAMPLES).as_posix()
    assert first["score"] == pytest.approx(1, abs=1e-6)
    assert httpx.get(first["url"], trust_env=False).content == PHOTOS[7].read_bytes()


def test_the_embedding_route_gives_what_is_stored(http: httpx.Client) -> None:
    skill, vectorizer = (
        ask(http, record, route="embedding")[0]["data"]
        for record in (image(PHOTOS[0]), {"imageBinary": {"data": as_base64(PHOTOS[0].read_bytes())}})
    )
    assert skill == vectorizer
    assert skill["model"] == backbone.MODEL
    assert np.linalg.norm(skill["vector"]) == pytest.approx(1, abs=1e-5)
    assert len(skill["vector"]) == 256


def test_health_says_what_is_running(http: httpx.Client, store_kind: str) -> None:
    reply = http.get("/api/health")
    assert reply.status_code == 200
    assert reply.json() == {
        "status": "ready",
        "model": backbone.MODEL,
        "store": store_kind,
        "features": len(PHOTOS),
        "outdated": 0,
    }


def test_a_hundred_requests_leave_the_process_small(store_kind: str, tmp_path: Path) -> None:
    # An app of its own: a fit leaves scikit-learn behind.
    copytree(SAMPLES / "photos" / "fish", tmp_path / "images" / "fish")
    with (
        running_on(store_kind, tmp_path / "images", tmp_path / "data") as host,
        httpx.Client(base_url=host.url, timeout=60, trust_env=False) as client,
    ):
        for n in range(100):
            ask(client, image(PHOTOS[n]), collection="fish")
        assert psutil.Process(host.process.pid).memory_info().rss <= 220e6


HEAVY = {
    "sklearn",
    "scipy",
    "pandas",
    "onnx",
    "torch",
    "pillow_heif",
    "azure.cosmos",
    "azure.storage",
    "azure.identity",
}


@pytest.mark.parametrize("route", ["similarity", "embedding", "clustering"])
def test_the_answering_path_imports_nothing_heavy(tmp_path: Path, route: str) -> None:
    stores = Stores(SqliteFeatureStore(tmp_path / "features.sqlite"), SqliteFitStore(tmp_path / "clusters.sqlite"))
    members = [member("default/a", 0, at(0))]
    publish(stores, members, fit_of("first", members, collection="default", model=backbone.MODEL))
    for store in stores:
        store.close()
    request = json.dumps({"body": skill_call({"image": as_base64(encoded(scene()))}).decode(), "route": route})
    script = """
import json, sys
import azure.functions as func
import function_app
started = sorted(sys.modules)
call = json.load(sys.stdin)
request = func.HttpRequest("POST", "/api/" + call["route"], params={}, body=call["body"].encode())
answer = getattr(function_app, call["route"]).build().get_user_function()(request)
(value,) = json.loads(answer.get_body())["values"]
print(json.dumps([started, sorted(sys.modules), value]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=request,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
    )
    started, loaded, value = json.loads(done.stdout)
    assert value["errors"] is None
    assert value["data"].get("fit", "first") == "first"
    assert "onnxruntime" in loaded
    assert HEAVY & {*started, *loaded} == set()


def test_the_sample_settings_are_the_defaults_and_are_all() -> None:
    values = json.loads(SETTINGS_SAMPLE.read_text())["Values"]
    assert values["IMAGES_STORAGE"] == values["AzureWebJobsStorage"]  # an emulator, which a default could not suppose
    assert read_settings(values | {"IMAGES_STORAGE": ""}) == Settings()
    documented = {word.rstrip(".") for word in (Settings.__doc__ or "").split() if word.rstrip(".").isupper()}
    ours = {name for name in values if name.isupper() and name != "FUNCTIONS_WORKER_RUNTIME"}
    # What has no value to show: the folder (the host sets it), and hosts (the default is the account's own).
    assert ours == {name for name in documented if "_" in name or name == "TOPN"} - {"ALLOWED_HOSTS", "DATA_DIR"}
