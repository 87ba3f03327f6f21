"""The page of an evaluation: what it says and shows, and what cannot break out of it."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.pictures import Pictures
from similarity.duplicates.figures import CHANGES, HARDER, DuplicateFigures, Found, Point
from similarity.evaluation.evaluate import Evaluation, Setup, evaluate
from similarity.evaluation.examples import GOOD, WORST, choose
from similarity.evaluation.plot import Axis, Line, axis, svg_lines
from similarity.evaluation.report import SHOWN, report_page
from similarity.evaluation.report_duplicates import duplicates_html
from tests.pages import HOSTILE, Page
from tests.similarity.evaluation.groups import groups

SIZES = dict.fromkeys("abcdefgh", 8)


def evaluated(sizes: dict[str, int] = SIZES, *rankers: str, spread: float = 1.2) -> Evaluation:
    labels, vectors = groups(sizes, spread=spread)
    return evaluate(labels, {"m": vectors}, rankers)


def paths_of(found: Evaluation) -> list[str]:
    return [f"{label}/{n}.jpg" for n, label in enumerate(found.labels)]


def page_of(
    found: Evaluation,
    *,
    name: str = "photos",
    paths: list[str] | None = None,
    notes: list[str] | None = None,
    lost: int = 0,
    trouble: str = "",
    duplicates: str = "",
) -> Page:
    chosen, every = choose(found), paths or paths_of(found)
    shown = [every[row] for row in chosen.images]
    there = {path: Image.new("RGB", (16, 12), "red") if n >= lost else None for n, path in enumerate(shown)}
    return Page(report_page(name, found, every, notes or [], chosen, Pictures(there, trouble), duplicates))


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluated(SIZES, "random", "l2", "svm", "projection")


def test_the_page_loads_nothing_and_runs_nothing(found: Evaluation) -> None:
    page = page_of(found)
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta)
    assert set((policy["content"] or "").split("; ")) >= {"default-src 'none'", "img-src data:", "base-uri 'none'"}
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "a", "form", "base"}
    urls = [value or "" for _, some in page.elements for key, value in some.items() if key in {"src", "href"}]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    assert all(image["alt"] for image in page.all("img"))
    assert all(head["scope"] in {"row", "col"} for head in page.all("th"))


def test_the_page_has_every_ranker_with_its_figures_and_its_curve(found: Evaluation) -> None:
    page = page_of(found)
    for run in found.runs:
        assert f"{run.total.mean_average_precision:.3f} ± {run.total.mean_average_precision_error:.3f}" in page.text
        assert f"{run.total.mean_rank:.2f} ± {run.total.mean_rank_error:.2f}" in page.text
    classes = [line["class"] for line in page.all("polyline")]
    assert classes[:5] == ["line-0", "line-1", "line-3", "line-4", "line-2"]
    assert sorted(classes[5:], key=str) == ["line-2", "line-3", "line-4"]  # what is gained by labelled images
    marked = [row for row in page.all("tr") if row.get("class") == "chosen"]
    assert len(marked) == (found.best("m") is not None)


def test_each_row_shows_the_query_the_nearest_and_the_match_with_its_rank(found: Evaluation) -> None:
    chosen = choose(found)
    ranks = [one.rank for one in chosen.worst]
    assert ranks == sorted(chosen.run.ranks, reverse=True)[:WORST]
    assert [one.rank for one in chosen.good] == [1] * len(chosen.good)
    assert 0 < len(chosen.good) <= GOOD
    assert len({found.labels[one.query] for one in chosen.good}) == len(chosen.good)
    page, paths = page_of(found), paths_of(found)
    rows = [*chosen.worst, *chosen.good]
    wanted = [paths[row] for one in rows for row in (one.query, one.nearest, one.positive)]
    assert [image["alt"] for image in page.all("img")] == wanted
    shown = re.findall(r"correct matchrank ([\d.]+) of (\d+)", page.text)
    assert [(float(rank), int(of)) for rank, of in shown] == [(one.rank, one.candidates) for one in rows]
    wrong = [frame for frame in page.all("div") if frame.get("class") == "frame wrong"]
    assert [frame["title"] for frame in wrong] == [
        paths[one.nearest] for one in rows if found.labels[one.nearest] != found.labels[one.query]
    ]


def test_labels_come_hardest_first_and_not_all_of_hundreds(found: Evaluation) -> None:
    best = choose(found).run
    table = page_of(found).text.partition("the hardest first")[2]
    shown = re.findall(r"([a-h])4(?:\d\.\d\d · \d+\.\d){5}", table)
    assert shown == sorted(shown, key=lambda label: best.per_label[label].mean_average_precision)
    assert len(shown) == 8
    many = page_of(evaluated({f"label {n}": 4 for n in range(SHOWN + 2)}))
    assert "And 2 labels more" in many.text
    assert len(re.findall(r"label \d+2\d\.\d\d", many.text)) == SHOWN


def test_a_ranker_without_a_mistake_is_said_to_have_none() -> None:
    page = page_of(evaluated(spread=0.01))
    assert "Nowhere: every correct match comes first." in page.text
    assert len(page.all("img")) == 3 * GOOD


def test_pictures_that_are_missing_are_told(found: Evaluation) -> None:
    page = page_of(found, lost=2, trouble="Blob storage cannot be reached.")
    assert "2 pictures are missing: Blob storage cannot be reached." in page.text
    assert page.text.count("no picture") >= 2
    assert "missing" not in page_of(found).text


@example(word="a\0", name="")  # which NumPy takes for "a"
@settings(max_examples=30)
@given(word=st.sampled_from(HOSTILE) | st.text(min_size=1), name=st.sampled_from(HOSTILE) | st.text())
def test_labels_paths_and_notes_are_text_and_nothing_else(word: str, name: str) -> None:
    labels, vectors = groups({word: 4, f"{word}2": 4}, spread=1.0)
    plain_labels, _ = groups({"a": 4, "a2": 4}, spread=1.0)
    few = Setup(queries=2)
    found, plain = (evaluate(some, {"m": vectors}, [], few) for some in (labels, plain_labels))
    paths = [f"{word}/{n}" for n in range(8)]
    page = page_of(found, name=name, paths=paths, notes=[word])

    def shape(some: Page) -> list[tuple[str, list[str]]]:
        return sorted((tag, sorted(attributes)) for tag, attributes in some.elements)

    assert shape(page) == shape(page_of(plain, notes=["a"]))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", page.text)
    if word.isprintable():
        assert word in page.text


def test_a_model_called_by_html_is_text_too() -> None:
    labels, vectors = groups(SIZES, spread=1.0)
    found = evaluate(labels, {"m": vectors, HOSTILE[1]: vectors}, ["projection"])
    page = page_of(found)
    assert HOSTILE[1] in page.text
    assert not [image for image in page.all("img") if "onerror" in image]
    assert {line["class"] for line in page.all("polyline")} >= {"line-4", "line-4 other-1"}


def test_duplicates_are_shown_by_change_with_the_total_where_it_ends() -> None:
    changes = tuple(Found(name, 10, 10 - n % 3, n % 2) for n, name in enumerate([*CHANGES, *HARDER]))
    curve = tuple(Point(threshold, 1 - threshold, threshold) for threshold in (0.5, 0.7, 0.9))
    figures = DuplicateFigures(10, True, changes, Found("in total", 70, 65, 3), curve)
    page = page_of(evaluated(), duplicates=duplicates_html(figures))
    table = page.text.partition("recallprecision")[2]
    places = [table.index(f"{one.change}{one.right}{one.wrong}{one.recall:.3f}") for one in figures.changes]
    total = table.index("in total6530.9290.956")
    assert places == sorted(places)
    assert places[len(CHANGES) - 1] < total < places[len(CHANGES)]
    assert "recall 0.929 at a precision of 0.956" in page.text
    assert len(page.all("polyline")) == 2


def test_a_curve_goes_through_its_points() -> None:
    drawn = svg_lines(
        [Line("a", [(0, 0), (1, 0.5), (2, 1), (3, 9)], "line-0")], Axis("x", [0, 2], ["0", "2"]), axis("y", 0, 1)
    )
    (points,) = re.findall(r'points="([^"]+)"', drawn)
    corners = [tuple(map(float, point.split(","))) for point in points.split()]
    assert corners == [(42, 250), (225, 139), (408, 28)]  # the frame's corners and middle; 9 is outside


@given(low=st.floats(-5, 5), span=st.floats(0, 5))
def test_an_axis_holds_what_it_is_for_with_few_round_ticks(low: float, span: float) -> None:
    ticks = axis("y", low, low + span).ticks
    assert ticks[0] <= low + 1e-6
    assert ticks[-1] >= low + span - 1e-6
    assert 2 <= len(ticks) <= 8
