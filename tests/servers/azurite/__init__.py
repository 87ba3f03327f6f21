"""Azurite, the emulator of Azure Storage, as a server for tests: npm's azurite on loopback, blobs and queues.

    with azurite() as server:
        blobs = server.blobs()

It keeps everything in memory. It sends no Event Grid events: `events.EventSender` does. Its ETags are random numbers,
and it lists blobs in the order of UTF-16.
"""

import base64
import contextlib
import http.client
import os
import re
import secrets
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from tests.servers.npm import NODE, installed

HERE = Path(__file__).parent
_ACCOUNT = "devstoreaccount1"
# Azurite starts its services one after the other: the table service, which nobody asked for, is up last.
_SERVICES = ("Blob", "Queue", "Table")
_READY = re.compile(r"Azurite (\w+) service is successfully listening at (\S+)")
_READY_SECONDS = 30
_ANSWER_SECONDS = 30
# The service keeps idle connections for minutes. Azurite's five seconds would cut off a pooled one of a slow test.
_KEEP_ALIVE_SECONDS = 600
# It ends when its input does, and so with the process that started it, however that ends.
_ENDS_WITH_INPUT = 'data:text/javascript,process.stdin.on("end", () => process.exit()).resume()'


@dataclass(frozen=True)
class AzuriteServer:
    """A running server."""

    account: str
    key: str = field(repr=False)
    blob_url: str
    """The url of the account's blob service, without a slash at the end."""
    queue_url: str
    _listeners: list[Callable[[str], object]] = field(default_factory=list, repr=False)
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.blob_url};QueueEndpoint={self.queue_url};"
        )

    def blobs(self, **options: Any) -> BlobServiceClient:
        """Returns a client that goes past the environment's proxy: that is for the internet."""
        return BlobServiceClient.from_connection_string(self.connection_string, use_env_settings=False, **options)

    def queues(self, **options: Any) -> QueueServiceClient:
        """Returns a client, like `blobs`."""
        return QueueServiceClient.from_connection_string(self.connection_string, use_env_settings=False, **options)

    @contextlib.contextmanager
    def listening(self, listener: Callable[[str], object]) -> Iterator[None]:
        """Gives the listener every line of the server's that is read from now on: one for each request it answers.

        The first may be of requests answered before; `catch_up` lets them pass. The listener is called in the thread
        that reads them, and must return at once: while it does not, the server stands still.
        """
        self._listeners.append(listener)
        try:
            yield
        finally:
            with self._reading:  # it is not called once it is removed
                self._listeners.remove(listener)

    def catch_up(self) -> None:
        """Waits until the listeners have had the line of every request answered so far.

        They have when the line of a later request has come: the server writes them in the order of its answers.
        Raises OSError when the server is gone.
        """
        path = f"/{uuid.uuid4().hex}"
        seen = threading.Event()
        with self.listening(lambda line: seen.set() if path in line else None):
            connection = http.client.HTTPConnection(urlsplit(self.blob_url).netloc, timeout=_ANSWER_SECONDS)
            with contextlib.closing(connection):
                connection.request("HEAD", path)  # without a key: it is refused, and has its line all the same
                connection.getresponse().read()
            if not seen.wait(_ANSWER_SECONDS):
                raise TimeoutError("Azurite did not write the line of a request that it answered")

    def follow(self, output: IO[str]) -> None:
        """Reads the server's output until it ends. Without a reader the pipe would fill up and stop the server."""
        for line in output:
            with self._reading:
                for listener in self._listeners:
                    listener(line.rstrip("\n"))


@contextlib.contextmanager
def azurite() -> Iterator[AzuriteServer]:
    """Runs an empty server with a key of its own, on free ports; it ends with the block and with this process.

    Raises AssertionError with the output when it does not come up.
    """
    packages = installed(HERE, "azurite-server")
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    command = [str(NODE), "--import", _ENDS_WITH_INPUT, str(packages / "node_modules/azurite/dist/src/azurite.js")]
    # It refuses versions of the protocol that are newer than itself, which the SDK's are.
    command += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    for service in _SERVICES:
        command += [f"--{service.lower()}Port", "0", f"--{service.lower()}KeepAliveTimeout", str(_KEEP_ALIVE_SECONDS)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        assert process.stdout
        follower = None
        try:
            urls = _wait_until_up(process, process.stdout, errors)
            server = AzuriteServer(_ACCOUNT, key, f"{urls['Blob']}/{_ACCOUNT}", f"{urls['Queue']}/{_ACCOUNT}")
            follower = threading.Thread(target=server.follow, args=(process.stdout,), daemon=True)
            follower.start()
            yield server
        finally:
            process.kill()  # it keeps nothing that a gentler end would save
            if follower:
                follower.join()


def _wait_until_up(process: subprocess.Popen[str], output: IO[str], errors: IO[str]) -> dict[str, str]:
    """Returns the url of each service. Raises AssertionError with the output when one does not come up."""
    # A server that hangs on its way up is ended, which ends the wait for its lines.
    watchdog = threading.Timer(_READY_SECONDS, process.kill)
    watchdog.start()
    urls: dict[str, str] = {}
    lines: list[str] = []
    try:
        while not urls.keys() >= set(_SERVICES):
            line = output.readline()
            if not line:
                errors.seek(0)
                raise AssertionError(f"Azurite did not come up:\n{''.join(lines)}{errors.read()}")
            lines.append(line)
            if found := _READY.match(line):
                urls[found[1]] = found[2]
    finally:
        watchdog.cancel()
    return urls
