"""Queues in a SQLite file, for a host without a storage account.

A message that was sent survives a killed host. One that a killed host had in hand is there again at the next start.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from devhost.queues import Message, QueueError

_KEPT_SECONDS = 7 * 24 * 3600  # what Azure says; nothing is thrown away here


class LocalQueues:
    """The queues of one file. What a binding calls its connection makes no difference."""

    def __init__(self, file: Path) -> None:
        """Opens the file, or makes it; raises QueueError when it is not such a file."""
        # One statement, one commit. WAL survives a killed process without an fsync each.
        self._database = sqlite3.connect(file, autocommit=True, timeout=5)
        self._open: dict[str, LocalQueue] = {}
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._database.close()
            raise QueueError(f"{file} cannot be used ({error}): delete the folder {file.parent}") from error

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL,"
            " body BLOB NOT NULL, tries INTEGER NOT NULL, inserted REAL NOT NULL, visible REAL NOT NULL)"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS next ON messages (queue, visible, id)")
        self._database.execute("UPDATE messages SET visible = 0 WHERE visible > 0")

    def open(self, connection: str, name: str) -> "LocalQueue":  # noqa: ARG002 - there is one account here
        return self._open.setdefault(name, LocalQueue(self._database, name))

    async def close(self) -> None:
        self._database.close()


class LocalQueue:
    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        self.news = asyncio.Event()
        self._database = database
        self._name = name

    async def send(self, body: bytes) -> None:
        now = time.time()
        with _reported():
            self._database.execute(
                "INSERT INTO messages (queue, body, tries, inserted, visible) VALUES (?, ?, 0, ?, ?)",
                (self._name, body, now, now),
            )
        self.news.set()

    async def receive(self, limit: int, seconds: int) -> list[Message]:
        now = time.time()
        with _reported():
            rows = self._database.execute(
                "UPDATE messages SET tries = tries + 1, visible = ? WHERE id IN"
                " (SELECT id FROM messages WHERE queue = ? AND visible <= ? ORDER BY visible, id LIMIT ?)"
                " RETURNING id, body, tries, inserted, visible",
                (now + seconds, self._name, now, limit),
            ).fetchall()
        return [
            Message(str(id_), "", body, tries, _at(inserted), _at(inserted + _KEPT_SECONDS), _at(visible))
            for id_, body, tries, inserted, visible in sorted(rows)
        ]

    async def hide(self, message: Message, seconds: float) -> Message:
        visible = time.time() + seconds
        with _reported():
            self._database.execute("UPDATE messages SET visible = ? WHERE id = ?", (visible, message.id))
        return replace(message, visible=_at(visible))

    async def delete(self, message: Message) -> None:
        with _reported():
            self._database.execute("DELETE FROM messages WHERE id = ?", (message.id,))

    def waiting(self) -> list[bytes]:
        """Returns the bodies of all messages that are not deleted, the oldest first."""
        with _reported():
            rows = self._database.execute("SELECT body FROM messages WHERE queue = ? ORDER BY id", (self._name,))
            return [body for (body,) in rows]


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise QueueError(f"the file of the queues cannot be used: {error}") from error


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
