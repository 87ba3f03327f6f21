"""The app that the definitions name, and whatever else may answer at its address."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.search.__main__ import main
from infra.search.asking.app import AppError, connected, images_url
from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from shared.contract import Json
from shared.image_ids import id_of
from tests.pictures import encoded, scene

URL = "https://a.blob.core.windows.net/images/"


class _Handler(BaseHTTPRequestHandler):
    server: "OddServer"

    def do_GET(self) -> None:
        server = self.server
        answer = server.answers.get(self.path, server.others)
        status = server.statuses.get(self.path) or (404 if server.missing and answer is None else 200)
        if status != 200:
            self.send_error(status)
            return
        if answer is None or self._hangs_up():
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _hangs_up(self) -> bool:
        """On those who ask for a path more often than they may."""
        left = self.server.hangs_up.get(self.path)
        if left is not None:
            self.server.hangs_up[self.path] = left - 1
        return left == 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class OddServer(ThreadingHTTPServer):
    """Answers what it is told to, by path and query."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.forget()

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.answers: dict[str, bytes] = {"/api/health": b"{}"}
        self.others: bytes | None = None
        self.missing = False
        """Whether what there is no answer for is not there; else it hangs up."""
        self.statuses: dict[str, int] = {}
        self.hangs_up: dict[str, int] = {}
        """After so many answers, by path."""

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
    running.forget()
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


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with an image, in which there is none of the container's name."""
    folder = tmp_path / "photos"
    (folder / "fish").mkdir(parents=True)
    (folder / "fish" / "a.png").write_bytes(encoded(scene(size=(40, 30))))
    return folder


def _try(server: OddServer, folder: Path, *args: str) -> list[str]:
    return ["try", str(folder), "--set", f"appUrl={server.url}", "--out", str(folder.parent / "out"), *args]


def test_try_says_that_the_app_knows_no_image_unless_it_is_told_where_they_are(
    server: OddServer, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tells("/api/collections", {"collections": [], "after": None})
    assert main(_try(server, photos)) == 1
    assert "The app has no image yet, so where its images are is not known" in capsys.readouterr().out
    assert main(_try(server, photos, "--images-url", URL)) == 1
    assert "The app has no image yet" not in capsys.readouterr().out


def _with_one_image(server: OddServer, path: str) -> None:
    """In the collection `photos`; the app has no other."""
    server.tells("/api/collections", {"collections": [_collection("photos", 1)], "after": None})
    server.tells("/api/collections/photos/images?top=1", {"images": [{"path": path, "url": URL + path}], "after": "x"})
    server.tells(f"/api/collections/photos/images/{id_of(path)}", {})
    server.missing = True


def test_try_says_which_folder_is_the_container_and_whether_the_app_has_its_images(
    server: OddServer, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_one_image(server, "photos/fish/a.png")
    none = "The app has none of these images under these paths (fish/a.png)"
    main(_try(server, photos))
    told = capsys.readouterr().out
    assert told.startswith(f"Container: {photos}, which has no folder images in it.\n{none}")
    main(_try(server, photos.parent))
    told = capsys.readouterr().out
    assert told.startswith(f"Container: {photos.parent}, which")
    assert none.partition(" under")[0] not in told
    main(_try(server, photos, "--set", "knowledgeStore=true"))  # a skill that has an input of this name
    assert none in capsys.readouterr().out
    main(_try(server, photos, "--set", "collection=photos"))  # images of elsewhere, on purpose
    assert none not in capsys.readouterr().out
    photos.rename(photos.with_name("images"))
    main(_try(server, photos.parent))
    told = capsys.readouterr().out
    assert told.startswith(f"Container: {photos.parent / 'images'}.\n{none}")


def test_an_app_that_has_gone_ends_the_run_and_keeps_the_earlier_index(
    server: OddServer, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tells("/api/collections", {"collections": [], "after": None})
    args = _try(server, photos)
    assert main(args) == 1  # the server has no skills, but it is there
    out = photos.parent / "out"
    report = (out / "report.json").read_bytes()
    capsys.readouterr()
    for folder in (out, photos.parent / "new"):
        server.answers["/api/health"] = b"{}"
        server.hangs_up = {"/api/health": 1}
        assert main([*args, "--out", str(folder)]) == 2
        told = capsys.readouterr().err
        assert f"The app at {server.url} stopped answering in the middle" in told
        assert told.count("\n") == 1
    assert (out / "report.json").read_bytes() == report
    assert sorted(one.name for one in out.iterdir()) == ["documents.jsonl", "index.json", "report.json"]
    assert not (photos.parent / "new").exists()


@pytest.mark.parametrize("path", ["/api/collections", "/api/collections/fish/images/" + id_of("fish/a.png")])
@pytest.mark.parametrize("status", [401, 403])
def test_an_app_that_wants_a_key_is_told_with_where_it_goes(
    server: OddServer, photos: Path, path: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_one_image(server, "photos/fish/a.png")
    server.statuses = {path: status}
    assert main(_try(server, photos)) == 2
    assert f"answered {status}: set SKILLS_FUNCTION_KEY to a key of the app" in capsys.readouterr().err


def test_https_to_an_app_without_tls_is_told(
    server: OddServer, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = server.url.replace("127.0.0.1", "localhost")
    assert main(["try", str(photos), "--set", f"appUrl={plain.replace('http:', 'https:')}"]) == 2
    assert f"does not speak TLS: maybe --set appUrl={plain} is meant." in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "images",
        "ftp://a/images/",
        "https://",
        "http://a:b/",
        "https://[a/",
        "https://a/images?sig=secret",
        "http://a/#b",
    ],
)
def test_only_a_url_of_the_web_says_where_blobs_are(url: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["try", str(photos), "--images-url", url])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "--images-url: takes https://… or http://…" in told
    assert "secret" not in told


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
    server: OddServer, answer: bytes | None, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.others = answer
    assert main(_try(server, photos)) == 2
    told = capsys.readouterr().err
    assert f"What answers at {server.url} is not the app" in told
    assert told.count("\n") == 1
    assert not (photos.parent / "out").exists()


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
