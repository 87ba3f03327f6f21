"""A host on a storage account: Azurite's blobs and queues, and events as Event Grid sends them."""

import base64
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from tests.devhost.apps import write_app
from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.devhost import Devhost, running, wait_until

# Writes one JSON line for every call.
_APP = """
import json
from azurefunctions.extensions.base import InConverter, SdkType

class Reference(SdkType):
    def __init__(self, data):
        self.data = data
    def get_sdk_type(self):
        return self

class _Converter(InConverter, binding="blob", trigger="blobTrigger"):
    @classmethod
    def check_input_type_annotation(cls, pytype):
        return issubclass(pytype, Reference)
    @classmethod
    def decode(cls, data, *, trigger_metadata, pytype):
        metadata = {name: value.python_value for name, value in trigger_metadata.items()}
        return Reference({"version": data.value.version, "source": data.value.source,
                          "type": data.value.content_type, "content": json.loads(data.value.content),
                          "metadata": metadata})

def note(**what):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(what) + "\\n")

@app.blob_trigger(arg_name="blob", path="pictures/{name}", connection="IMAGES_STORAGE", source="EventGrid")
def stream(blob: func.InputStream) -> None:
    content = blob.read().decode()
    note(stream=blob.name, uri=blob.uri, length=blob.length, properties=blob.blob_properties, metadata=blob.metadata,
         content=content)
    if content == "bad":
        raise ValueError("bad image")
    if content.startswith("gate "):
        Path(content.split()[1]).read_text()

@app.blob_trigger(arg_name="blob", path="pictures/{name}.{kind}", connection="IMAGES_STORAGE", source="EventGrid")
def reference(blob: Reference) -> None:
    note(reference=blob.data)

@app.queue_trigger(arg_name="message", queue_name="%JOBS%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="%JOBS%-returned", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="more", queue_name="%JOBS%-more", connection="IMAGES_STORAGE")
def job(message: func.QueueMessage, more: func.Out[str]) -> str:
    text = message.get_body().decode()
    note(job=text, id=message.id, tries=message.dequeue_count, receipt=message.pop_receipt,
         times=[str(message.insertion_time), str(message.expiration_time), str(message.time_next_visible)])
    if text == "bad":
        raise ValueError("bad job")
    more.set([text + " 1", text + " 2"])
    return func.QueueMessage(body="done: " + text)

@app.route(route="send")
@app.queue_output(arg_name="out", queue_name="%JOBS%", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse("sent")
"""


class World:
    """An app with queues of its own on the shared Azurite, for any number of starts."""

    def __init__(self, folder: Path, server: AzuriteServer) -> None:
        self.app = write_app(folder / "app", _APP)
        self.folder = folder
        self.server = server
        self.jobs = folder.name.replace("_", "-").lower()[-40:].strip("-") + "-jobs"
        self._calls = folder / "calls"
        self.environment = {
            "AzureWebJobsStorage": server.connection_string,
            "IMAGES_STORAGE": server.connection_string,
            "JOBS": self.jobs,
            "CALLS": str(self._calls),
        }

    def start(self, **environment: str) -> Any:
        return running(self.app, env=self.environment | environment)

    def calls(self, kind: str) -> list[Any]:
        if not self._calls.exists():
            return []
        calls = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [call for call in calls if kind in call]

    def upload(self, name: str, content: str, **metadata: str) -> str:
        with self.server.blobs() as blobs:
            container: ContainerClient = blobs.get_container_client("pictures")
            with suppress(ResourceExistsError):
                container.create_container()
            blob = container.upload_blob(name, content, overwrite=True, metadata=metadata or None)
            return str(blob.url)

    def on_queue(self, name: str) -> list[str]:
        """The messages that are to be seen, decoded."""
        with self.server.queues() as queues:
            try:
                return [base64.b64decode(m.content).decode() for m in queues.get_queue_client(name).peek_messages(32)]
            except ResourceNotFoundError:
                return []

    def is_empty(self, name: str) -> bool:
        """Whether nothing is on the queue, not even a message that cannot be seen."""
        with self.server.queues() as queues:
            properties = queues.get_queue_client(name).get_queue_properties()
            return properties.approximate_message_count == 0

    def blob_queue(self) -> str:
        """The host's own queue: the one that holds a message of this test, or is the newest."""
        with self.server.queues() as queues:
            names = [str(queue.name) for queue in queues.list_queues(name_starts_with="azure-webjobs-blobtrigger-")]
        [name] = [name for name in names if name not in _SEEN]
        return name


