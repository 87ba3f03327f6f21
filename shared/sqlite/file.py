"""A SQLite file that many threads and processes of one machine share."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 60.0
"""How long to wait for another process that writes."""

VERSION_AND_TABLES = "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"


class SqliteFile:
    """Transactions on one file. A committed one survives a crash.

    Connections are lent for one transaction and not bound to threads: readers do not wait for each other as they
    would with a single one, and a thread that ends leaves none behind.
    """

    def __init__(self, path: Path, steps: Sequence[str]) -> None:
        """Open the file; create it, and its folder, when there is none, and bring an older schema up to date.

        Args:
            path: The file. SQLite keeps two more beside it, `-wal` and `-shm`.
            steps: SQL scripts: the n-th makes schema version n of version n - 1, and the first of an empty file.

        Raises:
            ValueError: The file is something else, or has a newer schema.
        """
        self._path = path
        self._open = True
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._write_lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connected(path)
        try:
            _prepare(connection, path, steps)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the file as it is at the first read, until the block ends.

        Raises:
            RuntimeError: The file is closed.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection that no one else writes beside. Changes are undone when the block raises.

        Raises:
            RuntimeError: The file is closed.
            sqlite3.OperationalError: Another process went on writing for `BUSY_SECONDS`.
        """
        # IMMEDIATE: what was read before a write must still hold when it is made. SQLite polls for its write lock, so
        # threads queue for ours first, and only processes meet there.
        with self._write_lock, self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        """Close the idle connections now, and those that are lent when they come back."""
        with self._idle_lock:
            self._open = False
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._idle_lock:
            if not self._open:
                raise RuntimeError(f"{self._path} is closed")
            connection = self._idle.pop() if self._idle else None
        connection = connection or _connected(self._path)
        try:
            connection.execute(begin)
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._take_back(connection)

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._idle_lock:
            if self._open:
                self._idle.append(connection)
                return
        connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    # check_same_thread: a connection is used by one thread at a time, though not always by the same.
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, autocommit=True, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
    except sqlite3.DatabaseError as error:  # this is where the file is first read
        connection.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise ValueError(f"{path} is not a SQLite database") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    """Check whose file it is, and take the steps that it lacks."""
    if _version(connection, path, len(steps)) == len(steps):
        return
    _switch_to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_version(connection, path, len(steps)), len(steps)):  # another process may have been faster
        connection.executescript(f"{steps[version]};PRAGMA user_version = {version + 1}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """The version of a file's schema, 0 for an empty file; a ValueError when it is not ours or above the known one."""
    found, tables = connection.execute(VERSION_AND_TABLES).fetchone()
    if found > known:
        raise ValueError(f"{path} has schema version {found}, but this program knows {known} at most: update it")
    if tables and not found:
        raise ValueError(f"{path} is a SQLite database of something else")
    return int(found)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side. The file keeps this setting."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:  # when two processes would wait for each other here, SQLite gives up at once, whatever its timeout
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return
