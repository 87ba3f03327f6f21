"""The parts of the app that queries need, over HTTP: its real vectorizer, and small pictures that a test puts there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from shared.image_ids import path_of
from shared.settings import Settings
from similarity.embedding_skill import answer_embedding
from tests.pictures import encoded, stripes

KEY = "a-key-of-the-app-1234"


@dataclass
class SmallApp:
    """A running app, what it holds, and what it was asked."""

    url: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """By path."""
    asked: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    """Method, path, key and body of each request."""
    answer: tuple[int, bytes] | None = None
    """What every request but that for its health gets instead."""
    hangs: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        """Begin anew, for the next test."""
        self.pictures, self.asked, self.answer, self.hangs = {}, [], None, False

    def definitions(self, **given: str) -> Definitions:
        """The definitions with this app as theirs."""
        env = {"SKILLS_FUNCTION_KEY": KEY}
        return define(read_parameters({"appUrl": self.url, **given}, None, env, local=True))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    app: SmallApp

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that does not wait is one of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        app = self.server.app
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, _ = self.path.partition("?")
        app.asked.append((self.command, path, self.headers.get("x-functions-key"), body))
        if path == "/api/health":
            self.send(200, b"{}")
        elif app.hangs:
            app.ended.wait()
        elif app.answer:
            self.send(*app.answer)
        elif path == "/api/embedding":
            reply = answer_embedding(body, Settings())
            self.send(reply.status, reply.body.encode() if isinstance(reply.body, str) else reply.body)
        else:
            *_, collection, _, image, _ = path.split("/")
            picture = app.pictures.get(path_of(image))
            assert path_of(image).split("/")[0] == collection
            self.send(404 if picture is None else 200, picture or b"{}")

    do_POST = do_GET  # noqa: N815 - a name of the base class

    def send(self, status: int, body: bytes) -> None:
        with suppress(OSError):  # the client has gone
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@contextmanager
def small_app() -> Iterator[SmallApp]:
    """Run it on this machine."""
    app = SmallApp()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.app = app
        app.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield app
        finally:
            app.ended.set()
            server.shutdown()
            thread.join()


def turned(angle: float, dimensions: int = 256) -> list[float]:
    """A vector of unit length at an angle in degrees from the first axis, in the plane of the first two."""
    vector = np.zeros(dimensions)
    vector[:2] = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return [float(number) for number in vector]


WAVES = {f"waves/{angle}.png": encoded(stripes(angle).resize((160, 160)), "JPEG") for angle in (0, 5, 45, 90)}
"""Small pictures by path: 0 and 5 look alike."""
