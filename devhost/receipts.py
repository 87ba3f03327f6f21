"""Which function has seen which state of which blob, kept in a small SQLite file so that a restart repeats nothing."""

import sqlite3
from pathlib import Path

# In place of an ETag: the function has been given the blob but has not finished with it.
STARTED = ""


class Receipts:
    """Path and function → ETag. Read once; every change is on disk before the call returns."""

    def __init__(self, file: Path) -> None:
        """Opens the file, or makes it; raises sqlite3.Error when it cannot be used."""
        # No transactions to speak of: one statement, one commit. WAL survives a killed process without an fsync each.
        self._database = sqlite3.connect(file, autocommit=True)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS receipts"
            " (path TEXT, function TEXT, etag TEXT NOT NULL, PRIMARY KEY (path, function))"
        )
        self._known: dict[str, dict[str, str]] = {}
        for path, function, etag in self._database.execute("SELECT path, function, etag FROM receipts"):
            self._known.setdefault(path, {})[function] = etag

    def paths(self) -> list[str]:
        """Returns every path that some function has been given."""
        return list(self._known)

    def of(self, path: str) -> dict[str, str]:
        """Returns the ETag (or STARTED) by function."""
        return dict(self._known.get(path, {}))

    def put(self, path: str, function: str, etag: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?)", (path, function, etag))
        self._known.setdefault(path, {})[function] = etag

    def forget(self, path: str) -> None:
        self._database.execute("DELETE FROM receipts WHERE path = ?", (path,))
        self._known.pop(path, None)

    def close(self) -> None:
        self._database.close()
