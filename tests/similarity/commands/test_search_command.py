"""`python -m similarity search` on the embedded store, with vectors made by hand and pictures where they count."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.blobs import Blob
from shared.ingest import feature_of
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity.__main__ import main
from similarity.search_call import search
from tests.pictures import as_base64, encoded, stripes
from tests.similarity.stored_images import NOON, at, put, stored

Search = Callable[..., tuple[int, str, str]]

PICTURES = {f"waves/{'tilted' if angle else 'level'}/{angle}.png": stripes(angle) for angle in (0, 4, 30, 80)}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with neither local.settings.json nor .local, and an environment that names no store."""
    for name in ("IMAGES_STORAGE", "IMAGES_STORAGE__blobServiceUri", "COSMOS_ENDPOINT", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of pictures with tags, of vectors with none, and the pictures in a folder beside it."""
    folder = tmp_path_factory.mktemp("data")
    with closing(SqliteFeatureStore(folder / "features.sqlite")) as store:
        for path, picture in PICTURES.items():
            blob = Blob(path=path, etag="1", modified=NOON, tags={"kind": path[6:11]}, data=encoded(picture))
            assert store.upsert(feature_of(blob, Settings()))
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(encoded(picture))
        put(store, [stored(f"c/{n}", at(n)) for n in range(6)])
    return folder


@pytest.fixture
def searched(data: Path, capsys: pytest.CaptureFixture[str]) -> Search:
    def searched(*arguments: str) -> tuple[int, str, str]:
        code = main(["search", *arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return searched


@pytest.fixture
def photo(elsewhere: Path) -> str:
    """A file of waves that are nearly level."""
    (elsewhere / "new.png").write_bytes(encoded(stripes(1)))
    return "new.png"


def found(answer: tuple[int, str, str]) -> Any:
    code, out, error = answer
    assert (code, error) == (0, "")
    return json.loads(out)


def test_a_photo_of_this_machine_finds_its_like(searched: Search, photo: str) -> None:
    code, out, _ = searched("waves", photo, "--top", "2")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["score", "path"]
    assert re.fullmatch(r"1  0\.\d{3}  waves/level/0.png", lines[1])
    assert re.fullmatch(r"2  0\.\d{3}  waves/tilted/4.png", lines[2])
    assert re.search(r"collection waves, model \S+; image [\d.]+ ms, search [\d.]+ ms", out)


def test_it_is_what_the_api_answers(searched: Search, photo: str, data: Path) -> None:
    content = found(searched("waves", photo, "--path", "waves/level/0.png", "--not", "waves/tilted/80.png", "--json"))
    body = {"image": as_base64(encoded(stripes(1))), "positives": ["waves/level/0.png"]}
    body |= {"negatives": ["waves/tilted/80.png"]}
    with closing(SqliteFeatureStore(data / "features.sqlite")) as store:
        reply = search("waves", json.dumps(body).encode(), {}, store, Settings())
    answer = json.loads(reply.body)
    assert {**content, "took": None} == {**answer, "took": None}
    assert content["most_similar"][0] == "waves/tilted/4.png"


def test_every_option_reaches_the_search(searched: Search) -> None:
    base = ("c", "--path", "c/0", "--json")
    assert found(searched(*base))["most_similar"] == ["c/1", "c/2", "c/3"]
    assert found(searched(*base, "--top", "1", "--offset", "2"))["most_similar"] == ["c/3"]
    assert found(searched(*base, "--include-self"))["most_similar"] == ["c/0", "c/1", "c/2"]
    assert found(searched(*base, "--min-score", "0.9997"))["most_similar"] == ["c/1"]
    assert found(searched(*base, "--path", "c/5", "--path", "c/4"))["most_similar"] == ["c/3", "c/2", "c/1"]
    assert len(found(searched(*base, "--group-by", "folder"))["matches"]) == 1
    assert "No ranker" in found(searched(*base, "--rerank"))["warnings"][0]
    waves = ("waves", "--path", "waves/level/0.png", "--json")
    assert found(searched(*waves, "--filter", "kind=level"))["matches"] == []
    assert len(found(searched(*waves, "--filter", "kind=tilte"))["matches"]) == 3


def test_a_negative_is_a_file_or_else_a_stored_image(searched: Search, elsewhere: Path) -> None:
    (elsewhere / "away.png").write_bytes(encoded(stripes(4)))
    by_path = found(searched("waves", "--path", "waves/level/0.png", "--not", "waves/tilted/4.png", "--json"))
    by_file = found(searched("waves", "--path", "waves/level/0.png", "--not", "away.png", "--json"))
    assert by_path["most_similar"] == by_file["most_similar"]  # the file is the stored image, so both leave it out
    assert "waves/tilted/4.png" not in by_path["most_similar"]


@pytest.mark.parametrize("region", ["500,300,320,320", "0.625,0.6,0.4,0.64"])
def test_a_region_of_the_first_photo(searched: Search, elsewhere: Path, region: str) -> None:
    page = Image.new("RGB", (800, 500), "red")
    page.paste(stripes(30).resize((300, 200)), (500, 300))
    (elsewhere / "page.png").write_bytes(encoded(page))
    content = found(searched("waves", "page.png", "--region", region, "--top", "1", "--json"))
    assert content["warnings"] == ["The region sticks out of its image; what is inside was used."]
    whole = found(searched("waves", "page.png", "--top", "1", "--json"))
    assert content["matches"][0]["score"] > whole["matches"][0]["score"]


def test_a_region_of_a_stored_image_takes_its_pixels_from_a_folder(searched: Search, data: Path) -> None:
    half = ("waves", "--path", "waves/level/0.png", "--region", "0,0,1,0.5", "--json")
    code, _, error = searched(*half)
    assert (code, "IMAGES_STORAGE" in error) == (2, True)
    content = found(searched(*half, "--images", str(data)))
    assert "waves/level/0.png" not in content["most_similar"]
    assert content["matches"][0]["score"] < 1


def test_groups_are_a_column_and_what_there_is_not_is_said(searched: Search) -> None:
    _, out, _ = searched("waves", "--path", "waves/level/0.png", "--include-self", "--group-by", "tag:kind")
    assert re.search(r"^ +score +path +group$", out, re.MULTILINE)
    assert re.search(r"1  1\.000  waves/level/0\.png +level$", out, re.MULTILINE)
    assert searched("c", "--path", "c/0", "--offset", "9")[1].startswith("no look-alikes")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("c",), "Name a photo, or a stored image with --path."),
        (("c", "--path", "c/unknown"), "'c/unknown' is not stored"),
        (("c", "--path", "c/0", "--path", "c/unknown"), "c/unknown: The image 'c/unknown' is not stored"),
        (("c", "--path", "c/0", "--not", "lost.png"), "lost.png: The image 'lost.png' is not stored"),
        (("c", "--path", "c/0", "--top", "0"), "--top takes a whole number"),
        (("c", "--path", "c/0", "--min-score", "2"), "--min-score takes a number"),
        (("c", "--path", "c/0", "--group-by", "x"), "--group-by takes 'folder'"),
        (("c", "--path", "c/0", "--rerank", "svm"), "was never trained"),
        (("c", "lost.png"), "There is no file lost.png"),
        (("c", "text.txt"), "similarity: Not an image in a known format"),
        (("c", "text.txt", "--path", "c/0"), "similarity: text.txt: Not an image in a known format"),
        (("nowhere", "--path", "c/0"), "'nowhere' holds no images of the model .* collections there: c, waves"),
        (("c", "--path", "c/0", "--images", "."), "name its file with --html"),
        (("c", "--path", "c/0", "--html", "a.html", "--images", "lost"), "lost is no folder"),
        (("c", "--path", "c/0", "--html", "lost/a.html", "--images", "."), "The folder lost does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], reason: str, searched: Search, elsewhere: Path
) -> None:
    (elsewhere / "text.txt").write_text("text")
    code, out, error = searched(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert re.search(reason, error)


@pytest.mark.parametrize(
    "arguments",
    [("--region", "1,2,3"), ("--region", "a,b,c,d"), ("--filter", "kind"), ("--filter", "=x"), ("--rerank", "l2")],
)
def test_what_cannot_be_typed_is_refused(arguments: tuple[str, ...], searched: Search) -> None:
    with pytest.raises(SystemExit):
        searched("c", "--path", "c/0", *arguments)


def test_the_page_shows_what_was_asked_and_found(searched: Search, photo: str, data: Path, elsewhere: Path) -> None:
    code, out, _ = searched(
        "waves", photo, "--not", "waves/tilted/80.png", "--html", "page.html", "--images", str(data), "--top", "2"
    )
    assert (code, out.splitlines()[-1]) == (0, "page.html: written")
    page = (elsewhere / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'<img alt="([^"]*)"', page) == [
        "new.png",
        "waves/tilted/80.png",
        "waves/level/0.png",
        "waves/tilted/4.png",
    ]
    assert re.search(r"1 · score 0\.\d{3}<br>waves/level/0.png", page)
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_page_without_its_pictures_says_so(searched: Search, elsewhere: Path) -> None:
    code, out, _ = searched("c", "--path", "c/0", "--html", "page.html", "--images", ".", "--top", "2")
    assert code == 1
    assert "3 pictures are missing, all of them: gone or broken" in out
    code, out, _ = searched("c", "--path", "c/0", "--html", "page.html", "--top", "2")
    assert code == 1
    assert "IMAGES_STORAGE" in out
    assert "--images FOLDER takes them from a folder" in out
    assert (elsewhere / "page.html").read_text(encoding="utf-8").count("no picture") == 3


def test_names_on_the_page_are_text(searched: Search, data: Path, elsewhere: Path) -> None:
    with closing(SqliteFeatureStore(data / "features.sqlite")) as store:
        put(store, [stored("hostile/<script>a", at(0), {"k": "<b>"}), stored("hostile/b", at(1), {"k": "<i>"})])
    searched("hostile", "--path", "hostile/b", "--group-by", "tag:k", "--html", "page.html", "--images", str(data))
    page = (elsewhere / "page.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;a" in page
    assert "<script" not in page
    assert "<b>" not in page
