"""`python -m similarity evaluate`: of folders with sample photos, and of a collection made by hand."""

import csv
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import backbone
from shared.features import DIMENSIONS, Feature, Vector
from shared.sqlite.store import SqliteFeatureStore
from similarity.__main__ import main
from similarity.commands import changed_photos, evaluate_command, labelled_images
from tests.conftest import SAMPLES
from tests.pages import Page
from tests.similarity.evaluation.groups import groups

Run = Callable[..., tuple[int, str, str]]

PHOTOS = dict.fromkeys(("fish", "flowers", "planets"), 4)
FEW = ("--rankers", "cosine", "--no-duplicates")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with neither local.settings.json nor .local, and an environment that names no store."""
    for name in ("IMAGES_STORAGE", "IMAGES_STORAGE__blobServiceUri", "COSMOS_ENDPOINT", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main(["evaluate", *map(str, arguments)])
        except SystemExit as error:  # argparse
            code = int(str(error.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos of each of three labels."""
    for label, count in PHOTOS.items():
        (tmp_path / "photos" / "all" / label).mkdir(parents=True)
        for photo in sorted((SAMPLES / "photos" / label).iterdir())[:count]:
            shutil.copy(photo, tmp_path / "photos" / "all" / label)
    return tmp_path / "photos"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store with the collection c: folders a, b, d, which are their labels; the tag `kind` says something else."""
    labels, vectors = groups({"a": 5, "b": 5, "d": 5}, spread=0.3)
    with closing(SqliteFeatureStore(tmp_path / "data" / "features.sqlite")) as store:
        for n, (label, few) in enumerate(zip(labels, vectors, strict=True)):
            store.upsert(feature(f"c/{label}/{n}.jpg", few, kind="odd" if n % 2 else "even"))
    return tmp_path / "data"


def feature(path: str, few: Vector, **tags: str) -> Feature:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[: len(few)] = few
    return Feature(
        path=path,
        etag="1",
        modified=datetime(2026, 1, 2, tzinfo=UTC),
        model=backbone.MODEL,
        embedding=vector,
        pixel_hash="0" * 16,
        size=1,
        tags=tags,
    )


def as_json(answer: tuple[int, str, str]) -> Any:
    code, out, error = answer
    assert (code, error) == (0, "")
    return json.loads(out)


def test_a_folder_is_measured_without_any_store(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_photos, "PHOTOS", 4)
    page, table = tmp_path / "report.html", tmp_path / "report.csv"
    code, out, error = run(photos, "--html", page, "--csv", table)
    assert (code, error) == (0, "")
    assert (
        "12 images with 3 labels, 6 to learn from and 6 to measure on: 6 sets of a query, 1 of its label, and 4" in out
    )
    for ranker in ("random", "l2", "cosine", "svm", "projection"):
        assert f"  {ranker}\n" in out
    assert "duplicates of 4 photos" in out
    assert "crop 80 %" in out
    html = Page(page.read_text(encoding="utf-8"))
    assert str(photos) in html.text
    assert "Duplicates" in html.text
    assert {image["alt"] for image in html.all("img")} <= {
        file.relative_to(photos).as_posix() for file in photos.rglob("*.jpg")
    }
    assert len(html.all("img")) >= 3 * 3
    assert "missing" not in html.text
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 5 * (1 + 3)
    assert not list(tmp_path.rglob("*.sqlite"))


def test_the_json_has_everything_and_is_the_same_again(run: Run, photos: Path) -> None:
    first, again, other = (as_json(run(photos, "--json", *FEW, "--seed", seed)) for seed in ("0", "0", "3"))
    assert first == again
    assert first["seed"] != other["seed"]
    assert first["labels"] == PHOTOS
    assert [(one["ranker"], one["model"]) for one in first["runs"]] == [("cosine", backbone.MODEL)]
    assert (first["duplicates"], first["failed"], first["notes"]) == (None, [], [])


def test_duplicates_of_some_photos_are_measured_by_change(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_photos, "PHOTOS", 3)
    answer = as_json(run(photos, "--json", "--rankers", "cosine"))
    assert answer["notes"] == []
    found = answer["duplicates"]
    assert found["photos"] == 3
    assert found["total"]["asked"] == 3 * 7
    assert found["total"]["recall"] > 0.9
    assert {"change", "asked", "right", "wrong", "recall", "precision"} == found["changes"][0].keys()


def test_photos_that_are_the_same_before_any_change_are_named(run: Run, tmp_path: Path) -> None:
    fish, *others = sorted((SAMPLES / "photos/fish").iterdir())[:4]
    for name, photo in zip(("a/1", "a/2", "a/3", "b/4", "b/twin"), (fish, *others, fish), strict=True):
        (tmp_path / "twins" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "twins" / f"{name}.jpg")
    found = as_json(run(tmp_path / "twins", "--json", "--rankers", "cosine"))
    assert found["notes"] == [
        "1 pair of 5 photos is taken for the same picture before any change, and what is found of it counts as wrong "
        "among the duplicates, even where it is right: a/1.jpg and b/twin.jpg"
    ]
    assert found["duplicates"]["total"]["wrong"] >= 2 * 4


def test_a_collection_is_measured_from_what_is_stored(run: Run, data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "c" / "a").mkdir(parents=True)
    shutil.copy(SAMPLES / "photos/fish/pompano.jpg", images / "c" / "a" / "0.jpg")
    found = as_json(run("c", "--data", data, "--json", "--rankers", "l2"))
    assert found["labels"] == {"a": 5, "b": 5, "d": 5}
    assert found["duplicates"] is None
    odd = as_json(run("c", "--data", data, "--json", "--rankers", "l2", "--labels", "tag:kind"))
    assert odd["labels"] == {"even": 8, "odd": 7}
    page = tmp_path / "c.html"
    code, out, _ = run("c", "--data", data, "--rankers", "cosine", "--html", page, "--images", images)
    assert code == 0
    assert f"Written: {page}" in out
    assert "pictures are missing: gone or broken" in out
    assert "pictures are missing: gone or broken" in Page(page.read_text(encoding="utf-8")).text
    _, out, _ = run("c", "--data", data, "--rankers", "cosine", "--html", page)
    assert "--images FOLDER takes them from a folder" in out


def test_a_table_of_labels_is_taken_and_what_is_not_there_is_told(run: Run, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    paths = sorted(file.relative_to(photos).as_posix() for file in photos.rglob("*.jpg"))
    lines = [f"{path},{'one' if n % 2 else 'other'}" for n, path in enumerate(paths[:10])]
    table.write_text("\n".join(["path,label", *lines, "all/gone.jpg,one", "all/fish/alone.jpg,two"]), encoding="utf-8")
    found = as_json(run(photos, "--json", *FEW, "--labels", table))
    assert found["labels"] == {"one": 5, "other": 5}
    assert found["notes"] == [
        f"2 images have no label: {paths[10]}, {paths[11]}",
        "2 images have a label, but are not there: all/gone.jpg, all/fish/alone.jpg",
    ]


def test_another_model_is_compared_on_the_images_that_it_knows(run: Run, photos: Path, tmp_path: Path) -> None:
    paths = sorted(file.relative_to(photos).as_posix() for file in photos.rglob("*.jpg"))
    known = [path for path in paths if "pompano" not in path and path != paths[0]]
    np.savez(
        tmp_path / "v.npz",
        paths=known,
        vectors=1.0 * np.array([[f"/{label}/" in path for label in PHOTOS] for path in known]),
    )
    found = as_json(run(photos, "--json", *FEW, "--vectors", f"mine={tmp_path / 'v.npz'}"))
    assert [one["model"] for one in found["runs"]] == [backbone.MODEL, "mine"]
    assert found["images"] == len(known)
    assert found["runs"][1]["meanAveragePrecision"] == 1  # its vectors are the labels
    assert found["notes"] == [f"The model mine has no vector of 1 image, left out for all: {paths[0]}"]


def test_the_paths_of_another_model_are_those_below_the_collection(run: Run, data: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", paths=[f"{'abd'[n // 5]}/{n}.jpg" for n in range(15)], vectors=np.ones((15, 1)))
    found = as_json(run("c", "--data", data, "--json", *FEW, "--vectors", f"mine={tmp_path / 'v.npz'}"))
    assert (found["images"], found["notes"]) == (15, [])


def test_a_photo_that_cannot_be_read_is_left_out_and_named(run: Run, photos: Path) -> None:
    (photos / "all/fish/broken.jpg").write_bytes(b"no picture")
    code, out, error = run(photos, *FEW)
    assert (code, error) == (1, "")
    assert "all/fish/broken.jpg was left out: Not an image in a known format" in out
    assert "12 images with 3 labels" in out


def test_of_many_images_a_sample_is_taken(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled_images, "MAX_IMAGES", 11)
    found = as_json(run(photos, "--json", *FEW))
    assert found["images"] == 11
    assert found["notes"] == ["A sample was taken: 11 of 12 labelled images."]


def test_a_label_of_one_image_is_named(run: Run, photos: Path) -> None:
    (photos / "all/cat").mkdir()
    shutil.copy(SAMPLES / "photos/fish/pompano.jpg", photos / "all/cat/cat.jpg")
    found = as_json(run(photos, "--json", *FEW))
    assert found["notes"] == ["Labels of one image are not measured: cat"]
    assert found["learnedFrom"] + found["measuredOn"] == 12


def refused(answer: tuple[int, str, str], *said: str) -> None:
    code, out, error = answer
    assert (code, out) == (2, "")
    for part in said:
        assert part in error
    assert "Traceback" not in error


def test_folders_that_cannot_be_measured_say_why(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")
    refused(run(folder), "There are no images in the folder")
    fish = sorted((SAMPLES / "photos/fish").iterdir())[:3]
    for photo in fish:
        shutil.copy(photo, folder)
    refused(run(folder), "3 images", "none is in a folder that could be its label")
    (folder / "fish").mkdir()
    for photo in fish:
        shutil.copy(photo, folder / "fish")
    refused(run(folder), "it takes two labels", "'fish' 3")
    for photo in (folder / "fish").iterdir():
        photo.write_bytes(b"broken")
    refused(run(folder), "None of 3 images can be read")


def test_a_source_that_is_neither_folder_nor_collection_says_so(run: Run, data: Path) -> None:
    refused(run("nothing"), "There is no folder nothing, and no collection can be read. There is no feature store")
    refused(run("nothing", "--data", data), "no collection with images that is called so.", "collections there: c.")


def test_labels_that_cannot_be_used_say_why(run: Run, photos: Path, data: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    refused(run(photos, "--labels", table), "There is no file")
    for content, said in [
        (b"", "no labels in the table"),
        (b"just text\n", "Line 1 is not a path and a label"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"gone.jpg,fish\n", "none is named in the table of labels"),
    ]:
        table.write_bytes(content)
        refused(run(photos, "--labels", table), said)
    refused(run("c", "--data", data, "--labels", table), "None of the 1 image with labels is in the collection 'c'")
    refused(run(photos, "--labels", "tag:kind"), "The images of a folder have no tags")
    refused(run(photos, "--labels", "tag:"), "--labels takes folder|tag:NAME|FILE.csv, not tag:.")
    refused(run("c", "--data", data, "--labels", "tag:none"), "has the tag 'none'. Tags there: 'kind'")


def test_options_that_cannot_be_meant_are_refused_at_once(run: Run, photos: Path, tmp_path: Path) -> None:
    refused(run(photos, "--rankers", "cosine,best"), "there is no ranker 'best'; there are random, l2")
    refused(run(photos, "--vectors", "file.npz"), "it takes NAME=FILE.npz")
    refused(run(photos, "--queries", "0"), "it takes a whole number from 1")
    refused(run(photos, "--seed", "-1"), "--seed")
    refused(run(photos, "--seed", "9" * 30), "from 0 to 999999999")
    refused(run(photos, "--html", tmp_path / "none" / "r.html"), "The folder", "does not exist")
    refused(run(photos, "--vectors", "a=x.npz", "--vectors", "a=y.npz"), "Two models are called the same")
    refused(run(photos, *FEW, "--vectors", f"a={tmp_path / 'none.npz'}"), "There is no file")
    (tmp_path / "v.npz").write_bytes(b"nothing")
    refused(run(photos, *FEW, "--vectors", f"a={tmp_path / 'v.npz'}"), "is no NumPy file of plain arrays")


def test_vectors_are_read_before_any_image_is(
    run: Run, photos: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reads in ("of_folder", "of_collection"):
        monkeypatch.setattr(evaluate_command, reads, pytest.fail)
    for source in (photos, "c"):
        refused(run(source, "--data", data, "--vectors", f"a={tmp_path / 'none.npz'}"), "There is no file")


def test_another_model_that_calls_all_images_otherwise_is_told_how(run: Run, photos: Path, tmp_path: Path) -> None:
    paths = sorted(file.relative_to(photos.parent).as_posix() for file in photos.rglob("*.jpg"))
    np.savez(tmp_path / "v.npz", paths=paths, vectors=np.ones((len(paths), 2)))
    refused(
        run(photos, *FEW, "--vectors", f"mine={tmp_path / 'v.npz'}"),
        f"The model mine has a vector of none of the 12 images: it calls them '{paths[0]}', and here they are called "
        f"'{paths[0].removeprefix('photos/')}'.",
    )
