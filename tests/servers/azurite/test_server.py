"""Starting and ending the server, and what it can do."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.blob import BlobServiceClient, ContainerClient

from tests.servers import azurite as package
from tests.servers.azurite import AzuriteServer, azurite
from tests.servers.devhost import ROOT

DIES_AT_ONCE = """
import os, psutil, signal
from tests.servers.azurite import azurite
with azurite():
    print(psutil.Process().children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""

FINDS_THE_SERVER = """
import os, re, socket, sys
assert os.environ["AzureWebJobsStorage"] == os.environ["IMAGES_STORAGE"]
for port in re.findall(r"127[.]0[.]0[.]1:([0-9]+)", os.environ["IMAGES_STORAGE"]):
    socket.create_connection(("127.0.0.1", int(port))).close()
sys.exit(7)
"""


def test_a_blob_keeps_its_content_metadata_and_tags(container: ContainerClient) -> None:
    blob = container.upload_blob("dogs/a b.jpg", b"wuff", metadata={"owner": "me"}, tags={"kind": "dog"})
    assert blob.download_blob().readall() == b"wuff"
    [listed] = container.list_blobs(include=["metadata", "tags"])
    assert (listed.name, listed.metadata, listed.tags) == ("dogs/a b.jpg", {"owner": "me"}, {"kind": "dog"})


def test_a_blob_is_read_only_if_it_is_as_wanted(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"old")
    old = blob.get_blob_properties().etag
    # The SDK raises the same for 304 and 412.
    with pytest.raises(ResourceModifiedError) as unchanged:
        blob.download_blob(etag=old, match_condition=MatchConditions.IfModified)
    assert unchanged.value.status_code == 304
    container.upload_blob("a", b"new", overwrite=True)
    assert blob.download_blob(etag=old, match_condition=MatchConditions.IfModified).readall() == b"new"
    with pytest.raises(ResourceModifiedError) as changed:
        blob.download_blob(etag=old, match_condition=MatchConditions.IfNotModified)
    assert changed.value.status_code == 412


def test_a_message_goes_through_a_queue(server: AzuriteServer) -> None:
    with server.queues() as queues, queues.create_queue("work") as queue:
        queue.send_message("fit dogs")
        message = queue.receive_message()
        assert message
        assert message.content == "fit dogs"
        queue.delete_message(message)
        assert queue.get_queue_properties().approximate_message_count == 0


def test_a_listener_gets_the_lines_of_its_time(server: AzuriteServer, container: ContainerClient) -> None:
    lines: list[str] = []
    for number in range(20):
        server.catch_up()
        with server.listening(lines.append):
            container.upload_blob(f"during{number}", b"")
            server.catch_up()
        container.upload_blob(f"after{number}", b"")
    path = f"/{server.account}/{container.container_name}"
    puts = [line.partition('"')[2] for line in lines if "PUT" in line]
    assert puts == [f'PUT {path}/during{number} HTTP/1.1" 201 -' for number in range(20)]


def test_catching_up_waits_for_lines_that_come_late(server: AzuriteServer, container: ContainerClient) -> None:
    lines: list[str] = []
    gate = threading.Event()
    server.catch_up()
    with server.listening(lambda _: gate.wait(10)), server.listening(lines.append):
        for _ in range(30):
            container.upload_blob("a", b"", overwrite=True)
        threading.Timer(0.1, gate.set).start()  # until then nothing is read
        server.catch_up()
        assert sum("PUT" in line for line in lines) == 30


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_ENDS_WITH_INPUT", 'data:text/javascript,throw new Error("no luck today")')
    with pytest.raises(AssertionError, match="no luck today"), azurite():
        pass


def test_the_server_ends_with_the_process_that_started_it() -> None:
    command = [sys.executable, "-c", DIES_AT_ONCE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=30)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=10)


def test_a_command_runs_with_a_server() -> None:
    command = [sys.executable, "-m", "tests.servers.azurite", "--", sys.executable, "-c", FINDS_THE_SERVER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=30)
    assert done.returncode == 7, done.stderr


def test_by_itself_it_runs_until_it_is_interrupted_empty_and_with_a_key_of_its_own(server: AzuriteServer) -> None:
    command = [sys.executable, "-m", "tests.servers.azurite"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        connection = process.stdout.readline().strip()
        with BlobServiceClient.from_connection_string(connection) as blobs:
            assert list(blobs.list_containers()) == []
        [key] = re.findall("AccountKey=([^;]+)", connection)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    with (
        BlobServiceClient(server.blob_url, {"account_name": server.account, "account_key": key}) as stranger,
        pytest.raises(HttpResponseError, match="AuthorizationFailure"),
    ):
        stranger.get_account_information()
    assert server.key not in repr(server)


def test_the_lock_file_names_no_registry() -> None:
    lock = (Path(package.__file__).parent / "package-lock.json").read_text()
    assert '"node_modules/azurite": {\n      "version": "3.36.0"' in lock
    assert '"resolved"' not in lock
