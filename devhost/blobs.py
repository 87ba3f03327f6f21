"""A folder that stands for a blob container: which files are its blobs, and in which state they are.

A blob is a regular file, directly in the folder or below it, whose path holds no name that begins with a dot. A
symbolic link to a file counts when the file is in the folder too; linked folders are not entered.
"""

import mimetypes
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePosixPath
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Container:
    root: Path  # resolved
    name: str
    service_url: str

    def url(self, path: str) -> str:
        """Returns where the blob can be read."""
        return f"{self.service_url}/{self.name}/{quote(path)}"


@dataclass(frozen=True, slots=True)
class State:
    """A file at one moment. Two states with the same ETag are taken for the same content."""

    etag: str  # with its quotes
    size: int
    modified: int  # whole seconds since 1970, as HTTP has them


def find(container: Container, path: str) -> Path | None:
    """Returns the file of a blob, or None when there is no such blob: no path leads out of the folder."""
    names = path.split("/")
    # The backslash is a separator on Windows; the null byte makes every system call raise.
    if any(not name or name.startswith(".") or "\\" in name or "\0" in name for name in names) or not _is_text(path):
        return None
    try:
        file = container.root.joinpath(*names).resolve()
        if not file.is_relative_to(container.root) or not file.is_file():
            return None
    except OSError:  # a name that is too long, a loop of links, a folder that may not be entered
        return None
    return None if any(part.startswith(".") for part in file.relative_to(container.root).parts) else file


def walk(container: Container, prefix: str = "", start: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yields the blobs from the start on whose paths begin with the prefix, by path, sorted by code point.

    Only the folders that can hold such blobs are read, each when its turn comes. A blob may be gone before it is used.
    """
    found = _entries(container, "", prefix, start)
    while found:
        path, entry = found.pop()
        if path.endswith("/"):
            found += _entries(container, path, prefix, start)
        else:
            yield path, entry


def list_blobs(container: Container) -> dict[str, str]:
    """Returns the ETag of every blob by its path, sorted by path."""
    found: dict[str, str] = {}
    for path, entry in walk(container):
        with suppress(OSError):  # gone meanwhile
            found[path] = state(entry.stat()).etag
    return found


def state(stat: os.stat_result) -> State:
    """Returns what a file is like at the moment of the call to stat."""
    return State(f'"0x{stat.st_mtime_ns:016X}{stat.st_size:X}"', stat.st_size, stat.st_mtime_ns // 10**9)


def etag(container: Container, path: str) -> str | None:
    """Returns the ETag of the blob, or None when there is no such blob."""
    try:
        file = find(container, path)
        return state(file.stat()).etag if file else None
    except FileNotFoundError:
        return None


def content_type(path: str) -> str:
    """Returns the content type that the name of the blob stands for."""
    kind, encoding = mimetypes.guess_file_type(PurePosixPath(path).name)
    # What is compressed is not of the kind that is inside.
    return kind if kind and not encoding else "application/octet-stream"


def _entries(container: Container, folder: str, prefix: str, start: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Returns the blobs and the folders directly in a folder, by path, the last one first.

    The path of a folder ends with a slash: it is then sorted as the blobs below it are ("a.b" comes before "a/b").
    """
    found: list[tuple[str, os.DirEntry[str]]] = []
    # A folder that is gone meanwhile, or may not be entered, holds no blobs.
    with suppress(OSError), os.scandir(container.root / folder) as entries:
        for entry in entries:
            path = folder + entry.name
            if entry.name.startswith(".") or "\\" in entry.name or not _is_text(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                path += "/"
                if (path.startswith(prefix) or prefix.startswith(path)) and (path >= start or start.startswith(path)):
                    found.append((path, entry))
            elif path.startswith(prefix) and path >= start and _is_file(container, path, entry):
                found.append((path, entry))
    return sorted(found, key=itemgetter(0), reverse=True)


def _is_file(container: Container, path: str, entry: os.DirEntry[str]) -> bool:
    return find(container, path) is not None if entry.is_symlink() else entry.is_file(follow_symlinks=False)


def _is_text(path: str) -> bool:
    """A blob's name is Unicode; a file's name need not be."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
