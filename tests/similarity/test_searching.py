"""What is found, in which order, by group and page; every vector is made by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared import backbone
from shared.features import FeatureStore, Vector
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity import searching
from similarity.asking import Asked
from similarity.options import Options
from similarity.searching import Found, LookAlike, search
from tests.conftest import Stores
from tests.similarity.stored_images import at, in_direction, put, stored

PHOTOS = (
    stored("c/dogs/rex", at(1), {"kind": "dog", "year": "2024"}),
    stored("c/dogs/ace", at(2), {"kind": "dog", "year": "2025"}),
    stored("c/cats/tom", at(3), {"kind": "cat", "year": "2024"}),
    stored("c/dogs/fox", at(4), {"kind": "fox"}),
    stored("c/cats/tim", at(5), {"kind": "cat", "year": "2025"}),
    stored("c/lone", at(6)),
    stored("c/stray", at(7)),
)


class Reversing:
    """Orders by the second number of a vector: of angles up to 90 degrees, the farthest from 0 comes first."""

    name = "reversing"

    def fit(self, vectors: Vector, labels: Sequence[str]) -> None: ...

    def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
        return candidates[:, 1].astype(np.float64)


@pytest.fixture
def reversing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ranker whose order can be worked out; those that are trained have tests of their own."""
    monkeypatch.setattr(searching, "_ranker", lambda *_: (Reversing(), []))


def asking(degrees: float = 0, *, paths: Sequence[str] = (), anonymous: bool = False) -> Asked:
    return Asked(at(degrees), "c", paths, anonymous, [])


def find(store: FeatureStore, asked: Asked | None = None, overfetch: int = 10, **options: Any) -> Found:
    return search(asked or asking(), Options(**({"top": 3} | options)), store, Settings(rerank_overfetch=overfetch))


def names(found: Found) -> list[str]:
    return [one.match.feature.path.rpartition("/")[2] for one in found.page]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(Path(tmp_path_factory.mktemp("store")) / "features.sqlite")
    put(store, PHOTOS)
    yield store
    store.close()


def test_the_nearest_come_first_and_pages_go_on_where_the_one_before_ended(stores: Stores) -> None:
    put(stores.features, PHOTOS)
    assert names(find(stores.features)) == ["rex", "ace", "tom"]
    assert names(find(stores.features, offset=3)) == ["fox", "tim", "lone"]
    assert names(find(stores.features, offset=6)) == ["stray"]
    past = find(stores.features, offset=7)
    assert (past.page, past.empty) == ([], False)


def test_a_filter_keeps_what_carries_all_of_its_tags(stores: Stores) -> None:
    put(stores.features, PHOTOS)
    assert names(find(stores.features, tags={"kind": "cat"})) == ["tom", "tim"]
    assert names(find(stores.features, tags={"kind": "cat", "year": "2025"})) == ["tim"]
    nothing = find(stores.features, tags={"kind": 'cow" or true'})
    assert (nothing.page, nothing.empty) == ([], False)


def test_of_each_folder_the_best_is_shown(stores: Stores) -> None:
    put(stores.features, PHOTOS)
    found = find(stores.features, group_by="folder")
    assert [(one.group, one.match.feature.path) for one in found.page] == [
        ("c/dogs", "c/dogs/rex"),
        ("c/cats", "c/cats/tom"),
        ("c", "c/lone"),
    ]


def test_of_each_value_of_a_tag_the_best_and_all_that_have_none(photos: FeatureStore) -> None:
    found = find(photos, group_by="tag:kind", top=10)
    assert [one.group for one in found.page] == ["dog", "cat", "fox", None, None]
    assert names(found) == ["rex", "tom", "fox", "lone", "stray"]
    assert names(find(photos, group_by="tag:kind", top=2, offset=1)) == ["tom", "fox"]
    assert found.warnings == []


def test_an_image_without_the_tag_is_not_in_the_group_of_the_tag_that_reads_like_its_path(stores: Stores) -> None:
    put(
        stores.features,
        [stored("c/a", at(1)), stored("c/b", at(2), {"kind": "c/a"}), stored("c/c", at(3), {"kind": ""})],
    )
    assert names(find(stores.features, group_by="tag:kind")) == ["a", "b", "c"]


