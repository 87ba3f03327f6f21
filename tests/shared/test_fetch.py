"""Fetching by url, against a real TLS server on loopback.

The server's own address is private, as every address on this machine is. So two things are replaced, and nothing else:
which certificates are trusted, and that 127.0.0.1 counts as public.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared import fetch as module
from shared.contract import Deadline
from shared.fetch import FetchError, fetch, is_public
from tests.servers.https import HttpsServer, https_server

PHOTO = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def running() -> Iterator[HttpsServer]:
    with https_server({"/photo.jpg": PHOTO, "/": b"root"}) as server:
        yield server


@pytest.fixture
def server(running: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> HttpsServer:
    running.asked.clear()
    monkeypatch.setattr(module, "_tls_context", lambda: running.trust)
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    return running


def get(
    url: str, *, hosts: frozenset[str] = frozenset({"127.0.0.1"}), max_bytes: int = 10**6, seconds: float = 20
) -> bytes:
    return fetch(url, hosts=hosts, max_bytes=max_bytes, deadline=Deadline(seconds))


def test_an_image_is_fetched_with_its_token(server: HttpsServer) -> None:
    assert get(f"{server.url}/photo.jpg?sv=1&sig=abc%2B") == PHOTO
    assert server.asked == ["/photo.jpg?sv=1&sig=abc%2B"]
    assert get(server.url) == b"root"


def test_a_redirect_is_followed_on_allowed_hosts(server: HttpsServer) -> None:
    assert get(f"{server.url}/redirect?{server.url}/photo.jpg") == PHOTO
    assert get(f"{server.url}/redirect?/photo.jpg") == PHOTO


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.1/photo.jpg", "Only https"),
        ("https://elsewhere.example/photo.jpg", "elsewhere.example"),
        ("https://169.254.169.254/metadata", "169.254.169.254"),
        ("file:///etc/passwd", "Only https"),
    ],
)
def test_a_redirect_is_checked_like_the_first_url(server: HttpsServer, target: str, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        get(f"{server.url}/redirect?{target}")


def test_an_allowed_name_with_a_private_address_is_refused(server: HttpsServer) -> None:
    with pytest.raises(FetchError, match="inside a private network"):
        get(f"{server.url}/redirect?https://169.254.169.254/", hosts=frozenset({"127.0.0.1", "169.254.169.254"}))
    with pytest.raises(FetchError, match="inside a private network"):
        get("https://[::1]/", hosts=frozenset({"::1"}))


def test_without_the_test_s_exception_loopback_is_refused(running: HttpsServer) -> None:
    with pytest.raises(FetchError, match="inside a private network"):
        get(f"{running.url}/photo.jpg")


def open_get(url: str, *, plain_http: bool = True, agent: str = "") -> bytes:
    """A fetch of an operator's command: from any host."""
    return fetch(url, hosts=None, max_bytes=10**6, deadline=Deadline(20), plain_http=plain_http, agent=agent)


@pytest.fixture
def plain(server: HttpsServer) -> Iterator[tuple[str, list[Message]]]:
    """A server without TLS: its url, and the headers of each request. /to-tls redirects to the other, /drip drips."""
    asked: list[Message] = []
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers)
            self.send_response(302 if self.path == "/to-tls" else 200)
            self.send_header("Location", f"{server.url}/photo.jpg")
            self.send_header("Content-Length", "100" if self.path == "/drip" else "5")
            self.end_headers()
            with suppress(OSError):
                while self.path == "/drip" and not stop.wait(0.05):
                    self.wfile.write(b"x")
                self.wfile.write(b"plain")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", asked
        stop.set()
        running.shutdown()
        thread.join()


def test_plain_http_is_fetched_when_the_caller_says_so(server: HttpsServer, plain: tuple[str, list[Message]]) -> None:
    url, asked = plain
    assert open_get(f"{url}/x", agent="tests (someone)") == b"plain"
    assert asked[0]["User-Agent"] == "tests (someone)"
    assert asked[0]["Host"] == url.removeprefix("http://")
    assert open_get(f"{url}/to-tls") == PHOTO
    assert open_get(f"{server.url}/redirect?{url}/x") == b"plain"
    assert asked[-1]["User-Agent"] is None
    with pytest.raises(FetchError, match="Only https urls"):
        open_get(f"{url}/x", plain_http=False)
    with pytest.raises(FetchError, match="Only https urls"):
        get(f"{server.url}/redirect?{url}/x")
    assert len(asked) == 3


