"""The page of a fit, read as a browser reads it: what it says, what it shows, and what cannot break out of it."""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clustering.assignment import Current
from clustering.fits import Cluster, Fit, Parameters, SweepRow
from clustering.reporting.groups import groups, samples
from clustering.reporting.plot import svg_curve, text_curve
from clustering.reporting.report import report_html
from clustering.reporting.report_clusters import NOISE_PICTURES, PICTURES, SHOWN
from clustering.state import State
from shared.contract import Deadline
from shared.features import StoreBusy
from shared.fits import NOISE, Member
from shared.pictures import Picture
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from tests.clustering.small_fits import at, feature, fit_of, member
from tests.conftest import Stores
from tests.pages import HOSTILE, Page


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """On SQLite only: the page is the same on both."""
    features = SqliteFeatureStore(tmp_path / "features.sqlite")
    fits = SqliteFitStore(tmp_path / "clusters.sqlite")
    with closing(features), closing(fits):
        yield Stores(features, fits)


def red(_path: str) -> Image.Image:
    return Image.new("RGB", (16, 12), "red")


def page_of(
    stores: Stores,
    members: Sequence[Member],
    state: State | None = None,
    *,
    fit: Fit | None = None,
    picture: Picture = red,
    deadline: Deadline | None = None,
) -> Page:
    stores.fits.write("f", members)
    current = Current(state or State(fit="f"), fit or fit_of("f", members))
    return Page(report_html(current, stores.features, stores.fits, picture, deadline))


def dogs(count: int, cluster: int = 0, cores: int | None = None) -> list[Member]:
    """Members of a cluster, the first of which are core samples."""
    some = count if cores is None else cores
    return [member(f"c/{cluster}-{n:03}", cluster, at(cluster) if n < some else None) for n in range(count)]


