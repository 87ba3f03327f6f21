"""The search service: where it is, and as whom it is asked."""

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError
from azure.search.documents import SearchClient
from azure.search.documents.indexes import SearchIndexClient, SearchIndexerClient

from infra.search.deployment.refusals import told
from infra.search.this_machine import THIS_MACHINE
from shared.command_line import CommandError

TRIES: Final[dict[str, float]] = {
    "retry_total": 3,
    "retry_connect": 1,  # a wrong name is told within seconds
    "retry_read": 1,
    "retry_backoff_factor": 0.8,
    "connection_timeout": 10,
    "read_timeout": 60,
}
"""How patient the clients are, as the SDK takes it."""

SECRETS: Final = ("AZURE_SEARCH_KEY", "SKILLS_FUNCTION_KEY")
"""Variables whose values are in no text."""

_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9]){1,59}")


class ServiceError(Exception):
    """The service cannot or will not do it; the message says why and what to do, in one line."""


class Service(NamedTuple):
    """A search service and who asks it."""

    indexes: SearchIndexClient
    indexers: SearchIndexerClient
    endpoint: str
    credential: AzureKeyCredential | TokenCredential
    secrets: tuple[str, ...] = ()
    """What must be in no text."""

    def close(self) -> None:
        """Give up the connections."""
        self.indexes.close()
        self.indexers.close()


def add_service_option(parser: argparse.ArgumentParser) -> None:
    """Lets a command be told which service it is about."""
    parser.add_argument(
        "--service",
        metavar="URL|NAME",
        help="the search service; default: AZURE_SEARCH_ENDPOINT. It is asked with the key in AZURE_SEARCH_KEY, or as "
        "who is signed in",
    )


def endpoint(given: str | None, env: Mapping[str, str]) -> str:
    """The url of the service that an option or the environment names, or "".

    Raises:
        CommandError: It is no url of a service, nor a name.
    """
    said = (given or env.get("AZURE_SEARCH_ENDPOINT", "")).strip().rstrip("/")
    if not said:
        return ""
    if _NAME.fullmatch(said):
        return f"https://{said}.search.windows.net"
    try:
        url = urlsplit(said)
        odd = url.path or url.query or url.fragment or url.username or url.password or url.port == 0
        usable = bool(url.hostname) and not odd
        local = url.hostname in THIS_MACHINE
    except ValueError:  # brackets that do not close, a port that is no number or too large
        usable = local = False
    if usable and (url.scheme == "https" or (url.scheme == "http" and local)):
        return said
    where = "--service" if given else "AZURE_SEARCH_ENDPOINT"
    raise CommandError(f"{where} is the name of a search service, or its url, https://NAME.search.windows.net.")


def connect(given: str | None, env: Mapping[str, str]) -> Service:
    """A service as an option or the environment names it; nothing is asked yet.

    Args:
        given: Its name or url, before what the environment says.
        env: AZURE_SEARCH_ENDPOINT, and AZURE_SEARCH_KEY for an admin key. Without a key it is asked as who is signed
            in here.

    Raises:
        CommandError: No service is named, or not properly.
    """
    url = endpoint(given, env)
    if not url:
        raise CommandError("Which search service? Name it with --service, or in AZURE_SEARCH_ENDPOINT.")
    secrets = tuple(value for name in SECRETS if (value := env.get(name, "").strip()))
    if key := env.get("AZURE_SEARCH_KEY", "").strip():
        return service_as(url, AzureKeyCredential(key), secrets)
    if not url.startswith("https:"):  # the SDK would refuse each request: a token must not travel in plain text
        raise CommandError(f"{url} is asked with a key only: set AZURE_SEARCH_KEY.")
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - a tenth of a second

    return service_as(url, DefaultAzureCredential(), secrets)


def service_as(url: str, credential: AzureKeyCredential | TokenCredential, secrets: tuple[str, ...] = ()) -> Service:
    """A service that is asked with a credential."""
    return Service(
        SearchIndexClient(url, credential, **TRIES),
        SearchIndexerClient(url, credential, **TRIES),
        url,
        credential,
        secrets,
    )


def documents(service: Service, index: str) -> SearchClient:
    """A client of an index's documents. To be closed."""
    return SearchClient(service.endpoint, index, service.credential, **TRIES)


@contextmanager
def asking(service: Service) -> Iterator[None]:
    """Ask the service for something.

    Raises:
        ServiceError: It could not be reached or did not do it.
    """
    try:
        yield
    except AzureError as error:
        text = told(error, service.endpoint)
        for secret in service.secrets:
            text = text.replace(secret, "•••")
        raise ServiceError(text) from error