def test_the_port_is_the_scheme_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def no_connection(address: tuple[str, int], **_: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", no_connection)
    for url in ("http://8.8.8.8/x", "https://8.8.8.8/x", "http://8.8.8.8:81/x"):
        with pytest.raises(FetchError, match="could not be fetched"):
            open_get(url)
    assert asked == [("8.8.8.8", 80), ("8.8.8.8", 443), ("8.8.8.8", 81)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/latest", "inside a private network"),
        ("http://2130706434/", "inside a private network"),
        ("https://10.0.0.1/x", "inside a private network"),
        ("ftp://127.0.0.1/x", "Only https and http urls"),
        ("https://no-such-host.invalid/", "no address"),
        (f"https://{'a' * 70}.invalid/", "could not be fetched"),  # no name of a host is that long
        ("http://user:secret@127.0.0.1/x", "user name"),
    ],
)
def test_any_host_is_still_no_private_one(server: HttpsServer, url: str, reason: str) -> None:
    for asked in (url, f"{server.url}/redirect?{url}"):
        with pytest.raises(FetchError, match=reason):
            open_get(asked)
    with pytest.raises(FetchError, match="no address"):
        open_get("https:///x")


def test_a_plain_server_that_does_not_end_is_left(plain: tuple[str, list[Message]]) -> None:
    with pytest.raises(FetchError, match="in time"):
        fetch(f"{plain[0]}/drip", hosts=None, max_bytes=10**6, deadline=Deadline(0.4), plain_http=True)


def test_redirects_in_a_circle_end(server: HttpsServer) -> None:
    url = f"{server.url}/photo.jpg"
    for _ in range(4):
        url = f"{server.url}/redirect?{url}"
    with pytest.raises(FetchError, match="more than 3 times"):
        get(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "//127.0.0.1/x",
        "x",
        "",
        "https://",
        "https://user:secret@127.0.0.1/x",
        "https://127.0.0.1@elsewhere.example/x",
        "https://127.0.0.1:port/x",
        "https://127.0.0.1.elsewhere.example/",
        "https://[::1/x",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/a\r\nHost: b",
        "https://127.0.0.1/é",
        "https://0x7f000001/",
        "https://2130706433/",
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_before_anything_is_sent(server: HttpsServer, url: str) -> None:
    with pytest.raises(FetchError):
        get(url)
    assert server.asked == []


@pytest.mark.parametrize("path", ["/hang", "/drip", "/drip-body"])
def test_a_server_that_does_not_end_is_left(server: HttpsServer, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="in time"):
        get(server.url + path, seconds=0.4)
    assert time.monotonic() - started < 10  # not a speed test: without a bound it would hang for ever


@pytest.mark.parametrize("path", ["/endless", "/gigabyte", "/photo.jpg"])
def test_no_more_is_read_than_allowed(server: HttpsServer, path: str) -> None:
    with pytest.raises(FetchError, match="larger than MAX_IMAGE_MB"):
        get(server.url + path, max_bytes=len(PHOTO) - 1)


def test_the_largest_allowed_is_read(server: HttpsServer) -> None:
    assert get(f"{server.url}/photo.jpg", max_bytes=len(PHOTO)) == PHOTO


@pytest.mark.parametrize("path", ["/short", "/plain", "/error", "/missing"])
def test_a_broken_answer_is_an_error(server: HttpsServer, path: str) -> None:
    with pytest.raises(FetchError):
        get(server.url + path)


def test_a_certificate_that_is_not_trusted_is_an_error(server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(module, "is_public", lambda address: True)
    with pytest.raises(FetchError, match="SSLCertVerificationError"):
        get(f"{server.url}/photo.jpg")


@pytest.mark.parametrize("path", ["/missing", "/short", "/endless", "/redirect?http://x/?sig=hunter2&y="])
def test_no_error_shows_the_token(server: HttpsServer, path: str) -> None:
    with pytest.raises(FetchError) as caught:
        get(f"{server.url}{path}{'&' if '?' in path else '?'}sig=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2a00:1450:4001:80b::200e", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("168.63.129.16", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:0a00:0001::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) == public
