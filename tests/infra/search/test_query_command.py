"""`python -m infra.search query`, on the local index and on the stand-in of the service, with the real vectorizer."""

import base64
import io
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infra.search.__main__ import main
from infra.search.local_index import FOLDER, save
from tests.infra.search.indexed import waves
from tests.infra.search.small_app import KEY, WAVES, SmallApp, small_app
from tests.pages import HOSTILE, Page
from tests.pictures import encoded, stripes
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
    """A local index."""
    save(FOLDER, app.definitions(), waves(), {})


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
    assert {tuple(line.split()[2:]) for line in lines[2:]} == {
        ("waves/45.png", "steep,", "wave", "angle=45"),
        ("waves/90.png", "steep,", "wave", "angle=90"),
    }
    assert query("rabbit")[1].splitlines()[1:] == ["nothing found"]


def test_the_local_index_and_the_service_find_the_same(query: Run, service: SearchServer, app: SmallApp) -> None:
    save(FOLDER, app.definitions(), waves(), {})
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
    save(FOLDER, app.definitions(), waves(), {})
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
        save(FOLDER, SmallApp(url).definitions(), waves(), {})
        code, _, error = query("--image", "new.png")
        assert (code, f"The vectorizer at {url}/api/embedding does not answer: is the app running?" in error) == (
            2,
            True,
        )


@pytest.mark.usefixtures("local")
def test_a_page_shows_the_pictures(query: Run, elsewhere: Path, app: SmallApp) -> None:
    code, out, _ = query("level", "--image", "new.png", "--html", "found.html")
    assert (code, out.splitlines()[-1]) == (0, "found.html: written")
    page = Page((elsewhere / "found.html").read_text())
    assert sorted(str(picture["alt"]) for picture in page.all("img")) == sorted(WAVES)
    assert all(str(picture["src"]).startswith("data:image/jpeg;base64,") for picture in page.all("img"))
    assert "Found: “level” and new.png" in page.text
    assert "level, wave" in page.text
    assert {key for _, path, key, _ in app.asked if path.endswith("/thumbnail")} == {KEY}


@pytest.mark.usefixtures("local")
def test_pictures_that_are_missing_are_named(query: Run, elsewhere: Path, app: SmallApp) -> None:
    del app.pictures["waves/45.png"]
    app.pictures["waves/90.png"] = b"no picture"
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 1
    said = out.splitlines()[-1]
    assert said.startswith("found.html: written; 2 pictures are missing: waves/")
    assert {"waves/45.png", "waves/90.png"} == set(said.partition("missing: ")[2].split(", "))
    page = Page((elsewhere / "found.html").read_text())
    assert len(page.all("img")) == 2
    assert page.text.count("no picture") == 2


@pytest.mark.usefixtures("local")
def test_a_page_without_the_app_says_why(query: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLS_APP_URL", "http://127.0.0.1:1")
    code, out, _ = query("wave", "--html", "found.html")
    assert code == 1
    assert "4 pictures are missing, all of them. The app does not answer at http://127.0.0.1:1" in out
    assert Page((elsewhere / "found.html").read_text()).all("img") == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_page_and_a_terminal_take_any_text(query: Run, elsewhere: Path, app: SmallApp, hostile: str) -> None:
    documents = waves()[:1]
    documents[0] |= {"path": f"w/{hostile}", "label": [hostile, "wave"], "tags": [hostile], "url": hostile}
    save(FOLDER, app.definitions(), documents, {})
    code, out, _ = query("wave", hostile, "--html", "found.html")
    assert code == 1  # there is no such picture
    assert "\x1b" not in out
    page = Page((elsewhere / "found.html").read_text())
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "p", "div", "figure", "figcaption", "br"),
    }
    assert page.text.count("wave") >= 2
