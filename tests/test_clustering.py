"""Clustering over HTTP on the sample photos: fit, look, name, ask the skill. Queue, store and network: real."""

from typing import Any

import httpx
import pytest

from shared import backbone
from tests.conftest import SAMPLES
from tests.pictures import as_base64, skill_call
from tests.servers.devhost import wait_until

CLUSTERS = "/api/collections/photos/clusters"
WAITING = {"queued", "running"}


def fit(http: httpx.Client, **parameters: Any) -> dict[str, Any]:
    """Starts a fit and waits for its end: its status."""
    started = http.post(CLUSTERS, json=parameters)
    assert started.status_code == 202, started.text
    assert started.json()["state"] == "queued"
    where = started.headers["location"]
    assert where == f"{CLUSTERS}/fit"
    wait_until(lambda: http.get(where).json()["state"] not in WAITING, timeout=60)
    status: dict[str, Any] = http.get(where).json()
    assert status["job"] == started.json()["job"]
    return status


@pytest.fixture(scope="module")
def fitted(http: httpx.Client) -> dict[str, Any]:
    """The clusters of the samples with the default parameters."""
    status = fit(http)
    assert status["state"] == "done", status
    clusters: dict[str, Any] = http.get(CLUSTERS).raise_for_status().json()
    assert clusters["fit"] == status["fit"]
    return clusters


def images(http: httpx.Client, cluster: int) -> list[str]:
    reply = http.get(f"{CLUSTERS}/{cluster}/images", params={"top": "1000"}).raise_for_status().json()
    return [one["path"] for one in reply["images"]]


def ask(http: httpx.Client, *paths: str, **extra: str) -> list[dict[str, Any]]:
    records = [{"image": as_base64((SAMPLES / path).read_bytes())} | extra for path in paths]
    values = http.post("/api/clustering", content=skill_call(*records)).raise_for_status().json()["values"]
    assert [value["errors"] for value in values] == [None] * len(paths)
    return [value["data"] | {"warnings": value["warnings"]} for value in values]


