"""Images by url, fetched only from hosts that the app's owner allows.

A url comes from whoever may call the app, so it is treated as hostile: https only, hosts from a list, no address inside
a private network, every redirect checked like the first url, and bounds on size and time. An operator's command may ask
any host, by plain http too; the rest holds for it as well.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from urllib.parse import urljoin, urlsplit

from shared.contract import Deadline

MAX_REDIRECTS = 3

AZURE_PLATFORM = ipaddress.ip_address("168.63.129.16")
"""Azure's own services inside every virtual network; the address looks public and is not."""


class FetchError(Exception):
    """The url cannot be fetched; the message says why and never holds its query, where tokens are."""


def fetch(
    url: str,
    *,
    hosts: Collection[str] | None,
    max_bytes: int,
    deadline: Deadline,
    plain_http: bool = False,
    agent: str = "",
) -> bytes:
    """The bytes behind an https url.

    Args:
        url: Absolute; its query may hold a SAS token.
        hosts: Lower-case host names that may be asked, redirects included; None: any host.
        max_bytes: The longest answer that is read.
        deadline: When to give up connecting and reading. (How long looking a name up takes is the system's to say; only
            names of allowed hosts are.)
        plain_http: Whether http urls are fetched too.
        agent: What to call ourselves (the User-Agent header): some public hosts refuse who does not.

    Raises:
        FetchError: Not allowed, not there, too large or too slow.
    """
    headers = {"Accept": "image/*, application/octet-stream"} | ({"User-Agent": agent} if agent else {})
    schemes = ("https", "http") if plain_http else ("https",)
    for _ in range(MAX_REDIRECTS + 1):
        scheme, host, port, target = _checked(url, hosts, schemes)
        try:
            with _connection(scheme, host, port, _public_address(host, port), deadline) as connection:
                connection.request("GET", target, headers=headers)
                with connection.getresponse() as response:
                    if response.status not in {301, 302, 303, 307, 308}:
                        return _body(response, host, url, max_bytes, deadline)
                    url = urljoin(url, response.getheader("Location", ""))
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not deadline.remaining():
                raise FetchError(f"{host} did not answer in time for {_shown(url)}.") from error
            raise FetchError(f"{_shown(url)} could not be fetched ({type(error).__name__}).") from error
    raise FetchError(f"{_shown(url)} is redirected more than {MAX_REDIRECTS} times.")


@contextmanager
def _connection(
    scheme: str, host: str, port: int, address: str, deadline: Deadline
) -> Iterator[http.client.HTTPConnection]:
    """A connection to the address that was checked; looking the name up again could give another one."""
    wire = socket.create_connection((address, port), timeout=max(deadline.remaining(), 0.001))
    if scheme == "https":
        wire = _tls_context().wrap_socket(wire, server_hostname=host, do_handshake_on_connect=False)
    # A socket's timeout begins anew with every byte, so a server that drips could hold on for hours.
    alarm = threading.Timer(deadline.remaining(), _cut, (wire,))
    alarm.daemon = True
    alarm.start()
    try:
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, context=wire.context)
        else:
            connection = http.client.HTTPConnection(host, port)
        connection.sock = wire
        yield connection
    finally:
        alarm.cancel()
        wire.close()


def _cut(wire: socket.socket) -> None:
    with suppress(OSError):
        # The plain socket's shutdown: SSLSocket's own takes the TLS state away from the thread that is reading.
        socket.socket.shutdown(wire, socket.SHUT_RDWR)


def _body(response: http.client.HTTPResponse, host: str, url: str, max_bytes: int, deadline: Deadline) -> bytes:
    if response.status != http.client.OK:
        raise FetchError(f"{host} answered {response.status} for {_shown(url)}.")
    body = b"" if (response.length or 0) > max_bytes else response.read(max_bytes + 1)
    if (response.length or 0) > max_bytes or len(body) > max_bytes:
        raise FetchError(f"The image behind {_shown(url)} is larger than MAX_IMAGE_MB = {max_bytes / 1e6:g}.")
    if response.length or not deadline.remaining():
        # Without a length the end of the body is where the connection ended, or was cut.
        raise ConnectionError
    return body


def _checked(url: str, hosts: Collection[str] | None, schemes: Collection[str]) -> tuple[str, str, int, str]:
    """Scheme, host, port and request target of a url that may be asked."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError as error:
        raise FetchError("The url cannot be read.") from error
    if parts.scheme not in schemes:
        raise FetchError(f"Only {' and '.join(schemes)} urls are fetched, not {_shown(url)}.")
    if parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise FetchError("The url has a user name, a space or a character that must be percent-encoded.")
    if hosts is not None and host not in hosts:
        allowed = ", ".join(sorted(hosts)) or "none"
        raise FetchError(f"The host {host!r} is not one that images may be fetched from (ALLOWED_HOSTS: {allowed}).")
    return parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _public_address(host: str, port: int) -> str:
    """The address to connect to. A name with any address that is not public is refused as a whole."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FetchError(f"The host {host} has no address.") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise FetchError(f"The host {host} has an address inside a private network; such urls are not fetched.")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet: not private, link-local, loopback, multicast, reserved."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # The same IPv4 host can be written inside IPv6: ::ffff:a.b.c.d, 6to4, NAT64.
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast and parsed != AZURE_PLATFORM


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shown(url: str) -> str:
    """A url for an error text: without its query, and not endless."""
    return url.partition("?")[0].partition("#")[0][:200]