_SEEN: set[str] = set()  # the queues of the hosts of earlier tests


@pytest.fixture(scope="module")
def server() -> Iterator[AzuriteServer]:
    with azurite() as started:
        yield started


@pytest.fixture
def world(tmp_path: Path, server: AzuriteServer) -> Iterator[World]:
    yield World(tmp_path, server)
    with server.queues() as queues:
        _SEEN.update(str(q.name) for q in queues.list_queues(name_starts_with="azure-webjobs-blobtrigger-"))


def _created(url: str) -> dict[str, Any]:
    return {
        "id": "1",
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": "any",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {"api": "PutBlob", "url": url, "eTag": "0x1", "blobType": "BlockBlob"},
    }


def _tell(host: Devhost, function: str, *urls: str) -> int:
    response = httpx.post(
        f"{host.url}/runtime/webhooks/blobs",
        params={"functionName": f"Host.Functions.{function}"},
        headers={"aeg-event-type": "Notification"},
        json=[_created(url) for url in urls],
        timeout=30,
    )
    return response.status_code


def test_a_blob_as_a_stream_and_as_a_reference(world: World) -> None:
    url = world.upload("dogs/little ü.jpg", "wuff", owner="me")
    with world.start() as host:
        assert _tell(host, "stream", url) == 202
        assert _tell(host, "reference", url) == 202
        wait_until(lambda: len(world.calls("stream")) == len(world.calls("reference")) == 1)
        wait_until(lambda: world.is_empty(world.blob_queue()))
    [call] = world.calls("stream")
    assert call["stream"] == "pictures/dogs/little ü.jpg"
    assert (call["content"], call["length"], call["uri"], call["metadata"]) == ("wuff", 4, url, {"owner": "me"})
    assert call["properties"]["ETag"] == {}  # what the extension in Azure sends
    assert call["properties"]["ContentLength"] == 4
    [call] = world.calls("reference")
    reference = call["reference"]
    assert (reference["version"], reference["source"], reference["type"]) == (
        "1.0",
        "AzureStorageBlobs",
        "application/json",
    )
    assert reference["content"] == {
        "Connection": "IMAGES_STORAGE",
        "ContainerName": "pictures",
        "BlobName": "dogs/little ü.jpg",
    }
    metadata = reference["metadata"]
    assert metadata["BlobTrigger"] == "pictures/dogs/little ü.jpg"
    assert (metadata["name"], metadata["kind"]) == ("dogs/little ü", "jpg")
    assert (metadata["Uri"], metadata["Metadata"]) == (url, {"owner": "me"})


def test_many_events_at_once_on_a_queue_that_is_not_there_yet(world: World) -> None:
    url = world.upload("one.jpg", "x")
    with world.start() as host:
        assert _tell(host, "stream", *[url] * 40) == 202
        wait_until(lambda: len(world.calls("stream")) == 40)
        wait_until(lambda: world.is_empty(world.blob_queue()))
    assert len(world.calls("stream")) == 40


def test_a_blob_that_is_gone_is_left_out(world: World) -> None:
    there = world.upload("there.jpg", "x")
    with world.start() as host:
        assert _tell(host, "stream", there.replace("there", "gone"), there) == 202
        wait_until(lambda: len(world.calls("stream")) == 1)
        wait_until(lambda: world.is_empty(world.blob_queue()))
        assert not any("Given up" in line for line in host.lines)
    assert [call["stream"] for call in world.calls("stream")] == ["pictures/there.jpg"]


def test_five_tries_then_the_poison_queue(world: World) -> None:
    url = world.upload("bad.jpg", "bad")
    with world.start() as host:
        _tell(host, "stream", url)
        wait_until(lambda: world.on_queue("webjobs-blobtrigger-poison") != [])
        host.wait_for("Given up after 5 tries, now on the queue webjobs-blobtrigger-poison")
        host.wait_for("stream failed for bad.jpg (try 5 of 5)")
    [message] = world.on_queue("webjobs-blobtrigger-poison")
    assert json.loads(message) == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.stream",
        "BlobType": "BlockBlob",
        "ContainerName": "pictures",
        "BlobName": "bad.jpg",
        "ETag": "0x1",
    }
    assert len(world.calls("stream")) == 5


