"""Whatever comes in: the good records are answered, and nothing is a 500 or a stack trace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import fetch
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity.skill import answer_similarity
from tests.pictures import as_base64, encoded, scene, skill_call
from tests.servers.https import HttpsServer, https_server
from tests.shared.test_images import png_header

JPEG = encoded(scene(), "JPEG")
GOOD = {"image": as_base64(JPEG)}
ROUTES = ["similarity", "embedding"]


def post(http: httpx.Client, route: str, body: bytes, **params: str) -> httpx.Response:
    reply = http.post(f"/api/{route}", content=body, params=params)
    assert reply.headers["content-type"] == "application/json"
    assert "Traceback" not in reply.text
    return reply


NO_CALLS = {
    "nothing": b"",
    "not JSON": b"not json",
    "a list": b"[]",
    "no values": b'{"value": []}',
    "values not a list": b'{"values": {"recordId": "1"}}',
    "not text": b"\xff" * 100,
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", NO_CALLS.values(), ids=NO_CALLS.keys())
def test_what_is_no_skill_call_is_a_400(http: httpx.Client, route: str, body: bytes) -> None:
    reply = post(http, route, body)
    assert reply.status_code == 400
    assert "values" in reply.json()["error"]


BAD_RECORDS: dict[str, Any] = {
    "data null": None,
    "no image": {},
    "image null": {"image": None},
    "two images": {"image": as_base64(JPEG), "images": {"data": as_base64(JPEG)}},
    "not base64": {"image": "%%%"},
    "base64 of text": {"image": as_base64(b"this is a text file\n" * 20)},
    "truncated JPEG": {"image": as_base64(JPEG[: len(JPEG) // 2])},
    "0 bytes": {"image": {"data": ""}},
    "100 megapixels": {"image": as_base64(png_header(10_000, 10_000))},
    "forbidden host": {"url": "https://elsewhere.example/a.jpg"},
    "cloud metadata": {"url": "https://169.254.169.254/metadata/instance"},
    "plain http": {"url": "http://169.254.169.254/metadata/instance"},
    "data is a list": [],
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_a_bad_record_is_explained_and_its_neighbours_are_answered(http: httpx.Client, route: str, bad: Any) -> None:
    reply = post(http, route, skill_call(GOOD, bad, GOOD))
    assert reply.status_code == 200
    first, middle, last = reply.json()["values"]
    assert first["errors"] is last["errors"] is None
    assert first["data"] | {"took": None} == last["data"] | {"took": None} != {"took": None}
    assert middle["data"] == {}
    assert len(middle["errors"]) == 1
    assert "internal error" not in middle["errors"][0]["message"]


@pytest.mark.parametrize("record_id", [None, True, [], {}, 1.5])
def test_a_record_without_a_usable_id_is_told_so(http: httpx.Client, record_id: Any) -> None:
    values = [{"recordId": "1", "data": GOOD}, {"recordId": record_id, "data": GOOD}, {"data": GOOD}, 5, None]
    answered = post(http, "embedding", json.dumps({"values": values}).encode()).json()["values"]
    assert [value["recordId"] for value in answered] == ["1", None, None, None, None]
    assert answered[0]["errors"] is None
    assert all("no recordId" in value["errors"][0]["message"] for value in answered[1:])


def test_a_number_is_echoed_and_a_repeated_id_answered_once(http: httpx.Client) -> None:
    values = [{"recordId": n, "data": GOOD} for n in (7, "7", 7)]
    answered = post(http, "embedding", json.dumps({"values": values}).encode()).json()["values"]
    assert [value["recordId"] for value in answered] == [7, "7"]
    assert [bool(value["warnings"]) for value in answered] == [True, False]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_shapes_are_answered(http: httpx.Client, size: tuple[int, int]) -> None:
    reply = post(http, "embedding", skill_call({"image": as_base64(encoded(scene(size=size)))}))
    assert len(reply.json()["values"][0]["data"]["vector"]) == 256


def test_a_body_of_50_megabytes_is_answered(http: httpx.Client) -> None:
    too_large = {"image": as_base64(bytes(37_000_000))}
    body = skill_call(GOOD, too_large)
    assert len(body) > 49e6
    first, second = post(http, "similarity", body, collection="photos").json()["values"]
    assert len(first["data"]["most_similar"]) == 3
    assert "MAX_IMAGE_MB = 32" in second["errors"][0]["message"]


def test_an_unknown_collection_is_an_empty_list_and_a_warning(http: httpx.Client) -> None:
    (value,) = post(http, "similarity", skill_call(GOOD), collection="nowhere").json()["values"]
    assert value["data"]["most_similar"] == []
    assert "'nowhere' holds no images" in value["warnings"][0]["message"]


@pytest.mark.parametrize("top", [0, -1, "three"])
def test_a_top_that_is_no_count(http: httpx.Client, top: int | str) -> None:
    in_query = post(http, "similarity", skill_call(GOOD), top=str(top))
    assert in_query.status_code == 400
    assert "'top' takes a whole number" in in_query.json()["error"]
    good, bad = post(http, "similarity", skill_call(GOOD, GOOD | {"top": top})).json()["values"]
    assert good["errors"] is None
    assert "'top' takes a whole number" in bad["errors"][0]["message"]


def test_a_top_of_a_billion_gives_what_there_is(http: httpx.Client) -> None:
    (value,) = post(http, "similarity", skill_call(GOOD), collection="photos", top=str(10**9)).json()["values"]
    assert len(value["data"]["most_similar"]) == 109
    assert "at most 1000" in value["warnings"][0]["message"]


@pytest.mark.parametrize("record", [{"text": "a dog"}, {"imageUrl": "https://elsewhere.example/a.jpg"}])
def test_a_vectorizer_call_that_fails_is_a_400(http: httpx.Client, record: dict[str, Any]) -> None:
    reply = post(http, "embedding", skill_call(record))
    assert reply.status_code == 400
    assert reply.json()["error"]


@pytest.fixture(scope="module")
def bad_server() -> Iterator[HttpsServer]:
    with https_server({"/photo.jpg": JPEG}) as server:
        yield server


@pytest.mark.parametrize("path", ["/redirect?https://169.254.169.254/", "/hang", "/gigabyte", "/endless", "/drip-body"])
def test_a_url_that_leads_astray_costs_its_record_only(
    bad_server: HttpsServer, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # In this process, because the server's address is private and only a test may call it public.
    public = fetch.is_public
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1" or public(address))
    monkeypatch.setattr(fetch, "_tls_context", lambda: bad_server.trust)
    hosts = frozenset({"127.0.0.1", "169.254.169.254"})
    settings = Settings(allowed_hosts=hosts, fetch_timeout=0.5, max_image_bytes=1_000_000)
    store = SqliteFeatureStore(tmp_path / "features.sqlite")
    calls = skill_call({"url": bad_server.url + path}, {"url": f"{bad_server.url}/photo.jpg"})
    bad, good = json.loads(answer_similarity(calls, {}, store, settings).body)["values"]
    store.close()
    assert bad["data"] == {}
    assert "internal error" not in bad["errors"][0]["message"]
    assert good["errors"] is None
