"""`python -m similarity duplicates`, on a store of a few photos."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from shared.sqlite.store import SqliteFeatureStore
from similarity import __main__ as program
from similarity.commands.duplicates_page import write_page
from similarity.duplicates.groups import Duplicate, Group, Groups, Stored
from tests.pictures import encoded
from tests.similarity.duplicates.collections import photo, put_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a command runs: an embedded store in `store`, and its images in `images`."""
    monkeypatch.chdir(tmp_path)
    for name in ("COSMOS_ENDPOINT", "IMAGES_STORAGE", "IMAGES_STORAGE__blobServiceUri"):
        monkeypatch.delenv(name, raising=False)
    castle = photo("castles/chambord")
    crop = castle.crop((0, 0, round(0.65 * castle.width), round(0.65 * castle.height)))
    files = {
        "c/castle.jpg": encoded(castle, "JPEG", quality=95),
        "c/=small.jpg": encoded(castle, "JPEG", quality=50),
        "c/crop.jpg": encoded(crop, "JPEG"),
        "c/fish <b>.jpg": encoded(photo("fish/red-porgy"), "JPEG", quality=95),
        "c/fish copy.jpg": encoded(photo("fish/red-porgy"), "JPEG", quality=95),
        "c/flower.jpg": encoded(photo("flowers/flower-8"), "JPEG"),
    }
    store = SqliteFeatureStore(tmp_path / "store" / "features.sqlite")
    put_files(store, tmp_path / "images", files)
    store.close()
    return tmp_path


def run(*arguments: str) -> int:
    return program.main(["duplicates", "c", *arguments, "--data", "store"])


@pytest.mark.usefixtures("folder")
def test_groups_are_listed_with_what_to_keep(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--images", "images") == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert lines[1][0] == "1"
    assert lines[1][2:] == ["keep", "c/castle.jpg"]
    assert [line[2:] for line in lines[2:4]] == [["version", "c/=small.jpg"], ["confirmed", "c/crop.jpg"]]
    assert [line[-1] for line in lines[4:6]] == ["<b>.jpg", "copy.jpg"]
    assert lines[5][:1] == ["1.000"]
    assert "6 images: 3 duplicates in 2 groups; without them there are " in out
    assert out.rstrip().endswith("resemble each other, so look before you delete.")


@pytest.mark.usefixtures("folder")
def test_without_second_look_the_pixels_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--no-second-look", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [group["keep"]["path"] for group in found["groups"]] == ["c/castle.jpg", "c/fish <b>.jpg"]
    assert (found["duplicates"], found["warnings"]) == (2, [])
    assert run("--no-second-look", "--json", "--min-score", "1") == 0
    kinds = [one["kind"] for group in json.loads(capsys.readouterr().out)["groups"] for one in group["duplicates"]]
    assert kinds == ["version", "copy"]  # the hash still tells


def test_a_csv_says_what_to_do_with_each_image(folder: Path) -> None:
    assert run("--images", "images", "--csv", "out.csv") == 0
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["action"], row["path"], row["kept"]) for row in rows] == [
        ("1", "keep", "c/castle.jpg", "c/castle.jpg"),
        ("1", "delete", "c/=small.jpg", "c/castle.jpg"),
        ("1", "delete", "c/crop.jpg", "c/castle.jpg"),
        ("2", "keep", "c/fish <b>.jpg", "c/fish <b>.jpg"),
        ("2", "delete", "c/fish copy.jpg", "c/fish <b>.jpg"),
    ]
    assert rows[4]["score"] == "1.000000"
    assert int(rows[1]["bytes"]) == (folder / "images" / "c" / "=small.jpg").stat().st_size


def test_the_page_has_the_pictures_and_no_markup_of_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--images", "images", "--html", "out.html") == 0
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 5
    assert "fish &lt;b&gt;.jpg" in page
    assert "looks the same · score 1.000" in page
    assert "scans, pages of text and plain pictures resemble each other, so look before you delete." in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "out.html: 2 groups" in capsys.readouterr().out
    (folder / "images" / "c" / "castle.jpg").unlink()
    assert run("--images", "images", "--html", "out.html", "--no-second-look") == 1
    assert "1 picture is missing: gone or broken" in capsys.readouterr().out
    assert "no picture" in (folder / "out.html").read_text(encoding="utf-8")


def test_photos_are_checked_and_broken_ones_fail_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = folder / "new.jpg"
    new.write_bytes(encoded(photo("planets/mercury"), "JPEG"))
    (folder / "broken.jpg").write_bytes(b"no image")
    photos = ["images/c/crop.jpg", "new.jpg"]
    assert run(*photos, "--images", "images") == 0
    crop, none = capsys.readouterr().out.splitlines()
    assert crop.startswith("images/c/crop.jpg: copy of c/crop.jpg (score 1.000); confirmed of c/=small.jpg (score 0.")
    assert "confirmed of c/castle.jpg" in crop
    assert none == "new.jpg: not there yet"
    assert run(*photos, "broken.jpg", "missing.jpg", "--images", "images", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["isDuplicate"] for one in found["photos"]] == [True, False]
    assert [one["photo"] for one in found["failed"]] == ["broken.jpg", "missing.jpg"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("more", [[], ["--html", "out.html"], ["--html", "out.html", "--no-second-look"]])
def test_a_folder_without_any_of_the_pictures_is_said(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--images", "store", *more) == 1
    out = capsys.readouterr().out
    assert "no picture was found in store: it must hold the folder c\n" in out
    assert "not compared by the pixels" not in out
    assert run("images/c/crop.jpg", "--images", "store", "--json") == 1
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning == "no picture was found in store: it must hold the folder c"


def test_one_picture_that_is_gone_is_not_a_wrong_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images" / "c" / "crop.jpg").unlink()
    assert run("--images", "images") == 0
    out = capsys.readouterr().out
    assert "doubtful pair was not compared by the pixels: a picture is gone or broken." in out
    assert "no picture was found" not in out


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0.0 kB"), (42_310, "42.3 kB"), (100_000, "0.1 MB"), (2**31, "2,147.5 MB")]
)
def test_the_page_says_what_duplicates_take(tmp_path: Path, size: int, shown: str) -> None:
    group = Group(Stored("c/a", size, ""), [Duplicate("c/b", size, 1.0, 0, "copy")])
    write_page(tmp_path / "a.html", "c", Groups(2, [group], Counter(), ""), lambda path: None)
    assert f"<dd>{shown}</dd>" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("folder")
def test_storage_that_cannot_be_asked_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 1
    out = capsys.readouterr().out
    assert "3 duplicates" not in out
    assert "not compared by the pixels: The app does not know where the images are" in out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "nowhere"], "nowhere is no folder."),
        (["--csv", "nowhere/a.csv"], "The folder nowhere does not exist."),
        (["new.jpg", "--csv", "a.csv"], "name no photo"),
    ],
)
def test_mistakes_end_with_a_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("score", ["0.4", "1.01", "nan", "much"])
def test_a_score_out_of_range_is_refused(score: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--min-score", score)
    assert "a number from 0.5 to 1" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_an_unknown_collection_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["duplicates", "d", "--data", "store"]) == 2
    err = capsys.readouterr().err
    assert "The collection d holds no images." in err
    assert "collections there: c" in err
