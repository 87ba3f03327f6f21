"""Requests and answers: one app serves most of the tests."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from devhost import protos
from devhost.rpc_http import BODY_LIMIT, set_cookie
from tests.devhost.apps import write_app
from tests.servers.devhost import Devhost, running

_APP = """
import json

SYNC_BARRIER = threading.Barrier(2)
ASYNC_BARRIER = asyncio.Barrier(2)

@app.route(route="echo/{a}/{n:int?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {"method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
            "route": dict(req.route_params), "body": req.get_body().hex()[:64], "length": len(req.get_body())}
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Own": "yes"})

@app.route(route="any")
def any_method(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method, status_code=202)

@app.route(route="methods", methods=["GET"])
def read(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("read")

@app.route(route="methods", methods=["PUT"])
def write(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("write")

@app.route()
def named_after_itself(req: func.HttpRequest) -> str:
    return "text"

@app.route(route="raise")
def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("the reason, for the console only")

@app.route(route="wrong")
def wrong_answer(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"x-bad": "a\\nb"})

@app.route(route="cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("x")
    response.headers.add("Set-Cookie", "a=1; Path=/app; HttpOnly; SameSite=Lax; Max-Age=60")
    response.headers.add("Set-Cookie", "b=2; Secure; Expires=Wed, 21 Oct 2026 07:28:00 GMT")
    return response

@app.route(route="together")
def together(req: func.HttpRequest) -> func.HttpResponse:
    SYNC_BARRIER.wait(timeout=20)
    return func.HttpResponse("both ran")

@app.route(route="together-async")
async def together_async(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.wait_for(ASYNC_BARRIER.wait(), 20)
    logging.warning("from a coroutine")
    return func.HttpResponse("both ran")
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devhost]:
    with running(write_app(tmp_path_factory.mktemp("app"), _APP), env={"TZ": "UTC"}) as started:
        yield started


def _raw(host: Devhost, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """Sends the path as it is: httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(host.url).port or 0, timeout=30)
    connection.request(method, path, headers={"Connection": "close", **headers})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_what_the_function_sees(host: Devhost) -> None:
    response = httpx.post(
        f"{host.url}/api/echo/a%20b/5?x=1&x=2&empty=&y=%C3%BC", content=b"\xff\x00", headers={"X-Mixed-Case": "Kept"}
    )
    seen = response.json()
    assert seen["method"] == "POST"
    assert seen["url"] == f"{host.url}/api/echo/a%20b/5?x=1&x=2&empty=&y=%C3%BC"
    assert seen["headers"]["x-mixed-case"] == "Kept"
    assert all(name == name.lower() for name in seen["headers"])
    assert seen["query"] == {"x": "1,2", "y": "ü"}
    assert seen["route"] == {"a": "a b", "n": "5"}
    assert (seen["body"], seen["length"]) == ("ff00", 2)
    assert response.headers["x-own"] == "yes"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/echo/a", 200),
        ("GET", "/API/Echo/a", 200),
        ("PUT", "/api/echo/a", 404),  # a wrong method is 404 in Functions, not 405
        ("HEAD", "/api/echo/a", 404),
        ("GET", "/api/echo/a/five", 404),
        ("GET", "/echo/a", 404),
        ("DELETE", "/api/any", 202),
        ("GET", "/api/methods", 200),
        ("PUT", "/api/methods", 200),
        ("POST", "/api/methods", 404),
        ("GET", "/api/named_after_itself", 200),
        ("GET", "/api", 404),
        ("POST", "/", 404),
    ],
)
def test_routing(host: Devhost, method: str, path: str, status: int) -> None:
    response = httpx.request(method, host.url + path)
    assert response.status_code == status
    if status == 404:
        assert not response.content


def test_text_answer(host: Devhost) -> None:
    response = httpx.get(f"{host.url}/api/named_after_itself")
    assert (response.text, response.headers["content-type"]) == ("text", "text/plain; charset=utf-8")


def test_a_function_that_raises_answers_500_without_a_word(host: Devhost) -> None:
    before = len(host.lines)
    response = httpx.get(f"{host.url}/api/raise?code=secret")
    assert (response.status_code, response.content) == (500, b"")
    host.wait_for("ValueError: the reason, for the console only", after=before)
    host.wait_for("in raises", after=before)
    assert "secret" not in "\n".join(host.lines)
    host.wait_for("INFO GET /api/raise 500", after=before)


def test_an_answer_that_cannot_be_sent_is_500(host: Devhost) -> None:
    response = httpx.get(f"{host.url}/api/wrong")
    assert (response.status_code, response.content) == (500, b"")
    assert httpx.get(f"{host.url}/api/any").status_code == 202


def test_cookies(host: Devhost) -> None:
    assert httpx.get(f"{host.url}/api/cookies").headers.get_list("set-cookie") == [
        "a=1; max-age=60; path=/app; samesite=lax; httponly",
        "b=2; expires=Wed, 21 Oct 2026 07:28:00 GMT; path=/; secure",
    ]


def test_a_cookie_value_cannot_add_attributes() -> None:
    cookie = protos.RpcHttpCookie("a", "1; domain=evil\r\nX: y", domain=protos.NullableString("x.org"), same_site=3)
    assert set_cookie(cookie) == "a=1%3B%20domain%3Devil%0D%0AX%3A%20y; domain=x.org; path=/; samesite=none"


def test_two_blocking_functions_run_at_the_same_time(host: Devhost) -> None:
    _both(f"{host.url}/api/together")


def test_two_coroutines_run_at_the_same_time(host: Devhost) -> None:
    before = len(host.lines)
    _both(f"{host.url}/api/together-async")
    host.wait_for("WARNING together_async: from a coroutine", after=before)


def _both(url: str) -> None:
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: httpx.get(url, timeout=30), range(2)))
    assert [answer.text for answer in answers] == ["both ran"] * 2


def test_a_large_body_arrives_whole(host: Devhost) -> None:
    size = 3 * 1024 * 1024
    assert httpx.post(f"{host.url}/api/echo/a", content=b"x" * size).json()["length"] == size


def test_a_body_over_the_limit_is_refused_before_it_is_read(host: Devhost) -> None:
    address = urlsplit(host.url)
    with socket.create_connection(("127.0.0.1", address.port or 0), timeout=20) as connection:
        head = f"POST /api/echo/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_unannounced_length_is_not_read(host: Devhost) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 1000

    assert httpx.post(f"{host.url}/api/echo/a", content=chunks()).json()["length"] == 0


def test_a_compressed_body_is_not_unpacked(host: Devhost) -> None:
    response = httpx.post(f"{host.url}/api/echo/a", content=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert response.json()["length"] == 8


def test_a_caller_who_leaves_halfway_does_no_harm(host: Devhost) -> None:
    address = urlsplit(host.url)
    with socket.create_connection(("127.0.0.1", address.port or 0), timeout=20) as connection:
        connection.sendall(b"POST /api/echo/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
    assert httpx.get(f"{host.url}/api/any").status_code == 202
    assert not any("Error handling request" in line for line in host.lines)


def test_an_encoded_slash_stays_in_its_segment(host: Devhost) -> None:
    assert _raw(host, "GET", "/api/echo/a%2Fb").status == 200
    assert _raw(host, "GET", "/api/echo/a/b").status == 404


def test_prefix_and_too_many_requests(tmp_path: Path) -> None:
    code = """
    @app.route(route="wait")
    def wait(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(Path(req.params["gate"]).read_text())
    """
    http_settings = {"routePrefix": "v1/x", "maxOutstandingRequests": 2}
    app = write_app(tmp_path / "app", code, host_json=json.dumps({"extensions": {"http": http_settings}}))
    gates = [tmp_path / "gate0", tmp_path / "gate1"]
    for gate in gates:
        os.mkfifo(gate)
    with running(app) as host, ThreadPoolExecutor() as pool:
        url = f"{host.url}/v1/x/wait"
        waiting = [pool.submit(httpx.get, url, params={"gate": str(gate)}, timeout=30) for gate in gates]
        # Each open returns once its function has opened the other end: then both are running.
        with gates[0].open("w") as first, gates[1].open("w") as second:
            assert httpx.get(url).status_code == 429
            assert httpx.get(f"{host.url}/api/wait").status_code == 404
            first.write("a")
            second.write("b")
        assert [one.result().text for one in waiting] == ["a", "b"]
        assert httpx.get(url).status_code == 500  # there is room again; it fails for want of a gate


def test_no_prefix_and_the_most_literal_route(tmp_path: Path) -> None:
    code = """
    @app.route(route="{*rest}")
    def everything(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.route_params.get("rest", "nothing"))

    @app.route(route="health")
    def health(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("healthy")
    """
    app = write_app(tmp_path, code, host_json='{"extensions": {"http": {"routePrefix": ""}}}')
    with running(app) as host:
        assert httpx.get(f"{host.url}/health").text == "healthy"
        assert httpx.get(f"{host.url}/a/b").text == "a/b"
        assert httpx.get(f"{host.url}/").text == "nothing"
