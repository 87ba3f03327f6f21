"""What every `FeatureStore` must do.

A test module of a store subclasses `FeatureStoreConformance` and `EntryConformance` (in `entry_conformance`) and gives
them the fixture `store`: an empty one. Names that start with `Test` are only the subclasses', so nothing here runs by
itself.
"""

import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.features import DIMENSIONS, Feature, FeatureStore, Match, Vector

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MODEL = "backbone-1"
CLOSE = 1e-6
"""How far scores of different stores may be apart."""

_numbers = itertools.count()


def vector_of(*numbers: float) -> Vector:
    """A unit vector that starts like these numbers: float32 [256]."""
    vector = np.zeros(DIMENSIONS)
    vector[: len(numbers)] = numbers
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def random_vectors(count: int, seed: int = 0) -> Vector:
    """Unit vectors in all directions: float32 [count, 256]."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def feature_of(
    path: str = "dogs/a.jpg",
    *,
    etag: str = "0x1",
    modified: datetime = NOON,
    model: str = MODEL,
    embedding: Vector | None = None,
    tags: Mapping[str, str] | None = None,
) -> Feature:
    return Feature(
        path=path,
        etag=etag,
        modified=modified,
        model=model,
        embedding=vector_of(1) if embedding is None else embedding,
        pixel_hash="00ff00ff00ff00ff",
        size=1234,
        tags=tags or {},
    )


def content(feature: Feature | None) -> tuple[object, ...] | None:
    """Everything in a feature, to compare: features themselves are only equal when they are the same object."""
    if feature is None:
        return None
    return (
        feature.path,
        feature.etag,
        feature.modified,
        feature.model,
        feature.embedding.tobytes(),
        feature.pixel_hash,
        feature.size,
        dict(feature.tags),
    )


def paths_of(matches: Sequence[Match]) -> list[str]:
    return [match.feature.path for match in matches]


class Query(NamedTuple):
    vector: Vector
    model: str = MODEL
    top: int = 10
    min_score: float = -1.0
    tags: Mapping[str, str] | None = None
    exclude: Collection[str] = ()


def cosine(one: Vector, other: Vector) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def check_nearest(features: Sequence[Feature], query: Query, matches: Sequence[Match]) -> None:
    """Matches must be the best of these features, which are all there is in the collection."""
    wanted = dict(query.tags or {}).items()
    allowed = {
        feature.path: feature
        for feature in features
        if feature.model == query.model and wanted <= feature.tags.items() and feature.path not in query.exclude
    }
    scores = {path: cosine(feature.embedding, query.vector) for path, feature in allowed.items()}
    found = paths_of(matches)

    assert set(found) <= set(allowed)
    assert len(set(found)) == len(found)
    assert [(-match.score, match.feature.path) for match in matches] == sorted(
        (-match.score, match.feature.path) for match in matches
    )
    for match in matches:
        assert content(match.feature) == content(allowed[match.feature.path])
        assert match.score == pytest.approx(scores[match.feature.path], abs=CLOSE)
        assert query.min_score <= match.score <= 1.0
        assert match.score >= -1.0

    surely = sum(score >= query.min_score + CLOSE for score in scores.values())
    perhaps = sum(score >= query.min_score - CLOSE for score in scores.values())
    assert min(query.top, surely) <= len(matches) <= min(query.top, perhaps)
    score_of = {match.feature.path: match.score for match in matches}
    first_of: dict[bytes, str] = {}
    for path in sorted(allowed):  # of equal vectors the first paths come first, with the same score
        same = allowed[path].embedding.tobytes()
        if path in score_of and same in first_of:
            assert first_of[same] in score_of
            assert score_of[first_of[same]] == score_of[path]
        first_of[same] = path
    if len(matches) == query.top:
        worst = matches[-1].score
        assert all(score <= worst + 2 * CLOSE for path, score in scores.items() if path not in score_of)


_directions = st.sampled_from([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (1, 1, 0), (1, 2, 2), (3, 2, 1), (1, 1, 1e-3)])
_tags = st.dictionaries(st.sampled_from(["kind", "o'k %_\"é"]), st.sampled_from(["1", "2", 'x" OR 1=1 --']), max_size=2)
_names = st.text("ab%_'\"/é\uffff🐕", min_size=1, max_size=4)
_images = st.dictionaries(_names, st.tuples(_directions, st.sampled_from([MODEL, "backbone-2"]), _tags), max_size=25)
_queries = st.builds(
    Query,
    vector=_directions.map(lambda numbers: vector_of(*numbers)),
    model=st.sampled_from([MODEL, "backbone-2", "backbone-none"]),
    top=st.integers(1, 30) | st.just(10**9),
    min_score=st.sampled_from([-1.0, -0.3, 0.01, 0.66, 0.9, 0.999]),
    tags=st.none() | _tags,
    exclude=st.lists(_names, max_size=3),
)


class FeatureStoreConformance:
    """The tests. `store` is an empty store, closed by the fixture."""

    many = 1000
    """Images in a large collection."""

    # --- upsert ---

    def test_a_feature_comes_back_as_it_was_stored(self, store: FeatureStore) -> None:
        feature = feature_of(
            embedding=random_vectors(1)[0],
            tags={"kind": "Dackel", 'quote"': "naïve 🐕 'x' %_\\", "empty": "", "": "no name"},
        )
        assert store.upsert(feature)
        stored = store.get("dogs/a.jpg")
        assert content(stored) == content(feature)
        assert stored is not None
        assert stored.embedding.dtype == np.float32
        assert stored.embedding.shape == (DIMENSIONS,)

    def test_the_stored_embedding_is_a_copy(self, store: FeatureStore) -> None:
        embedding = vector_of(1, 2)
        store.upsert(feature_of(embedding=embedding))
        embedding[:] = vector_of(9)
        stored = store.get("dogs/a.jpg")
        assert stored is not None
        assert np.array_equal(stored.embedding, vector_of(1, 2))

    @pytest.mark.parametrize("hours", [-8, 0, 5.5])
    def test_times_come_back_in_utc_to_the_microsecond(self, store: FeatureStore, hours: float) -> None:
        modified = datetime(2025, 12, 31, 23, 30, 1, 234567, tzinfo=timezone(timedelta(hours=hours)))
        store.upsert(feature_of(modified=modified))
        stored = store.get("dogs/a.jpg")
        assert stored is not None
        assert stored.modified == modified
        assert stored.modified.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        ("etag", "later", "model", "written"),
        [
            ("0x1", 0, "backbone-1", False),
            ("0x1", 1, "backbone-1", True),  # the same content again
            ("0x1", -1, "backbone-1", False),
            ("0x2", 0, "backbone-1", True),  # blob storage has whole seconds: two versions may share one
            ("0x2", 1, "backbone-1", True),
            ("0x2", -1, "backbone-1", False),
            ("0x2", -1e-6, "backbone-1", False),
            ("0x1", 0, "backbone-2", True),
            ("0x1", -1, "backbone-2", False),
            ("0x2", 1, "backbone-2", True),
        ],
    )
    def test_guard(self, store: FeatureStore, etag: str, later: float, model: str, written: bool) -> None:
        before = feature_of(etag="0x1", model="backbone-1", tags={"v": "1"})
        modified = NOON + timedelta(seconds=later)
        after = feature_of(etag=etag, modified=modified, model=model, embedding=vector_of(0, 1), tags={"v": "1"})
        assert store.upsert(before)
        assert store.upsert(after) is written
        left = after if written else before
        assert content(store.get("dogs/a.jpg")) == content(left)
        assert store.counts() == {"dogs": {left.model: 1}}
        for feature in (before, after):
            query = Query(feature.embedding, model=feature.model)
            self.check([left], "dogs", query, store)

    def test_tags_are_replaced_with_the_feature(self, store: FeatureStore) -> None:
        store.upsert(feature_of(tags={"kind": "dog", "old": "1"}))
        store.upsert(feature_of(etag="0x2", tags={"kind": "cat"}))
        for tags, count in (({"kind": "dog"}, 0), ({"old": "1"}, 0), ({"kind": "cat"}, 1)):
            assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=9, tags=tags)) == count

    @pytest.mark.parametrize(
        "embedding",
        [
            vector_of(1).astype(np.float64),
            vector_of(1)[:255],
            np.append(vector_of(1), np.float32(0)),
            vector_of(1)[np.newaxis],
            vector_of(1) * np.float32(1.002),
            vector_of(1) * np.float32(0.998),
            np.zeros(DIMENSIONS, np.float32),
            np.full(DIMENSIONS, np.nan, np.float32),
            np.full(DIMENSIONS, np.inf, np.float32),
        ],
        ids=["float64", "short", "long", "2d", "too long", "too short", "zero", "nan", "inf"],
    )
    def test_a_bad_embedding_is_refused(self, store: FeatureStore, embedding: Vector) -> None:
        with pytest.raises(ValueError, match=r"vector|embedding"):
            store.upsert(feature_of(embedding=embedding))
        assert store.get("dogs/a.jpg") is None
        assert store.counts() == {}

    def test_what_makes_no_sense_is_refused(self, store: FeatureStore) -> None:
        with pytest.raises(ValueError, match="path"):
            store.upsert(feature_of(""))
        with pytest.raises(ValueError, match="time zone"):
            store.upsert(feature_of(modified=NOON.replace(tzinfo=None)))
        with pytest.raises(ValueError, match="time zone"):
            store.delete("dogs/a.jpg", until=NOON.replace(tzinfo=None))
        with pytest.raises(ValueError, match="vector"):
            store.nearest("dogs", vector_of(1) * np.float32(2), model=MODEL, top=1)
        for top in (0, -1):
            with pytest.raises(ValueError, match="top"):
                store.nearest("dogs", vector_of(1), model=MODEL, top=top)
        assert store.counts() == {}

    @pytest.mark.parametrize("length", [0.9991, 1.0009])
    def test_length_does_not_count(self, store: FeatureStore, length: float) -> None:
        vectors = random_vectors(2) * np.array([[length], [1]], np.float32)
        store.upsert(feature_of(embedding=vectors[0]))
        for vector in (vectors[0], vectors[1]):
            (match,) = store.nearest("dogs", vector, model=MODEL, top=1)
            assert match.score == pytest.approx(cosine(vector, vectors[0]), abs=CLOSE)

    # --- get, delete ---

    def test_get_knows_only_the_exact_path(self, store: FeatureStore) -> None:
        store.upsert(feature_of("dogs/a.jpg"))
        for path in ("dogs/A.jpg", "dogs/a.jp", "dogs/a.jpg ", "a.jpg", "dogs/%", "default/dogs/a.jpg", ""):
            assert store.get(path) is None

    def test_deleted_is_gone_everywhere(self, store: FeatureStore) -> None:
        kept = feature_of("dogs/b.jpg", tags={"kind": "dog"})
        store.upsert(kept)
        store.upsert(feature_of("dogs/a.jpg", tags={"kind": "dog"}))
        self.check([kept, feature_of("dogs/a.jpg", tags={"kind": "dog"})], "dogs", Query(vector_of(1)), store)
        assert store.delete("dogs/a.jpg") is True
        assert store.delete("dogs/a.jpg") is False
        assert store.get("dogs/a.jpg") is None
        assert store.counts() == {"dogs": {MODEL: 1}}
        assert [feature.path for block in store.scan("dogs") for feature in block] == ["dogs/b.jpg"]
        self.check([kept], "dogs", Query(vector_of(1)), store)
        self.check([kept], "dogs", Query(vector_of(1), tags={"kind": "dog"}), store)
        assert store.delete("dogs/b.jpg") is True
        assert store.counts() == {}

    @pytest.mark.parametrize(("until", "gone"), [(-1e-6, False), (0, True), (1, True), (None, True)])
    def test_delete_until(self, store: FeatureStore, until: float | None, gone: bool) -> None:
        store.upsert(feature_of())
        moment = None if until is None else NOON.astimezone(timezone(timedelta(hours=9))) + timedelta(seconds=until)
        assert store.delete("dogs/a.jpg", until=moment) is gone
        assert (store.get("dogs/a.jpg") is None) is gone
        assert len(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == (0 if gone else 1)

    def test_what_was_deleted_may_come_back(self, store: FeatureStore) -> None:
        store.upsert(feature_of())
        store.delete("dogs/a.jpg")
        assert store.upsert(feature_of(modified=NOON - SECOND))
        assert paths_of(store.nearest("dogs", vector_of(1), model=MODEL, top=1)) == ["dogs/a.jpg"]

    # --- nearest ---

    def check(self, features: Sequence[Feature], collection: str, query: Query, store: FeatureStore) -> None:
        matches = store.nearest(collection, query.vector, **{k: v for k, v in query._asdict().items() if k != "vector"})
        check_nearest(features, query, matches)

    def test_a_copy_scores_one(self, store: FeatureStore) -> None:
        for number, vector in enumerate(random_vectors(20)):
            store.upsert(feature_of(f"dogs/{number:02}.jpg", embedding=vector))
        for number, vector in enumerate(random_vectors(20)):
            (match,) = store.nearest("dogs", vector, model=MODEL, top=1)
            assert match.feature.path == f"dogs/{number:02}.jpg"
            assert match.score == pytest.approx(1, abs=CLOSE)

    def test_an_opposite_scores_minus_one(self, store: FeatureStore) -> None:
        vector = random_vectors(1)[0]
        store.upsert(feature_of(embedding=-vector))
        (match,) = store.nearest("dogs", vector, model=MODEL, top=1)
        assert match.score == pytest.approx(-1, abs=CLOSE)
        assert match.score >= -1

    def test_of_many_ties_the_first_paths_are_taken(self, store: FeatureStore) -> None:
        vectors = random_vectors(2)
        count = min(300, self.many)
        order = np.random.default_rng(1).permutation(count)
        features = [feature_of(f"dogs/{n:03}.jpg", embedding=vectors[0]) for n in order]
        features.insert(100, feature_of("dogs/zzz.jpg", embedding=vectors[1]))
        for feature in features:
            store.upsert(feature)
        for top, paths in ((1, ["000"]), (3, ["000", "001", "002"]), (count, [f"{n:03}" for n in range(count)])):
            matches = store.nearest("dogs", vectors[0], model=MODEL, top=top)
            assert paths_of(matches) == [f"dogs/{path}.jpg" for path in paths]
            assert len({match.score for match in matches}) == 1
        matches = store.nearest("dogs", vectors[1], model=MODEL, top=3)
        assert paths_of(matches) == ["dogs/zzz.jpg", "dogs/000.jpg", "dogs/001.jpg"]
        matches = store.nearest("dogs", vectors[0], model=MODEL, top=2, exclude={"dogs/000.jpg", "dogs/002.jpg"})
        assert paths_of(matches) == ["dogs/001.jpg", "dogs/003.jpg"]

    def test_collections_and_models_never_meet(self, store: FeatureStore) -> None:
        for path in ("dogs/a", "dogs2/a", "Dogs/a", "default/a", "a", "/a", "dog s/a", "dogs%/a"):
            store.upsert(feature_of(path))
        store.upsert(feature_of("dogs/other", model="backbone-2"))
        assert store.counts() == {
            "dogs": {MODEL: 1, "backbone-2": 1},
            "dogs2": {MODEL: 1},
            "Dogs": {MODEL: 1},
            "default": {MODEL: 3},
            "dog s": {MODEL: 1},
            "dogs%": {MODEL: 1},
        }
        assert store.counts("dogs") == {"dogs": {MODEL: 1, "backbone-2": 1}}
        assert store.counts("cats") == {}
        for collection, paths in (
            ("dogs", ["dogs/a"]),
            ("default", ["/a", "a", "default/a"]),
            ("dogs%", ["dogs%/a"]),
            ("cats", []),
            ("", []),
        ):
            assert paths_of(store.nearest(collection, vector_of(1), model=MODEL, top=9)) == paths
        assert paths_of(store.nearest("dogs", vector_of(1), model="backbone-2", top=9)) == ["dogs/other"]
        assert store.nearest("dogs", vector_of(1), model="backbone", top=9) == []

    # `differing_executors`: the suite is meant to run in several classes, one for each store.
    @settings(
        max_examples=40,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.differing_executors,
        ],
    )
    @given(images=_images, queries=st.lists(_queries, min_size=1, max_size=5))
    def test_nearest_are_the_nearest(
        self,
        store: FeatureStore,
        images: dict[str, tuple[tuple[float, ...], str, dict[str, str]]],
        queries: list[Query],
    ) -> None:
        collection = f"c{next(_numbers)}"  # the store is the same for every example
        features = [
            feature_of(f"{collection}/{name}", model=model, embedding=vector_of(*numbers), tags=tags)
            for name, (numbers, model, tags) in images.items()
        ]
        for feature in features:
            assert store.upsert(feature)
        for query in queries:
            exclude = [f"{collection}/{name}" for name in query.exclude] + ["elsewhere/a", "nowhere"]
            self.check(features, collection, query._replace(exclude=exclude), store)

    def test_nearest_of_many(self, store: FeatureStore) -> None:
        vectors = random_vectors(self.many)
        features = [
            feature_of(f"dogs/{n}", embedding=vector, tags={"third": str(n % 3), "half": str(n % 2)})
            for n, vector in enumerate(vectors)
        ]
        for feature in features:
            store.upsert(feature)
        for vector in random_vectors(3, seed=1):
            self.check(features, "dogs", Query(vector), store)
            self.check(features, "dogs", Query(vector, tags={"third": "1", "half": "0"}), store)
            self.check(features, "dogs", Query(vector, top=self.many, min_score=0.05), store)
            best = paths_of(store.nearest("dogs", vector, model=MODEL, top=self.many // 2))
            self.check(features, "dogs", Query(vector, exclude=best), store)

    # --- scan ---

    def test_scan_gives_each_once_in_an_order_that_stays(self, store: FeatureStore) -> None:
        names = [
            "a",
            "A",
            "é",
            "e\u0301",
            "\uffff",
            "🐕",
            "%",
            "_",
            "'",
            '"',
            "--",
            "a b",
            "a/b",
            "a-b",
            "ß",
            "日本",
            "x" * 1000,
        ]
        paths = [f"dogs/{name}" for name in names]
        for number, path in enumerate(paths):
            store.upsert(feature_of(path, model=f"backbone-{number % 2}"))
        store.upsert(feature_of("cats/a"))
        order = [feature.path for features in store.scan("dogs") for feature in features]
        assert sorted(order) == sorted(paths)
        for block in (1, 2, 5, len(paths) - 1, len(paths), len(paths) + 1, 1000):
            blocks = list(store.scan("dogs", block=block))
            assert [feature.path for features in blocks for feature in features] == order
            assert all(len(features) == block for features in blocks[:-1])
            assert 0 < len(blocks[-1]) <= block
        for position, path in enumerate(order):
            rest = [feature.path for features in store.scan("dogs", block=7, after=path) for feature in features]
            assert rest == order[position + 1 :]
            assert content(store.get(path)) is not None
        assert list(store.scan("cat")) == []

    def test_scan_gives_whole_features(self, store: FeatureStore) -> None:
        feature = feature_of("alone.jpg", embedding=random_vectors(1)[0], tags={"kind": "dog"})
        store.upsert(feature)
        ((scanned,),) = store.scan("default")
        assert content(scanned) == content(feature)

    def test_scan_reads_a_block_when_it_is_asked_for(self, store: FeatureStore) -> None:
        for name in "abcdefghi":
            store.upsert(feature_of(f"dogs/{name}"))
        order = [feature.path for block in store.scan("dogs") for feature in block]
        for path in order[3:5]:
            store.delete(path)
        blocks = store.scan("dogs", block=2)
        assert [feature.path for feature in next(blocks)] == order[:2]
        store.upsert(feature_of(order[3]))
        store.delete(order[0])
        store.delete(order[-1])
        rest = [path for path in order[2:-1] if path != order[4]]
        assert [feature.path for block in blocks for feature in block] == rest

    def test_a_broken_off_scan_goes_on(self, store: FeatureStore) -> None:
        paths = [f"dogs/{n}" for n in range(10)]
        for path in paths:
            store.upsert(feature_of(path))
        first = next(store.scan("dogs", block=4))
        rest = store.scan("dogs", block=4, after=first[-1].path)
        assert sorted(feature.path for feature in [*first, *itertools.chain(*rest)]) == paths

    # --- swap ---

    def test_a_text_is_swapped_only_for_the_one_that_is_there(self, store: FeatureStore) -> None:
        assert not store.swap("run", "a", "b")
        assert store.recall("run") is None
        assert store.swap("run", None, "a")
        assert not store.swap("run", None, "b")
        assert not store.swap("run", "A", "b")
        assert not store.swap("walk", "a", "b")
        assert store.recall("run") == "a"
        assert store.swap("run", "a", "")
        assert not store.swap("run", None, "b")  # an empty text is not none
        assert store.swap("run", "", "é🐕")
        assert store.recall("run") == "é🐕"
        store.remember("run", None)
        assert not store.swap("run", "é🐕", "b")
        assert store.swap("run", None, "c")
        assert store.recall("run") == "c"

    def test_of_several_who_swap_the_same_text_one_succeeds(self, store: FeatureStore) -> None:
        before = None
        for _ in range(5):
            texts = [f"{before}{n}" for n in range(8)]
            won = at_once([partial(store.swap, "run", before, text) for text in texts])
            assert sum(won) == 1
            before = store.recall("run")
            assert before == texts[won.index(True)]

    def test_a_number_that_many_count_up_loses_nothing(self, store: FeatureStore) -> None:
        def count_up() -> bool:
            for _ in range(4):
                while True:
                    before = store.recall("number")
                    if store.swap("number", before, str(int(before or 0) + 1)):
                        break
            return True

        assert all(at_once([count_up] * 6))
        assert store.recall("number") == "24"

    # --- threads ---

    def test_of_equal_writes_at_once_one_counts(self, store: FeatureStore) -> None:
        assert sorted(at_once([lambda: store.upsert(feature_of())] * 8)) == [False] * 7 + [True]
        assert sorted(at_once([lambda: store.delete("dogs/a.jpg")] * 8)) == [False] * 7 + [True]

    def test_of_different_writes_at_once_the_latest_stays(self, store: FeatureStore) -> None:
        versions = [feature_of(etag=f"0x{n}", modified=NOON + n * SECOND) for n in (3, 7, 1, 5, 0, 6, 2, 4)]
        at_once([partial(store.upsert, version) for version in versions])
        assert content(store.get("dogs/a.jpg")) == content(versions[1])

    def test_every_thread_finds_what_it_wrote(self, store: FeatureStore) -> None:
        vectors = random_vectors(8 * 12).reshape(8, 12, DIMENSIONS)

        def write_and_find(writer: int) -> bool:
            for n, vector in enumerate(vectors[writer]):
                path = f"dogs/{writer}/{n:02}"
                assert store.upsert(feature_of(path, embedding=vector))
                matches = store.nearest("dogs", vector, model=MODEL, top=3)
                assert matches[0].feature.path == path
                for match in matches:
                    _, other, number = match.feature.path.split("/")
                    assert match.score == pytest.approx(cosine(vector, vectors[int(other), int(number)]), abs=CLOSE)
                if n % 3 == 0:
                    assert store.delete(path)
                    assert path not in paths_of(store.nearest("dogs", vector, model=MODEL, top=3))
            return True

        assert all(at_once([partial(write_and_find, writer) for writer in range(8)]))
        left = [f"dogs/{writer}/{n:02}" for writer in range(8) for n in range(12) if n % 3]
        assert sorted(feature.path for block in store.scan("dogs") for feature in block) == left
        assert sorted(paths_of(store.nearest("dogs", vectors[0, 0], model=MODEL, top=999))) == left

    def test_a_query_sees_a_replaced_feature_whole(self, store: FeatureStore) -> None:
        versions = random_vectors(30)
        store.upsert(feature_of(etag="0", embedding=versions[0]))
        done = threading.Event()

        def write() -> bool:
            try:
                return all(store.upsert(feature_of(etag=str(n), embedding=versions[n])) for n in range(1, 30))
            finally:
                done.set()

        def read() -> bool:
            last = 0
            while not done.is_set():
                (match,) = store.nearest("dogs", versions[-1], model=MODEL, top=2)
                version = int(match.feature.etag)
                assert match.feature.embedding.tobytes() == versions[version].tobytes()
                assert match.score == pytest.approx(cosine(versions[-1], versions[version]), abs=CLOSE)
                assert version >= last
                last = version
            return True

        assert all(at_once([write, read, read, read]))


def at_once(calls: Sequence[Callable[[], bool]]) -> list[bool]:
    """What these calls return, made by as many threads that start together."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], bool]) -> bool:
        ready.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as executor:
        return list(executor.map(run, calls))
