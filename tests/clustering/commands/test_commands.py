"""`python -m clustering` on the embedded store: vectors made by hand, and the sample photos where they count."""

import csv
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clustering.__main__ import main
from shared import backbone
from shared.blobs import Blob
from shared.ingest import feature_of
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.small_fits import at, feature
from tests.conftest import SAMPLES
from tests.servers.devhost import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with neither local.settings.json nor .local, and an environment that names no store."""
    for name in ("IMAGES_STORAGE", "IMAGES_STORAGE__blobServiceUri", "COSMOS_ENDPOINT", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store with two groups of four in the collection c, one image near none, and nothing fitted."""
    degrees = {f"c/{name}": 10 * group + n for n in range(4) for name, group in ((f"a{n}", 0), (f"b{n}", 6))}
    with closing(SqliteFeatureStore(tmp_path / "data/features.sqlite")) as store:
        for path, angle in (degrees | {"c/stray": 170}).items():
            store.upsert(feature(path, at(angle), model=backbone.MODEL))
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        code = main([command, "c", *arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def fitted(run: Run) -> Run:
    assert run("fit", "--eps", "0.01")[0] == 0
    return run


def as_json(answer: tuple[int, str, str]) -> Any:
    code, out, error = answer
    assert (code, error) == (0, "")
    return json.loads(out)


def labels(run: Run) -> Any:
    return as_json(run("export", "-"))


def test_a_fit_says_what_it_found_and_is_in_force(run: Run) -> None:
    code, out, _ = run("fit", "--eps", "0.01")
    assert code == 0
    assert "clusters: 2" in out
    assert "noise: 1" in out
    shown = as_json(run("show", "--json"))
    assert [(one["cluster"], one["size"], one["label"]) for one in shown["clusters"]] == [(0, 4, []), (1, 4, [])]
    assert shown["parameters"]["eps"] == 0.01


def test_the_options_reach_the_fit(run: Run) -> None:
    how = as_json(run("fit", "--min-samples", "5", "--max-images", "100", "--algorithm", "hdbscan", "--json"))
    assert how["parameters"] == how["parameters"] | {"algorithm": "hdbscan", "minSamples": 5, "maxImages": 100}
    run("fit", "--eps", "0.01")
    again = as_json(run("fit", "--noise-only", "--min-samples", "1", "--json"))
    assert again["parameters"]["noiseOnly"]
    assert [one["cluster"] for one in again["clusters"]][:2] == [0, 1]
    assert again["noise"] == 0


def test_eps_shows_the_curve_and_what_values_would_find_and_fits_nothing(run: Run) -> None:
    code, out, _ = run("eps")
    assert code == 0
    assert "3rd nearest, itself the first" in out
    assert "step back when the largest cluster jumps" in out
    assert "min_samples is 10, but there are 9 images" in run("eps", "--min-samples", "10")[1]
    assert "*" in out
    content = as_json(run("eps", "--min-samples", "2", "--json"))
    assert content["images"] == 9
    assert max(row["clusters"] for row in content["sweep"]) >= 2
    assert run("show")[0] == 2


def test_labels_are_set_added_removed_and_renamed(fitted: Run) -> None:
    fitted("label", "0", "dog", "柴犬")
    fitted("label", "0", "spitz", "--add")
    fitted("label", "1", "dog")
    assert labels(fitted) == {"0": ["dog", "柴犬", "spitz"], "1": ["dog"]}
    code, out, _ = fitted("rename", "dog", "hund")
    assert (code, out) == (0, "0: hund, 柴犬, spitz\n1: hund\n")
    fitted("label", "0", "柴犬", "--remove")
    assert labels(fitted) == {"0": ["hund", "spitz"], "1": ["hund"]}


def test_merged_clusters_are_one_from_then_on(fitted: Run) -> None:
    fitted("label", "0", "dog")
    assert fitted("merge", "1", "0")[0] == 0
    shown = as_json(fitted("show", "--json"))
    assert [(one["cluster"], one["size"]) for one in shown["clusters"]] == [(0, 8)]
    again = as_json(fitted("fit", "--eps", "0.01", "--json"))
    assert [(one["cluster"], one["label"]) for one in again["clusters"]] == [(0, ["dog"])]


def test_after_a_merge_the_numbers_agree_and_it_can_be_undone(fitted: Run) -> None:
    fitted("label", "1", "dog")
    said = "1 is part of 0 from now on, whose labels are: dog; `unmerge` undoes it\n"
    assert fitted("merge", "1", "0")[1] == said
    assert "clusters: 1 (1 merged by people)\n" in fitted("show")[1]
    assert "It was merged into 0." in fitted("label", "1", "x")[2]
    assert "there are 0." in fitted("label", "5", "x")[2]
    assert fitted("unmerge", "1")[1].startswith("1 stands for itself again")
    assert "clusters: 2\n" in fitted("show")[1]
    assert labels(fitted) == {"0": ["dog"], "1": []}


def test_a_word_that_is_not_there_cannot_be_removed(fitted: Run) -> None:
    fitted("label", "0", "dog", "pet")
    code, out, _ = fitted("label", "0", "dog", "cat", "--remove")
    assert (code, out) == (1, "0: pet\ncat was not among its labels\n")


def test_an_import_says_how_many_clusters_lost_their_labels(fitted: Run, tmp_path: Path) -> None:
    fitted("label", "1", "dog")
    (tmp_path / "labels.json").write_text('{"0": ["cat"]}')
    said = fitted("import", str(tmp_path / "labels.json"))[1]
    assert said == "1 cluster has labels; 1 cluster lost theirs\n"


def test_show_says_how_many_images_there_are_now(fitted: Run, data: Path) -> None:
    assert "images now" not in fitted("show")[1]
    with closing(SqliteFeatureStore(data / "features.sqlite")) as store:
        store.upsert(feature("c/late", at(3), model=backbone.MODEL))
    assert "images: 9\nimages now: 10;" in fitted("show")[1]


def test_labels_go_out_to_files_and_come_back(fitted: Run, tmp_path: Path) -> None:
    fitted("label", "0", "dog", "<script>")
    assert fitted("export", str(tmp_path / "labels.json"))[:2] == (0, f"{tmp_path / 'labels.json'}: 2 clusters\n")
    assert fitted("export", str(tmp_path / "images.csv"))[0] == 0
    with (tmp_path / "images.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"]: row["labels"] for row in rows if row["cluster"] == "0"} == {
        f"c/a{n}": "dog; <script>" for n in range(4)
    }
    assert len(rows) == 9
    assert (
        fitted("export", "-", "--format", "csv")[1].splitlines() == (tmp_path / "images.csv").read_text().splitlines()
    )
    fitted("label", "0", "cat")
    assert fitted("import", str(tmp_path / "labels.json"))[0] == 0
    assert labels(fitted) == {"0": ["dog", "<script>"], "1": []}


def test_names_cannot_steer_the_terminal(data: Path, fitted: Run, capsys: pytest.CaptureFixture[str]) -> None:
    fitted("label", "0", "\u202egod")
    assert "\u202e" not in fitted("show")[1]
    for command in (["show"], ["eps"], ["fit"], ["label", "0", "a"]):
        main([command[0], "\x1b[2J", *command[1:], "--data", str(data)])
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "x1b" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "--eps", "0"], " --eps takes"),
        (["fit", "--eps", "nan"], " --eps takes"),
        (["fit", "--eps", "2.5"], " --eps takes"),
        (["fit", "--eps", "0.3", "--algorithm", "hdbscan"], " --eps is for dbscan"),
        (["fit", "--min-samples", "0"], " --min-samples takes"),
        (["fit", "--min-samples", "1", "--algorithm", "hdbscan"], " --min-samples takes"),
        (["fit", "--max-images", "1"], " --max-images takes a whole number from 100 to"),
        (["eps", "--min-samples", "0"], " --min-samples takes"),
        (["label", "7", "dog"], "no cluster '7'"),
        (["label", "0", " "], "empty"),
        (["rename", "cat", "dog"], "No cluster is called cat"),
        (["merge", "0", "0"], "A cluster cannot be merged into itself."),
        (["unmerge", "0"], "is not merged"),
        (["import", "gone.json"], "gone.json"),
        (["import", "broken.json"], "not JSON"),
        (["import", "list.json"], "takes an object"),
        (["export", "no/such/folder.json"], "The folder no/such does not exist."),
        (["export", "labels.txt"], "neither in .json nor in .csv"),
        (["report", "no/such/page.html"], "The folder no/such does not exist."),
        (["report", "page.html", "--images", "gone"], "no folder"),
    ],
)
def test_a_mistake_is_one_line(fitted: Run, elsewhere: Path, arguments: list[str], said: str) -> None:
    (elsewhere / "broken.json").write_text("{")
    (elsewhere / "list.json").write_text("[]")
    before = fitted("show")
    code, out, error = fitted(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("clustering: ")
    assert said in error
    assert fitted("show") == before


def test_before_any_fit_every_command_says_what_to_do(run: Run) -> None:
    for arguments in (
        ["show"],
        ["export", "-"],
        ["assign", "photo.jpg"],
        ["report", "page.html"],
        ["rename", "a", "b"],
        ["label", "0", "a"],
        ["merge", "0", "1"],
        ["unmerge", "0"],
    ):
        code, _, error = run(*arguments)
        assert (code, error) == (
            2,
            "clustering: The collection c has no clusters yet. Begin with: python -m clustering fit c\n",
        )


def test_a_collection_without_images_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("fit", "eps"):
        assert main([command, "nobody", "--data", str(data)]) == 2
        said = capsys.readouterr().err
        assert re.search("holds (no|0) images of the model", said)
        assert f"in the folder {data} (--data names another one); collections there: c." in said


def test_a_folder_without_a_store_is_not_made_into_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "c", "--data", str(tmp_path / "typo")]) == 2
    assert "no feature store" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_data_and_cosmos_db_are_not_both(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COSMOS_ENDPOINT", "https://example.com")
    assert main(["show", "c", "--data", str(data)]) == 2
    assert "COSMOS_ENDPOINT" in capsys.readouterr().err


def test_the_store_is_what_local_settings_say(data: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "local.settings.json").write_text(json.dumps({"Values": {"DATA_DIR": str(data)}}))
    assert main(["fit", "c", "--eps", "0.01"]) == 0
    assert "clusters: 2" in capsys.readouterr().out


def test_a_report_without_the_images_says_so(fitted: Run, elsewhere: Path) -> None:
    code, out, _ = fitted("report", "page.html", "--images", str(elsewhere), "--png", "sheets")
    assert code == 1
    assert "9 pictures are missing, all of them: gone or broken" in out
    assert f"must contain the collection's folder: there is no image {elsewhere}/c/" in out
    assert (elsewhere / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(file.name for file in (elsewhere / "sheets").iterdir()) == [
        "cluster-0.png",
        "cluster-1.png",
        "noise.png",
    ]
    code, out, _ = fitted("report", "page.html")  # no settings name an images container
    assert code == 1
    assert "IMAGES_STORAGE" in out


def test_storage_that_refuses_connections_is_told_soon_with_what_to_do(
    fitted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{unused.getsockname()[1]}/account"
        key = "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=YWFh;BlobEndpoint="
        monkeypatch.setenv("IMAGES_STORAGE", key + where)
        began = time.monotonic()
        code, out, _ = fitted("report", "page.html", "--png", "sheets")
        assert time.monotonic() - began < 3  # the SDK's tries of a picture take longer
    assert code == 1
    assert "9 pictures are missing, all of them: Blob storage cannot be reached" in out
    assert "--images FOLDER" in out
    assert "/api/collections/c/clusters/report" in out


GROUPS = ("planets", "flowers", "hammers")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A store with the sample photos of three kinds, but for one flower."""
    with closing(SqliteFeatureStore(tmp_path / "data/features.sqlite")) as store:
        for file in sorted(file for group in GROUPS for file in (SAMPLES / "photos" / group).iterdir()):
            if file.name != "petunia.jpg":
                content = file.read_bytes()
                etag, path = hashlib.sha256(content).hexdigest()[:32], str(file.relative_to(SAMPLES))
                blob = Blob(path=path, etag=etag, modified=datetime(2026, 1, 1, tzinfo=UTC), tags={}, data=content)
                store.upsert(feature_of(blob, Settings()))
    return tmp_path / "data"


def test_from_photos_to_named_clusters_to_a_labelled_photo(
    photos: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: str, *arguments: str, code: int = 0) -> str:
        assert main([command, "photos", *arguments, "--data", str(photos)]) == code
        return capsys.readouterr().out

    run("fit")
    run("export", "images.csv")
    with (elsewhere / "images.csv").open(encoding="utf-8", newline="") as file:
        cluster = {row["path"]: row["cluster"] for row in csv.DictReader(file)}
    flowers = cluster["photos/flowers/daffodil.jpg"]
    run("label", flowers, "flower", "花")
    petunia, mill = SAMPLES / "photos/flowers/petunia.jpg", SAMPLES / "photos/windmills/kinderdijk.jpg"
    (elsewhere / "broken.jpg").write_bytes(petunia.read_bytes()[:3000])
    told = run("assign", str(petunia), str(mill), "broken.jpg", "gone.jpg", code=1).splitlines()
    assert told[0].startswith(f"{petunia}: cluster {flowers}, flower, 花 (distance 0.")
    assert told[1].startswith(f"{mill}: in no cluster (the nearest is ")
    assert told[2].startswith("broken.jpg: failed: The image is damaged")
    assert told[3] == "gone.jpg: failed: There is no file gone.jpg."
    answer = json.loads(run("assign", str(petunia), "--json"))
    assert (answer["photos"][0]["label"], answer["failed"]) == (["flower", "花"], [])
    run("report", "page.html", "--images", str(SAMPLES), "--png", "sheets")
    assert (elsewhere / "page.html").read_text().count("data:image/jpeg") > 12
    with Image.open(elsewhere / f"sheets/cluster-{flowers}.png") as sheet:
        assert sheet.width > 400


STOPPED = """
import os, runpy, signal
from clustering.commands import commands

def run_fit(*arguments, progress):
    def stop(phase, done):
        if phase == "putting it in force":
            os.kill(os.getpid(), signal.SIGINT)
        progress(phase, done)
    fit(*arguments, progress=stop)

fit, commands.run_fit = commands.run_fit, run_fit
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
runpy.run_module("clustering", run_name="__main__", alter_sys=True)
"""
"""`python -m clustering`, with a Ctrl-C at the last moment of a fit that was all written."""


def test_stopped_by_ctrl_c_the_fit_in_force_stays(fitted: Run, data: Path) -> None:
    before = fitted("show")
    done = subprocess.run(
        (sys.executable, "-c", STOPPED, "fit", "c", "--eps", "2", "--data", str(data)),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = "clustering: stopped; a fit that did not end leaves the one in force as it was\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert fitted("show") == before
    assert "clusters: 1" in fitted("fit", "--eps", "2")[1]


def test_a_reader_that_has_enough_and_a_terminal_of_another_alphabet_are_no_trouble(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "clustering", "show", "nowhere", "--data", str(tmp_path), "--json"]
    odd = [*command[:4], "\udcff", *command[5:]]
    refused = subprocess.run(odd, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.splitlines()[-1].endswith("no collection can be called so")) == (2, True)
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    shown = subprocess.run([*command[:4], "花", *command[5:]], cwd=ROOT, capture_output=True, env=env, check=False)
    assert shown.returncode == 2
    assert b"Traceback" not in shown.stderr
