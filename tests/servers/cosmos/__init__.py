"""A Cosmos DB server for tests: npm's @vercel/cosmosdb-server, mended, on loopback.

    with cosmos_server() as server:
        client = server.client()

What was wrong with it and is mended, and what it cannot do, is at the top of each .js file here. It answers what it
cannot do with 400. Request charges are made up, and there are no physical partitions, no indexes and no throttling
but by `faults`.
"""

import base64
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import httpx
import trustme
from azure.cosmos import CosmosClient, SSLConfiguration

from tests.servers.npm import NODE, installed

HERE = Path(__file__).parent
_READY = "Listening on "
_READY_SECONDS = 30

FaultKind = Literal["429", "503", "drop", "latency"]


@dataclass(frozen=True)
class Request:
    """A request that reached the server: a `query` of `docs`, a `read` of `pkranges` and so on."""

    method: str
    path: str
    resource: str
    operation: str
    partition: str | None
    """The partition key as it was sent, in JSON: '["dogs"]'."""
    status: int | None
    """Of the answer; None while there is none, and for a connection that was cut off."""


@dataclass(frozen=True)
class Requests:
    """What reached the server since the last `clear`."""

    all: tuple[Request, ...]
    counts: dict[str, int]
    """Number of requests by operation and resource: {"query docs": 2}."""
    highest: dict[str, int]
    """How many requests of an operation ran at the same time at most: {"query": 2}."""

    def items(self, operation: str | None = None) -> list[Request]:
        """Returns the requests for items, of one operation or of all."""
        return [one for one in self.all if one.resource == "docs" and operation in (None, one.operation)]


@dataclass(frozen=True)
class CosmosServer:
    """A running server."""

    endpoint: str
    key: str
    authority: Path
    """The file with the certificate that vouches for the server's own."""

    def client(self, **options: Any) -> CosmosClient:
        """Returns a client that checks the server's certificate.

        Left alone, the SDK does not check any on loopback, and urllib3 warns of each connection.
        """
        return CosmosClient(
            self.endpoint,
            options.pop("credential", self.key),
            ssl_config=SSLConfiguration(),  # without one the SDK takes `connection_verify` for a yes or no
            connection_verify=str(self.authority),
            **options,
        )

    def fault(
        self,
        kind: FaultKind,
        *,
        times: int = 1,
        after: int = 0,
        retry_after_ms: int = 1,
        latency_ms: int = 0,
        until: int = 0,
        operation: str | None = None,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Makes requests for items fail, or late, until `clear`: faults.js says how each parameter works."""
        match = {"operation": operation, "method": method, "path": path}
        self._call(
            "POST",
            "/_faults",
            {
                "kind": kind,
                "times": times,
                "after": after,
                "retryAfterMs": retry_after_ms,
                "latencyMs": latency_ms,
                "until": until,
                "match": {name: value for name, value in match.items() if value is not None},
            },
        )

    def requests(self) -> Requests:
        """Returns what clients have asked since the last `clear`."""
        report = self._call("GET", "/_requests")
        every = tuple(Request(**one) for one in report["requests"])
        return Requests(every, report["counts"], report["highest"])

    def clear(self) -> None:
        """Ends all faults and forgets what was asked."""
        self._call("DELETE", "/_faults")
        self._call("DELETE", "/_requests")

    def advance(self, seconds: float) -> None:
        """Moves the server's clock, so that items get old."""
        self._call("POST", "/_clock", {"seconds": seconds})

    def empty(self, database: str) -> None:
        """Takes all items out of a database, whose containers stay."""
        self._call("POST", "/_empty", {"database": database})

    def close(self) -> None:
        """Gives up the connection for all of the above."""
        self._control.close()

    @cached_property
    def _control(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.authority)
        # No proxy: the environment's is for the internet.
        return httpx.Client(base_url=self.endpoint, verify=context, trust_env=False, timeout=10)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        response = self._control.request(method, path, json=body)
        assert response.is_success, f"the server refused {method} {path}: {response.text}"
        return response.json()


@contextlib.contextmanager
def cosmos_server(port: int = 0) -> Iterator[CosmosServer]:
    """Runs an empty server, on a free port unless it is given one; it ends with the block and with this process.

    Raises AssertionError with the output when it does not come up.
    """
    packages = installed(HERE, "cosmos-server")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    settings = {
        "certificate": b"".join(part.bytes() for part in certificate.cert_chain_pems).decode(),
        "privateKey": certificate.private_key_pem.bytes().decode(),
        "key": key,
        "port": port,
    }
    # Everything but its own words goes to a file: a pipe that nobody reads would fill up and stop it.
    with (
        tempfile.NamedTemporaryFile(suffix=".pem") as authority_file,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [str(NODE), str(HERE / "launcher.js")],
            env={**os.environ, "NODE_PATH": str(packages / "node_modules")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        # A server that hangs on its way up is ended, which ends the wait for its line.
        watchdog = threading.Timer(_READY_SECONDS, process.kill)
        watchdog.start()
        authority_file.write(authority.cert_pem.bytes())
        authority_file.flush()
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            watchdog.cancel()
            if not line.startswith(_READY):
                errors.seek(0)
                raise AssertionError(f"the Cosmos DB server did not come up:\n{line}{errors.read()}")
            server = CosmosServer(line.removeprefix(_READY).strip(), key, Path(authority_file.name))
            with contextlib.closing(server):
                yield server
        finally:
            watchdog.cancel()
            process.kill()  # it keeps nothing that a gentler end would save
