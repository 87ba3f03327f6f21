"""What the tests of queries search: a few documents, some of them with what the built-in image analysis says."""

from functools import cache
from pathlib import Path
from typing import Any

from infra.search.asking.local_index import FOLDER
from infra.search.asking.new_index import keep_report, new_index
from infra.search.definitions import Definitions
from shared.embedding import embed_bytes
from shared.settings import Settings
from tests.infra.search.asking.small_app import WAVES

URL = "https://x/images/"
"""What the urls of the documents begin with."""


def keep(definitions: Definitions, documents: list[dict[str, Any]], tried: Path | None = None) -> None:
    """Make the local index of documents, as if `try` had made them of a folder."""
    with new_index(FOLDER, definitions) as keep_document:
        for document in documents:
            keep_document(document)
    keep_report(FOLDER, {"folder": str(tried), "imagesUrl": URL} if tried else {})


def waves_in(folder: Path) -> Path:
    """A folder with WAVES in it."""
    for path, data in WAVES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def inside(path: str, number: int, /, **more: object) -> dict[str, Any]:
    """A document of an index by images: what became of one image of a blob."""
    key = "aHR0cHM6Ly94L2ltYWdlcy9hLmRvY3g1"
    child = {"id": f"{'ab' * 6}_{key}_normalized_images_{number}", "parent_id": key, "label": ["wave"]}
    return {**child, "url": URL + path, "path": path, "page": 0, "vector": None, **more}


def waves(**more: list[str]) -> list[dict[str, Any]]:
    """A document for each of WAVES, with its real vector; `more` are fields, a value for each."""
    documents = []
    for n, path in enumerate(WAVES):
        angle = int(path.partition("/")[2].partition(".")[0])
        documents.append(
            {
                "id": f"id{n}",
                "path": path,
                "collection": "waves",
                "url": URL + path,
                "tags": [f"angle={angle}"],
                "label": ["level", "wave"] if angle < 10 else ["steep", "wave"],
                "most_similar": [],
                "matches": [],
                "cluster": angle // 10,
                "model": "m",
                "vector": _vector(path),
                **{name: [values[n]] if values[n] else [] for name, values in more.items()},
            }
        )
    return documents


@cache
def _vector(path: str) -> list[float]:
    return [float(number) for number in embed_bytes(WAVES[path], Settings()).vector]
