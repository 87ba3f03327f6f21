"""The embedded store of fits: a file that several processes share."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from shared.fits import Core, FitStore, Member
from shared.sqlite import fits as fits_module
from shared.sqlite.fits import AT_ONCE, KEPT, SqliteFitStore
from tests.shared.fit_conformance import FitStoreConformance, check_found, cores_of, member_of, pages
from tests.shared.store_conformance import random_vectors, vector_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "clusters.sqlite"


@pytest.fixture
def fits(file: Path) -> Iterator[SqliteFitStore]:
    with closing(SqliteFitStore(file)) as fits:
        yield fits


@pytest.fixture
def other(fits: SqliteFitStore, file: Path) -> Iterator[SqliteFitStore]:
    """A second store on the same file: what another process would see."""
    with closing(SqliteFitStore(file)) as other:
        yield other


class TestSqliteFitStore(FitStoreConformance):
    """What every store must do."""


def test_it_satisfies_the_protocol(fits: SqliteFitStore) -> None:
    as_protocol: FitStore = fits  # for mypy
    as_protocol.drop("one")


def test_a_reopened_file_holds_the_same(fits: SqliteFitStore, file: Path) -> None:
    vectors = random_vectors(20)
    fits.write("one", cores_of(vectors))
    fits.close()
    with closing(SqliteFitStore(file)) as again:
        check_found(cores_of(vectors), vectors, again.nearest("one", vectors))
        assert len(again.members("one", limit=99)) == 20


def test_a_newer_schema_is_refused(fits: SqliteFitStore, file: Path) -> None:
    fits.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(ValueError, match=r"clusters\.sqlite has schema version 2, but this program knows 1 at most"):
        SqliteFitStore(file)


def test_another_process_s_writes_and_drops_are_seen(fits: SqliteFitStore, other: SqliteFitStore) -> None:
    vectors = random_vectors(9)
    for end in (3, 6, 9):
        other.write("one", cores_of(vectors[:end])[end - 3 :])
        check_found(cores_of(vectors[:end]), vectors, fits.nearest("one", vectors))
    other.write("one", [member_of("dogs/0004")])
    (found,) = fits.nearest("one", vectors[4:5])
    assert found is not None
    assert found.path != "dogs/0004"
    other.drop("one")
    assert fits.nearest("one", vectors[:1]) == [None]


def test_what_another_process_dropped_and_wrote_anew_is_seen(fits: SqliteFitStore, other: SqliteFitStore) -> None:
    vector = vector_of(1)[np.newaxis]
    for name in "abc":
        other.drop("one")
        other.write("one", [member_of(f"dogs/{name}", embedding=vector[0])])  # as many writes as before
        assert fits.nearest("one", vector) == [Core(f"dogs/{name}", 0, 0.0)]


def test_core_samples_are_loaded_once(fits: SqliteFitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = fits_module._load

    def noted(connection: sqlite3.Connection, version: tuple[int, int]) -> object:
        loaded.append(version)
        return load(connection, version)

    monkeypatch.setattr(fits_module, "_load", noted)
    vectors = random_vectors(2)
    fits.write("one", cores_of(vectors))
    for _ in range(3):
        fits.nearest("one", vectors)
    assert len(loaded) == 1
    fits.write("one", [member_of("dogs/b")])
    fits.nearest("one", vectors)
    assert len(loaded) == 2


def test_only_the_last_few_fits_stay_in_memory(fits: SqliteFitStore) -> None:
    vectors = random_vectors(KEPT + 2)
    names = [f"fit-{n}" for n in range(KEPT + 2)]
    for name, vector in zip(names, vectors, strict=True):
        fits.write(name, [member_of(embedding=vector)])
    for name in [*names[:KEPT], names[0], *names[KEPT:]]:
        fits.nearest(name, vectors[:1])
    assert set(fits._cores) == {names[0], *names[3:]}
    for name, vector in zip(names, vectors, strict=True):
        assert fits.nearest(name, vector[np.newaxis]) == [Core("dogs/a.jpg", 0, 0.0)]
    fits.nearest("unknown", vectors)
    fits.drop(names[-1])
    assert set(fits._cores) == set(names[2:-1])


def test_members_that_cannot_be_read_end_the_writing(fits: SqliteFitStore) -> None:
    def members() -> Iterator[Member]:
        for n in range(AT_ONCE + 10):
            yield member_of(f"dogs/{n:05}")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fits.write("one", members())
    assert len(fits.members("one", limit=10**6)) == AT_ONCE  # what was reported as written is there


WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from shared.sqlite.fits import SqliteFitStore
from tests.shared.fit_conformance import member_of
from tests.shared.store_conformance import random_vectors

vectors = random_vectors(50)
fits = SqliteFitStore(Path(sys.argv[1]))
members = (member_of(f"dogs/{n:08}", cluster=n, embedding=vectors[n % 50]) for n in itertools.count())
fits.write("two", members, progress=lambda count: print(count, flush=True))
"""


def test_a_killed_writer_leaves_what_it_reported(fits: SqliteFitStore, file: Path) -> None:
    vectors = random_vectors(50)
    fits.write("one", cores_of(vectors))
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = int(process.stdout.readline()) + int(process.stdout.readline())
        assert fits.nearest("two", vectors[:1]) == [Core("dogs/00000000", 0, 0.0)]  # while it writes
        process.kill()
        reported += sum(int(line) for line in process.stdout if line.endswith("\n"))

    written = list(pages(fits, "two", limit=10_000))
    assert [member.path for member in written] == [f"dogs/{n:08}" for n in range(len(written))]
    assert reported <= len(written) <= reported + AT_ONCE
    assert fits.nearest("two", vectors) == [Core(f"dogs/{n:08}", n, 0.0) for n in range(50)]
    check_found(cores_of(vectors), vectors, fits.nearest("one", vectors))
    with fits._file.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    fits.drop("two")
    assert fits.members("two", limit=1) == []
    assert len(fits.members("one", limit=99)) == 50
