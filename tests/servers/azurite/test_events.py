"""Changing blobs in Azurite and receiving the events."""

import base64
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContainerClient

from tests.servers.azurite import AzuriteServer, azurite, webhooks
from tests.servers.azurite.conftest import Receiver
from tests.servers.azurite.events import EventSender
from tests.servers.azurite.fates import fate

SHARES = {"duplicate": 0.2, "reorder": 0.2, "delay": 0.2, "drop": 0.2}


def sending(server: AzuriteServer, container: ContainerClient, receiver: Receiver, **options: Any) -> EventSender:
    return EventSender(server, lambda: receiver.url, container.container_name, "embed", "forget", **options)


@pytest.fixture
def sender(server: AzuriteServer, container: ContainerClient, receiver: Receiver) -> Iterator[EventSender]:
    with sending(server, container, receiver) as one:
        yield one


def upload(container: ContainerClient, number: int) -> None:
    """Makes as many changes."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: container.upload_blob(f"{name}.jpg", b"x"), range(number)))


def test_an_upload_and_a_deletion_reach_their_webhooks(
    sender: EventSender, container: ContainerClient, receiver: Receiver
) -> None:
    blob = container.upload_blob("dogs/a b.jpg", b"wuff")
    etag = blob.get_blob_properties().etag
    sender.wait_idle()
    blob.delete_blob()
    sender.wait_idle()
    [created, deleted] = receiver.posts
    event = created[3]
    assert created[:3] == ("/runtime/webhooks/blobs", {"functionName": ["Host.Functions.embed"]}, "Notification")
    assert event["eventType"] == "Microsoft.Storage.BlobCreated"
    assert event["subject"] == f"/blobServices/default/containers/{container.container_name}/blobs/dogs/a b.jpg"
    assert event["data"]["url"] == blob.url
    assert event["data"]["contentLength"] == 4
    assert f'"{event["data"]["eTag"]}"' == etag
    assert deleted[:3] == ("/runtime/webhooks/EventGrid", {"functionName": ["forget"]}, "Notification")
    assert deleted[3]["eventType"] == "Microsoft.Storage.BlobDeleted"
    assert deleted[3]["data"]["url"] == blob.url
    assert sender.sent == Counter(sent=2)


def test_the_hosts_key_goes_along(server: AzuriteServer, container: ContainerClient, receiver: Receiver) -> None:
    with sending(server, container, receiver, code="k/=+") as sender:
        container.upload_blob("a", b"").delete_blob()
        sender.wait_idle()
    assert [query["code"] for _, query, *_ in receiver.posts] == [["k/=+"], ["k/=+"]]


def test_only_what_writes_or_deletes_a_blob_makes_an_event(
    sender: EventSender, server: AzuriteServer, container: ContainerClient, receiver: Receiver
) -> None:
    blob = container.upload_blob("a", b"1", tags={"kind": "dog"})
    blob.set_blob_tags({"kind": "cat"})
    blob.set_blob_metadata({"owner": "me"})
    blob.acquire_lease().release()
    blob.download_blob().readall()
    big = container.get_blob_client("big")
    big.stage_block(base64.b64encode(b"1").decode(), b"first")
    big.commit_block_list([BlobBlock(base64.b64encode(b"1").decode())])
    container.get_blob_client("copy").start_copy_from_url(blob.url)
    sender.wait_idle()  # for what the event is to say of the copy
    container.upload_blob("copy", b"no copy any more", overwrite=True)
    with server.blobs() as blobs, blobs.create_container(f"{container.container_name}2") as other:
        other.upload_blob("a", b"elsewhere")
    with server.queues() as queues, queues.create_queue(container.container_name) as queue:
        queue.delete_message(queue.send_message("a"))
    blob.delete_blob()
    sender.wait_idle()
    events = sorted(receiver.events(), key=lambda event: str(event["data"]["sequencer"]))
    assert [(event["data"]["api"], event["subject"].partition("/blobs/")[2]) for event in events] == [
        ("PutBlob", "a"),
        ("PutBlockList", "big"),
        ("CopyBlob", "copy"),
        ("PutBlob", "copy"),
        ("DeleteBlob", "a"),
    ]


@pytest.mark.parametrize("name", ["a b", "a#b", "a?b=c", "a%2Fb", "100%", "😀/é.jpg", "/a//b", "+&='\"<>"])
def test_a_name_survives(sender: EventSender, container: ContainerClient, receiver: Receiver, name: str) -> None:
    blob = container.upload_blob(name, b"")
    sender.wait_idle()
    [event] = receiver.events()
    assert event["subject"].partition("/blobs/")[2] == name
    assert event["data"]["url"] == blob.url


def test_a_blob_that_has_gone_already_still_makes_its_event(
    sender: EventSender, container: ContainerClient, receiver: Receiver
) -> None:
    for number in range(20):
        container.upload_blob("a", b"" * number).delete_blob()
    sender.wait_idle()
    assert Counter(event["eventType"].rpartition(".")[2] for event in receiver.events()) == {
        "BlobCreated": 20,
        "BlobDeleted": 20,
    }


def test_idle_is_when_the_lines_of_all_changes_are_read(
    sender: EventSender, container: ContainerClient, receiver: Receiver
) -> None:
    for number in range(1, 51):
        container.upload_blob("a", b"", overwrite=True)
        sender.wait_idle()
        assert len(receiver.posts) == number


def test_what_was_changed_before_makes_no_event_even_if_its_line_comes_late(
    server: AzuriteServer, container: ContainerClient, receiver: Receiver
) -> None:
    gate = threading.Event()
    with server.listening(lambda _: gate.wait(10)):
        for name in ("one", "two"):
            container.upload_blob(name, b"")
        # While it is shut nothing is read, and the sender is to wait for that; one that did not would be up before.
        threading.Timer(0.2, gate.set).start()
        with sending(server, container, receiver) as sender:
            sender.wait_idle()
    assert receiver.posts == []


def test_every_event_has_the_fate_of_its_number(
    server: AzuriteServer, container: ContainerClient, receiver: Receiver
) -> None:
    fates = {number: fate(5, number, **SHARES) for number in range(1, 201)}
    prompt = Counter({number: 1 + (one.again_behind > 0) for number, one in fates.items() if not one.dropped})
    late = Counter({number: prompt[number] for number, one in fates.items() if one.delayed})
    with sending(server, container, receiver, seed=5, **SHARES) as sender:
        upload(container, 200)
        sender.wait_idle()
        early = Counter(receiver.numbers())
        assert early <= prompt - late
        assert early.total() >= (prompt - late).total() - 40  # what waits for more to go ahead
        sender.release()
        sender.wait_idle()
        assert Counter(receiver.numbers()) == prompt
        assert sender.sent == {
            "sent": prompt.total(),
            "duplicated": sum(one.again_behind > 0 for one in fates.values()),
            "reordered": sum(one.behind > 0 for one in fates.values()),
            "delayed": sum(one.delayed for one in fates.values()),
            "dropped": sum(one.dropped for one in fates.values()),
        }
    ids = {(event["id"], number) for event, number in zip(receiver.events(), receiver.numbers(), strict=True)}
    assert len(ids) == len(prompt)  # a second copy is the same event
    for share in ("duplicated", "reordered", "delayed", "dropped"):
        assert 20 <= sender.sent[share] <= 60


def test_an_event_comes_behind_as_many_as_its_fate_says(
    server: AzuriteServer, container: ContainerClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"duplicate": 0.3, "reorder": 0.3, "delay": 0.0, "drop": 0.0}
    fates = {number: fate(1, number, **shares) for number in range(1, 61)}
    monkeypatch.setattr(webhooks, "_IN_FLIGHT", 1)  # so that they arrive as they were sent
    with sending(server, container, receiver, seed=1, duplicate=0.3, reorder=0.3) as sender:
        upload(container, 60)
        sender.wait_idle()
        sender.release()
        sender.wait_idle()
    numbers = receiver.numbers()
    prompt = [number for number in fates if not fates[number].behind]
    assert [number for number in dict.fromkeys(numbers) if number in prompt] == prompt
    for place, number in enumerate(numbers):
        is_second = number in numbers[:place]
        last_ahead = number + fates[number].behind + (fates[number].again_behind if is_second else 0)
        assert {other for other in prompt if other <= last_ahead} <= {*numbers[:place], number}
        if last_ahead <= 60:  # later ones were released
            assert max(numbers[: place + 1]) <= last_ahead


def test_a_host_that_is_not_well_is_tried_again(
    sender: EventSender, container: ContainerClient, receiver: Receiver
) -> None:
    answers = iter([503, 500, 202])
    receiver.answer = lambda _: next(answers)
    container.upload_blob("a", b"")
    sender.wait_idle()
    first, *others = receiver.events()
    assert others == [first, first]
    assert sender.sent == Counter(sent=1)


def test_a_host_that_fails_one_event_gets_the_others(
    sender: EventSender, container: ContainerClient, receiver: Receiver
) -> None:
    receiver.answer = lambda event: 503 if "bad" in event["subject"] else 202
    for number in range(10):
        container.upload_blob(f"bad{number}", b"")
    container.upload_blob("good", b"")
    receiver.wait_for("/good")
    with pytest.raises(TimeoutError, match=r"10 events are not acknowledged after 0\.5 s"):
        sender.wait_idle(0.5)
    assert sender.sent == Counter(sent=1)
    receiver.answer = lambda _: 202
    sender.wait_idle()
    assert sender.sent == Counter(sent=11)


def test_a_host_that_does_not_answer_is_tried_again(
    server: AzuriteServer, container: ContainerClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.servers.azurite.events.TIMEOUT_SECONDS", 0.3)
    hang = threading.Event()
    patience = iter([10, 0])  # seconds
    receiver.answer = lambda _: 202 + 0 * hang.wait(next(patience))
    with sending(server, container, receiver) as sender:
        container.upload_blob("a", b"")
        sender.wait_idle()
        hang.set()
        assert len(receiver.posts) == 2
        assert sender.sent == Counter(sent=1)


def test_a_host_that_comes_up_late_and_elsewhere_gets_everything(
    server: AzuriteServer, container: ContainerClient
) -> None:
    receiver = Receiver()
    asked = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        receiver.url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    def url() -> str:
        asked.release()
        return receiver.url

    with EventSender(server, url, container.container_name, "embed", "forget") as sender:
        for number in range(12):
            container.upload_blob(f"{number}", b"")
        for _ in range(24):  # each of the eight has been refused twice
            assert asked.acquire(timeout=10)
        with receiver.listening():
            sender.wait_idle()
        container.upload_blob("last", b"")
        with receiver.listening():
            sender.wait_idle()
    assert sorted(receiver.numbers()) == list(range(1, 14))


def test_a_bad_request_is_not_tried_again(sender: EventSender, container: ContainerClient, receiver: Receiver) -> None:
    receiver.answer = lambda _: 400
    container.upload_blob("a", b"")
    sender.wait_idle()
    sender.wait_idle()
    [event] = receiver.events()
    assert sender.failed == [(event, 400)]
    assert sender.sent == Counter()


def test_a_slow_host_gets_eight_at_a_time(sender: EventSender, container: ContainerClient, receiver: Receiver) -> None:
    # It answers only when eight are waiting for it.
    receiver.answer = partial(lambda barrier, _: 202 + 0 * barrier.wait(), threading.Barrier(8, timeout=10))
    for number in range(16):
        container.upload_blob(f"{number}", b"")
    sender.wait_idle()
    assert len(receiver.posts) == 16


def test_leaving_gives_up_what_is_not_acknowledged(
    server: AzuriteServer, container: ContainerClient, receiver: Receiver
) -> None:
    hang = threading.Event()
    receiver.answer = lambda _: 202 if hang.wait(10) else 500
    with sending(server, container, receiver) as sender:
        container.upload_blob("a", b"")
        receiver.wait_for("/a")
    hang.set()
    assert sender.sent == Counter()


def test_waiting_for_a_server_that_has_gone_fails(receiver: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(azurite())
        with sending(server, server.blobs().create_container("images"), receiver) as sender:
            sender.wait_idle()
            stack.close()
            with pytest.raises(OSError, match="refused"):
                sender.wait_idle()
