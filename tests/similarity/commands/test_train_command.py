"""`python -m similarity train` and `rankers` on the embedded store."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.sqlite.store import SqliteFeatureStore
from similarity.__main__ import main
from tests.similarity.ranking.examples import noise, planted, put_labelled

Run = Callable[..., tuple[int, str, str]]

LABELS = ["cat", "cow", "dog"] * 8


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with labels that tell something in the collection c, and some that are noise in the collection n."""
    for name in ("IMAGES_STORAGE", "IMAGES_STORAGE__blobServiceUri", "COSMOS_ENDPOINT", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with closing(SqliteFeatureStore(tmp_path / "data/features.sqlite")) as store:
        put_labelled(store, [*LABELS, "alone"], planted([*LABELS, "alone"]))
        put_labelled(store, LABELS, noise(24), "n")
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def as_json(given: tuple[int, str, str]) -> Any:
    code, out, error = given
    assert (code, error) == (0, "")
    return json.loads(out)


def test_a_training_says_what_came_of_it(run: Run) -> None:
    code, out, _ = run("train", "c")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "projection learned 3 labels from 24 images"
    assert lines[1] == "left out, for a label takes two images: alone"
    assert "measured on 12 images that were held back; means of 5 halvings" in lines
    assert [line.split()[-1] for line in lines if line.startswith(("0.", "1.")) and not line[-1].isdigit()] == [
        "random",
        "cosine",
        "projection",
    ]
    assert "better than cosine from 3 examples of a label on, 9 images in all" in lines
    assert lines[-1] == "switched on"
    listed = run("rankers", "c")[1]
    assert "projection: switched on; 3 labels and 24 images, folder, 20" in listed
    assert as_json(run("rankers", "c", "--json"))["on"] == "projection"
    assert (
        as_json(run("train", "c", "--seed", "1", "--json"))["figures"]
        != as_json(run("train", "c", "--json"))["figures"]
    )


def test_noise_is_not_switched_on_and_nobody_can(run: Run) -> None:
    code, out, _ = run("train", "n", "--ranker", "svm")
    assert code == 0
    assert "there is no size from which on it beats cosine by more than chance" in out
    assert "not switched on: on images that it did not learn from it does not beat cosine" in out.splitlines()[-1]
    code, _, error = run("rankers", "n", "--on", "svm")
    assert code == 2
    assert error.startswith("similarity: The ranker svm cannot be switched on: on images that it did not learn from")
    assert "cannot be switched on" in run("rankers", "n")[1]


def test_rankers_are_switched_and_deleted(run: Run) -> None:
    assert run("rankers", "c")[1] == ("The collection c has no ranker yet. Begin with: python -m similarity train c\n")
    report = as_json(run("train", "c", "--json"))
    assert (report["on"], report["source"]) == (True, "folder")
    assert "projection: off" in run("rankers", "c", "--off")[1]
    assert "projection: switched on" in run("rankers", "c", "--on", "projection")[1]
    assert as_json(run("rankers", "c", "--delete", "projection", "--json"))["rankers"] == []
    code, _, error = run("rankers", "c", "--on", "projection")
    assert code == 2
    assert "python -m similarity train COLLECTION --ranker projection" in error


def test_labels_are_read_from_a_table(run: Run, tmp_path: Path) -> None:
    lines = [f"c/{label}/{n:03}.jpg,{label.upper()}" for n, label in enumerate(LABELS)]
    file = tmp_path / "labels.csv"
    file.write_text("\ufeff" + "\n".join(["path,label", *lines, "c/gone,CAT"]), "utf-8")
    by_table = as_json(run("train", "c", "--labels", str(file), "--json"))
    assert by_table["leftOut"]["notThere"] == {"count": 1, "some": ["c/gone"]}
    assert by_table["source"] == "given"
    assert by_table["figures"] == as_json(run("train", "c", "--json"))["figures"]
    assert "not in the collection: c/gone" in run("train", "c", "--labels", str(file))[1]
    other = file.rename(tmp_path / "labels.txt")
    assert as_json(run("train", "c", "--labels", str(other), "--json"))["figures"] == by_table["figures"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["c", "--labels", "folders"], "There is no file folders."),
        (["c", "--labels", "large.csv"], "large.csv is larger than 100 MB."),
        (["c", "--labels", "gone.csv"], "There is no file gone.csv."),
        (["c", "--labels", "wrong.csv"], "Line 1 is not a path and a label"),
        (["c", "--labels", "binary.csv"], "binary.csv is no text in UTF-8."),
        (["c", "--labels", "tag:"], "--labels takes folder|tag:NAME|FILE.csv, not tag:."),
        (["c", "--labels", "tag:x"], "has the tag 'x'. Tags there: none."),
        (["nowhere"], "The collection nowhere holds no images. The store is in the folder"),
    ],
)
def test_a_training_that_cannot_be_ends_with_a_line(run: Run, tmp_path: Path, arguments: list[str], why: str) -> None:
    (tmp_path / "wrong.csv").write_text("cat;dog\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(100_000_001)  # a hole: it takes no place
    code, out, error = run("train", *arguments)
    assert (code, out) == (2, "")
    assert error.startswith("similarity: ")
    assert why in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--seed", "x"], ["--ranker", "l2"], ["--seed", str(2**31)]])
def test_options_that_cannot_be(run: Run, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("train", "c", *arguments)
    assert arguments[0] in capsys.readouterr().err
