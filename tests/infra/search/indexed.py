"""What the tests of queries search: a few documents, some of them with what the built-in image analysis says."""

from functools import cache
from typing import Any

from shared.embedding import embed_bytes
from shared.settings import Settings
from tests.infra.search.small_app import WAVES


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
                "url": f"https://x/images/{path}",
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
