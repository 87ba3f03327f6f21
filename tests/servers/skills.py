"""A server of custom skills that behave as each test tells them to."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

type Json = Any
type Behaviour = Callable[["Asked"], "Said"]


@dataclass(frozen=True)
class Asked:
    """A request that came in; `number` counts those to the same skill, from 0."""

    number: int
    method: str
    headers: Mapping[str, str]
    body: Json

    @property
    def records(self) -> list[Json]:
        return list(self.body["values"])


@dataclass(frozen=True)
class Said:
    """An answer; a `body` that is not bytes is written as JSON."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=utf-8"})


@dataclass
class SkillServer:
    """A running server. `add` gives it a skill and returns that one's url; `asked` has the requests by url."""

    address: str
    asked: dict[str, list[Asked]] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, behaviour: Behaviour) -> str:
        url = f"{self.address}/api/skill{len(self.behaviours)}"
        self.behaviours[url] = behaviour
        self.asked[url] = []
        return url


def answered(asked: Asked, data: Callable[[Json], Json] = lambda given: {"got": given}) -> Said:
    """A right answer: for each record what `data` makes of its data."""
    return values([{"recordId": record["recordId"], **_record(data(record["data"]))} for record in asked.records])


def values(records: Sequence[Json]) -> Said:
    """An answer with these records."""
    return Said({"values": list(records)})


def _record(data: Json) -> Json:
    return {"data": data, "errors": None, "warnings": None}


@contextmanager
def skill_server() -> Iterator[SkillServer]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.skills
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.skills = SkillServer(f"http://127.0.0.1:{self.server_address[1]}")

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that does not wait for a slow skill is one of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.skills.lock:
            self.server.skills.connections += 1

    def do_POST(self) -> None:
        skills = self.server.skills
        url = skills.address + self.path.partition("?")[0]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with skills.lock:
            asked = Asked(len(skills.asked[url]), self.command, dict(self.headers), body)
            skills.asked[url].append(asked)
        said = skills.behaviours[url](asked)
        content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        with suppress(ConnectionError):
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_PUT = do_POST  # noqa: N815 - the name that the base class asks for

    def log_message(self, *_: object) -> None:
        pass
