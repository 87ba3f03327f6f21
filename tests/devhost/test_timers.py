"""What runs by the clock, and what is run by hand."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from devhost.bindings import BindingError, TimerTrigger, read
from devhost.protos import RpcFunctionMetadata
from tests.devhost.apps import write_app
from tests.servers.devhost import Devhost, running, wait_until

_APP = """
import json, datetime

def note(**what):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(what) + "\\n")

@app.timer_trigger(arg_name="timer", schedule="%EVERY_SECOND%")
def tick(timer: func.TimerRequest) -> None:
    note(tick=datetime.datetime.now(datetime.UTC).isoformat())

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def yearly(timer: func.TimerRequest) -> None:
    note(yearly=[timer.past_due, timer.schedule, timer.schedule_status])

@app.queue_trigger(arg_name="message", queue_name="jobs", connection="AzureWebJobsStorage")
def job(message: func.QueueMessage) -> None:
    note(job=message.get_body().decode(), tries=message.dequeue_count)

@app.event_grid_trigger(arg_name="event")
def forget(event: func.EventGridEvent) -> None:
    note(forget=event.subject)

@app.blob_trigger(arg_name="blob", path="pictures/{name}", connection="IMAGES_STORAGE", source="EventGrid")
def embed(blob: func.InputStream) -> None:
    note(embed=blob.name)

@app.route(route="page")
def page(req: func.HttpRequest) -> str:
    return "page"
"""


class World:
    def __init__(self, host: Devhost, folder: Path) -> None:
        self.host = host
        self.images = folder / "images"
        self.keys: dict[str, Any] = json.loads((folder / "data" / "keys.json").read_text())
        self._calls = folder / "calls"

    def calls(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []
        return [call for call in found if kind in call]

    def run(self, name: str, content: bytes = b"", key: str | None = None) -> int:
        headers = {"x-functions-key": self.keys["master"] if key is None else key}
        return httpx.post(f"{self.host.url}/admin/functions/{name}", headers=headers, content=content).status_code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "images").mkdir()
    arguments = ["--images", str(folder / "images"), "--data", str(folder / "data"), "--enable-auth"]
    environment = {"CALLS": str(folder / "calls"), "EVERY_SECOND": "* * * * * *"}
    with running(write_app(folder / "app", _APP), *arguments, env=environment) as host:
        yield World(host, folder)


def test_a_timer_runs_once_for_each_time_that_is_due(world: World) -> None:
    wait_until(lambda: len(world.calls("tick")) >= 3)
    times = [datetime.fromisoformat(call["tick"]) for call in world.calls("tick")]
    seconds = [time.replace(microsecond=0) for time in times]
    assert len(set(seconds)) == len(seconds)
    assert not world.calls("yearly")


def test_by_hand(world: World) -> None:
    assert world.run("yearly") == 202
    wait_until(lambda: bool(world.calls("yearly")))
    [call] = world.calls("yearly")
    assert call["yearly"] == [False, {"AdjustForDST": True}, {}]
    assert world.run("job", b'{"input": "by hand"}') == 202
    wait_until(lambda: world.calls("job") == [{"job": "by hand", "tries": 1}])
    assert world.run("forget", json.dumps({"input": json.dumps({"id": "1", "subject": "gone"})}).encode()) == 202
    wait_until(lambda: world.calls("forget") == [{"forget": "gone"}])


def test_a_blob_by_hand(world: World) -> None:
    (world.images / "a.jpg").write_text("x")
    wait_until(lambda: len(world.calls("embed")) == 1)  # the watcher's own event
    assert world.run("embed", b'{"input": "pictures/a.jpg"}') == 202
    wait_until(lambda: world.calls("embed") == [{"embed": "pictures/a.jpg"}] * 2)


def test_what_cannot_be_run_by_hand(world: World) -> None:
    assert [world.run(name) for name in ("none", "", "page", "yearly/x")] == [404] * 4
    assert [world.run("job", content) for content in (b"{", b"[]", b"5", b"\xff")] == [400] * 4
    assert [world.run("forget", content) for content in (b"", b'{"input": "x"}', b'{"input": "[]"}')] == [400] * 3
    assert [world.run("embed", content) for content in (b"", b'{"input": "other/a"}')] == [400] * 2
    assert [world.run("yearly", key=key) for key in ("", "x", world.keys["host"])] == [401] * 3
    assert httpx.get(f"{world.host.url}/admin/functions/yearly").status_code == 401


def _timer(schedule: str) -> TimerTrigger:
    raw = json.dumps({"type": "timerTrigger", "direction": "IN", "name": "timer", "schedule": schedule})
    [function], _ = read([RpcFunctionMetadata("f", "id", "", "", "", "python", {}, [raw])], {"AT": "0 30 4 * * *"})
    assert isinstance(function.trigger, TimerTrigger)
    return function.trigger


@pytest.mark.parametrize("schedule", ["0 */5 * * * *", "0 0 9-17 * * MON-FRI", "*/15 * * * * *"])
def test_schedules(schedule: str) -> None:
    assert _timer(schedule).schedule == schedule
    assert _timer("%AT%").schedule == "0 30 4 * * *"


@pytest.mark.parametrize("schedule", ["", "*/5 * * * *", "0 0 0 * * * *", "60 * * * * *", "often", "00:05:00"])
def test_a_schedule_that_is_not_understood(schedule: str) -> None:
    with pytest.raises(BindingError, match=r"f: the schedule '.*' is not understood: .*six fields"):
        _timer(schedule)
