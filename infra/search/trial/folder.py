"""A folder of files as the container that the data source names: which blobs the indexer would read."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from shared.contract import Json


class Blob(NamedTuple):
    """A file that stands for a blob."""

    path: str
    """Its path in the container, with "/"."""
    file: Path


class Listing(NamedTuple):
    """What is in the container."""

    root: Path
    """The folder that is the container."""
    blobs: list[Blob]
    """Sorted by path."""
    left_out: dict[str, int]
    """How many files the indexer does not read, by the ending of their names; "" is none."""
    closed: list[str]
    """Folders that cannot be opened, by their paths in the container; what is in them is not known."""


def container_in(folder: Path, data_source: Mapping[str, Json]) -> Path:
    """The folder that stands for the container: the one of its name in `folder`, where there is one, or `folder`."""
    named = folder / data_source["container"]["name"]
    return named if named.is_dir() else folder


def blobs(folder: Path, data_source: Mapping[str, Json], configuration: Mapping[str, Json]) -> Listing:
    """The blobs that the indexer would read.

    Hidden files and folders are not there, and symbolic links are not followed.

    Args:
        folder: The container; where it has a folder of the container's name, that one is.
        data_source: Its `container` says the name, and by `query` the virtual folder that is read.
        configuration: The indexer's: its lists of endings.

    Raises:
        OSError: The container's folder is not there or may not be read.
    """
    root = container_in(folder, data_source)
    virtual = (data_source["container"].get("query") or "").strip("/")
    wanted = _endings(configuration.get("indexedFileNameExtensions"))
    unwanted = _endings(configuration.get("excludedFileNameExtensions"))
    found = list[Blob]()
    left_out = Counter[str]()
    files, closed = _files(root)
    for blob in files:
        if virtual and not blob.path.startswith(f"{virtual}/"):
            continue
        name = blob.path.lower()
        if name.endswith(unwanted) or (wanted and not name.endswith(wanted)):
            left_out[PurePosixPath(name).suffix] += 1
        else:
            found.append(blob)
    return Listing(root, sorted(found), dict(left_out), sorted(closed))


def _endings(commas: str | None) -> tuple[str, ...]:
    return tuple(ending.strip().lower() for ending in (commas or "").split(",") if ending.strip())


def _files(root: Path) -> tuple[list[Blob], list[str]]:
    """The files below a folder, and the folders that cannot be opened."""
    found = list[Blob]()
    closed = list[str]()
    folders = [("", root)]
    while folders:
        prefix, folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                there = list(entries)
        except OSError:
            if not prefix:
                raise
            closed.append(prefix)
            continue
        for entry in there:
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append((f"{prefix}{entry.name}/", Path(entry)))
            elif entry.is_file(follow_symlinks=False):
                found.append(Blob(prefix + entry.name, Path(entry)))
    return found, closed


def _is_text(name: str) -> bool:
    """A blob's name is Unicode; a file's name need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
