"""The folder of images: what fires, how often, and what is remembered from one start to the next."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from devhost import blobs
from devhost.bindings import BlobTrigger, Function
from devhost.folder import Folder
from devhost.local_queues import LocalQueues
from devhost.receipts import Receipts
from tests.devhost.apps import write_app
from tests.servers.devhost import Devhost, running, wait_until

# Writes one JSON line for every call, so that a test can count them across restarts.
_APP = """
import json

def note(**what):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(what) + "\\n")

@app.blob_trigger(arg_name="blob", path="%IMAGES_CONTAINER%/{name}", connection="IMAGES_STORAGE", source="EventGrid")
def embed(blob: func.InputStream) -> None:
    content = blob.read()
    note(name=blob.name, uri=blob.uri, length=blob.length, properties=blob.blob_properties, metadata=blob.metadata,
         content=content.decode())
    if b"bad" in content:
        raise ValueError("bad image")
    if content.startswith(b"gate "):
        Path(content.decode().split()[1]).read_text()

@app.event_grid_trigger(arg_name="event")
def forget(event: func.EventGridEvent) -> None:
    note(removed=event.subject, type=event.event_type, topic=event.topic, id=event.id, data=event.get_json())
    if "unforgettable" in event.subject:
        raise ValueError("cannot forget")

@app.queue_trigger(arg_name="message", queue_name="webjobs-blobtrigger-poison", connection="IMAGES_STORAGE")
def poisoned(message: func.QueueMessage) -> None:
    note(poison=message.get_json())

