"""A server for all tests here, a container for each, and a receiver of events."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import ContainerClient

from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.azurite.webhooks import Event


@pytest.fixture(scope="session")
def server() -> Iterator[AzuriteServer]:
    with azurite() as running:
        yield running


@pytest.fixture
def container(server: AzuriteServer) -> Iterator[ContainerClient]:
    with server.blobs() as blobs:
        yield blobs.create_container(f"c{uuid.uuid4().hex}")


class Receiver:
    """A Functions host that only listens. `answer` says with which status an event is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[tuple[str, dict[str, list[str]], str, Event]] = []
        """Of each post: path, query, aeg-event-type and its event."""
        self.answer: Callable[[Event], int] = lambda _: 202
        self.news = threading.Condition()

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[int]:
        """Listens on the port, on a free one unless it is given, and gives its number."""
        with _Server(("127.0.0.1", port), _Handler) as http:
            http.receiver = self
            port = http.server_address[1]
            self.url = f"http://127.0.0.1:{port}"
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield port
            finally:
                http.shutdown()
                thread.join()

    def wait_for(self, subject: str) -> None:
        """Waits until an event has come whose subject ends so."""
        with self.news:
            assert self.news.wait_for(lambda: any(e["subject"].endswith(subject) for e in self.events()), timeout=10)

    def events(self) -> list[Event]:
        return [event for *_, event in self.posts]

    def numbers(self) -> list[int]:
        """Returns the place of each event among all changes."""
        return [int(event["data"]["sequencer"], 16) for event in self.events()]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        url = urlsplit(self.path)
        body: list[Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [event] = body
        with receiver.news:
            receiver.posts.append((url.path, parse_qs(url.query), self.headers["aeg-event-type"], event))
            receiver.news.notify_all()
        self.send_response(receiver.answer(event))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    with one.listening():
        yield one
