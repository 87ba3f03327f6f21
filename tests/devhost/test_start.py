"""Start and stop: what the environment is, and what is said when the app cannot be run."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from azure.storage.blob import BlobServiceClient

from devhost import settings
from tests.devhost.apps import write_app
from tests.servers.devhost import ROOT, running, start_command

_ENVIRONMENT_APP = """
import json
AT_IMPORT = dict(os.environ)

@app.route(route="environment")
def environment(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({**AT_IMPORT, "cwd": os.getcwd()}))
"""

_WAITING_APP = """
@app.route(route="wait")
def wait(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("waiting")
    return func.HttpResponse(Path(os.environ["GATE"]).read_text())
"""


def _run(app: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = start_command(app, *arguments)
    environment = {**os.environ, **(env or {})}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_environment_of_the_app(tmp_path: Path) -> None:
    values = {"FROM_FILE": "file", "SET_ALREADY": "file", "NUMBER": 3}
    app = write_app(tmp_path / "app", _ENVIRONMENT_APP, local_settings_json=json.dumps({"Values": values}))
    images = tmp_path / "images"
    images.mkdir()
    (images / "a b.jpg").write_text("picture")
    arguments = ["--images", str(images), "--data", os.path.relpath(tmp_path / "data", ROOT)]
    outside = {"SET_ALREADY": "outside", "IMAGES_STORAGE": "else", "IMAGES_STORAGE__blobServiceUri": "http://else"}
    with running(app, *arguments, env=outside) as host:
        seen = httpx.get(f"{host.url}/api/environment").json()
        with BlobServiceClient.from_connection_string(seen["IMAGES_STORAGE"], use_env_settings=False) as storage:
            assert storage.get_blob_client("images", "a b.jpg").download_blob().readall() == b"picture"
    assert seen["FROM_FILE"] == "file"
    assert seen["SET_ALREADY"] == "outside"
    assert seen["NUMBER"] == "3"
    assert seen["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"
    assert seen["DATA_DIR"] == str(tmp_path / "data")
    assert "IMAGES_STORAGE__blobServiceUri" not in seen
    assert seen["cwd"] == str(app)


def test_a_data_folder_that_is_set_already_wins_for_the_app(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", _ENVIRONMENT_APP)
    with running(app, "--data", str(tmp_path / "hosts"), env={"DATA_DIR": str(tmp_path / "apps")}) as host:
        assert httpx.get(f"{host.url}/api/environment").json()["DATA_DIR"] == str(tmp_path / "apps")


def test_introduction_lists_the_functions(tmp_path: Path) -> None:
    app = write_app(
        tmp_path,
        """
        @app.route(route="things/{id:int}", methods=["PUT", "POST"])
        def things(req: func.HttpRequest) -> func.HttpResponse: ...

        @app.blob_trigger(arg_name="blob", path="%CONTAINER%/{name}", connection="STORAGE", source="EventGrid")
        def blobs(blob: func.InputStream) -> None: ...

        @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
        def clock(timer: func.TimerRequest) -> None: ...

        @app.cosmos_db_trigger(arg_name="found", container_name="c", database_name="d", connection="C")
        def things_db(found: func.DocumentList) -> None: ...
        """,
    )
    with running(app, env={"CONTAINER": "images"}) as host:
        assert f"    things: [POST,PUT] {host.url}/api/things/{{id:int}}" in host.lines
        assert "    blobs: blobTrigger" in host.lines
        assert "    clock: timerTrigger" in host.lines
        assert "Note: things_db: a cosmosDBTrigger binding is not imitated here: so it never runs" in host.lines
        assert "Note: blobs: never runs without --images or the setting AzureWebJobsStorage" in host.lines
        assert sum(line.startswith("Listening on ") for line in host.lines) == 1
        assert httpx.get(f"{host.url}/admin/host/status").json()["state"] == "Running"
        root = httpx.get(host.url)
        assert root.status_code == 200
        assert root.headers["content-type"].startswith("text/plain")


def test_import_error_shows_the_apps_own_traceback(tmp_path: Path) -> None:
    result = _run(write_app(tmp_path, "import no_such_module_at_all"))
    assert result.returncode == 1
    assert (
        "devhost: function_app.py cannot be loaded: ModuleNotFoundError: No module named 'no_such_mod" in result.stderr
    )
    assert "import no_such_module_at_all" in result.stderr
    assert "requirements.txt" not in result.stderr
    assert "Listening" not in result.stdout


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "declares no functions"),
        (
            "@app.blob_trigger(arg_name='blob', path='%NO_SUCH%/{name}', connection='S')\n"
            "def f(blob: func.InputStream) -> None: ...",
            "f: '%NO_SUCH%/{name}' names the setting NO_SUCH, which is not set",
        ),
        (
            "@app.route(route='x/{id:regex(a)}')\ndef f(req: func.HttpRequest) -> str: ...",
            "not understood here",
        ),
    ],
)
def test_an_app_that_cannot_run_is_refused(tmp_path: Path, code: str, message: str) -> None:
    result = _run(write_app(tmp_path, code))
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]


def test_the_traceback_is_whole(tmp_path: Path) -> None:
    code = """
    try:
        {}["cause"]
    except KeyError:
        raise RuntimeError("effect")
    """
    errors = _run(write_app(tmp_path, code)).stderr
    assert errors.index('{}["cause"]') < errors.index("During handling") < errors.index('raise RuntimeError("effect")')


def test_missing_app(tmp_path: Path) -> None:
    result = _run(tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "there is no function_app.py" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("host_json", "{", "host.json is not JSON"),
        ("host_json", '{"extensions": {"http": [1]}}', "http must be an object"),
        ("host_json", '{"extensions": {"http": {"routePrefix": 1}}}', "routePrefix must be text"),
        ("local_settings_json", "[]", "local.settings.json must hold a JSON object"),
        ("local_settings_json", '{"Values": 1}', "Values must be an object"),
        ("local_settings_json", '{"IsEncrypted": true}', "encrypted"),
    ],
)
def test_bad_settings(tmp_path: Path, name: str, content: str, message: str) -> None:
    app = write_app(tmp_path, "", **{name: content})
    use = settings.http_settings if name == "host_json" else lambda app: settings.load_local_settings(app, {})
    with pytest.raises(settings.SettingsError, match=message):
        use(app)


def test_how_much_runs_at_once(tmp_path: Path) -> None:
    usual = 4 * (os.process_cpu_count() or 1)
    assert settings.trigger_settings(tmp_path) == settings.TriggerSettings(usual, usual)
    app = write_app(tmp_path, "", host_json='{"extensions": {"blobs": {"maxDegreeOfParallelism": 3}}}')
    assert settings.trigger_settings(app) == settings.TriggerSettings(3, usual)


@pytest.mark.parametrize("number", ["0", "-1", "true", '"4"', "2.5"])
def test_how_much_must_be_a_number(tmp_path: Path, number: str) -> None:
    app = write_app(tmp_path, "", host_json=f'{{"extensions": {{"queues": {{"batchSize": {number}}}}}}}')
    with pytest.raises(settings.SettingsError, match="batchSize must be whole numbers"):
        settings.trigger_settings(app)


def test_a_relative_data_folder_is_the_apps_unless_it_is_an_argument(tmp_path: Path) -> None:
    assert settings.data_folder(tmp_path, None, {"DATA_DIR": "here"}) == tmp_path / "here"
    assert settings.data_folder(tmp_path, None, {}) == tmp_path / ".local"
    there = tmp_path / "there"
    assert settings.data_folder(tmp_path, Path(os.path.relpath(there)), {}) == there


def test_bad_settings_end_the_start(tmp_path: Path) -> None:
    result = _run(write_app(tmp_path, _WAITING_APP, host_json="{"))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("devhost: host.json is not JSON")


def test_bad_images_folders(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", _WAITING_APP)
    missing = _run(app, "--images", str(tmp_path / "none"))
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "is not a folder of images" in missing.stderr
    inside = _run(app, "--images", str(tmp_path), "--data", str(tmp_path / "data"))
    assert inside.returncode == 1
    assert "is in the images folder" in inside.stderr


@pytest.mark.parametrize("secret", ["AccountKey=secret", "secret"])
def test_storage_that_cannot_be_named(tmp_path: Path, secret: str) -> None:
    result = _run(write_app(tmp_path, _WAITING_APP), env={"AzureWebJobsStorage": secret})
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("devhost: the setting AzureWebJobsStorage is not a connection string")
    assert "secret" not in result.stderr


def test_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = _run(write_app(tmp_path, _WAITING_APP), "--port", str(port))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"port {port} cannot be used" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_lets_a_running_invocation_finish(tmp_path: Path, number: signal.Signals) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    app = write_app(tmp_path / "app", _WAITING_APP)
    answers: list[httpx.Response] = []
    with running(app, env={"GATE": str(gate)}) as host:
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{host.url}/api/wait", timeout=30)))
        asking.start()
        with gate.open("w") as opened:  # returns once the function has opened the other end
            host.process.send_signal(number)
            _wait_until_refused(host.url)
            opened.write("done")
        asking.join()
        assert host.process.wait(timeout=15) == 0
        assert not any("Traceback" in line for line in host.lines)
    assert answers[0].text == "done"


def test_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    # Instead of five seconds: the host runs the app's code in its own process.
    hasty = "import sys\nsys.modules['__main__']._GRACE_SECONDS = 0.5\n"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with running(write_app(tmp_path / "app", hasty + _WAITING_APP), env={"GATE": str(gate)}) as host:
        address = urlsplit(host.url)
        connection = http.client.HTTPConnection("127.0.0.1", address.port or 0)
        connection.request("GET", "/api/wait")
        host.wait_for("waiting")
        assert host.stop() == 0  # within its own 15 seconds, or it raises
        host.wait_for("Stopped while functions were still running")
        assert not any("Traceback" in line for line in host.lines)
        connection.close()


def _wait_until_refused(url: str) -> None:
    port = urlsplit(url).port
    for _ in range(2000):
        try:
            socket.create_connection(("127.0.0.1", port or 0), timeout=1).close()
        except ConnectionRefusedError:
            return
        threading.Event().wait(0.005)
    raise AssertionError("the host still accepts connections")