@app.route(route="health")
def health(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok")
"""


class World:
    """An app, its folder of images and its data, for any number of starts."""

    def __init__(self, folder: Path) -> None:
        self.app = write_app(folder / "app", _APP)
        self.images = folder / "images"
        self.images.mkdir()
        self.data = folder / "data"
        self._calls = folder / "calls"
        self.environment = {"IMAGES_CONTAINER": "pictures", "CALLS": str(self._calls)}

    def start(self, *arguments: str) -> Any:
        return running(
            self.app, "--images", str(self.images), "--data", str(self.data), *arguments, env=self.environment
        )

    def put(self, path: str, content: str) -> None:
        file = self.images / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    def forget_calls(self) -> None:
        self._calls.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What has been called, sorted: `pictures/a` for a blob, `-a` for its removal, `!a` once it was given up."""
        return sorted(_name(call) for call in self.calls())


def _name(call: dict[str, Any]) -> str:
    if "poison" in call:
        return "!" + str(call["poison"]["BlobName"])
    return str(call.get("name") or "-" + call["removed"].partition("/blobs/")[2])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _kill(host: Devhost) -> None:
    host.process.kill()
    host.process.wait(timeout=10)


def test_what_the_functions_are_given(world: World) -> None:
    world.put("dogs/little one.jpg", "wuff")
    with world.start() as host:
        host.wait_for("Images: 1 processed, 0 failed")
        [call] = world.calls()
        assert call["name"] == "pictures/dogs/little one.jpg"
        assert call["uri"] == f"{host.url}/pictures/dogs/little%20one.jpg"
        assert httpx.get(call["uri"]).text == "wuff"
        assert call["length"] == 4
        assert call["metadata"] == {}
        properties = call["properties"]
        assert properties["ContentLength"] == 4
        assert properties["ContentType"] == "image/jpeg"
        assert properties["LastModified"].endswith("+00:00")
        assert properties["ETag"] == {}  # what the extension in Azure sends
        world.forget_calls()
        (world.images / "dogs/little one.jpg").unlink()
        host.wait_for("1 removed")
        [event] = world.calls()
    assert event["type"] == "Microsoft.Storage.BlobDeleted"
    assert event["removed"] == "/blobServices/default/containers/pictures/blobs/dogs/little one.jpg"
    assert event["topic"].startswith("/subscriptions/")
    assert event["data"]["api"] == "DeleteBlob"
    assert event["data"]["url"] == call["uri"]
    assert event["data"]["eTag"].startswith('"0x')
    assert event["data"]["blobType"] == "BlockBlob"


def test_added_changed_and_removed_while_running(world: World) -> None:
    with world.start() as host:
        host.wait_for("Images: 0 processed, 0 failed")
        world.put("a.jpg", "one")
        host.wait_for("Images: 1 processed, 0 failed")
        seen = len(host.lines)
        world.put("a.jpg", "other")
        host.wait_for("Images: 1 processed, 0 failed", after=seen)
        seen = len(host.lines)
        moved_in = world.app.parent / "elsewhere"
        (moved_in / "deep").mkdir(parents=True)
        (moved_in / "deep" / "b.jpg").write_text("b")
        moved_in.rename(world.images / "cats")  # a whole folder at once: the watcher may report the folder alone
        host.wait_for("Images: 1 processed, 0 failed", after=seen)
        seen = len(host.lines)
        (world.images / "cats").rename(world.app.parent / "elsewhere")
        (world.images / ".hidden").write_text("h")
        host.wait_for("1 removed", after=seen)
    contents = [call["content"] for call in world.calls() if "content" in call]
    assert contents == ["one", "other", "b"]
    assert world.names()[0] == "-cats/deep/b.jpg"
    assert len(world.calls()) == 4


def test_a_restart_fires_only_what_changed(world: World) -> None:
    for name in ("same", "changed", "removed"):
        world.put(name, "first")
    with world.start() as host:
        host.wait_for("Images: 3 processed, 0 failed")
    world.forget_calls()
    world.put("changed", "second time")
    world.put("new", "first")
    (world.images / "removed").unlink()
    with world.start() as host:
        host.wait_for("Images: 2 processed, 0 failed, 1 removed, 1 unchanged")
    assert world.names() == ["-removed", "pictures/changed", "pictures/new"]
    world.forget_calls()
    with world.start() as host:
        host.wait_for("Images: 0 processed, 0 failed, 3 unchanged")
    assert world.names() == []


def test_five_tries_then_poison_and_never_again(world: World) -> None:
    world.put("a.jpg", "bad")
    world.put("b.jpg", "good")
    with world.start() as host:
        host.wait_for("Images: 1 processed, 1 failed")
        host.wait_for("embed failed for a.jpg (try 5 of 5)")
        wait_until(lambda: "!a.jpg" in world.names())  # a function of the app is told of what was given up
    assert world.names() == ["!a.jpg"] + ["pictures/a.jpg"] * 5 + ["pictures/b.jpg"]
    [message] = [call["poison"] for call in world.calls() if "poison" in call]
    assert message == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.embed",
        "BlobType": "BlockBlob",
        "ContainerName": "pictures",
        "BlobName": "a.jpg",
        "ETag": message["ETag"],
    }
    assert message["ETag"].startswith('"0x')
    world.forget_calls()
    with world.start() as host:
        host.wait_for("Images: 0 processed, 0 failed, 2 unchanged")
        world.put("a.jpg", "better")
        host.wait_for("Images: 1 processed, 0 failed")
    assert world.names() == ["pictures/a.jpg"]


