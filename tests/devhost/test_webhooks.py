"""Events over webhooks: the handshake, what is taken, and what is left out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost import events
from tests.devhost.apps import write_app
from tests.servers.devhost import Devhost, running, wait_until

_APP = """
import json

def note(what):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(what) + "\\n")

@app.blob_trigger(arg_name="blob", path="pictures/in/{name}", connection="IMAGES_STORAGE", source="EventGrid")
def embed(blob: func.InputStream) -> None:
    note(blob.name)

@app.event_grid_trigger(arg_name="event")
def forget(event: func.EventGridEvent) -> None:
    note("-" + event.subject)
    if event.subject == "bad":
        raise ValueError("bad event")
"""


class World:
    def __init__(self, host: Devhost, folder: Path) -> None:
        self.host = host
        self.images = folder / "images"
        self.keys: dict[str, Any] = json.loads((folder / "data" / "keys.json").read_text())
        self._calls = folder / "calls"

    def calls(self) -> list[str]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    def post(
        self, path: str, function: str, body: object, kind: str = "Notification", code: str | None = None
    ) -> httpx.Response:
        key = self.keys["system"][f"{path.lower()}_extension"] if code is None else code
        return httpx.post(
            f"{self.host.url}/runtime/webhooks/{path}",
            params={"functionName": function, "code": key},
            headers={"aeg-event-type": kind},
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            timeout=30,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    app = write_app(folder / "app", _APP)
    (folder / "images" / "in").mkdir(parents=True)
    arguments = ["--images", str(folder / "images"), "--data", str(folder / "data"), "--enable-auth"]
    with running(app, *arguments, env={"CALLS": str(folder / "calls")}) as host:
        yield World(host, folder)


def _created(url: str, **other: object) -> dict[str, object]:
    data = {"url": url, "eTag": "0x1", "blobType": "BlockBlob"}
    return {"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": data, **other}


def _deleted(subject: str) -> dict[str, object]:
    return {
        "id": "1",
        "topic": "t",
        "subject": subject,
        "eventType": "Microsoft.Storage.BlobDeleted",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {},
        "dataVersion": "1",
    }


_HOOKS = [("blobs", "Host.Functions.embed"), ("EventGrid", "forget")]


@pytest.mark.parametrize(("path", "function"), _HOOKS)
def test_the_handshake(world: World, path: str, function: str) -> None:
    asked = [{"data": {"validationCode": "512d38b6"}}]
    response = world.post(path, function, asked, "SubscriptionValidation")
    assert (response.status_code, response.json()) == (200, {"validationResponse": "512d38b6"})
    assert world.post(path, function, [], "Unsubscribe").status_code == 202
    bodies: list[object] = [[], [{}], [1], {"data": {"validationCode": "x"}}, [{"data": {"validationCode": 5}}]]
    for body in bodies:
        assert world.post(path, function, body, "SubscriptionValidation").status_code == 400


@pytest.mark.parametrize(("path", "function"), _HOOKS)
def test_what_is_refused(world: World, path: str, function: str) -> None:
    assert [world.post(path, function, [], kind).status_code for kind in ("", "Other")] == [400, 400]
    bodies = [b"", b"{", b"{}", b'"x"', b"[" * 100_000, b"\xff", json.dumps([1] * 5001).encode()]
    assert [world.post(path, function, body).status_code for body in bodies] == [400] * len(bodies)
    assert world.post(path, function, b" " * (2 * 1024 * 1024 + 1)).status_code == 413
    assert [world.post(path, other, []).status_code for other in ("none", "", f"{function}x")] == [404] * 3
    wrong_kind = {"blobs": "forget", "EventGrid": "embed"}[path]
    assert world.post(path, wrong_kind, []).status_code == 404


@pytest.mark.parametrize(("path", "function"), _HOOKS)
def test_which_key_opens_a_webhook(world: World, path: str, function: str) -> None:
    own, master = world.keys["system"][f"{path.lower()}_extension"], world.keys["master"]
    [others] = [key for key in world.keys["system"].values() if key != own]
    assert [world.post(path, function, [], code=code).status_code for code in (own, master)] == [202, 202]
    wrong = ("", "x", own[:-1], others, world.keys["host"])
    assert [world.post(path, function, [], code=code).status_code for code in wrong] == [401] * 5
    assert world.post(path, "none", [], code="x").status_code == 401  # a stranger learns no names
    output = "\n".join(world.host.lines)
    assert not any(key in output for key in (own, others, master))


def test_bad_events_are_left_out_and_the_good_one_is_taken(world: World) -> None:
    (world.images / "in" / "a b.jpg").write_text("x")
    world.host.wait_for("Images: 1 processed")  # the watcher's own event
    url = "https://account.blob.core.windows.net/pictures/in/a%20b.jpg"
    event = _created(url)
    data = {"url": url, "eTag": "0x1", "blobType": "BlockBlob"}
    wrong: list[object] = [
        None,
        5,
        [],
        {},
        {**event, "eventType": "Microsoft.Storage.BlobDeleted"},
        {**event, "data": None},
        *({**event, "data": {**data, field: value}} for field in data for value in (None, "", 5)),
        _created("no url"),
        _created("http://[bad/pictures/in/a"),
        _created("ftp://host/pictures/in/a"),
        _created("https://account/other/in/a%20b.jpg"),
        _created("https://account/pictures"),
        _created("https://account/pictures/"),
        _created("https://account/pictures/out/a%20b.jpg"),
        _created("https://account/pictures/in/../in/a%20b.jpg"),
        _created("https://account/pictures/in/%2e%2e/in/a%20b.jpg"),
        _created("https://account/pictures/in/..%2fin/a%20b.jpg"),
        _created("https://account/pictures/in/" + "x" * 1100),
    ]
    before = len(world.calls())
    assert world.post("blobs", "Host.Functions.embed", [*wrong, event]).status_code == 202
    wait_until(lambda: len(world.calls()) > before)
    assert world.calls()[before:] == ["pictures/in/a b.jpg"]
    left_out = [line for line in world.host.lines if "embed: an event is left out" in line]
    assert len(left_out) == len(wrong)
    assert max(map(len, left_out)) < 500


def test_an_event_that_fails_has_the_array_sent_again(world: World) -> None:
    before = len(world.calls())
    assert world.post("EventGrid", "forget", [_deleted("one"), "none", _deleted("two")]).status_code == 202
    assert world.post("EventGrid", "forget", [_deleted("bad"), _deleted("three")]).status_code == 500
    assert sorted(world.calls()[before:]) == ["-bad", "-one", "-three", "-two"]


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(
    lambda name: not {".", ".."} & set(name.split("/"))
)


@given(name=_names)
@pytest.mark.parametrize(
    "account",
    ["https://a.blob.core.windows.net", "http://127.0.0.1:10000/devstoreaccount1", "http://localhost:7071"],
)
def test_a_name_comes_out_of_its_url(account: str, name: str) -> None:
    assert events.blob_name(f"{account}/pictures/{quote(name)}", "pictures") == name


@given(text=st.text(max_size=50))
def test_a_message_comes_out_as_it_went_in(text: str) -> None:
    message = events.BlobMessage("f", "BlockBlob", "pictures", text, text)
    assert events.read_message(message.to_bytes()) == message


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{}", b'{"FunctionId": 5}', b"\xff"])
def test_a_message_that_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own error is one too
        events.read_message(body)
