"""A TLS server on loopback that behaves as badly as servers on the internet do."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme


@dataclass
class HttpsServer:
    """A running server: its url without a slash at the end, what clients must trust, and the paths asked so far."""

    url: str
    trust: ssl.SSLContext
    asked: list[str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files: dict[str, bytes], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.files = files
        self.asked: list[str] = []
        self.stop = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a handshake that the client broke off is one of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path, _, query = self.path.partition("?")
        special: dict[str, Callable[[str], None]] = {
            "/redirect": lambda target: self.head(302, {"Location": target, "Content-Length": "0"}),
            "/hang": lambda _: self.hang(),
            "/drip": lambda _: self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
            "/drip-body": lambda _: self.drip(b"HTTP/1.1 200 OK\r\n\r\n"),
            "/endless": lambda _: self.endless(),
            "/gigabyte": lambda _: self.head(200, {"Content-Length": str(10**9)}),
            "/short": lambda _: self.short(),
            "/plain": lambda _: self.plain(),
            "/error": lambda _: self.head(500, {"Content-Length": "0"}),
        }
        # The client has gone when writing fails, as some of the tests want it to.
        with suppress(OSError):
            answer = special.get(path)
            if answer:
                answer(query)
            else:
                self.file(path)

    def file(self, path: str) -> None:
        body = self.server.files.get(path)
        self.head(404 if body is None else 200, {"Content-Length": str(len(body or b""))})
        self.wfile.write(body or b"")

    def hang(self) -> None:
        self.server.stop.wait()
        self.close_connection = True

    def drip(self, begin: bytes) -> None:
        self.wfile.write(begin)
        while not self.server.stop.wait(0.05):
            self.wfile.write(b"x")
        self.close_connection = True

    def endless(self) -> None:
        self.head(200, {"Connection": "close"})
        while not self.server.stop.is_set():
            self.wfile.write(bytes(65536))

    def short(self) -> None:
        self.head(200, {"Content-Length": "100", "Connection": "close"})
        self.wfile.write(b"only this")

    def plain(self) -> None:
        self.wfile.write(b"what is HTTP?\r\n\r\n")
        self.close_connection = True

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@contextmanager
def https_server(files: dict[str, bytes]) -> Iterator[HttpsServer]:
    """Serve `files` by path, and besides what misbehaves.

    /redirect?<url>, /hang (no answer), /drip (a byte of a header now and then), /drip-body, /endless (a body without a
    length that never ends), /gigabyte (says it is that long), /short (breaks off), /error (500), /plain (not HTTP).
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with _Server(files, context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield HttpsServer(f"https://127.0.0.1:{server.server_address[1]}", trust, server.asked)
        finally:
            server.stop.set()
            server.shutdown()
            thread.join()
