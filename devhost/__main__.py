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

from devhost import blobs, console, front, keys, routes, settings, worker
from devhost.bindings import BindingError, BlobTrigger, EventGridTrigger, Function, read
from devhost.folder import Folder
from devhost.receipts import ReceiptsError

_GRACE_SECONDS = 5.0  # for what is running when the host is asked to stop
_DEFAULT_CONTAINER = "images"


class StartError(Exception):
    """The host cannot start; the message is for the reader of the console."""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devhost",
        description="Runs a Functions app: the real Python worker library under an imitated host. Development only.",
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
    url = f"http://localhost:{listener.getsockname()[1]}"
    console.start_logging(worker.current_function)
    settings.load_local_settings(app, os.environ)
    data = settings.data_folder(app, options.data, os.environ)
    if images:
        _check_images(images, data)
        os.environ.setdefault("IMAGES_STORAGE__blobServiceUri", url)
    http = settings.http_settings(app)

    functions, notes = read(await worker.load(app), os.environ)
    served = front.endpoints(functions, http.prefix)
    access = keys.open_keys(data / "keys.json", [e.function.name for e in served]) if options.enable_auth else None
    container = blobs.Container(images.resolve(), _container_name(functions), url) if images else None
    runner = web.AppRunner(
        front.make_app(front.Front(served, http, access, container)),
        handle_signals=False,
        access_log=None,
        shutdown_timeout=_GRACE_SECONDS,
        auto_decompress=False,  # the app gets the body as it was sent, and no small body grows
    )
    folder = Folder(container, functions, data, stop) if container else None
    await runner.setup()
    await web.SockSite(runner, listener).start()
    _introduce(served, functions, [*notes, *_left_out(functions, container)], url, data if access else None)

    watching = asyncio.create_task(folder.run()) if folder else None
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task for task in (watching, stopping) if task], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    try:
        async with asyncio.timeout(_GRACE_SECONDS + 1):
            await asyncio.gather(runner.cleanup(), *([watching] if watching else []))
            await asyncio.to_thread(worker.stop)
    except TimeoutError:
        console.say("Stopped while functions were still running")
        # Their threads cannot be ended, and a normal exit would wait for them.
        os._exit(0)


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


def _left_out(functions: Sequence[Function], container: blobs.Container | None) -> list[str]:
    if not container:
        waiting = [f.name for f in functions if isinstance(f.trigger, BlobTrigger | EventGridTrigger)]
        return [f"{name}: never runs without --images" for name in waiting]
    return [
        f"{f.name}: never runs, --images stands for the container {container.name}, not {f.trigger.container}"
        for f in functions
        if isinstance(f.trigger, BlobTrigger) and f.trigger.container != container.name
    ]


def _introduce(
    served: Sequence[front.Endpoint], functions: Sequence[Function], notes: Sequence[str], url: str, data: Path | None
) -> None:
    console.say("Functions:")
    for endpoint in served:
        methods = ",".join(sorted(endpoint.trigger.methods)) or "ANY"
        console.say(f"    {endpoint.function.name}: [{methods}] {url}/{endpoint.route.template}")
    for function in functions:
        if isinstance(function.trigger, BlobTrigger):
            console.say(f"    {function.name}: blobTrigger")
        elif isinstance(function.trigger, EventGridTrigger):
            console.say(f"    {function.name}: eventGridTrigger")
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
    try:
        asyncio.run(_serve(options))
    except worker.AppError as error:
        if error.details:
            print(error.details, file=sys.stderr)
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    except (
        StartError,
        settings.SettingsError,
        BindingError,
        routes.RouteError,
        keys.KeysError,
        ReceiptsError,
    ) as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
