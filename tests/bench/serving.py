"""The app over HTTP, against an empty Functions app under the same local host."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import httpx
import psutil

from tests.bench.images import photo
from tests.bench.measure import Figure, compare, seconds
from tests.pictures import as_base64, encoded, skill_call
from tests.servers.devhost import ROOT, Devhost, running

EMPTY_APP = """
import json
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route("similarity", methods=["POST"])
def similarity(req: func.HttpRequest) -> func.HttpResponse:
    values = [{"recordId": value["recordId"], "data": {}} for value in json.loads(req.get_body())["values"]]
    return func.HttpResponse(json.dumps({"values": values}), mimetype="application/json")
"""
# Without storage: its SDK is the local host's to load, and the empty app's host does not.
_number = count()

ENV = {"IMAGES_CONTAINER": "images", "AzureWebJobsStorage": ""}


def figures() -> Iterator[Figure]:
    """Calls of 1 and of 16 records, starts, and memory."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "empty").mkdir()
        (folder / "empty" / "function_app.py").write_text(EMPTY_APP)
        (folder / "empty" / "host.json").write_text('{"version": "2.0"}')
        samples = str(ROOT / "samples" / "images")
        app = stack.enter_context(running(ROOT, "--images", samples, "--data", str(folder / "data"), env=ENV))
        empty = stack.enter_context(running(folder / "empty", "--data", str(folder / "none"), env=ENV))
        app.wait_for("processed, 0 failed", timeout=120)
        for records in (1, 16):
            yield _calls(app, empty, records)
        yield _memory(app, empty)
        stack.pop_all().close()
        yield compare(
            "Start",
            "process start to first similarity answer",
            lambda: start(ROOT, folder / "data", ENV),
            lambda: start(folder / "empty", folder / "none", ENV),
            baseline_name="empty app",
            rounds=7,
            unit="s",
            scale=1,
        )


def _calls(app: Devhost, empty: Devhost, records: int) -> Figure:
    with _client(app) as ours, _client(empty) as other:
        return compare(
            "A call over HTTP",
            f"{records} record{'s' if records > 1 else ''} of 512×384",
            lambda: seconds(lambda: _ask(ours, records)),
            lambda: seconds(lambda: _ask(other, records)),
            baseline_name="empty app",
            rounds=31,
        )


def _memory(app: Devhost, empty: Devhost) -> Figure:
    sizes = []
    for host in (app, empty):
        with _client(host) as client:
            for _ in range(100):
                _ask(client, 1)
        sizes.append(psutil.Process(host.process.pid).memory_info().rss / 1e6)
    return Figure(
        section="Memory",
        name="resident after 100 calls, local host included",
        unit="MB",
        ours=sizes[0],
        low=sizes[0],
        high=sizes[0],
        baseline_name="empty app",
        baseline=sizes[1],
    )


def start(app: Path, data: Path, env: dict[str, str]) -> float:
    """Seconds from starting the process to its first answer."""
    started = time.perf_counter()
    with running(app, "--data", str(data), env=env) as host, _client(host) as client:
        _ask(client, 1)
        return time.perf_counter() - started


def _client(host: Devhost) -> httpx.Client:
    return httpx.Client(base_url=host.url, timeout=60, trust_env=False)


def _ask(client: httpx.Client, records: int) -> None:
    client.post("/api/similarity?collection=photos", content=_body(records)).raise_for_status()


def _body(records: int) -> bytes:
    return skill_call(*({"image": as_base64(_unseen())} for _ in range(records)))


@cache
def _photo() -> bytes:
    return encoded(photo((512, 384)), "JPEG", quality=90)


def _unseen() -> bytes:
    """The same photo with other bytes behind its end each time: the app remembers the images that it has just seen."""
    return _photo() + next(_number).to_bytes(8)
