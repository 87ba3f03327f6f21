"""Which state of which blob has been announced, kept in a small SQLite file so that a restart repeats nothing.

The file belongs to one folder of images and to one host at a time: two of them would each take the other's images for
removed ones, and have their features dropped.
"""

import sqlite3
from pathlib import Path


class ReceiptsError(Exception):
    """The file cannot be used; the message says why and what to do, for the reader of the console."""


class Receipts:
    """Path → ETag. Read once; every change is on disk before the call returns."""

    def __init__(self, file: Path, images: Path) -> None:
        """Opens the file, or makes it, for the images of a folder; raises ReceiptsError when it cannot be used."""
        # No transactions to speak of: one statement, one commit. WAL survives a killed process without an fsync each.
        self._database = sqlite3.connect(file, autocommit=True, timeout=1)
        try:
            owner = self._open(images)
            self._known: dict[str, str] = dict(self._database.execute("SELECT path, etag FROM announced"))
        except sqlite3.DatabaseError as error:
            self._database.close()
            if "locked" in str(error):
                raise ReceiptsError(
                    f"the data folder {file.parent} is in use by another devhost: stop that one, or give --data"
                ) from error
            raise ReceiptsError(f"{file} cannot be read ({error}): delete the folder {file.parent}") from error
        if owner != str(images):
            self._database.close()
            raise ReceiptsError(
                f"the data folder {file.parent} belongs to the images in {owner}: give another one with --data, "
                "or delete it"
            )

    def _open(self, images: Path) -> str:
        """Takes the file for this process, and returns the folder that it belongs to."""
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS announced (path TEXT PRIMARY KEY, etag TEXT NOT NULL)")
        self._database.execute("CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY, images TEXT NOT NULL)")
        self._database.execute("INSERT OR IGNORE INTO owner VALUES (1, ?)", (str(images),))
        ((owner,),) = self._database.execute("SELECT images FROM owner").fetchall()
        return str(owner)

    def paths(self) -> list[str]:
        """Returns every path that has been announced and not been announced as gone."""
        return list(self._known)

    def etag(self, path: str) -> str | None:
        """Returns the ETag that was announced last, or None."""
        return self._known.get(path)

    def put(self, path: str, etag: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO announced VALUES (?, ?)", (path, etag))
        self._known[path] = etag

    def forget(self, path: str) -> None:
        self._database.execute("DELETE FROM announced WHERE path = ?", (path,))
        self._known.pop(path, None)

    def close(self) -> None:
        self._database.close()
