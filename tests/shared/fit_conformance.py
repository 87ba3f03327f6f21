"""What every `FitStore` must do.

A test module of a store subclasses `FitStoreConformance` and gives it the fixture `fits`: an empty one.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.features import DIMENSIONS, Vector
from shared.fits import NOISE, Core, FitStore, Member
from tests.shared.store_conformance import at_once, random_vectors, vector_of

ODD_NAMES = ["a", "A", "a b", "a/b", "a?b#c\\d", "~", "'\"", "%_", "ß", "日本", "\xe9", "e\u0301", "\uffff", "x" * 1000]

_numbers = itertools.count()


def member_of(
    path: str = "dogs/a.jpg", *, etag: str = "0x1", cluster: int = 0, embedding: Vector | None = None
) -> Member:
    """A core sample when it has an embedding."""
    return Member(path=path, etag=etag, cluster=cluster, core=embedding is not None, embedding=embedding)


def cores_of(vectors: Vector, *, clusters: int = 7) -> list[Member]:
    return [member_of(f"dogs/{n:04}", cluster=n % clusters, embedding=vector) for n, vector in enumerate(vectors)]


def content(member: Member | None) -> tuple[object, ...] | None:
    if member is None:
        return None
    return (member.path, member.etag, member.cluster, member.core, member.embedding)


def kept(member: Member) -> tuple[object, ...]:
    """What must come back of a member: all but the embedding."""
    return (member.path, member.etag, member.cluster, member.core, None)


def pages(fits: FitStore, fit: str, *, cluster: int | None = None, limit: int = 1000) -> Iterator[Member]:
    after = ""
    while found := fits.members(fit, cluster=cluster, after=after, limit=limit):
        assert len(found) <= limit
        yield from found
        after = found[-1].path


def distances(vectors: Vector, others: Vector) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Cosine distances by the book: float64 [n, m]."""
    a, b = vectors.astype(np.float64), others.astype(np.float64)
    lengths = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    result: np.ndarray[tuple[int, int], np.dtype[np.float64]] = 1.0 - a @ b.T / lengths
    return result


def check_found(members: Sequence[Member], vectors: Vector, found: Sequence[Core | None]) -> None:
    """What was found must be the nearest of the core samples among these members."""
    cores = sorted((member for member in members if member.core), key=lambda member: member.path)
    assert len(found) == len(vectors)
    if not cores:
        assert found == [None] * len(vectors)
        return
    embeddings = np.array([core.embedding for core in cores])
    for row, vector, core in zip(distances(vectors, embeddings), vectors, found, strict=True):
        assert core is not None
        assert 0.0 <= core.distance <= 2.0
        assert core.distance == pytest.approx(row.min(), abs=1e-12)
        near = [cores[n] for n in np.flatnonzero(row <= row.min() + 1e-12)]
        (chosen,) = (member for member in near if member.path == core.path)
        assert core.cluster == chosen.cluster
        assert core.path == next(one.path for one in near if same(one, chosen.embedding))  # of copies the first
        copies = [one.path for one in near if same(one, vector)]
        assert not copies or (core.distance == 0.0 and core.path <= copies[0])


def same(member: Member, vector: Vector | None) -> bool:
    return member.embedding is not None and vector is not None and member.embedding.tobytes() == vector.tobytes()


_directions = st.sampled_from([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (1, 1, 0), (1, 2, 2), (1, 1, 1e-3), (1, 1, 1.1e-3)])
_vectors = st.tuples(_directions, st.sampled_from([1.0, 1.0009, 0.9991])).map(
    lambda given: (vector_of(*given[0]) * given[1]).astype(np.float32)
)
_members = st.dictionaries(
    st.text("ab/é\uffff", min_size=1, max_size=3), st.tuples(st.integers(-1, 3), st.none() | _vectors), max_size=12
)