def test_a_removal_that_fails_is_tried_five_times_then_set_aside(world: World) -> None:
    world.put("unforgettable", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed")
        (world.images / "unforgettable").unlink()
        host.wait_for("1 removed")
    assert world.names() == ["-unforgettable"] * 5 + ["pictures/unforgettable"]
    [event] = [json.loads(line) for line in (world.data / "eventgrid-deadletter.jsonl").read_text().splitlines()]
    assert event["eventType"] == "Microsoft.Storage.BlobDeleted"
    with world.start() as host:
        host.wait_for("Images: 0 processed, 0 failed")
    assert len(world.calls()) == 6


def test_http_answers_and_a_crash_repeats_what_was_unfinished(world: World) -> None:
    gate = world.app.parent / "gate"
    os.mkfifo(gate)
    world.put("done.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed")
        world.put("stuck.jpg", f"gate {gate}")
        with gate.open("w"):  # returns once the function waits at the other end
            assert httpx.get(f"{host.url}/api/health").text == "ok"
            _kill(host)
    assert world.names() == ["pictures/done.jpg", "pictures/stuck.jpg"]
    (world.images / "stuck.jpg").rename(world.images / "never-told.jpg")
    world.forget_calls()
    world.put("never-told.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed, 0 failed, 1 removed, 1 unchanged")
    # The function had been given stuck.jpg, and may have stored something of it.
    assert world.names() == ["-stuck.jpg", "pictures/never-told.jpg"]


def test_what_runs_again_after_a_crash_is_counted(world: World) -> None:
    gate = world.app.parent / "gate"
    os.mkfifo(gate)
    world.put("a.jpg", f"gate {gate}")
    with world.start() as host, gate.open("w"):
        _kill(host)
    with world.start() as host:
        with gate.open("w"):
            assert not any("Images:" in line for line in host.lines)
        host.wait_for("Images: 1 processed, 0 failed")
    assert world.names() == ["pictures/a.jpg"] * 2


def test_a_change_while_the_image_is_embedded_is_not_missed(world: World) -> None:
    gate = world.app.parent / "gate"
    os.mkfifo(gate)
    world.put("a.jpg", f"gate {gate}")
    with world.start() as host:
        with gate.open("w"):
            world.put("a.jpg", "second")
            # Long enough for the watcher's report and for the look once it is quiet: both pass over the busy path.
            threading.Event().wait(1.6)
        host.wait_for("Images: 1 processed, 0 failed")
    assert world.calls()[-1]["content"] == "second"


def test_a_crash_is_remembered_even_if_the_file_is_put_back(world: World) -> None:
    gate = world.app.parent / "gate"
    os.mkfifo(gate)
    world.put("a.jpg", "first")
    os.utime(world.images / "a.jpg", ns=(10**18, 10**18))
    with world.start() as host:
        host.wait_for("Images: 1 processed")
        world.put("a.jpg", f"gate {gate}")
        with gate.open("w"):
            _kill(host)
    world.forget_calls()
    world.put("a.jpg", "first")
    os.utime(world.images / "a.jpg", ns=(10**18, 10**18))
    with world.start() as host:
        host.wait_for("Images: 1 processed, 0 failed")
    # It had been given the second state, and may have stored that. One event for each of the two states.
    assert {call["content"] for call in world.calls()} == {"first"}


def test_stop_waits_for_the_image_that_is_being_embedded(world: World) -> None:
    gate = world.app.parent / "gate"
    os.mkfifo(gate)
    world.put("a.jpg", f"gate {gate}")
    with world.start() as host:
        with gate.open("w") as opened:
            host.process.send_signal(signal.SIGTERM)
            opened.write("go")
        assert host.process.wait(timeout=15) == 0
    with world.start() as host:
        host.wait_for("Images: 0 processed, 0 failed, 1 unchanged")
    assert len(world.calls()) == 1


def test_more_images_than_workers_all_arrive_once(world: World) -> None:
    for at in range(84):
        world.put(f"set{at % 3}/{at}.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 84 processed, 0 failed")
    assert len(world.calls()) == len(set(world.names())) == 84


def _get_raw(host: Devhost, path: str) -> tuple[int, str]:
    """The path as it is: httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(host.url).port or 0, timeout=30)
    connection.request("GET", path, headers={"Connection": "close"})
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def _statuses(host: Devhost, paths: Sequence[str]) -> dict[str, int]:
    return {path: _get_raw(host, path)[0] for path in paths}


def test_the_files_are_served_and_nothing_else(world: World) -> None:
    world.put("dogs/a ü.jpg", "picture")
    world.put("page.html", "<script>1</script>")
    world.put(".hidden", "secret")
    (world.app.parent / "secret").write_text("secret")
    (world.images / "link").symlink_to(world.app.parent / "secret")
    with world.start() as host:
        assert _get_raw(host, "/pictures/dogs/a%20%C3%BC.jpg") == (200, "picture")
        page = httpx.get(f"{host.url}/pictures/page.html")
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in page.headers["content-security-policy"]
        assert httpx.head(f"{host.url}/pictures/page.html").status_code == 200
        assert httpx.post(f"{host.url}/pictures/page.html").status_code == 405
        forbidden = [
            "/pictures",
            "/pictures/",
            "/pictures/dogs",
            "/pictures/dogs/",
            "/pictures/../secret",
            "/pictures/%2e%2e/secret",
            "/pictures/..%2fsecret",
            "/pictures/%2E%2E%2Fsecret",
            "/pictures/dogs/../../secret",
            "/pictures/..%5csecret",
            "/pictures//etc/passwd",
            "/pictures/%2fetc/passwd",
            "/pictures/.hidden",
            "/pictures/link",
            "/pictures/a%00b",
            "/images/page.html",
            "/page.html",
            "/../secret",
        ]
        assert _statuses(host, forbidden) == dict.fromkeys(forbidden, 404)
        with socket.create_connection(("127.0.0.1", urlsplit(host.url).port or 0), timeout=10) as connection:
            connection.sendall(b"GET http://localhost/pictures/../secret HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 404 " in connection.recv(100)


def test_the_folder_that_goes_away_is_not_a_folder_of_removed_images(world: World) -> None:
    world.put("a.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed")
        world.images.rename(world.app.parent / "unmounted")
        host.wait_for("nothing is taken as removed")
    assert world.names() == ["pictures/a.jpg"]


def test_two_hosts_never_share_a_data_folder(world: World) -> None:
    world.put("a.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed")
        with pytest.raises(AssertionError, match="in use by another devhost: stop that one, or give --data"):
            world.start().__enter__()
    assert world.names() == ["pictures/a.jpg"]


def test_a_data_folder_belongs_to_its_images(world: World) -> None:
    world.put("a.jpg", "x")
    with world.start() as host:
        host.wait_for("Images: 1 processed")
    world.images = world.images.with_name("others")
    world.images.mkdir()
    with pytest.raises(AssertionError, match=r"belongs to the images in .*: give another one with --data"):
        world.start().__enter__()
    assert world.names() == ["pictures/a.jpg"]


def test_a_file_of_receipts_that_is_none_says_what_to_do(world: World) -> None:
    world.data.mkdir()
    (world.data / "receipts.sqlite").write_text("junk" * 1000)
    with pytest.raises(AssertionError, match=r"receipts.sqlite cannot be read .*: delete the folder"):
        world.start().__enter__()


def test_a_file_that_was_written_just_now_is_left_to_settle(world: World) -> None:
    announced: list[float] = []

    async def main() -> None:
        queues = LocalQueues(world.data / "queues.sqlite")
        blob_queue, deletions = queues.open("", "blobs"), queues.open("", "deletions")
        container = blobs.Container(world.images.resolve(), "pictures", "http://localhost:1")
        trigger = BlobTrigger("blob", "pictures", re.compile(".*"), "HERE", by_reference=False)
        receipts = Receipts(world.data / "receipts.sqlite", container.root)
        folder = Folder(container, [Function("id", "f", trigger)], receipts, blob_queue, deletions)
        stop = asyncio.Event()
        watching = asyncio.create_task(folder.run(stop))
        while not blob_queue.waiting():
            await blob_queue.news.wait()
        announced.append(time.time())
        [body] = blob_queue.waiting()
        assert json.loads(body)["BlobName"] == "new.jpg"
        stop.set()
        await watching
        await queues.close()

    world.data.mkdir()
    world.put("new.jpg", "x")
    written = (world.images / "new.jpg").stat().st_mtime
    asyncio.run(main())
    assert announced[0] - written >= 0.25
