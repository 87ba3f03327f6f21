"""`python -m devhost`: start the app of this folder, serve it until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from devhost import blobs, console, front, keys, listeners, routes, settings, worker
from devhost.bindings import HOST_STORAGE, BindingError, BlobTrigger, Function, HttpTrigger, read
from devhost.queues import QueueError
from devhost.receipts import ReceiptsError
from devhost.storage import StorageError
from devhost.webhooks import SYSTEM_KEYS, Webhooks

_GRACE_SECONDS = 5.0  # for what is running when the host is asked to stop
_DEFAULT_CONTAINER = "images"
# What ends the start with a line on the console: each of them says what is wrong and what to do.
_FOR_THE_READER = (
    settings.SettingsError,
    BindingError,
    routes.RouteError,
    keys.KeysError,
    ReceiptsError,
    QueueError,
    StorageError,
)


class StartError(Exception):
    """The host cannot start; the message is for the reader of the console."""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devhost",
        description="Runs a Functions app: the real Python worker library under an imitated host. Development only.",
        epilog=(
            "With --images a folder is the blob container: its files are the blobs, their changes the events, and "
            "queues are kept in the data folder. Without it, the setting AzureWebJobsStorage (a connection string, or "
            "UseDevelopmentStorage=true for Azurite) names the storage account of the queues, and events come to "
            "/runtime/webhooks/blobs and /runtime/webhooks/EventGrid. With neither, functions of blobs and queues "
            "never run."
        ),
    )
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one; default: %(default)s")
    parser.add_argument("--images", type=Path, metavar="DIR", help="a folder that stands for the blob container")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="for the host's own files; default: DATA_DIR or .local"
    )
    parser.add_argument("--app", type=Path, metavar="DIR", default=Path(), help="the folder of function_app.py")
    parser.add_argument("--enable-auth", action="store_true", help="ask for access keys, as Azure does")
    return parser.parse_args(arguments)


async def _serve(options: argparse.Namespace) -> None:
    stop = _on_signals()
    # Absolute before the worker changes the current folder to the app's.
    app, images = options.app.absolute(), options.images and options.images.absolute()
    listener = _listen(options.port)
    port = listener.getsockname()[1]
    url = f"http://localhost:{port}"
    console.start_logging(worker.current_function)
    settings.load_local_settings(app, os.environ)
    data = settings.data_folder(app, options.data, os.environ)
    if images:
        _check_images(images, data)
        settings.use_folder(os.environ, port)
    http, at_once = settings.http_settings(app), settings.trigger_settings(app)

    functions, notes = read(await worker.load(app), os.environ)
    served = front.endpoints(functions, http.prefix)
    names = [endpoint.function.name for endpoint in served]
    access = keys.open_keys(data / "keys.json", names, SYSTEM_KEYS.values()) if options.enable_auth else None
    container = blobs.Container(images.resolve(), _container_name(functions), url) if images else None
    if container:
        listening = listeners.in_folder(functions, container, data, at_once, stop)
    elif os.environ.get(HOST_STORAGE):
        listening = listeners.in_storage(functions, app, os.environ, at_once)
    else:
        listening = listeners.without_storage(functions)
    webhooks = Webhooks(functions, listening.queues, listening.blob_queue)
    runner = web.AppRunner(
        front.make_app(front.Front(served, http, webhooks, access, container)),
        handle_signals=False,
        access_log=None,
        shutdown_timeout=_GRACE_SECONDS,
        auto_decompress=False,  # the app gets the body as it was sent, and no small body grows
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    _introduce(served, functions, [*notes, *listening.notes], url, data if access else None)
    await _until_stopped(stop, runner, listening)


async def _until_stopped(stop: asyncio.Event, runner: web.AppRunner, listening: listeners.Listeners) -> None:
    jobs = [asyncio.create_task(job) for job in listening.jobs]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *jobs], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    for job in jobs:
        job.cancel()
    try:
        async with asyncio.timeout(_GRACE_SECONDS + 1):
            # The requests last: functions that are still running read their blobs by them.
            ends = await asyncio.gather(*jobs, return_exceptions=True)
            await runner.cleanup()
            await asyncio.to_thread(worker.stop)
            await listening.close()
    except TimeoutError:
        console.say("Stopped while functions were still running")
        # Their threads cannot be ended, and a normal exit would wait for them.
        os._exit(0)
    for end in ends:
        if isinstance(end, Exception):
            raise end


def _listen(port: int) -> socket.socket:
    """Taken before the app is loaded, whose environment names the port; who connects early waits for the answer."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two servers share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"port {port} cannot be used ({reason}): give another one with --port") from error
    return listener


def _check_images(images: Path, data: Path) -> None:
    if not images.is_dir():
        raise StartError(f"{images} is not a folder of images")
    if data.resolve().is_relative_to(images.resolve()):
        raise StartError(f"the data folder {data} is in the images folder: its files would be taken for images")


def _container_name(functions: Sequence[Function]) -> str:
    """The container that the first blob function listens to."""
    named = (f.trigger.container for f in functions if isinstance(f.trigger, BlobTrigger))
    return next(named, os.environ.get("IMAGES_CONTAINER") or _DEFAULT_CONTAINER)


def _introduce(
    served: Sequence[front.Endpoint], functions: Sequence[Function], notes: Sequence[str], url: str, data: Path | None
) -> None:
    console.say("Functions:")
    for endpoint in served:
        methods = ",".join(sorted(endpoint.trigger.methods)) or "ANY"
        console.say(f"    {endpoint.function.name}: [{methods}] {url}/{endpoint.route.template}")
    for function in functions:
        if not isinstance(function.trigger, HttpTrigger):
            console.say(f"    {function.name}: {function.trigger.kind}")
    for note in notes:
        console.say(f"Note: {note}")
    if data:
        console.say(f"Access keys: {data / 'keys.json'}")
    console.say(f"Listening on {url}")


def _on_signals() -> asyncio.Event:
    """Returns the event that Ctrl-C and SIGTERM set; a second signal does not wait for anything."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        loop.call_soon_threadsafe(stop.set)  # wakes the loop, and through it whoever waits for the event

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 after a stop that was asked for, 1 when the app cannot be run."""
    options = _arguments(arguments)
    # Host and app share a process here, and in Azure they do not: with Python's usual 5 ms, each waits for the other.
    sys.setswitchinterval(0.0005)
    try:
        asyncio.run(_serve(options))
    except worker.AppError as error:
        if error.details:
            print(error.details, file=sys.stderr)
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    except (StartError, *_FOR_THE_READER) as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