class FitStoreConformance:
    """The tests. `fits` is an empty store, closed by the fixture."""

    # --- members ---

    def test_a_member_comes_back_without_its_embedding(self, fits: FitStore) -> None:
        core = member_of("dogs/é 🐕.jpg", etag='0x"1', cluster=2**31, embedding=random_vectors(1)[0])
        noise = member_of("dogs/b.jpg", cluster=NOISE)
        fits.write("one", [core, noise])
        assert content(fits.member("one", core.path)) == kept(core)
        assert content(fits.member("one", noise.path)) == kept(noise)
        assert fits.member("one", "dogs/c.jpg") is None
        assert fits.member("two", core.path) is None

    def test_a_fit_knows_nothing_of_another(self, fits: FitStore) -> None:
        vector = vector_of(1)
        for n, fit in enumerate(["a", "A", "a-1", "0123456789abcdef"]):
            fits.write(fit, [member_of(cluster=n, embedding=vector)])
        for n, fit in enumerate(["a", "A", "a-1", "0123456789abcdef"]):
            assert [member.cluster for member in fits.members(fit, limit=9)] == [n]
            assert fits.nearest(fit, vector[np.newaxis]) == [Core("dogs/a.jpg", n, 0.0)]

    def test_members_are_pages_in_one_order(self, fits: FitStore) -> None:
        members = [member_of(f"dogs/{name}", cluster=n % 3 - 1) for n, name in enumerate(ODD_NAMES)]
        fits.write("one", members)
        order = [member.path for member in fits.members("one", limit=10**6)]
        assert sorted(order) == sorted(member.path for member in members)
        assert [path for path in order if path.isascii()] == sorted(path for path in order if path.isascii())
        for limit in (1, 3, len(order), len(order) + 1):
            assert [member.path for member in pages(fits, "one", limit=limit)] == order
        by_path = {member.path: kept(member) for member in members}
        for cluster in (NOISE, 0, 1):
            of_cluster = [path for path in order if by_path[path][2] == cluster]
            assert [content(one) for one in pages(fits, "one", cluster=cluster, limit=2)] == [
                by_path[path] for path in of_cluster
            ]
        assert fits.members("one", cluster=2, limit=9) == []
        assert fits.members("two", limit=9) == []
        assert fits.members("one", after=order[-1], limit=9) == []

    # --- write ---

    def test_of_one_path_the_last_counts(self, fits: FitStore) -> None:
        first, second = vector_of(1), vector_of(0, 1)
        fits.write("one", [member_of(embedding=first), *cores_of(random_vectors(5)), member_of(embedding=second)])
        (core,) = fits.nearest("one", second[np.newaxis])
        assert core == Core("dogs/a.jpg", 0, 0.0)
        fits.write("one", [member_of(etag="0x2", cluster=NOISE)])
        assert content(fits.member("one", "dogs/a.jpg")) == kept(member_of(etag="0x2", cluster=NOISE))
        assert len(fits.members("one", limit=99)) == 6
        check_found(cores_of(random_vectors(5)), second[np.newaxis], fits.nearest("one", second[np.newaxis]))

    def test_of_one_path_among_thousands_the_last_counts(self, fits: FitStore) -> None:
        paths = [f"dogs/{n % 1100:04}" for n in range(2500)]
        fits.write("one", (member_of(path, etag=str(n)) for n, path in enumerate(paths)))
        last = {path: str(n) for n, path in enumerate(paths)}
        assert {member.path: member.etag for member in pages(fits, "one")} == last

    def test_members_are_read_as_they_are_written(self, fits: FitStore) -> None:
        read, written, most = 0, 0, 0

        def members() -> Iterator[Member]:
            nonlocal read, most
            for n in range(5000):
                read += 1
                most = max(most, read - written)
                yield member_of(f"dogs/{n:05}")

        def progress(count: int) -> None:
            nonlocal written
            assert count > 0
            written += count

        fits.write("one", members(), progress=progress)
        assert written == 5000
        assert most <= 2500
        assert len(fits.members("one", limit=9999)) == 5000

    def test_nothing_is_a_fit_too(self, fits: FitStore) -> None:
        fits.write("one", [])
        assert fits.members("one", limit=9) == []
        assert fits.nearest("one", random_vectors(2)) == [None, None]

    def test_progress_may_end_the_writing(self, fits: FitStore) -> None:
        members = iter([member_of(f"dogs/{n:05}") for n in range(6000)])

        def progress(_count: int) -> None:
            raise InterruptedError("enough")

        with pytest.raises(InterruptedError, match="enough"):
            fits.write("one", members, progress=progress)
        assert len(list(members)) > 3000
        fits.drop("one")
        assert fits.members("one", limit=9) == []

    @pytest.mark.parametrize(
        "embedding",
        [
            None,
            vector_of(1).astype(np.float64),
            vector_of(1)[:-1],
            vector_of(1)[np.newaxis],
            np.zeros(DIMENSIONS, np.float32),
            vector_of(1) * np.float32(1.002),
            np.full(DIMENSIONS, np.nan, np.float32),
        ],
        ids=["none", "float64", "short", "matrix", "zero", "long", "nan"],
    )
    def test_a_core_sample_without_a_right_embedding_is_refused(self, fits: FitStore, embedding: Vector) -> None:
        wrong = Member(path="dogs/b", etag="0x1", cluster=0, core=True, embedding=embedding)
        with pytest.raises(ValueError, match=r"float32 \[256\]|unit length|need an embedding"):
            fits.write("one", [*cores_of(random_vectors(2)), wrong])
        assert fits.member("one", "dogs/b") is None

    def test_what_is_no_core_sample_is_not_searched(self, fits: FitStore) -> None:
        one = Member(path="dogs/a.jpg", etag="0x1", cluster=0, core=False, embedding=vector_of(1))
        fits.write("one", [one])
        assert content(fits.member("one", one.path)) == kept(one)
        assert fits.nearest("one", vector_of(1)[np.newaxis]) == [None]

    # --- nearest ---

    @given(_members, st.lists(_vectors, max_size=4))
    @settings(
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_nearest_is_what_comparing_with_each_would_find(
        self, fits: FitStore, given: dict[str, tuple[int, Vector | None]], vectors: list[Vector]
    ) -> None:
        fit = f"given-{next(_numbers)}"
        members = [
            member_of(f"dogs/{name}", cluster=cluster, embedding=embedding)
            for name, (cluster, embedding) in given.items()
        ]
        fits.write(fit, members)
        asked = np.array(vectors, np.float32).reshape(-1, DIMENSIONS)
        check_found(members, asked, fits.nearest(fit, asked))

    def test_closer_than_float32_can_tell(self, fits: FitStore) -> None:
        random = np.random.default_rng(0)
        asked = random_vectors(8)
        members = cores_of((asked[0] + 1e-5 * random.standard_normal((60, DIMENSIONS))).astype(np.float32))
        fits.write("one", members)
        check_found(members, asked, fits.nearest("one", asked))

    def test_of_equally_near_ones_the_first_by_path(self, fits: FitStore) -> None:
        vector, other = vector_of(1), vector_of(0, 1)
        fits.write("one", [member_of(f"dogs/b{n:02}", embedding=vector) for n in range(40, 0, -1)])
        for name in ("c", "a", "b"):
            fits.write("one", [member_of(f"dogs/{name}", cluster=ord(name), embedding=vector)])
        fits.write("one", [member_of("dogs/0", cluster=9, embedding=other)])
        found = fits.nearest("one", np.array([vector, -vector, other]))
        assert found == [
            Core("dogs/a", ord("a"), 0.0),
            Core("dogs/0", 9, 1.0),
            Core("dogs/0", 9, 0.0),
        ]
        fits.write("one", [member_of("dogs/0", cluster=9)])
        assert fits.nearest("one", -vector[np.newaxis]) == [Core("dogs/a", ord("a"), 2.0)]

    def test_many_vectors_at_once(self, fits: FitStore) -> None:
        members = cores_of(random_vectors(150))
        fits.write("one", [*members, *(member_of(f"noise/{n}", cluster=NOISE) for n in range(50))])
        asked = np.concatenate([random_vectors(30, seed=1), random_vectors(150)[::10]])
        together = fits.nearest("one", asked)
        check_found(members, asked, together)
        assert [fits.nearest("one", vector[np.newaxis])[0] for vector in asked[25:35]] == together[25:35]
        assert fits.nearest("one", asked[:0]) == []

    @pytest.mark.parametrize(
        "vectors",
        [
            vector_of(1),
            vector_of(1)[np.newaxis, :-1],
            vector_of(1)[np.newaxis].astype(np.float64),
            np.zeros((1, DIMENSIONS), np.float32),
            np.stack([vector_of(1), vector_of(1) * np.float32(0.998)]),
            np.full((1, DIMENSIONS), np.nan, np.float32),
        ],
        ids=["one", "short", "float64", "zero", "scaled", "nan"],
    )
    def test_wrong_vectors_are_refused(self, fits: FitStore, vectors: Vector) -> None:
        with pytest.raises(ValueError, match="vectors must be"):
            fits.nearest("one", vectors)

    def test_what_is_added_to_a_searched_fit_is_found(self, fits: FitStore) -> None:
        vectors = random_vectors(6)
        for n, member in enumerate(cores_of(vectors)):
            fits.write("one", [member])
            check_found(cores_of(vectors[: n + 1]), vectors, fits.nearest("one", vectors))

    # --- drop ---

    def test_a_dropped_fit_is_gone_and_others_are_not(self, fits: FitStore) -> None:
        members = cores_of(random_vectors(250))
        for fit in ("one", "two"):
            fits.write(fit, members)
        vectors = random_vectors(3)
        fits.nearest("one", vectors)
        fits.drop("one")
        assert fits.members("one", limit=9) == []
        assert fits.member("one", "dogs/0000") is None
        assert fits.nearest("one", vectors) == [None] * 3
        assert len(fits.members("two", limit=999)) == 250
        check_found(members, vectors, fits.nearest("two", vectors))
        fits.drop("one")
        fits.drop("unknown")
        fits.write("one", members[100:101])
        check_found(members[100:101], vectors, fits.nearest("one", vectors))

    def test_thousands_are_dropped(self, fits: FitStore) -> None:
        fits.write("one", (member_of(f"dogs/{n:05}") for n in range(1801)))
        fits.drop("one")
        assert fits.members("one", limit=9) == []

    # --- threads ---

    def test_threads_write_search_and_drop_side_by_side(self, fits: FitStore) -> None:
        vectors = random_vectors(6 * 40).reshape(6, 40, DIMENSIONS)

        def run(writer: int) -> bool:
            fit, members = f"fit-{writer}", cores_of(vectors[writer])
            for end in (10, 40):
                fits.write(fit, members[0 if end == 10 else 10 : end])
                check_found(members[:end], vectors[writer][:3], fits.nearest(fit, vectors[writer][:3]))
                assert len(fits.members(fit, limit=99)) == end
            if writer % 2:
                fits.drop(fit)
                assert fits.nearest(fit, vectors[writer][:1]) == [None]
            return True

        assert all(at_once([partial(run, writer) for writer in range(6)]))
        for writer in range(6):
            assert len(fits.members(f"fit-{writer}", limit=99)) == (0 if writer % 2 else 40)

    def test_one_fit_is_searched_while_it_grows(self, fits: FitStore) -> None:
        vectors = random_vectors(30)
        members = cores_of(vectors)
        fits.write("one", members[:1])
        done = threading.Event()

        def write() -> bool:
            try:
                for member in members[1:]:
                    fits.write("one", [member])
            finally:
                done.set()
            return True

        def search() -> bool:
            nearest = 3.0
            while not done.is_set():
                (core,) = fits.nearest("one", vectors[-1:])
                assert core is not None
                assert core.distance <= nearest
                nearest = core.distance
            return fits.nearest("one", vectors[-1:]) == [Core("dogs/0029", 29 % 7, 0.0)]

        assert all(at_once([write, search, search, search]))
