"""`python -m infra.search query`, on the local index and on the stand-in of the service, with the real vectorizer."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from infra.search.__main__ import main
from infra.search.asking import app_pictures, file_pictures
from infra.search.asking.local_index import FOLDER
from infra.search.trial.cracking import crack
from infra.search.trial.documents import Document
from infra.search.trial.folder import Blob
from tests.infra.search.asking.indexed import URL, inside, keep, waves, waves_in
from tests.infra.search.asking.small_app import KEY, WAVES, SmallApp, small_app
from tests.infra.search.trial.pdfs import office
from tests.pages import HOSTILE, Page
from tests.pictures import encoded, stripes
from tests.servers.devhost import ROOT
from tests.servers.search import Fault, SearchServer, search_service

type Run = Callable[..., tuple[int, str, str]]


SEARCHES = "/indexes\\('visual-skills'\\)/docs"


@pytest.fixture(scope="module")
def running() -> Iterator[SmallApp]:
    with small_app() as app:
        yield app


@pytest.fixture(scope="module")
def stand_in() -> Iterator[SearchServer]:
    with search_service() as service:
        yield service


@pytest.fixture
def app(running: SmallApp, monkeypatch: pytest.MonkeyPatch) -> SmallApp:
    running.clear()
    running.pictures = dict(WAVES)
    monkeypatch.setenv("SKILLS_APP_URL", running.url)
    monkeypatch.setenv("SKILLS_FUNCTION_KEY", KEY)
    return running


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: SmallApp) -> Path:
    """A folder of its own, with a photo in it, and an environment that names no service."""
    for name in ("AZURE_SEARCH_ENDPOINT", "AZURE_SEARCH_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.png").write_bytes(encoded(stripes(2).resize((900, 900))))
    return tmp_path


@pytest.fixture
def local(app: SmallApp, elsewhere: Path) -> None:
    """A local index, and the files that it was made of."""
    keep(app.definitions(), waves(), waves_in(elsewhere / "tried"))


@pytest.fixture
def service(stand_in: SearchServer, app: SmallApp, monkeypatch: pytest.MonkeyPatch) -> SearchServer:
    """A service with the index, which the environment names."""
    stand_in.clear()
    stand_in.objects["indexes"]["visual-skills"] = app.definitions().index
    stand_in.touch("indexes", "visual-skills")
    stand_in.documents["visual-skills"] = waves()
    monkeypatch.setenv("AZURE_SEARCH_ENDPOINT", stand_in.url)
    monkeypatch.setenv("AZURE_SEARCH_KEY", stand_in.key)
    return stand_in


@pytest.fixture
def query(capsys: pytest.CaptureFixture[str]) -> Run:
    def query(*arguments: str) -> tuple[int, str, str]:
        code = main(["query", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return query


def paths(answer: tuple[int, str, str]) -> list[str]:
    code, out, error = answer
    assert (code, error) == (0, "")
    return [result["document"]["path"] for result in json.loads(out)["results"]]


def sent(service: SearchServer) -> dict[str, Any]:
    """The query that reached the service."""
    (body,) = [one.body for one in service.asked if one.method == "POST"]
    return body


@pytest.mark.usefixtures("local")
def test_words_find_local_documents(query: Run) -> None:
    code, out, error = query("steep")
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Asked: the local index in .local/search, 4 documents"
    assert lines[1].split() == ["score", "image", "label", "tags"]
    assert {tuple(line.split()[2:]) for line in lines[2:-1]} == {
        ("waves/45.png", "steep,", "wave", "angle=45"),
        ("waves/90.png", "steep,", "wave", "angle=90"),
    }
    assert lines[-1].startswith("Scores: BM25 of the words")
    assert query("rabbit")[1].splitlines()[1:] == [
        *("nothing found", "Words are found whole, in these fields: path, tags, label."),
    ]
    assert "in these fields: label." in query("rabbit", "--fields", "label")[1]


@pytest.mark.usefixtures("local")
def test_scores_are_short_and_explained(query: Run) -> None:
    """SQLite counts a word of every document for a millionth, which is no reason to print 1e-06 or 0."""
    for arguments, score, about in (
        (("wave",), "<0.0001", "BM25"),
        (("--image", "new.png"), "0.9", "1 / (1 + distance)"),
        (("level", "--image", "new.png"), "0.0328", "at most 2 / 61"),
    ):
        out = query(*arguments)[1].splitlines()
        assert out[2].split()[0] == "1"
        assert out[2].split()[1].startswith(score)
        assert all(len(line.split()[1]) <= len("<0.0001") for line in out[2:-1])
        assert about in out[-1]
        assert json.loads(query(*arguments, "--json")[1])["scores"] == out[-1]


def test_the_local_index_and_the_service_find_the_same(query: Run, service: SearchServer, app: SmallApp) -> None:
    keep(app.definitions(), waves())
    for asked in (("--image", "new.png"), ("--image", "new.png", "--top", "2")):
        found = [query(*asked, "--json"), query(*asked, "--local", "--json")]
        there, here = (json.loads(out)["results"] for _, out, _ in found)
        assert [one["document"] for one in there] == [one["document"] for one in here]
        assert [one["score"] for one in there] == pytest.approx([one["score"] for one in here], abs=1e-5)
    assert [one["document"]["path"] for one in here] == ["waves/0.png", "waves/5.png"]
    assert "vector" not in here[0]["document"]
    assert [(path, key) for _, path, key, _ in app.asked] == [("/api/embedding", KEY)] * 4


def test_the_service_is_asked_by_words(query: Run, service: SearchServer) -> None:
    assert set(paths(query("steep", "--json", "--top", "7", "--fields", "label, tags"))) == {
        "waves/45.png",
        "waves/90.png",
    }
    body = sent(service)
    assert (body["search"], body["top"], body["searchFields"]) == ("steep", 7, "label,tags")
    assert "vectorQueries" not in body
    assert "vector" not in body["select"].split(",")
    assert {"id", "path", "matches", "label"} <= set(body["select"].split(","))


def test_the_service_is_asked_by_words_and_an_image_with_a_filter(query: Run, service: SearchServer) -> None:
    asked = ("steep", "--image", "new.png", "--filter", "label/any(l: l eq 'level')", "--json")
    assert paths(query(*asked)) == ["waves/0.png", "waves/5.png"]
    body = sent(service)
    (vector,) = body["vectorQueries"]
    assert (vector["kind"], vector["k"], vector["fields"]) == ("imageBinary", 50, "vector")
    photo = Image.open(io.BytesIO(base64.b64decode(vector["base64Image"])))
    assert (photo.format, photo.size) == ("JPEG", (512, 512))  # as the indexer makes images
    assert (body["search"], body["filter"]) == ("steep", "label/any(l: l eq 'level')")


def test_the_option_comes_before_the_environment_and_local_before_both(
    query: Run, service: SearchServer, local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the local index" in query("steep", "--local")[1]
    monkeypatch.setenv("AZURE_SEARCH_ENDPOINT", "http://127.0.0.1:1")
    assert f"Asked: the index visual-skills of {service.url}" in query("steep", "--service", service.url)[1]
    code, _, error = query("steep", "--local", "--service", service.url)
    assert (code, "--service excludes --local and --index." in error) == (2, True)
    FOLDER.rename("other")
    assert "Asked: the local index in other, 4 documents" in query("steep", "--index", "other")[1]


def test_who_may_only_query_can(query: Run, service: SearchServer) -> None:
    service.faults.append(Fault("GET", "/indexes", 403, None))
    assert len(paths(query("steep", "--json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "fault", "said"),
    [
        ((), Fault("GET", "/indexes", 401, None), "does not let this be done"),
        ((), Fault("POST", SEARCHES, 403, None), "Search Index Data"),
        ((), Fault("POST", SEARCHES, 400, "The tea is cold."), "The tea is cold."),
        (("--set", "prefix=other"), None, "There is no index other in http"),
        (("--filter", "colour eq 'red'"), None, "Could not find a property named 'colour'"),
        (("--filter", "((("), None, "Syntax error"),
        (("--fields", "colour"), None, "Words cannot be looked for in colour: the index has path, tags, label"),
        (("--service", "http://127.0.0.1:1"), None, "http://127.0.0.1:1 cannot be reached"),
        (("--service", "no such thing"), None, "--service is the name of a search service"),
        (("--set", "prefixes=x"), None, "prefix"),
        (("--image", "gone.jpg"), None, "There is no file gone.jpg."),
        (("--image", "broken.png"), None, "broken.png: "),
        (("--image", "note.txt"), None, "note.txt: "),
        (("--html", "no/such/folder.html"), None, "The folder no/such does not exist."),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_line(
    query: Run, service: SearchServer, elsewhere: Path, arguments: tuple[str, ...], fault: Fault | None, said: str
) -> None:
    (elsewhere / "broken.png").write_bytes(encoded(stripes(0))[:500])
    (elsewhere / "note.txt").write_text("no image")
    service.faults += [fault] if fault else []
    code, out, error = query("steep", *arguments)
    assert (code, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1
    assert KEY not in error
    assert service.key not in error


def test_what_the_local_index_lacks_is_told(query: Run, app: SmallApp) -> None:
    code, _, error = query("cat")
    assert code == 2
    assert "There is no local index in .local/search: 'python -m infra.search try FOLDER' makes one." in error
    keep(app.definitions(), waves())
    assert "has no filters" in query("cat", "--filter", "cluster eq 3")[2]
    assert "Say what to look for" in query()[2]
    assert "Say what to look for" in query(" ")[2]
    app.answer = (503, b"not now")
    assert "answered 503: not now" in query("--image", "new.png")[2]
    with pytest.raises(SystemExit):
        query("cat", "--top", "0")


def test_an_app_that_is_not_running_is_told(query: Run, local: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        keep(SmallApp(url).definitions(), waves())
        code, _, error = query("--image", "new.png")
        assert (code, f"The vectorizer at {url}/api/embedding does not answer: is the app running?" in error) == (
            2,
            True,
        )


@pytest.mark.usefixtures("local")
def test_a_local_page_shows_the_files_and_needs_no_app(
    query: Run, elsewhere: Path, app: SmallApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKILLS_APP_URL", "http://127.0.0.1:1")
    code, out, _ = query("level", "wave", "--html", "found.html")
    assert (code, out.splitlines()[-1]) == (0, "found.html: written")
    page = Page((elsewhere / "found.html").read_text())
    assert sorted(str(picture["alt"]) for picture in page.all("img")) == sorted(WAVES)
    for picture in page.all("img"):
        assert mean(shown(picture)) == pytest.approx(mean(WAVES[str(picture["alt"])]), abs=2)
    assert "Found: “level wave”" in page.text
    assert "level, wave" in page.text
    assert "Scores: BM25" in page.text
    assert app.asked == []


def shown(picture: Mapping[str, str | None]) -> bytes:
    kind, _, data = str(picture["src"]).partition(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(data)


def mean(image: bytes) -> list[float]:
    """The mean of each third of a picture, by which those here differ."""
    pixels = np.asarray(Image.open(io.BytesIO(image)).convert("L").resize((32, 32)), dtype=float)
    return [float(value) for value in pixels.reshape(4, 8, 4, 8).mean(axis=(1, 3)).ravel()]


def test_images_inside_a_document_are_shown_and_named_apart(query: Run, elsewhere: Path, app: SmallApp) -> None:
    pictures = {f"word/media/image{n}.jpg": data for n, data in enumerate(WAVES.values())}
    (elsewhere / "docs").mkdir()
    (elsewhere / "docs/ä b.docx").write_bytes(office(pictures))
    (elsewhere / "one.png").write_bytes(encoded(stripes(0)))
    document = "docs/%C3%A4%20b.docx"
    documents = [
        inside("docs/ä b.docx", 3, url=URL + document),
        inside("docs/ä b.docx", 1, url=URL + document, path=None, page=2),
        inside("one.png", 0),
        inside("docs/ä b.docx", 4, url=URL + document),
    ]
    keep(app.definitions(shape="documents"), documents, elsewhere)
    code, out, _ = query("wave", "--html", "found.html", "--set", "shape=documents")
    assert code == 0
    assert out.splitlines()[-1] == (
        "1 picture is missing: docs/ä b.docx (image 5). The file has no such image any more."
    )
    page = Page((elsewhere / "found.html").read_text())
    found = {str(picture["alt"]): shown(picture) for picture in page.all("img")}
    assert set(found) == {"docs/ä b.docx (image 4)", "docs/ä b.docx (page 2, image 2)", "one.png"}
    assert mean(found["docs/ä b.docx (image 4)"]) == pytest.approx(mean(WAVES["waves/90.png"]), abs=2)
    assert mean(found["docs/ä b.docx (page 2, image 2)"]) == pytest.approx(mean(WAVES["waves/5.png"]), abs=2)
    assert "docs/ä b.docx (page 2, image 2)" in out


def test_a_file_is_cracked_once_a_page(
    query: Run, elsewhere: Path, app: SmallApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "a.docx").write_bytes(office({f"word/media/{n}.jpg": data for n, data in enumerate(WAVES.values())}))
    keep(app.definitions(shape="documents"), [inside("a.docx", n) for n in range(4)], elsewhere)
    cracked: list[str] = []

    def counted(blob: Blob, **more: Any) -> Document:
        cracked.append(blob.path)
        return crack(blob, **more)

    monkeypatch.setattr(file_pictures, "crack", counted)
    assert query("wave", "--html", "found.html")[0] == 0
    assert len(Page((elsewhere / "found.html").read_text()).all("img")) == 4
    assert cracked == ["a.docx"]


@pytest.mark.usefixtures("local")
def test_pictures_that_are_missing_are_named_with_the_reason(query: Run, elsewhere: Path) -> None:
    (elsewhere / "tried/waves/45.png").unlink()
    (elsewhere / "tried/waves/90.png").write_bytes(WAVES["waves/90.png"][:300])
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 0  # the page is there, with all that could be had
    lines = out.splitlines()[-3:]
    assert lines[0] == "found.html: written"
    assert f"1 picture is missing: waves/45.png. There is no such file in {elsewhere / 'tried'}." in lines
    assert any("missing: waves/90.png. " in line and "damaged" in line for line in lines)
    page = Page((elsewhere / "found.html").read_text())
    assert len(page.all("img")) == 2
    assert page.text.count("no picture") == 2
    assert "1 picture is missing: waves/45.png." in page.text


def test_no_url_leads_out_of_the_folder(query: Run, elsewhere: Path, app: SmallApp) -> None:
    tried = waves_in(elsewhere / "tried")
    (elsewhere / "secret.png").write_bytes(WAVES["waves/0.png"])
    (tried / "link.png").symlink_to(elsewhere / "secret.png")
    (tried / "linked").symlink_to(elsewhere)
    os.mkfifo(tried / "pipe.png")
    paths = [
        *("../secret.png", "waves/%2E%2E/../../secret.png", "%2e%2e%2fsecret.png"),
        *(quote(str(elsewhere / "secret.png")), "link.png", "linked/secret.png", "pipe.png"),
        *("%00.png", "waves", "", "a" * 3000),
    ]
    documents = [{**waves()[0], "id": f"{n}", "url": URL + path, "path": f"{n}"} for n, path in enumerate(paths)]
    documents.append({**waves()[0], "id": "x", "url": "waves/0.png"})
    keep(app.definitions(), [*documents, waves()[1]], tried)
    code, out, _ = query("wave", "--top", "50", "--html", "found.html")
    page = Page((elsewhere / "found.html").read_text())
    assert (code, [picture["alt"] for picture in page.all("img")]) == (0, ["waves/5.png"])
    assert f"There is no such file in {tried}." in out


def test_a_local_index_that_names_no_files_says_so(query: Run, elsewhere: Path, app: SmallApp) -> None:
    keep(app.definitions(), waves())
    code, out, _ = query("wave", "--html", "found.html")
    assert (code, "4 pictures are missing, all of them. This local index does not say" in out) == (0, True)
    keep(app.definitions(), waves(), elsewhere / "gone")
    assert f"There is no folder {elsewhere / 'gone'} any more." in query("wave", "--html", "found.html")[1]


def test_pictures_for_the_index_of_a_service_come_from_the_app(
    query: Run, service: SearchServer, elsewhere: Path, app: SmallApp
) -> None:
    del app.pictures["waves/45.png"]
    app.pictures["waves/90.png"] = b"no picture"
    service.objects["indexes"]["visual-skills"] = app.definitions(shape="documents").index
    unknown = {**waves()[0], "id": "x", "path": None, "url": URL + "new.png"}
    service.documents["visual-skills"] = [*waves(), inside("waves/cat.pdf", 0, page=1), unknown]
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 0
    said = dict(line.split(". ", 1)[::-1] for line in out.splitlines()[-3:])
    assert {reason: set(names.partition("missing: ")[2].split(", ")) for reason, names in said.items()} == {
        "The app has no pictures of images inside documents.": {"waves/cat.pdf (page 1", "image 1)"},
        "The app does not know the image.": {"new.png"},
        "The app has no picture of it.": {"waves/45.png", "waves/90.png"},
    }
    page = Page((elsewhere / "found.html").read_text())
    assert {str(picture["alt"]) for picture in page.all("img")} == {"waves/0.png", "waves/5.png"}
    assert "The app has no pictures of images inside documents." in page.text
    thumbnails = [key for _, path, key, _ in app.asked if path.endswith("/thumbnail")]
    assert thumbnails == [KEY] * 4


@pytest.mark.parametrize("status", [401, 403])
def test_an_app_that_wants_another_key_is_told_as_for_a_query_by_image(
    query: Run, service: SearchServer, elsewhere: Path, app: SmallApp, status: int
) -> None:
    app.answer = (status, b"")
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 0
    keep(app.definitions(), waves())
    told = query("--image", "new.png", "--local")[2]
    what_to_do = told[told.index("set SKILLS_FUNCTION_KEY") :].strip()
    assert what_to_do in out
    assert "4 pictures are missing, all of them." in out
    assert what_to_do in Page((elsewhere / "found.html").read_text()).text


def test_an_app_that_refuses_is_not_asked_for_every_picture(app: SmallApp) -> None:
    app.answer = (503, b"not now")
    documents = [{"id": str(n), "path": f"waves/{n}.png"} for n in range(300)]
    found = app_pictures.pictures(documents, app.definitions())
    assert set(found.values()) == {"The app answered 503: not now"}
    assert len(app.asked) < 50


def test_a_page_without_the_app_says_why(
    query: Run, service: SearchServer, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKILLS_APP_URL", "http://127.0.0.1:1")
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 0
    assert "4 pictures are missing, all of them. The app does not answer at http://127.0.0.1:1" in out
    assert Page((elsewhere / "found.html").read_text()).all("img") == []


@pytest.mark.usefixtures("local")
def test_only_pages_are_written_over(query: Run, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        query("wave", "--html", "new.png")
    assert "takes a file whose name ends in .html or .htm" in capsys.readouterr().err
    assert (elsewhere / "new.png").read_bytes().startswith(b"\x89PNG")
    assert query("wave", "--html", "FOUND.HTM")[0] == 0


@pytest.mark.usefixtures("local")
def test_what_has_no_effect_is_told(query: Run) -> None:
    code, _, error = query("--image", "new.png", "--fields", "label")
    assert (code, "--fields has no effect without words" in error) == (2, True)
    for given in ("prefix=other", "shape=documents"):
        first = query("wave", "--set", given)[1].splitlines()[0]
        assert first.startswith("Asked: the local index in .local/search, 4 documents")
        assert first.endswith(", made with prefix=visual-skills, shape=images and asked as it is")


def test_the_storage_sdk_is_not_imported_for_nothing() -> None:
    """It takes half a second."""
    code = "import sys, infra.search.__main__; sys.exit('azure.storage.blob' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_page_and_a_terminal_take_any_text(query: Run, elsewhere: Path, app: SmallApp, hostile: str) -> None:
    documents = waves()[:1]
    documents[0] |= {"path": f"w/{hostile}", "label": [hostile, "wave"], "tags": [hostile], "url": hostile}
    keep(app.definitions(), documents, elsewhere)
    code, out, _ = query("wave", hostile, "--html", "found.html")
    assert code == 0
    assert "\x1b" not in out
    page = Page((elsewhere / "found.html").read_text())
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "p", "div", "figure", "figcaption", "br"),
        *("ul", "li"),
    }
    assert page.text.count("wave") >= 2
