import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devhost.keys import Keys, KeysError, open_keys
from tests.devhost.apps import write_app
from tests.servers.devhost import Devhost, running

_APP = """
@app.route(route="guarded", auth_level=func.AuthLevel.FUNCTION, methods=["POST"])
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="other", auth_level=func.AuthLevel.FUNCTION)
def other(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="administration", auth_level=func.AuthLevel.ADMIN)
def administration(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
def for_all(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def host(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devhost]:
    app = write_app(tmp_path_factory.mktemp("app"), _APP)
    with running(app, "--enable-auth", "--data", str(data)) as started:
        yield started


@pytest.fixture
def keys(host: Devhost, data: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((data / "keys.json").read_text())
    return kept


def _status(host: Devhost, path: str, key: str | None = None, *, method: str = "POST", code: str | None = None) -> int:
    headers = {} if key is None else {b"x-functions-key": key.encode()}
    params = {} if code is None else {"code": code}
    return httpx.request(method, f"{host.url}{path}", headers=headers, params=params).status_code


def test_which_key_opens_what(host: Devhost, keys: dict[str, Any]) -> None:
    own, others = keys["functions"]["guarded"], keys["functions"]["other"]
    assert [_status(host, "/api/guarded", key) for key in (own, keys["host"], keys["master"])] == [200] * 3
    assert [_status(host, "/api/guarded", key) for key in (None, "", others, own[:-1], "ü")] == [401] * 5
    admin = keys["functions"]["administration"]
    assert [_status(host, "/api/administration", key) for key in (keys["master"], keys["host"], admin)] == [
        200,
        401,
        401,
    ]
    assert _status(host, "/api/open") == 200
    assert _status(host, "/api/open", "wrong") == 200


def test_the_header_beats_the_query(host: Devhost, keys: dict[str, Any]) -> None:
    assert _status(host, "/api/guarded", code=keys["host"]) == 200
    assert _status(host, "/api/guarded", "wrong", code=keys["host"]) == 401
    assert _status(host, "/api/guarded", keys["host"], code="wrong") == 200


def test_route_before_key(host: Devhost) -> None:
    assert _status(host, "/api/guarded", method="GET") == 404
    assert _status(host, "/api/nowhere") == 404
    assert _status(host, "/api/guarded") == 401


def test_the_hosts_own_status_takes_the_master_key(host: Devhost, keys: dict[str, Any]) -> None:
    assert _status(host, "/admin/host/status", keys["master"], method="GET") == 200
    assert _status(host, "/admin/host/status", keys["host"], method="GET") == 401


def test_keys_are_kept_and_never_printed(host: Devhost, data: Path, keys: dict[str, Any]) -> None:
    file = data / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"Access keys: {file}" in host.lines
    _status(host, "/api/guarded", code=keys["host"])
    host.wait_for("POST /api/guarded 200")
    output = "\n".join(host.lines)
    assert not any(key in output for key in [keys["master"], keys["host"], *keys["functions"].values()])


def test_keys_stay_the_same_and_new_functions_get_theirs(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = open_keys(file, ["a"])
    file.chmod(0o644)
    second = open_keys(file, ["a", "b"])
    assert (second.master, second.host, second.functions["a"]) == (first.master, first.host, first.functions["a"])
    assert len({second.master, second.host, *second.functions.values()}) == 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"master": "a", "host": "b", "functions": 3}'])
def test_a_spoilt_file_is_reported_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(KeysError):
        open_keys(file, ["a"])
    assert file.read_text() == content


def test_an_unknown_level_takes_the_master_key() -> None:
    keys = Keys("m", "h", {"f": "k"})
    assert [keys.allow("SYSTEM", "f", given) for given in "mhk"] == [True, False, False]
