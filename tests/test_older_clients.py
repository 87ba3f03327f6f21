"""Clients of older deployments go on working: their url, their header, the input `images`, and what they read."""

from collections.abc import Iterator
from contextlib import ExitStack
from shutil import copytree
from typing import Any

import httpx
import pytest

from tests.conftest import SAMPLES, running_on
from tests.pictures import as_base64, skill_call
from tests.servers.devhost import wait_until

KEY = "32 digits or so of an older key"
HEADER = {"Ocp-Apim-Subscription-Key": KEY}
FISH = sorted((SAMPLES / "photos" / "fish").glob("*.jpg"))
CLUSTERS = "/api/collections/photos/clusters"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of an app whose photos of fish are one cluster that people named."""
    images = tmp_path_factory.mktemp("images")
    copytree(SAMPLES / "photos" / "fish", images / "photos" / "fish")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # of this app only: others start while it runs
            environment.setenv("SUBSCRIPTION_KEY", KEY)
            host = stack.enter_context(running_on("sqlite", images, tmp_path_factory.mktemp("data")))
        client = stack.enter_context(httpx.Client(base_url=host.url, timeout=60, trust_env=False))
        client.post(CLUSTERS, json={"eps": 1.5}).raise_for_status()
        wait_until(lambda: client.get(f"{CLUSTERS}/fit").json()["state"] == "done", timeout=60)
        client.patch(f"{CLUSTERS}/labels", json={"set": {"0": ["fish", "animal"]}}).raise_for_status()
        yield client


def ask(client: httpx.Client, skill: str, *photos: Any, headers: dict[str, str]) -> httpx.Response:
    call = skill_call(*({"images": {"data": as_base64(photo.read_bytes())}} for photo in photos))
    where = {"collection": "photos"}  # their container was their only collection, and their url says so
    return client.post(f"/api/extraction/{skill}", params=where, content=call, headers=headers)


def values(client: httpx.Client, skill: str, *photos: Any) -> list[dict[str, Any]]:
    reply = ask(client, skill, *photos, headers=HEADER)
    assert reply.status_code == 200, reply.text
    answered: list[dict[str, Any]] = reply.json()["values"]
    assert [value["recordId"] for value in answered] == [str(n) for n in range(len(photos))]
    assert [value["errors"] for value in answered] == [None] * len(photos)
    return [value["data"] for value in answered]


def test_similarity_gives_the_paths_of_look_alikes(client: httpx.Client) -> None:
    paths = {photo.relative_to(SAMPLES).as_posix() for photo in FISH}
    for photo, data in zip(FISH[:3], values(client, "similarity", *FISH[:3]), strict=True):
        assert len(data["most_similar"]) == 3
        assert set(data["most_similar"]) < paths - {photo.relative_to(SAMPLES).as_posix()}


def test_clustering_gives_the_words_of_the_group(client: httpx.Client) -> None:
    assert [data["label"] for data in values(client, "clustering", *FISH[:2])] == [["fish", "animal"]] * 2


@pytest.mark.parametrize("skill", ["similarity", "clustering"])
@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": KEY + "!"}, {"x-functions-key": KEY}])
def test_without_the_key_nothing_is_answered(client: httpx.Client, skill: str, headers: dict[str, str]) -> None:
    reply = ask(client, skill, FISH[0], headers=headers)
    assert reply.status_code == 401
    assert reply.json().keys() == {"error"}


def test_an_app_without_the_setting_has_no_such_route(http: httpx.Client) -> None:
    reply = ask(http, "similarity", FISH[0], headers=HEADER)
    assert reply.status_code == 404
    assert "SUBSCRIPTION_KEY" in reply.json()["error"]