def test_every_photo_is_in_one_cluster_or_noise(http: httpx.Client, fitted: dict[str, Any]) -> None:
    assert fitted["clusters"]
    found = {cluster["cluster"]: images(http, cluster["cluster"]) for cluster in fitted["clusters"]}
    assert {one: len(paths) for one, paths in found.items()} == {
        one["cluster"]: one["size"] for one in fitted["clusters"]
    }
    everything = sum(found.values(), images(http, -1))
    assert sorted(everything) == sorted(path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.jpg"))
    assert (fitted["images"], fitted["model"]) == (len(everything), backbone.MODEL)


def test_a_photo_of_a_named_cluster_gets_its_words(http: httpx.Client, fitted: dict[str, Any]) -> None:
    largest = fitted["clusters"][0]["cluster"]
    named = http.patch(f"{CLUSTERS}/labels", json={"fit": fitted["fit"], "set": {str(largest): ["grün", "<i>two</i>"]}})
    assert named.status_code == 200, named.text
    path, *_ = images(http, largest)
    (found,) = ask(http, path, collection="photos")
    assert (found["label"], found["cluster"], found["fit"]) == (["grün", "<i>two</i>"], largest, fitted["fit"])
    lonely, *_ = images(http, -1)
    (noise,) = ask(http, lonely, collection="photos")
    assert (noise["label"], noise["cluster"]) == ([], -1)
    assert noise["distance"] > 0
    table = http.get(f"{CLUSTERS}/labels", params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert f"{path},{largest},grün; <i>two</i>" in table.content.decode().splitlines()
    labels = http.get(f"{CLUSTERS}/labels")
    assert http.put(f"{CLUSTERS}/labels", content=labels.content).json() == labels.json()


def test_the_report_is_a_page_and_a_sheet(http: httpx.Client, fitted: dict[str, Any]) -> None:
    page = http.get(f"{CLUSTERS}/report").raise_for_status()
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    assert "data:image" in page.text
    sheet = http.get(f"{CLUSTERS}/report", params={"cluster": fitted["clusters"][0]["cluster"]}).raise_for_status()
    assert sheet.headers["content-type"] == "image/png"
    assert sheet.content.startswith(b"\x89PNG")


def test_a_cluster_keeps_its_name_in_the_next_fit(http: httpx.Client, fitted: dict[str, Any]) -> None:
    cluster = fitted["clusters"][-1]["cluster"]
    http.patch(f"{CLUSTERS}/labels", json={"set": {str(cluster): ["kept"]}}).raise_for_status()
    before = images(http, cluster)
    assert fit(http)["state"] == "done"
    again = http.get(CLUSTERS).json()
    assert again["fit"] != fitted["fit"]
    assert again["changes"] == {"new": [], "gone": [], "splits": {}, "merges": {}}
    assert images(http, cluster) == before
    assert ask(http, before[0], collection="photos")[0]["label"] == ["kept"]
    stale = http.patch(f"{CLUSTERS}/labels", json={"fit": fitted["fit"], "set": {str(cluster): ["late"]}})
    assert stale.status_code == 409


def test_a_fit_is_cancelled_or_was_done_before(http: httpx.Client, fitted: dict[str, Any]) -> None:
    in_force = http.get(CLUSTERS).json()["fit"]
    assert http.post(CLUSTERS, json={"eps": 1.5}).status_code == 202
    reply = http.delete(f"{CLUSTERS}/fit")
    assert reply.status_code in {200, 409}
    wait_until(lambda: http.get(f"{CLUSTERS}/fit").json()["state"] not in WAITING)
    cancelled = reply.status_code == 200
    assert http.get(f"{CLUSTERS}/fit").json()["state"] == ("cancelled" if cancelled else "done")
    assert (http.get(CLUSTERS).json()["fit"] == in_force) is cancelled


@pytest.mark.parametrize(
    ("escaped", "name"), [("gr%C3%BCn%20%26%20blau", "grün & blau"), ("a%2Fb", "a%2Fb"), ("..%2F..", "..%2F..")]
)
def test_the_name_of_a_collection_may_hold_anything(http: httpx.Client, escaped: str, name: str) -> None:
    where = f"/api/collections/{escaped}/clusters"
    refused = http.post(where)
    assert (refused.status_code, repr(name) in refused.json()["error"]) == (404, True)
    # What it says to call leads to the same collection.
    before = http.get(where).json()["error"]
    link = before.partition("POST ")[2].removesuffix(".")
    assert http.post(link).json() == refused.json()


def test_mistakes_are_no_failures_of_the_app(http: httpx.Client, fitted: dict[str, Any]) -> None:
    for reply, status in (
        (http.post(CLUSTERS, json={"eps": "half"}), 400),
        (http.post(CLUSTERS, params={"eps": "9"}), 400),
        (http.post(CLUSTERS, params={"epsilon": "0.4", "code": "a key"}), 400),
        (http.post(CLUSTERS, content=b"eps=1"), 400),
        (http.post("/api/collections/nothing/clusters"), 404),
        (http.get("/api/collections/nothing/clusters"), 404),
        (http.get("/api/collections/nothing/clusters/fit"), 404),
        (http.get("/api/collections/nothing/clusters/report"), 404),
        (http.get(f"{CLUSTERS}/labels/images"), 400),
        (http.get(f"{CLUSTERS}/-7/images"), 404),
        (http.patch(f"{CLUSTERS}/labels", json={"set": {"0": "no list"}}), 400),
        (http.post("/api/clustering", content=b"{}"), 400),
    ):
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]
    (nowhere,) = ask(http, "photos/fish/pompano.jpg", collection="nothing")
    assert (nowhere["cluster"], nowhere["label"]) == (-1, [])
    assert "start a fit" in nowhere["warnings"][0]["message"]
