"""The app that the definitions name, and whatever else may answer at its address."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.search.__main__ import main
from infra.search.app import AppError, connected, images_url
from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from shared.contract import Json

URL = "https://a.blob.core.windows.net/images/"


class _Handler(BaseHTTPRequestHandler):
    server: "OddServer"

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path, self.server.others)
        if answer is None:
            return  # it hangs up
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class OddServer(ThreadingHTTPServer):
    """Answers what it is told to, by path and query."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, bytes] = {}
        self.others: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def tells(self, path: str, answer: Json) -> None:
        self.answers[path] = json.dumps(answer).encode()


@pytest.fixture(scope="module")
def running() -> Iterator[OddServer]:
    with OddServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(running: OddServer) -> OddServer:
    running.answers, running.others = {"/api/health": b"{}"}, None
    return running


@pytest.fixture
def definitions(server: OddServer) -> Definitions:
    return define(read_parameters({"appUrl": server.url}, None, {}, local=True))


def _collection(name: str, images: int) -> Json:
    return {"collection": name, "images": images, "outdated": 0}


def test_the_first_image_of_any_collection_says_where_images_are(server: OddServer, definitions: Definitions) -> None:
    server.tells("/api/collections", {"collections": [_collection("a", 0), _collection("b", 0)], "after": "b"})
    server.tells("/api/collections?after=b", {"collections": [_collection("c d", 2)], "after": None})
    image = {"path": "c d/é.jpg", "url": f"{URL}c%20d/%C3%A9.jpg"}
    server.tells("/api/collections/c%20d/images?top=1", {"images": [image], "after": "x"})
    with closing(connected(definitions)) as app:
        assert images_url(app) == URL


def test_an_app_without_images_says_nothing(server: OddServer, definitions: Definitions) -> None:
    server.tells("/api/collections", {"collections": [_collection("a", 0)], "after": None})
    with closing(connected(definitions)) as app:
        assert images_url(app) == ""


def test_try_says_that_the_app_knows_no_image_unless_it_is_told_where_they_are(
    server: OddServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tells("/api/collections", {"collections": [], "after": None})
    args = ["try", str(tmp_path), "--set", f"appUrl={server.url}", "--out", str(tmp_path / "out")]
    assert main(args) == 0
    assert "The app has no image yet, so where its images are is not known" in capsys.readouterr().out
    assert main([*args, "--images-url", URL]) == 0
    assert "The app has no image yet" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>hello",
        b"[]",
        b"\xff\xfe\xff",
        b"null",
        b'{"collections": 5}',
        b'{"collections": ["a"], "after": null}',
        b'{"collections": [{"collection": 5, "images": 1}], "after": null}',
        None,
    ],
)
def test_what_is_not_the_app_is_told_plainly(
    server: OddServer, answer: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.others = answer
    assert main(["try", str(tmp_path), "--set", f"appUrl={server.url}", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert f"What answers at {server.url} is not the app" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_app_is_that_of_the_vector_fields_profile(server: OddServer, definitions: Definitions) -> None:
    (vectorizer,) = definitions.index["vectorSearch"]["vectorizers"]
    elsewhere = {**vectorizer["customWebApiParameters"], "uri": "https://example.com/api/embedding"}
    other = {**vectorizer, "name": "other", "customWebApiParameters": elsewhere}
    definitions.index["vectorSearch"]["vectorizers"] = [other, vectorizer]
    with closing(connected(definitions)) as app:
        assert str(app.base_url).rstrip("/") == server.url
    definitions.index["vectorSearch"]["vectorizers"] = [other]
    with pytest.raises(AppError, match="names no custom vectorizer"):
        connected(definitions)