def test_what_a_killed_host_had_in_hand_comes_back(world: World) -> None:
    # Instead of ten seconds: the host runs the app's code in its own process.
    write_app(world.app, "import devhost.consumer\ndevhost.consumer._INVISIBLE_SECONDS = 3\n" + _APP)
    gate = world.folder / "gate"
    os.mkfifo(gate)
    stuck, waiting = world.upload("stuck.jpg", f"gate {gate}"), world.upload("waiting.jpg", "x")
    with world.start() as host:
        _tell(host, "stream", stuck)
        with gate.open("w"):  # returns once the function waits at the other end
            host.process.kill()
            host.process.wait(timeout=10)
    assert len(world.calls("stream")) == 1
    world.upload("stuck.jpg", "free")
    with world.start() as host:
        _tell(host, "stream", waiting)
        wait_until(lambda: len(world.calls("stream")) == 3, timeout=20)
        wait_until(lambda: world.is_empty(world.blob_queue()))
    assert sorted(call["content"] for call in world.calls("stream")[1:]) == ["free", "x"]


def test_messages_in_and_out(world: World) -> None:
    with world.start() as host:
        assert httpx.post(f"{host.url}/api/send", content="hello").text == "sent"
        wait_until(lambda: world.on_queue(f"{world.jobs}-returned") == ["done: hello"])
        assert world.on_queue(f"{world.jobs}-more") == ["hello 1", "hello 2"]
        wait_until(lambda: world.is_empty(world.jobs))
        # A list is as many messages, even when it is text.
        httpx.post(f"{host.url}/api/send", content='["one", {"two": 2}]')
        wait_until(lambda: len(world.calls("job")) == 3)
    call, *others = world.calls("job")
    assert (call["job"], call["tries"]) == ("hello", 1)
    assert call["id"]
    assert call["receipt"]
    assert all(time.startswith("20") and time.endswith("+00:00") for time in call["times"])
    assert sorted(other["job"] for other in others) == ["one", '{"two": 2}']


def test_a_message_that_fails_and_one_that_is_not_encoded_are_set_aside(world: World) -> None:
    with world.server.queues() as queues:
        queue = queues.create_queue(world.jobs)
        queue.send_message("not base64!")
        queue.send_message(base64.b64encode(b"bad").decode())
    with world.start() as host:
        wait_until(lambda: len(world.on_queue(f"{world.jobs}-poison")) == 2)
        host.wait_for("job failed for a message of")
        wait_until(lambda: world.is_empty(world.jobs))
    assert sorted(world.on_queue(f"{world.jobs}-poison")) == ["bad", "not base64!"]
    assert [(call["job"], call["tries"]) for call in world.calls("job")] == [("bad", at) for at in range(1, 6)]


def test_a_connection_that_is_not_set_is_said_at_the_start(world: World) -> None:
    with world.start(IMAGES_STORAGE="") as host:
        for name in ("stream", "reference", "job"):
            assert f"Note: {name}: the setting IMAGES_STORAGE is not set, so it fails or never runs" in host.lines
        assert not any(line.startswith("Note: send") for line in host.lines)


def test_storage_that_starts_late(world: World) -> None:
    url = world.upload("a.jpg", "x")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    late = world.server.connection_string.replace(
        world.server.queue_url, f"http://127.0.0.1:{port}/{world.server.account}"
    )
    with world.start(AzureWebJobsStorage=late) as host:
        line = host.wait_for("Storage: ")
        assert f"127.0.0.1:{port}" in line
        assert "AzureWebJobsStorage" in line
        assert "start Azurite" in line
        assert httpx.get(f"{host.url}/admin/host/status").status_code == 200
        assert _tell(host, "stream", url) == 500  # so that Event Grid sends it again
        with _forwarding(port, world.server.queue_url):
            host.wait_for("answers again")
            assert _tell(host, "stream", url) == 202
            wait_until(lambda: len(world.calls("stream")) == 1)
        assert sum("does not answer" in line for line in host.lines) <= 4  # not at every look
        assert world.server.key not in "\n".join(host.lines)
        assert not any("Traceback" in line for line in host.lines)


@contextmanager
def _forwarding(port: int, url: str) -> Iterator[None]:
    """Stands for a server that comes up: the port leads to the one of the url."""
    target = httpx.URL(url)

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection((target.host, target.port or 0))
                opened.extend([near, far])
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    opened: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", port))
    serving = threading.Thread(target=serve, args=(listener,), daemon=True)
    serving.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()
        for one in [*opened, listener]:
            one.close()
