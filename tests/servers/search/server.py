"""The HTTP side of the stand-in. It is strict: what the service's API does not have is a failure of the test."""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.servers.search.answers import answered
from tests.servers.search.checks import KINDS, check_index, check_members, check_references
from tests.servers.search.documents import Refused, search_documents
from tests.servers.search.refusal import Refusal, unknown
from tests.servers.search.runs import Runs

API_VERSION = "2026-04-01"
KEY = "admin-key-of-the-stand-in"
TOKEN = "token-of-the-stand-in"

_PATH = re.compile(r"/(?P<kind>\w+)\('(?P<name>[a-z0-9-]+)'\)(?:/(?P<action>[\w./]+))?")
_CALLED = {"datasources": "data source", "indexes": "index", "skillsets": "skillset", "indexers": "indexer"}
_CHANGED = "The precondition given in one of the request headers evaluated to false. No change was made."

type Body = dict[str, Any]
type Answer = tuple[int, Body | None]


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case names."""
    body: Body


@dataclass
class Fault:
    """What requests get in the place of an answer, as often as `times` says."""

    method: str
    path: str
    """A regular expression that the path has to match from its begin."""
    status: int
    message: str | None = None
    """None: no body."""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1000


class SearchServer:
    """A running stand-in, and what it holds."""

    def __init__(self) -> None:
        self.url = ""
        self.key = KEY
        self.token = TOKEN
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.objects: dict[str, dict[str, Body]] = {kind: {} for kind in KINDS}
        """What was written, by kind (as in paths) and name."""
        self.documents: dict[str, list[Body]] = {}
        """By index."""
        self.headers = "shown"
        """What answers have of the headers of calls: they are `shown`, `redacted` or `null`."""
        self._etags: dict[tuple[str, str], int] = {}
        self._versions = 0
        self._runs: dict[str, Runs] = {}

    def clear(self) -> None:
        """Begin anew, for the next test."""
        url = self.url
        self.__init__()  # type: ignore[misc]
        self.url = url

    def runs(self, indexer: str) -> Runs:
        """The runs of an indexer, also of one to come."""
        return self._runs.setdefault(indexer, Runs())

    def written(self) -> list[str]:
        """What was asked for besides reading, as METHOD path."""
        return [f"{one.method} {one.path}" for one in self.asked if one.method != "GET" and "docs" not in one.path]

    def touch(self, kind: str, name: str, **members: Any) -> None:
        """Change an object as somebody else would."""
        self._keep(kind, name, self.objects[kind][name] | members)

    def answer(self, asked: Asked) -> Answer:
        """What a request gets.

        Raises:
            Refusal: An error.
        """
        found = _PATH.fullmatch(asked.path)
        assert found, f"The API has no {asked.path}."
        kind, name, action = found["kind"], found["name"], found["action"]
        assert kind in KINDS, f"The API has no {kind}."
        if action is None and asked.method == "PUT":
            return self._put(kind, name, asked)
        if action is None and asked.method == "DELETE":
            return self._delete(kind, name)
        if name not in self.objects[kind]:
            raise unknown(_CALLED[kind], name)
        actions: dict[tuple[str, str, str | None], Callable[[], Answer]] = {
            ("GET", kind, None): lambda: (200, self._shown(kind, name)),
            ("GET", "indexes", "search.stats"): lambda: self._statistics(name),
            ("POST", "indexes", "docs/search.post.search"): lambda: self._search(name, asked.body),
            ("GET", "indexers", "search.status"): lambda: (200, self.runs(name).status(name)),
            ("POST", "indexers", "search.run"): lambda: self._act(202, self.runs(name).start),
            ("POST", "indexers", "search.reset"): lambda: self._act(204, self.runs(name).reset),
        }
        assert (asked.method, kind, action) in actions, f"The API has no {asked.method} {asked.path}."
        return actions[asked.method, kind, action]()

    def _act(self, status: int, act: Callable[[], None]) -> Answer:
        act()
        return status, None

    def _statistics(self, index: str) -> Answer:
        rows = len(self.documents.get(index, []))
        return 200, {"documentCount": rows, "storageSize": 1000 * rows, "vectorIndexSize": 0}

    def _search(self, index: str, body: Body) -> Answer:
        try:
            return 200, search_documents(self.objects["indexes"][index], self.documents.get(index, []), body)
        except Refused as error:
            raise Refusal(400, str(error)) from error

    def _put(self, kind: str, name: str, asked: Asked) -> Answer:
        assert asked.headers.get("prefer") == "return=representation"
        body = {member: value for member, value in asked.body.items() if member != "@odata.etag"}
        assert body["name"] == name
        old = self.objects[kind].get(name)
        match, none = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        if (none == "*" and old) or (match and (not old or match not in ("*", self._etag(kind, name)))):
            raise Refusal(412, _CHANGED)
        check_members(kind, body)
        check_references(kind, body, self.objects)
        if kind == "indexes" and old:
            check_index(old, body)
        self._keep(kind, name, body)
        if kind == "indexers" and not old and not body.get("disabled"):
            self.runs(name).start()
        return (200 if old else 201), self._shown(kind, name)

    def _delete(self, kind: str, name: str) -> Answer:
        if self.objects[kind].pop(name, None) is None:
            raise unknown(_CALLED[kind], name)
        if kind == "indexes":
            self.documents.pop(name, None)
        return 204, None

    def _keep(self, kind: str, name: str, body: Body) -> None:
        self._versions += 1
        self._etags[kind, name] = self._versions
        self.objects[kind][name] = deepcopy(body)

    def _etag(self, kind: str, name: str) -> str:
        return f'"0x8DE{self._etags[kind, name]:08X}"'

    def _shown(self, kind: str, name: str) -> Body:
        body, etag = self.objects[kind][name], self._etag(kind, name)
        return answered(kind, body, etag, headers=self.headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    search: SearchServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body must not wait for the acknowledgement of its head
    server: _Server

    def do_GET(self) -> None:
        search = self.server.search
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            asked = Asked(self.command, url.path, headers, json.loads(content or b"{}"))
            search.asked.append(asked)
            self.send(*self.answer(asked, url.query))
        except Refusal as error:
            self.send(error.status, error.body)
        except AssertionError as error:  # for the test to see: no client takes this answer
            self.send(418, {"error": {"code": "", "message": f"The stand-in does not take this: {error!r}"}})

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - names of the base class

    def answer(self, asked: Asked, query: str) -> tuple[int, Body | None, dict[str, str]]:
        search = self.server.search
        assert parse_qs(query) == {"api-version": [API_VERSION]}, query
        if asked.body:
            assert asked.headers["content-type"].split(";")[0] == "application/json"
        for fault in search.faults:
            if fault.method == asked.method and re.match(fault.path, asked.path) and fault.times > 0:
                fault.times -= 1
                said = None if fault.message is None else {"error": {"code": "", "message": fault.message}}
                return fault.status, said, fault.headers
        if (
            asked.headers.get("api-key") != search.key
            and asked.headers.get("authorization") != f"Bearer {search.token}"
        ):
            return 403, None, {}
        return *search.answer(asked), {}

    def send(self, status: int, body: Body | None, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        with suppress(OSError):  # the client has gone
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if content:
                self.send_header("Content-Type", "application/json; odata.metadata=minimal")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@contextmanager
def search_service(authority: trustme.CA | None = None) -> Iterator[SearchServer]:
    """Run a stand-in on this machine.

    Args:
        authority: Vouches for it. Without one it is on plain HTTP, where the SDK sends a key, but no token.
    """
    search = SearchServer()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.search = search
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        search.url = f"http{'s' if authority else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield search
        finally:
            server.shutdown()
            thread.join()