@pytest.mark.usefixtures("reversing")
def test_a_ranker_orders_the_nearest_and_scores_stay_cosines(stores: Stores) -> None:
    put(stores.features, PHOTOS)
    found = find(stores.features, overfetch=2, top=2, rerank=True)
    assert names(found) == ["fox", "tom"]  # the best of four, turned round
    assert [one.rank_score for one in found.page] == pytest.approx(np.sin(np.deg2rad([4, 3])))
    assert [one.match.score for one in found.page] == pytest.approx(np.cos(np.deg2rad([4, 3])), abs=1e-6)
    assert found.rerank_seconds is not None
    plain = find(stores.features)
    assert plain.rerank_seconds is plain.page[0].rank_score is None


@pytest.mark.usefixtures("reversing")
def test_reranked_pages_of_one_length_join_without_gaps_or_repeats(photos: FeatureStore) -> None:
    pages = [names(find(photos, overfetch=2, top=2, rerank=True, offset=offset)) for offset in (0, 2, 4, 6)]
    assert pages == [["fox", "tom"], ["ace", "rex"], ["stray", "lone"], ["tim"]]


@pytest.mark.usefixtures("reversing")
def test_the_best_of_a_group_is_the_ranker_s(photos: FeatureStore) -> None:
    assert names(find(photos, rerank=True, group_by="folder")) == ["stray", "tim", "fox"]
    assert names(find(photos, rerank=True, group_by="folder", min_score=0.9970)) == ["tom", "fox"][::-1]


def test_min_score_is_about_the_score(photos: FeatureStore) -> None:
    just = float(np.cos(np.deg2rad(3.5)))
    assert names(find(photos, top=10, min_score=just)) == ["rex", "ace", "tom"]


def test_the_queried_images_are_left_out_unless_they_are_asked_for(photos: FeatureStore) -> None:
    asked = asking(paths=["c/dogs/rex", "c/cats/tom"])
    assert names(find(photos, asked)) == ["ace", "fox", "tim"]
    assert names(find(photos, asked, offset=1, top=1)) == ["fox"]
    assert names(find(photos, asked, include_self=True)) == ["rex", "ace", "tom"]


def test_of_several_images_those_that_came_without_a_path_are_left_out_too(photos: FeatureStore) -> None:
    several = asking()._replace(unnamed=[at(1), at(3), at(90)])  # of the last there is none
    assert names(find(photos, several)) == ["ace", "fox", "tim"]
    assert names(find(photos, several, include_self=True)) == ["rex", "ace", "tom"]


@pytest.mark.parametrize("group_by", [None, "folder"])
def test_an_image_without_a_path_is_the_first_that_is_just_the_same(photos: FeatureStore, group_by: str | None) -> None:
    everything = find(photos, asking(6, anonymous=True), top=10, group_by=group_by)
    assert "lone" not in names(everything)
    found = find(photos, asking(6, anonymous=True), top=1, offset=1, group_by=group_by)
    assert names(found) == names(everything)[1:2]
    assert names(find(photos, asking(6, anonymous=True), top=1, include_self=True)) == ["lone"]
    assert names(find(photos, asking(6), top=1)) == ["lone"]


def test_groups_are_looked_for_until_there_are_enough_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Counting(SqliteFeatureStore(tmp_path / "features.sqlite"))
    put(store.store, [stored(f"c/near/{n:02}", at(n / 10)) for n in range(30)])
    put(store.store, [stored("c/far/a", at(40)), stored("c/farther/a", at(50))])
    found = find(store, group_by="folder", top=2)  # type: ignore[arg-type]
    assert [one.group for one in found.page] == ["c/near", "c/far"]
    assert store.asked_for == [2, 16, 128]
    monkeypatch.setattr(searching, "MOST_LOOKED_AT", 10)
    found = find(store, group_by="folder", top=2)  # type: ignore[arg-type]
    assert [one.group for one in found.page] == ["c/near"]
    assert found.warnings == ["There may be more groups: only the 10 most similar images were looked at for 'groupBy'."]
    assert find(store, group_by="folder", top=1).warnings == []  # type: ignore[arg-type]
    store.store.close()


class Counting:
    """A store that notes how much it was asked for."""

    def __init__(self, store: SqliteFeatureStore) -> None:
        self.store = store
        self.asked_for: list[int] = []

    def nearest(self, *args: Any, top: int, **options: Any) -> Any:
        self.asked_for.append(top)
        return self.store.nearest(*args, top=top, **options)


