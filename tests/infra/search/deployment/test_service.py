"""Which service is asked, as whom, and what is told when it does not do what it is asked for."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from infra.search.__main__ import main
from infra.search.deployment.service import ServiceError, asking, connect, documents, endpoint, service_as
from shared.command_line import CommandError
from tests.servers.search import Fault, SearchServer, search_service
from tests.servers.search.environment import settle

SOURCE = {"name": "d", "type": "azureblob", "credentials": {}, "container": {"name": "images"}}


@pytest.fixture(scope="module")
def running() -> Iterator[SearchServer]:
    with search_service() as server:
        yield server


@pytest.fixture
def search(running: SearchServer, monkeypatch: pytest.MonkeyPatch) -> SearchServer:
    settle(running, monkeypatch)
    return running


@pytest.mark.parametrize(
    ("given", "env", "url"),
    [
        ("my-search", {}, "https://my-search.search.windows.net"),
        ("https://my-search.search.azure.us/", {}, "https://my-search.search.azure.us"),
        (None, {"AZURE_SEARCH_ENDPOINT": "https://other.search.windows.net"}, "https://other.search.windows.net"),
        ("mine", {"AZURE_SEARCH_ENDPOINT": "https://other.search.windows.net"}, "https://mine.search.windows.net"),
        ("http://localhost:8080", {}, "http://localhost:8080"),
        (None, {}, ""),
        (None, {"AZURE_SEARCH_ENDPOINT": " "}, ""),
    ],
)
def test_a_service_goes_by_its_name_or_url(given: str | None, env: dict[str, str], url: str) -> None:
    assert endpoint(given, env) == url


@pytest.mark.parametrize(
    "given",
    [
        "http://my-search.search.windows.net",
        "https://",
        "https://host/path",
        "https://user:pass@host",
        "ftp://host",
        "My Search",
        "https://[",
        "https://host:70000",
        "https://host?api-key=x",
    ],
)
def test_what_cannot_be_a_service_is_refused(given: str) -> None:
    with pytest.raises(CommandError, match=r"^--service is the name of a search service"):
        endpoint(given, {})


def test_no_service_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("AZURE_SEARCH_ENDPOINT", raising=False)
    assert main(["status"]) == 2
    assert capsys.readouterr().err == (
        "infra.search: Which search service? Name it with --service, or in AZURE_SEARCH_ENDPOINT.\n"
    )


def test_a_token_never_goes_over_plain_http() -> None:
    with pytest.raises(CommandError, match="with a key only"):
        connect("http://localhost:1", {})


class SignedIn:
    """Who is signed in, or nobody."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.scopes: tuple[str, ...] = ()

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes = scopes
        if not self._token:
            raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token\nfrom …")
        return AccessToken(self._token, 2**40)


def test_nobody_signed_in_is_told() -> None:
    with closing(service_as("https://localhost:1", SignedIn(""))) as service:  # noqa: SIM117
        with pytest.raises(ServiceError, match=r"^Nobody is signed in here: set AZURE_SEARCH_KEY"), asking(service):
            service.indexes.get_index("x")


def test_who_is_signed_in_sends_a_token_for_the_search_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with search_service(authority) as server:
        someone = SignedIn(server.token)
        with closing(service_as(server.url, someone)) as service, asking(service):
            service.indexers.create_or_update_data_source_connection(SOURCE)
        assert someone.scopes == ("https://search.azure.com/.default",)
        assert server.asked[0].headers["authorization"] == f"Bearer {server.token}"
        nobody = SignedIn("of somebody without a role")
        with closing(service_as(server.url, nobody)) as service:  # noqa: SIM117
            with pytest.raises(ServiceError, match="Search Service Contributor"), asking(service):
                service.indexers.get_data_source_connection("d")


def test_documents_are_asked_with_the_same_key(search: SearchServer) -> None:
    assert main(["deploy"]) == 0
    search.documents["visual-skills"] = [{"id": "1", "label": ["boat"]}]
    with (
        closing(connect(search.url, {"AZURE_SEARCH_KEY": search.key})) as service,
        closing(documents(service, "visual-skills")) as client,
        asking(service),
    ):
        assert [one["id"] for one in client.search("*")] == ["1"]


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (403, None, "does not let this be done (403). A key must be one of its admin keys; who is signed in needs"),
        (401, "Access denied", "the service must allow roles. Access denied"),
        (409, "It is busy with that.", "The service cannot do that now (409). It is busy with that."),
        (
            429,
            "An index with the name 'x' could not be created. Index quota has been exceeded for this service.",
            "A limit of the search service is reached: An index with the name 'x' could not be created.",
        ),
        (400, "Storage quota has been exceeded.", "A limit of the search service is reached: Storage quota"),
        (429, "Slow down.", "The service is asked too often: try again in a minute. Slow down."),
        (503, "Busy.", "The service is not well (503): try again later. Busy."),
        (500, None, "The service is not well (500): try again later."),
        (400, "The request is\r\ninvalid: \x1b[31m", "The service refuses it (400): The request is invalid: "),
        (302, None, "does not answer as a search service does (302)."),
    ],
)
def test_a_refusal_is_told_in_a_line(
    search: SearchServer, capsys: pytest.CaptureFixture[str], status: int, message: str | None, told: str
) -> None:
    search.faults = [Fault("PUT", "/indexes", status, message)]
    assert main(["deploy"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_a_wrong_key_is_told_and_not_shown(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_SEARCH_KEY", "a wrong key")
    assert main(["status"]) == 2
    said = capsys.readouterr().err
    assert "does not let this be done (403)" in said
    assert "a wrong key" not in said


def test_a_key_that_the_service_repeats_is_not_shown(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    search.faults = [Fault("GET", ".*status", 400, f"The key {search.key} is odd.")]
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "infra.search: The service refuses it (400): The key ••• is odd.\n"


def test_a_service_that_cannot_be_reached_is_told_within_seconds(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AZURE_SEARCH_ENDPOINT", f"http://127.0.0.1:{port}")
    assert main(["status"]) == 2
    said = capsys.readouterr().err
    assert f"http://127.0.0.1:{port} cannot be reached (Connection refused): is its name right" in said


def test_what_is_no_search_service_is_told(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search.faults = [Fault("GET", ".*", 404)]
    assert main(["run"]) == 2
    assert "knows nothing of that: is it the url of a search service?" in capsys.readouterr().err
