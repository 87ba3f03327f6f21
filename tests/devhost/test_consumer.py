"""Messages on their way to a function, on a queue in a file."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from devhost import consumer
from devhost.consumer import TRIES, Work, consume
from devhost.local_queues import LocalQueue, LocalQueues
from devhost.queues import Message


class Log:
    """What became of the messages."""

    def __init__(self) -> None:
        self.tries: Counter[bytes] = Counter()
        self.given_up: list[bytes] = []
        self.over: dict[bytes, bool] = {}

    def work(self, handle: Callable[[Message], Awaitable[bool]]) -> Work:
        async def counted(message: Message) -> bool:
            self.tries[message.body] += 1
            return await handle(message)

        async def give_up(message: Message) -> None:
            self.given_up.append(message.body)

        def over(message: Message, done: bool) -> None:
            assert message.body not in self.over
            self.over[message.body] = done

        return Work(counted, give_up, over)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def _run(
    folder: Path, log: Log, handle: Callable[[Message], Awaitable[bool]], until: Callable[[], bool], *, limit: int = 4
) -> list[bytes]:
    """Consumes until the condition holds; returns what is left on the queue."""

    async def main() -> list[bytes]:
        queues = LocalQueues(folder / "queues")
        queue = queues.open("", "jobs")
        consuming = asyncio.create_task(consume(queue, log.work(handle), limit))
        await _until(until)
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming
        left = queue.waiting()
        await queues.close()
        return left

    return asyncio.run(main())


def _send(folder: Path, *bodies: bytes) -> None:
    async def main() -> None:
        queues = LocalQueues(folder / "queues")
        for body in bodies:
            await queues.open("", "jobs").send(body)
        await queues.close()

    asyncio.run(main())


async def _yes(_message: Message) -> bool:
    return True


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_each_message_once_and_never_more_than_the_limit(tmp_path: Path, limit: int) -> None:
    bodies = [b"%d" % at for at in range(60)]
    _send(tmp_path, *bodies)
    log, running, most = Log(), 0, 0

    async def handle(message: Message) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (int(message.body) % 7))
        running -= 1
        return True

    assert _run(tmp_path, log, handle, lambda: len(log.over) == len(bodies), limit=limit) == []
    assert log.tries == Counter(bodies)
    assert log.over == dict.fromkeys(bodies, True)
    assert most == limit


def test_a_message_that_fails_or_raises_is_given_up_after_five_tries(tmp_path: Path) -> None:
    _send(tmp_path, b"fails", b"raises", b"late", b"good")
    log = Log()

    async def handle(message: Message) -> bool:
        if message.body == b"raises":
            raise ValueError
        return message.body == b"good" or (message.body == b"late" and message.tries == TRIES)

    assert _run(tmp_path, log, handle, lambda: len(log.over) == 4) == []
    assert log.tries == {b"fails": 5, b"raises": 5, b"late": 5, b"good": 1}
    assert sorted(log.given_up) == [b"fails", b"raises"]
    assert log.over == {b"fails": False, b"raises": False, b"late": True, b"good": True}


def test_what_kills_the_host_is_not_tried_for_ever(tmp_path: Path) -> None:
    _send(tmp_path, b"deadly")

    async def take() -> None:
        queues = LocalQueues(tmp_path / "queues")
        assert len(await queues.open("", "jobs").receive(1, 10)) == 1
        await queues.close()

    for _ in range(TRIES):
        asyncio.run(take())
    log = Log()
    assert _run(tmp_path, log, _yes, lambda: len(log.over) == 1) == []
    assert (log.tries, log.given_up) == (Counter(), [b"deadly"])


def test_a_stop_lets_what_runs_finish_and_takes_nothing_more(tmp_path: Path) -> None:
    _send(tmp_path, b"running", b"waiting")
    log = Log()

    async def main() -> None:
        queues = LocalQueues(tmp_path / "queues")
        queue, gate = queues.open("", "jobs"), asyncio.Event()

        async def handle(_message: Message) -> bool:
            return await gate.wait()

        consuming = asyncio.create_task(consume(queue, log.work(handle), 1))
        await _until(lambda: bool(log.tries))
        consuming.cancel()
        gate.set()
        with suppress(asyncio.CancelledError):
            await consuming
        assert log.over == {b"running": True}
        assert queue.waiting() == [b"waiting"]
        await queues.close()

    asyncio.run(main())


def test_a_message_that_takes_long_stays_away_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "_INVISIBLE_SECONDS", 0.2)
    monkeypatch.setattr(consumer, "_RENEW_SECONDS", 0.02)
    _send(tmp_path, b"long")
    log = Log()

    async def handle(_message: Message) -> bool:
        await asyncio.sleep(0.6)  # three times as long as it would be invisible
        return True

    assert _run(tmp_path, log, handle, lambda: bool(log.over)) == []
    assert log.tries == {b"long": 1}


def test_an_idle_queue_is_asked_seldom_and_news_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    plain_receive = LocalQueue.receive

    async def receive(self: LocalQueue, limit: int, seconds: int) -> list[Message]:
        asked.append(asyncio.get_running_loop().time())
        return await plain_receive(self, limit, seconds)

    monkeypatch.setattr(LocalQueue, "receive", receive)
    log = Log()

    async def main() -> float:
        queues = LocalQueues(tmp_path / "queues")
        queue = queues.open("", "jobs")
        consuming = asyncio.create_task(consume(queue, log.work(_yes), 4))
        await _until(lambda: len(asked) == 4)
        sent = asyncio.get_running_loop().time()
        await queue.send(b"x")
        await _until(lambda: bool(log.over))
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming
        await queues.close()
        return asked[4] - sent

    waited = asyncio.run(main())
    pauses = [after - before for before, after in pairwise(asked[:4])]
    assert all(pause > expected for pause, expected in zip(pauses, (0.09, 0.19, 0.39), strict=True))
    assert waited < 0.7  # it would be 0.8, had nobody said so