def test_a_plain_query_is_one_question_to_the_store(photos: SqliteFeatureStore) -> None:
    store = Counting(photos)
    assert find(store, asking(anonymous=True)).page  # type: ignore[arg-type]
    assert find(store, asking(paths=["c/lone"]), offset=2, top=2).page  # type: ignore[arg-type]
    assert store.asked_for == [4, 4]


def test_only_a_collection_without_anything_is_empty(photos: FeatureStore) -> None:
    nowhere = asking()._replace(collection="nowhere")
    assert find(photos, nowhere).empty
    assert find(photos, nowhere, tags={"a": "b"}, min_score=0.5).empty
    assert find(photos, nowhere._replace(paths=["nowhere/a"], anonymous=False)).empty
    assert not find(photos, asking(180), min_score=0.99).empty
    assert not find(photos, tags={"a": "b"}).empty


def test_an_image_that_is_alone_with_itself_is_not_in_an_empty_collection(stores: Stores) -> None:
    put(stores.features, [stored("c/a", at(0))])
    for asked in (asking(anonymous=True), asking(paths=["c/a"])):
        found = find(stores.features, asked)
        assert (found.page, found.empty) == ([], False)


# Few directions, so that many score the same; and few folders and tags, so that groups are large.
FEW = st.integers(-2, 2)
DIRECTIONS = st.tuples(FEW, FEW, FEW).filter(any)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteFeatureStore]:
    store = SqliteFeatureStore(Path(tmp_path_factory.mktemp("crowd")) / "features.sqlite")
    random = np.random.default_rng(3)
    for n in range(80):
        numbers = random.integers(-2, 3, 3)
        tags = {"kind": str(n % 4)} if n % 3 else {}
        tags |= {"even": str(n % 2 == 0)}
        vector = in_direction(*(numbers if numbers.any() else (1, 0, 0)))
        put(store, [stored(f"c/{'abc'[n % 3]}/{random.integers(10**9)}", vector, tags)])
    yield store
    store.close()


@st.composite
def mixes(draw: st.DrawFn) -> Options:
    return Options(
        top=draw(st.integers(1, 12)),
        min_score=draw(st.sampled_from([-1.0, 0.0, 0.5])),
        tags=draw(st.sampled_from([{}, {"even": "True"}, {"even": "True", "kind": "2"}])),
        group_by=draw(st.sampled_from([None, "folder", "tag:kind"])),
        include_self=draw(st.booleans()),
        rerank=draw(st.booleans()),
    )


@settings(max_examples=100)
@given(DIRECTIONS, mixes(), st.integers(1, 3), st.integers(0, 5), st.booleans())
def test_pages_join_to_what_is_found_one_step_after_the_other(
    crowd: SqliteFeatureStore,
    direction: tuple[int, int, int],
    options: Options,
    overfetch: int,
    known: int,
    anonymous: bool,
) -> None:
    vector = in_direction(*direction)
    everything = crowd.nearest("c", vector, model=backbone.MODEL, top=1000)
    paths = [] if anonymous else [match.feature.path for match in everything[:known]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "_ranker", lambda *_: (Reversing(), []))
        asked = Asked(vector, "c", paths, anonymous, [])
        pages: list[Sequence[LookAlike]] = []
        while not pages or pages[-1]:
            page = replace(options, offset=len(pages) * options.top)
            pages.append(search(asked, page, crowd, Settings(rerank_overfetch=overfetch)).page)
    got = [one.match.feature.path for page in pages for one in page]

    left = [one for one in everything if options.include_self or one.feature.path not in paths]
    left = [one for one in left if one.score >= options.min_score and options.tags.items() <= one.feature.tags.items()]
    if anonymous and not options.include_self and left and left[0].score >= 1 - 1e-6:
        left = left[1:]
    window = overfetch * options.top
    if options.rerank:
        windows = [left[start : start + window] for start in range(0, len(left), window)]
        left = [one for some in windows for one in sorted(some, key=lambda one: -one.feature.embedding[1])]
    expected: dict[str, str] = {}
    for one in left:
        path, tags = one.feature.path, one.feature.tags
        group = {None: path, "folder": path.rpartition("/")[0], "tag:kind": tags.get("kind", path)}[options.group_by]
        expected.setdefault(group, path)
    assert got == list(expected.values())
    assert all(len(page) == options.top for page in pages[:-2])
