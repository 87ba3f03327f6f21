"""Both kinds of queue behave alike: everything here is asked of the file and of Azurite."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devhost.local_queues import LocalQueues
from devhost.queues import Message, Queue, QueueError, Queues
from devhost.storage import StorageError
from devhost.storage_queues import StorageQueues
from tests.servers.azurite import AzuriteServer, azurite

type Run = Callable[[Callable[[Queues], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[AzuriteServer]:
    with azurite() as started:
        yield started


@pytest.fixture(params=["file", "storage"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a test on queues that are opened anew, so that it can be called again for a restart."""
    kind = request.param
    environment = {}
    if kind == "storage":
        server = request.getfixturevalue("server")
        environment["HERE"] = server.connection_string
        with server.queues() as queues:
            for queue in queues.list_queues():
                queues.delete_queue(queue)

    def start(test: Callable[[Queues], Awaitable[None]]) -> None:
        async def main() -> None:
            queues: Queues = LocalQueues(tmp_path / "queues") if kind == "file" else StorageQueues(environment)
            try:
                await test(queues)
            finally:
                await queues.close()

        asyncio.run(main())

    return start


async def _all(queue: Queue, seconds: int = 10) -> list[Message]:
    return await queue.receive(32, seconds)


def test_first_in_first_out_each_once(run: Run) -> None:
    async def test(queues: Queues) -> None:
        queue = queues.open("HERE", "jobs")
        assert await _all(queue) == []
        for body in (b"one", b"two", b"three"):
            await queue.send(body)
        assert queue.news.is_set()
        first = await queue.receive(2, 10)
        assert [m.body for m in first] == [b"one", b"two"]
        assert [m.body for m in await _all(queue)] == [b"three"]
        assert await _all(queue) == []
        [one, _] = first
        assert (one.tries, one.readable) == (1, True)
        assert one.expires - one.inserted >= timedelta(days=6)
        assert timedelta(seconds=8) < one.visible - one.inserted < timedelta(seconds=60)

    run(test)


def test_a_hidden_message_comes_back_with_its_count(run: Run) -> None:
    async def test(queues: Queues) -> None:
        queue = queues.open("HERE", "jobs")
        await queue.send(b"again")
        for tries in (1, 2, 3):
            [message] = await _all(queue)
            assert message.tries == tries
            message = await queue.hide(message, 30)  # as a renewal does: it stays away, under a new receipt
            assert await _all(queue) == []
            await queue.hide(message, 0)
        [message] = await _all(queue)
        await queue.delete(message)
        assert await _all(queue) == []

    run(test)


def test_what_is_not_deleted_is_there_after_a_restart(run: Run, request: pytest.FixtureRequest) -> None:
    async def before(queues: Queues) -> None:
        queue = queues.open("HERE", "jobs")
        for body in (b"done", b"in hand", b"waiting"):
            await queue.send(body)
        done, in_hand = await queue.receive(2, 3600)
        await queue.delete(done)
        assert in_hand.body == b"in hand"

    async def after(queues: Queues) -> None:
        found = [(m.body, m.tries) for m in await _all(queues.open("HERE", "jobs"))]
        # The file belongs to one host: what the last one had in hand is there at once.
        in_file = "file" in request.node.name
        assert found == ([(b"in hand", 2)] if in_file else []) + [(b"waiting", 1)]

    run(before)
    run(after)


def test_queues_are_apart_and_the_same_one_is_one_object(run: Run) -> None:
    async def test(queues: Queues) -> None:
        queue, other = queues.open("HERE", "jobs"), queues.open("HERE", "others")
        await queue.send(b"x")
        assert await _all(other) == []
        assert not other.news.is_set()
        assert queues.open("HERE", "jobs") is queue

    run(test)


@given(bodies=st.lists(st.binary(max_size=200), min_size=1, max_size=5))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_body_comes_out_as_it_went_in(run: Run, bodies: list[bytes]) -> None:
    async def test(queues: Queues) -> None:
        queue = queues.open("HERE", "bytes")
        for body in bodies:
            await queue.send(body)
        found = await _all(queue)
        assert [m.body for m in found] == bodies
        for message in found:
            await queue.delete(message)

    run(test)


def test_a_message_in_other_hands_cannot_be_deleted(server: AzuriteServer) -> None:
    async def test() -> None:
        queues = StorageQueues({"HERE": server.connection_string})
        queue = queues.open("HERE", "taken")
        await queue.send(b"x")
        [message] = await _all(queue)
        await queue.hide(message, 0)
        [taken] = await _all(queue)
        with pytest.raises(QueueError):
            await queue.delete(message)
        await queue.delete(taken)
        await queues.close()

    asyncio.run(test())


@pytest.mark.parametrize(("value", "message"), [("", "HERE is not set"), ("AccountKey=secret", "HERE is not a conn")])
def test_a_setting_that_is_no_connection_string(value: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as caught:
        StorageQueues({"HERE": value}).open("HERE", "jobs")
    assert "secret" not in str(caught.value)


def test_a_file_that_holds_no_queues(tmp_path: Path) -> None:
    file = tmp_path / "queues"
    file.write_text("junk" * 1000)
    with pytest.raises(QueueError, match="cannot be used"):
        LocalQueues(file)
    with closing(file.open()) as kept:
        assert kept.read(4) == "junk"
