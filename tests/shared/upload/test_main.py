"""The command itself: arguments, settings, what stops it, and what it prints."""

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from azure.storage.blob import AccountSasPermissions, ContainerClient, ResourceTypes, generate_account_sas

from shared.settings import Settings
from shared.upload.__main__ import main
from shared.upload.run import _in_threads
from tests.pictures import encoded as picture
from tests.pictures import stripes
from tests.servers.azurite import AzuriteServer
from tests.servers.devhost import ROOT
from tests.shared.upload.conftest import Upload

PHOTO = picture(stripes(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    (root / "rex.png").write_bytes(PHOTO)
    return root


AS_MODULE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("shared.upload", run_name="__main__", alter_sys=True)
"""
"""`python -m shared.upload`, also where tests run in the background of a shell, which has SIGINT ignored."""


def test_stopped_by_ctrl_c_it_goes_on_where_it_was(
    upload: Upload,
    tmp_path: Path,
    azurite_server: AzuriteServer,
    images_settings: Settings,
    images_container: ContainerClient,
) -> None:
    photos = 150
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(photos):
        (folder / f"{n}.png").write_bytes(PHOTO)
    # The process of a laptop's user: nothing in its environment, and the settings in a file.
    values = {"IMAGES_STORAGE": images_settings.images_connection, "IMAGES_CONTAINER": images_settings.images_container}
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGES_")}
    begun = threading.Event()
    arguments = (sys.executable, "-c", AS_MODULE, str(folder), "--collection", "dogs", "--at-once", "2")
    with (
        azurite_server.listening(
            lambda line: begun.set() if f"{images_settings.images_container}/dogs" in line else None
        ),
        subprocess.Popen(
            arguments,
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert begun.wait(60)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (2, "", "upload: stopped; run it again to go on\n")
    done = len(list(images_container.list_blob_names()))
    assert 0 < done < photos
    code, report = upload(folder)
    assert (code, report["unchanged"], report["uploaded"]) == (0, done, photos - done)


def test_a_container_that_is_not_there_is_made(
    upload: Upload, folder: Path, environment: pytest.MonkeyPatch, azurite_server: AzuriteServer
) -> None:
    name = f"images-{uuid.uuid4().hex}"
    environment.setenv("IMAGES_CONTAINER", name)
    assert upload(folder)[0] == 0
    with azurite_server.blobs() as service:
        assert list(service.get_container_client(name).list_blob_names()) == ["dogs/rex.png"]


def shared_access(server: AzuriteServer, permissions: set[str]) -> str:
    """A connection string with a token in place of the key."""
    token = generate_account_sas(
        server.account,
        server.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(**dict.fromkeys(permissions, True)),
        datetime.now(UTC) + timedelta(hours=1),
    )
    return f"BlobEndpoint={server.blob_url};SharedAccessSignature={token}"


def test_a_token_that_may_write_is_enough(
    upload: Upload, folder: Path, environment: pytest.MonkeyPatch, azurite_server: AzuriteServer
) -> None:
    environment.setenv("IMAGES_STORAGE", shared_access(azurite_server, {"write", "list"}))
    assert upload(folder)[0] == 0


@pytest.mark.parametrize(
    ("permissions", "exists", "reason"),
    [
        ({"read", "list"}, False, "cannot be made"),
        ({"read", "list"}, True, "refuses"),
        ({"read"}, True, "refuses"),
    ],
)
def test_what_a_token_does_not_allow_is_one_line_without_the_token(
    permissions: set[str],
    exists: bool,
    reason: str,
    folder: Path,
    environment: pytest.MonkeyPatch,
    azurite_server: AzuriteServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = shared_access(azurite_server, permissions)
    environment.setenv("IMAGES_STORAGE", connection)
    if not exists:
        environment.setenv("IMAGES_CONTAINER", f"none-{uuid.uuid4().hex}")
    assert main([str(folder), "--collection", "dogs"]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert connection.partition("sig=")[2][:20] not in error


KEY = "aHVudGVyMg=="


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("IMAGES_STORAGE", "AccountName={account};AccountKey={key};BlobEndpoint={url}", "refuses"),
        ("IMAGES_STORAGE", "AccountName={account};AccountKey=no {key};BlobEndpoint={url}", "refuses"),
        ("IMAGES_STORAGE", "AccountName=a;AccountKey={key};BlobEndpoint=http://127.0.0.1:9/a", "cannot be reached"),
        ("IMAGES_STORAGE", "AccountKey={key}", "not a connection string"),
        ("IMAGES_STORAGE__blobServiceUri", "http://127.0.0.1:9/?sig={key}", "no https url"),
        ("IMAGES_CONTAINER", "No_Container", "cannot be listed"),
        ("MAX_IMAGE_MB", "much", "MAX_IMAGE_MB takes a number"),
        ("OTHER", "", "does not know where the images are"),
    ],
)
def test_storage_that_cannot_be_used_is_one_line_without_the_key(
    name: str,
    value: str,
    reason: str,
    folder: Path,
    environment: pytest.MonkeyPatch,
    azurite_server: AzuriteServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name not in {"IMAGES_CONTAINER", "MAX_IMAGE_MB"}:
        environment.delenv("IMAGES_STORAGE")
    environment.setenv(name, value.format(account=azurite_server.account, url=azurite_server.blob_url, key=KEY))
    assert main([str(folder), "--collection", "dogs"]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert KEY not in error


def test_the_environment_wins_over_local_settings(
    upload: Upload, folder: Path, environment: pytest.MonkeyPatch, images_settings: Settings
) -> None:
    wrong = {"IMAGES_STORAGE": "wrong", "IMAGES_STORAGE__blobServiceUri": "wrong", "IMAGES_CONTAINER": "wrong"}
    Path("local.settings.json").write_text(json.dumps({"Values": wrong}))
    assert upload(folder)[0] == 0
    # A container by itself does not say where the images are: the account is the file's.
    environment.delenv("IMAGES_STORAGE")
    right = wrong | {"IMAGES_STORAGE": images_settings.images_connection}
    Path("local.settings.json").write_text(json.dumps({"Values": right}))
    assert upload(folder)[1]["unchanged"] == 1


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"Values": 1}', '{"IsEncrypted": true, "Values": {"a": "b"}}'])
def test_local_settings_that_cannot_be_read_are_one_line(
    content: str, folder: Path, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("IMAGES_STORAGE")
    Path("local.settings.json").write_text(content)
    assert main([str(folder), "--collection", "dogs"]) == 2
    error = capsys.readouterr().err
    assert "local.settings.json" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--collection", "a/b"), "one folder's name"),
        (("--collection", ""), "one folder's name"),
        (("--collection", ".."), "one folder's name"),
        (("--collection", "a\\b"), "one folder's name"),
        (("--metadata", "no-identifier=x"), "letters, digits and underscores"),
        (("--metadata", "名前=x"), "letters, digits and underscores"),
        (("--metadata", "=x"), "letters, digits and underscores"),
        (("--metadata", "a"), "is empty"),
        (("--metadata", "a= "), "is empty"),
        (("--metadata", "a=two\nlines"), "line break"),
        (("--metadata", "a=two\u2028lines"), "line break"),
        (("--metadata", "a=1", "--metadata", "A=2"), "given twice"),
        (("--metadata", "a=" + "犬" * 2100), "longer than the 8192"),
        (("--at-once", "0"), "from 1 to 100"),
        (("--at-once", "101"), "from 1 to 100"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_uploaded(
    arguments: tuple[str, ...],
    reason: str,
    folder: Path,
    images_container: ContainerClient,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(folder), "--collection", "dogs", *arguments])
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err
    assert list(images_container.list_blob_names()) == []


def test_a_list_gives_label_and_source_itself(
    tmp_path: Path, environment: pytest.MonkeyPatch, folder: Path, upload: Upload
) -> None:
    assert upload(folder, "--metadata", "Label=dog")[0] == 0
    with pytest.raises(SystemExit):
        main([str(tmp_path / "list.txt"), "--collection", "dogs", "--metadata", "Label=dog"])


def test_people_read_at_most_50_failures_and_no_control_characters(
    upload: Upload, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.txt"
    file.write_text("no tab\n" * 60)
    assert main([str(file), "--collection", "dogs"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == ["collection: dogs", "uploaded: 0 (0.0 MB)", "unchanged: 0", "left out: 0", "failed: 60"]
    assert lines[5] == "  line 1: There is no label with a tab and a url behind it."
    assert lines[-1] == "  and 10 more: --json lists all"
    assert len(lines) == 56
    assert len(upload(file)[1]["failed"]) == 60
    (folder / "red\x1b[31m.png").write_bytes(PHOTO)
    assert main([str(folder), "--collection", "dogs"]) == 1
    out = capsys.readouterr().out
    assert f"uploaded: 1 ({len(PHOTO) / 1e6:.1f} MB)" in out
    assert "\\x1b[31m" in out
    assert "\x1b" not in out


def test_work_is_drawn_as_it_is_done_and_a_few_at_a_time() -> None:
    busy = most = drawn = 0
    lock, together = threading.Lock(), threading.Barrier(3)

    def work(item: int) -> int:
        nonlocal busy, most, drawn
        with lock:
            busy, drawn = busy + 1, drawn + 1
            most = max(most, busy)
        if item < 3:
            together.wait(30)  # so three are under way at once
        with lock:
            busy -= 1
        return item

    done = _in_threads(work, count(), 3)  # there is no end of them
    seen = [future.result() for _, (_, future) in zip(range(50), done, strict=False)]
    done.close()
    assert len(set(seen)) == 50
    assert most == 3
    assert drawn <= 50 + 2 * 3
