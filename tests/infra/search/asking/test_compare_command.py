"""`python -m infra.search compare`: our labels beside the image analysis, on the stand-in and without."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.__main__ import main
from infra.search.asking.comparing import compare
from infra.search.asking.querying import Hit, Query
from tests.infra.search.asking.indexed import keep, waves, waves_in
from tests.infra.search.asking.small_app import KEY, WAVES, SmallApp, small_app
from tests.pages import HOSTILE, Page
from tests.servers.search import Fault, SearchServer, search_service

type Run = Callable[..., tuple[int, str, str]]

SEEN = {
    "imageTags": ["level", "", "steep", ""],
    "imageCategories": ["", "", "", ""],
    "imageCaptions": ["", "", "a zebra in the rain", "a steep wave"],
    "imageBrands": ["", "", "", "Level 42"],
}
"""What the image analysis says of each of WAVES: 0, 5, 45 and 90 degrees; ours are "level" up to 10, else "steep"."""


@pytest.fixture(scope="module")
def running() -> Iterator[SmallApp]:
    with small_app() as app:
        yield app


@pytest.fixture(scope="module")
def stand_in() -> Iterator[SearchServer]:
    with search_service() as service:
        yield service


@pytest.fixture
def app(running: SmallApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SmallApp:
    running.clear()
    running.pictures = dict(WAVES)
    monkeypatch.setenv("SKILLS_APP_URL", running.url)
    monkeypatch.setenv("SKILLS_FUNCTION_KEY", KEY)
    monkeypatch.delenv("AZURE_SEARCH_ENDPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    return running


@pytest.fixture
def service(stand_in: SearchServer, app: SmallApp, monkeypatch: pytest.MonkeyPatch) -> SearchServer:
    """A service that the environment names, with image analysis in its index."""
    stand_in.clear()
    holds(stand_in, app, waves(**SEEN), imageAnalysis="true")
    monkeypatch.setenv("AZURE_SEARCH_ENDPOINT", stand_in.url)
    monkeypatch.setenv("AZURE_SEARCH_KEY", stand_in.key)
    return stand_in


def holds(service: SearchServer, app: SmallApp, documents: list[dict[str, Any]], **given: str) -> None:
    """Give the service an index with documents."""
    service.objects["indexes"]["visual-skills"] = app.definitions(**given).index
    service.touch("indexes", "visual-skills")
    service.documents["visual-skills"] = documents


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["compare", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_both_sides_beside_each_other(run: Run, service: SearchServer) -> None:
    code, out, error = run("level")
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"Asked: the index visual-skills of {service.url}"
    assert lines[1].split() == ["our", "labels", "image", "analysis"]
    assert lines[2].split() == ["1", "*", "waves/0.png", "*", "waves/0.png"]
    assert lines[3].split() == ["2", "waves/5.png", "waves/90.png"]
    assert lines[-1] == "1 found by both (*), 1 only by our labels, 1 only by the image analysis"
    ours, theirs = (one.body["searchFields"] for one in service.asked if one.method == "POST")
    assert (ours, theirs) == ("label,tags", "imageTags,imageCategories,imageCaptions,imageBrands")


def test_as_json(run: Run, service: SearchServer) -> None:
    content = json.loads(run("steep", "--json")[1])
    assert content["counts"] == {"both": 2, "onlyOurs": 0, "onlyTheirs": 0}
    content = json.loads(run("zebra", "--json")[1])
    assert (content["word"], content["ours"]) == ("zebra", [])
    assert [hit["document"]["path"] for hit in content["theirs"]] == ["waves/45.png"]
    assert content["counts"] == {"both": 0, "onlyOurs": 0, "onlyTheirs": 1}
    nothing = run("rabbit")[1].splitlines()
    assert nothing[1] == "nothing found"
    assert "Words are found whole, in these fields: label, tags, imageTags, imageCategories, imageC" in nothing[3]


def test_a_side_that_is_cut_off_says_so(run: Run, service: SearchServer) -> None:
    assert "Only the first 1 of each side were compared: --top takes more." in run("wave", "--top", "1")[1]
    assert "Only the first" not in run("wave", "--top", "5")[1]


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 9), unique=True))
def test_counts_are_of_sets(ours: list[int], theirs: list[int]) -> None:
    fields = [{"name": "id", "type": "Edm.String", "key": True}]
    fields += [{"name": name, "type": "Edm.String"} for name in ("label", "imageTags")]

    def search(query: Query) -> list[Hit]:
        return [Hit(1.0, {"id": n}) for n in (ours if query.fields == ("label",) else theirs)]

    found = compare({"fields": fields}, "x", 10, search).counts()
    assert found == {
        "both": len({*ours} & {*theirs}),
        "onlyOurs": len({*ours} - {*theirs}),
        "onlyTheirs": len({*theirs} - {*ours}),
    }


def test_the_page_has_both_sides_with_pictures(run: Run, service: SearchServer, tmp_path: Path, app: SmallApp) -> None:
    code, out, _ = run("level", "--html", "level.html")
    assert (code, out.splitlines()[-1]) == (0, "level.html: written")
    page = Page((tmp_path / "level.html").read_text())
    assert [picture["alt"] for picture in page.all("img")] == [
        *("waves/0.png", "waves/5.png"),
        *("waves/0.png", "waves/90.png"),
    ]
    assert "Our labels: 2" in page.text
    assert "Image analysis: 2" in page.text
    assert page.text.count("found by both") == 3  # its figure, and the image on either side
    assert "Level 42" in page.text
    thumbnails = [path for _, path, _, _ in app.asked if path.endswith("/thumbnail")]
    assert len(thumbnails) == 3  # the one on both sides is asked for once


def test_without_image_analysis_it_says_how_to_have_it(
    run: Run, service: SearchServer, app: SmallApp, tmp_path: Path
) -> None:
    holds(service, app, waves())
    code, out, _ = run("level", "--html", "level.html")
    assert code == 0
    assert "waves/0.png" in out
    assert "This index has no image analysis" in out
    assert "--set imageAnalysis=true" in out
    page = Page((tmp_path / "level.html").read_text())
    assert "This index has no image analysis" in page.text
    assert "Our labels: 2" in page.text
    assert "Image analysis:" not in page.text
    assert json.loads(run("level", "--json")[1])["theirs"] is None


def test_the_local_index_says_that_it_has_none(run: Run, app: SmallApp) -> None:
    keep(app.definitions(imageAnalysis="true"), waves())
    code, out, _ = run("level")
    assert code == 0
    assert "waves/0.png" in out
    assert "The image analysis runs in the search service only" in out
    assert "image analysis, " not in out


def test_an_index_without_labels_says_how_to_have_them(
    run: Run, service: SearchServer, app: SmallApp, tmp_path: Path
) -> None:
    said = "No document has a label: groups have to be labelled first, as in 'python -m clustering label "
    assert said not in run("rabbit")[1]
    unlabelled = [{**document, "label": []} for document in waves(**SEEN)]
    holds(service, app, unlabelled, imageAnalysis="true")
    code, out, _ = run("level", "--html", "level.html")
    assert (code, said in out) == (0, True)
    assert said in Page((tmp_path / "level.html").read_text()).text
    keep(app.definitions(), unlabelled)
    assert said in run("level", "--local")[1]
    keep(app.definitions(), waves())
    assert said not in run("rabbit", "--local")[1]


def test_a_local_page_shows_the_files(run: Run, app: SmallApp, tmp_path: Path) -> None:
    keep(app.definitions(), waves(), waves_in(tmp_path / "tried"))
    code, out, _ = run("level", "--html", "level.html")
    assert (code, out.splitlines()[-1]) == (0, "level.html: written")
    page = Page((tmp_path / "level.html").read_text())
    assert [picture["alt"] for picture in page.all("img")] == ["waves/0.png", "waves/5.png"]
    assert app.asked == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_text_is_a_text(run: Run, service: SearchServer, app: SmallApp, tmp_path: Path, hostile: str) -> None:
    documents = waves(**SEEN)
    for document in documents:
        document |= {"path": f"w/{hostile}", "label": [hostile, "wave"], "imageTags": [hostile, "wave"], "id": hostile}
    holds(service, app, documents, imageAnalysis="true")
    code, out, _ = run("wave", "--html", "wave.html")
    assert code == 0
    assert "\x1b" not in out
    page = Page((tmp_path / "wave.html").read_text())
    assert not page.all("script")
    assert not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_what_cannot_be_compared_is_told_in_a_line(run: Run, service: SearchServer) -> None:
    assert run(" ") == (2, "", "infra.search: Say what to look for: WORD is empty.\n")
    service.faults.append(Fault("POST", "/indexes", 403, None))
    code, out, error = run("wave")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "does not let this be done (403)" in error
