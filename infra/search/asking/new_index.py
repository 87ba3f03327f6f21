"""What `try` writes: the index that is then searched on this machine, see `local_index`."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import TextIO

from infra.search.asking.local_index import DOCUMENTS, INDEX, REPORT
from infra.search.definitions import Definitions
from shared.contract import Json


@contextmanager
def new_index(folder: Path, definitions: Definitions) -> Iterator[Callable[[Mapping[str, Json]], None]]:
    """Keep what a run of the local indexer makes, document by document, and no report yet.

    It takes the place of the last index at the end, and only where nothing was raised. The headers of the vectorizers
    are left out: one of them is a key.

    Yields:
        What keeps a document.

    Raises:
        OSError: The folder cannot be written.
    """
    index = deepcopy(definitions.index)
    for vectorizer in (index.get("vectorSearch") or {}).get("vectorizers") or []:
        vectorizer.get("customWebApiParameters", {}).pop("httpHeaders", None)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _replacing(folder / DOCUMENTS) as documents:

            def keep(document: Mapping[str, Json]) -> None:
                documents.write(json.dumps(document) + "\n")

            yield keep
            with _replacing(folder / INDEX) as target:
                target.write(json.dumps(index, indent=2))
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def keep_report(folder: Path, report: Json) -> None:
    """Keep what is said of the run that made the index in a folder.

    Raises:
        OSError: The folder cannot be written.
    """
    with _replacing(folder / REPORT) as target:
        target.write(json.dumps(report, indent=2))


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """Whoever reads meanwhile sees the old file or the new one, and so does who comes after a crash."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as target:
            yield target
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