def test_the_page_loads_nothing_and_runs_nothing(stores: Stores) -> None:
    page = page_of(stores, [*dogs(12), *dogs(3, NOISE, 0)])
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert set((policy["content"] or "").split("; ")) >= {"default-src 'none'", "img-src data:", "base-uri 'none'"}
    assert "script" not in str(policy["content"])
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "a", "form", "base"}
    urls = [value or "" for _, some in page.elements for name, value in some.items() if name in {"src", "href"}]
    assert len(urls) == PICTURES + 3
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    with Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2]))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (16, 12))
    assert all(image["alt"] for image in page.all("img"))
    assert all(head["scope"] in {"row", "col"} for head in page.all("th"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=st.sampled_from(HOSTILE) | st.text(min_size=1), name=st.sampled_from(HOSTILE) | st.text(min_size=1))
def test_labels_and_names_are_text_and_nothing_else(stores: Stores, word: str, name: str) -> None:
    name = name.encode("utf-8", "replace").decode().replace("\0", "")  # what a store takes
    members = [member(f"c/{name}", 0, at(0)), member(f"d/{name}", NOISE)]
    plain = page_of(stores, [member("c/name", 0, at(0)), member("d/name", NOISE)], State(fit="f", labels={0: ("w",)}))
    fit = replace(fit_of("f", members, collection=name, model=name), warnings=[name, word])
    stores.fits.drop("f")
    page = page_of(stores, members, State(fit="f", labels={0: (word,)}), fit=fit)
    stores.fits.drop("f")

    def shape(some: Page) -> list[tuple[str, list[str]]]:
        # The number of warnings aside, which this fit has one more of.
        return [(tag, sorted(attributes)) for tag, attributes in some.elements if tag != "li" or attributes]

    assert shape(page) == shape(plain)
    if word.isprintable():
        assert word in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", page.text)


def test_a_label_of_html_is_shown_as_it_was_written(stores: Stores) -> None:
    page = page_of(stores, dogs(3), State(fit="f", labels={0: (HOSTILE[0], "قلعة", "柴犬")}))
    for word in (HOSTILE[0], "قلعة", "柴犬"):
        assert word in page.text
    assert len(page.all("bdi")) == 1 + 3  # each word keeps its own direction, and so does the collection


def test_the_page_can_be_written_whatever_a_label_holds(stores: Stores) -> None:
    stores.fits.write("f", dogs(3))
    current = Current(State(fit="f", labels={0: ("\ud800",)}), fit_of("f", dogs(3)))
    assert report_html(current, stores.features, stores.fits, red).encode()


def test_merged_clusters_are_one(stores: Stores) -> None:
    members = [*dogs(5, 0), *dogs(4, 1), *dogs(2, 2)]
    state = State(fit="f", labels={2: ("spitz",)}, merged={0: 2})
    page = page_of(stores, members, state)
    names = re.findall(r"cluster (\d+) ·|Cluster (\d+)no name yet", page.text)
    assert ["".join(name) for name in names] == ["2", "1"]
    assert "cluster 2 · 7 images · 7 core samples" in page.text
    assert "with 0 merged into it" in page.text
    assert "Clusters2 " in page.text
    assert "Largest cluster7 64%" in page.text
    shown = [image["alt"] or "" for image in page.all("img")]
    assert sum(path.startswith(("c/0", "c/2")) for path in shown) == 7


def test_the_largest_clusters_come_first_and_the_page_says_how_many_more_there_are(stores: Stores) -> None:
    members = [one for cluster in range(SHOWN + 2) for one in dogs(2 + cluster % 3, cluster)]
    page = page_of(stores, members)
    sizes = [int(size) for size in re.findall(r"no name yet · (\d) images", page.text)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == SHOWN
    assert "And 2 more clusters with 4 images." in page.text


def test_samples_are_core_samples_and_images_at_the_edge(stores: Stores) -> None:
    stores.fits.write("f", [*dogs(100, 0, 60), *dogs(4, 1, 1), *dogs(40, NOISE, 0)])
    chosen = samples(stores.fits, "f", [0], 8)
    assert [one.core for one in chosen] == [True] * 5 + [False] * 3
    assert chosen[4].path > "c/0-040"  # not only the first by name
    assert sum(one.core for one in samples(stores.fits, "f", [0, 1], 8)) == 5
    assert len(samples(stores.fits, "f", [1], 8)) == 4
    assert len(samples(stores.fits, "f", [NOISE], 8)) == 8


def test_the_page_says_how_many_images_it_shows_of_a_cluster_and_how_to_name_one(stores: Stores) -> None:
    page = page_of(stores, [*dogs(24), *dogs(30, NOISE, 0)])
    assert f"{PICTURES} of 24 images" in page.text
    assert f"{NOISE_PICTURES} of 30 images" in page.text
    assert "python -m clustering label c 0 WORD" in page.text
    assert 'PATCH /api/collections/c/clusters/labels with {"set": {"0": ["WORD"]}}' in page.text


def test_only_images_at_the_edge_have_a_frame(stores: Stores) -> None:
    page = page_of(stores, [*dogs(4, 0, 2), *dogs(1, NOISE, 0)])
    assert sum(item.get("class") == "edge" for item in page.all("li")) == 2


def test_what_is_out_of_time_is_a_placeholder_and_the_page_says_so(stores: Stores) -> None:
    page = page_of(stores, [*dogs(12), *dogs(3, 1)], deadline=Deadline(0))
    assert not page.all("img")
    assert "the time for this page was over" in page.text
    assert page.text.count("not reached in time") == 2
    assert "Cluster 0" in page.text


def test_pictures_that_are_gone_are_placeholders_and_no_trouble(stores: Stores) -> None:
    page = page_of(stores, dogs(3), picture=lambda path: None if path == "c/0-001" else red(path))
    assert len(page.all("img")) == 2
    assert "no picture" in page.text
    assert "missing" not in page.text


def test_when_the_storage_cannot_be_asked_the_page_says_why(stores: Stores) -> None:
    def picture(_path: str) -> Image.Image | None:
        raise StoreBusy("Blob storage cannot be reached.", 5)

    page = page_of(stores, dogs(3), picture=picture)
    assert "3 pictures are missing, all of them: Blob storage cannot be reached." in page.text
    assert "--images FOLDER" in page.text
    assert "/api/collections/c/clusters/report" in page.text
    assert "Cluster 0" in page.text


def test_a_fit_of_only_noise_shows_the_noise(stores: Stores) -> None:
    page = page_of(stores, dogs(30, NOISE, 0), fit=replace(fit_of("f", dogs(30, NOISE, 0)), silhouette=None))
    assert "There are none" in page.text
    assert "30 images near no cluster" in page.text
    assert len(page.all("img")) == NOISE_PICTURES
    assert "takes two clusters at least" in page.text


def test_one_cluster_of_all_has_no_noise(stores: Stores) -> None:
    page = page_of(stores, dogs(3), fit=replace(fit_of("f", dogs(3)), silhouette=None, changes=None))
    assert "Noise" not in [heading.strip() for heading in re.findall(r"Noise(?= |$)", page.text)]
    assert "In clusters3 100%" in page.text
    assert "Since the fit before" not in page.text


def test_a_fit_of_nothing_is_a_page(stores: Stores) -> None:
    nothing = replace(fit_of("f", []), silhouette=None, curve=[], sweep=[], changes=None)
    page = page_of(stores, [], fit=nothing)
    assert "Images0" in page.text
    assert not page.all("svg")


def test_what_changed_is_told(stores: Stores) -> None:
    page = page_of(stores, dogs(3))
    for said in (
        "New: 1.",
        "Gone: 0.",
        "Cluster 4 was split into 1, 2.",
        "Cluster 1 was merged from 4, 5.",
        "so it is",
    ):
        assert said in page.text


def test_the_page_says_when_it_is_out_of_date(stores: Stores) -> None:
    for one in dogs(3):
        stores.features.upsert(feature(one.path, at(0)))
    assert "only another fit" not in page_of(stores, dogs(3)).text
    stores.features.upsert(feature("c/new", at(0)))
    assert "The collection holds 4 images of this model now, 3 when it was fitted." in page_of(stores, dogs(3)).text


def test_a_sample_is_told(stores: Stores) -> None:
    fit = replace(fit_of("f", dogs(3)), images=200_000, learned_from=100_000)
    page = page_of(stores, dogs(3), fit=fit)
    assert "learned from a sample of 100,000 images" in page.text
    assert "in a sample of 5,000 images" in page.text


def test_the_row_of_the_eps_that_was_used_is_marked(stores: Stores) -> None:
    rows = [SweepRow(0.2, 4, 3, 2), SweepRow(0.30000000000000004, 1, 0, 9)]
    fit = replace(fit_of("f", dogs(3)), sweep=rows, parameters=Parameters(eps=0.3))
    page = page_of(stores, dogs(3), fit=fit)
    assert [row.get("class") for row in page.all("tr")] == [None, None, "chosen"]
    assert "0.3 (used)109" in page.text


def test_hdbscan_has_no_eps_to_mark(stores: Stores) -> None:
    fit = replace(fit_of("f", dogs(3)), parameters=Parameters(algorithm="hdbscan"), sweep=[])
    page = page_of(stores, dogs(3), fit=fit)
    assert "eps" not in [line.get("class") for line in page.all("line")]
    assert "found by HDBSCAN itself" in page.text


def test_the_curve_rises_to_the_eps_that_it_is_compared_with() -> None:
    drawn = svg_curve([0.1, 0.2, 0.4], k=3, eps=0.4, knee=0.2)
    points = [tuple(map(float, point.split(","))) for point in re.findall(r'points="([^"]+)"', drawn)[0].split()]
    height = {name: float(y) for name, y in re.findall(r'<line class="(eps|knee)"[^>]* y1="([\d.]+)"', drawn)}
    # Up is less in SVG; the last point is at eps, that in the middle at the knee.
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert points[2][1] == height["eps"]
    assert points[1][1] == height["knee"]
    assert "3rd nearest, itself the first" in drawn


@given(
    curve=st.lists(st.floats(0, 2), min_size=1, max_size=200).map(sorted),
    k=st.integers(1, 200),
    eps=st.none() | st.floats(0.001, 2),
    knee=st.none() | st.floats(0, 2),
)
@example(curve=[5e-324], k=1, eps=None, knee=None)
def test_any_curve_stays_in_its_frame(curve: list[float], k: int, eps: float | None, knee: float | None) -> None:
    for number in re.findall(r'y[12]?="(-?[\d.]+)"', svg_curve(curve, k=k, eps=eps, knee=knee)):
        assert 0 <= float(number) <= 262
    lines = text_curve(curve, k=k, knee=knee).splitlines()
    assert len(lines) == 15
    assert all(len(line) < 100 for line in lines)
    assert ("knee" in "".join(lines)) == (knee is not None)


def test_groups_are_what_people_see() -> None:
    clusters = [Cluster(0, 3, 2, 0.2, 0.4), Cluster(1, 5, 5, 0.1, 0.4), Cluster(2, 4, 1, 0.3, 0.4)]
    fit = replace(fit_of("f", []), clusters=clusters)
    found = groups(State(fit="f", labels={7: ("a",), 0: ("gone",)}, merged={0: 7, 2: 7}), fit)
    assert [(group.id, group.words, group.size, group.cores, group.spread) for group in found] == [
        (7, ("a",), 7, 3, 0.3),
        (1, (), 5, 5, 0.1),
    ]
