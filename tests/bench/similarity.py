"""A similarity query with everything switched on, against a plain one, in one collection of the embedded store."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from shared import backbone
from shared.contract import Json
from shared.features import Feature
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from similarity.ranking.training import train
from similarity.skill import answer_similarity
from tests.bench.clustering import grouped_vectors
from tests.bench.images import photo
from tests.bench.measure import Figure, compare, seconds
from tests.pictures import as_base64, encoded, skill_call

SECTION = "Ways to ask"
STORED = 20_000
GROUPED = 200
"""Images in one folder."""


def figures() -> Iterator[Figure]:
    """One record over the function that answers the skill: decode, embed, search, all that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteFeatureStore(Path(folder) / "features.sqlite")
        _fill(store)
        train("bench", "projection", "folder", store, lambda phase, done: None)
        settings = Settings()
        image: dict[str, Json] = {"collection": "bench"}
        jpeg, number = encoded(photo((512, 384)), "JPEG", quality=90), count()
        everything: dict[str, Json] = image | {
            "boundingBox": {"x": 64, "y": 48, "w": 256, "h": 256},
            "positives": [_path(one) for one in (1, 2, 3)],
            "negatives": [_path(4)],
            "filter": {"half": "0"},
            "rerank": True,
            "groupBy": "folder",
        }

        def ask(record: dict[str, Json]) -> None:
            # Other bytes behind the photo's end each time: the app remembers the images that it has just seen.
            record = record | {"image": as_base64(jpeg + next(number).to_bytes(8))}
            (value,) = json.loads(answer_similarity(skill_call(record), {}, store, settings).body)["values"]
            if value["errors"] or len(value["data"]["matches"]) != settings.top:
                raise RuntimeError(value["errors"] or "matches are missing")

        yield compare(
            SECTION,
            f"region, 3 positives, 1 negative, filter, rerank, groupBy among {STORED:,} images",
            lambda: seconds(lambda: ask(everything)),
            lambda: seconds(lambda: ask(image)),
            baseline_name="the image alone",
            rounds=31,
        )
        store.close()


def _fill(store: SqliteFeatureStore) -> None:
    for number, vector in enumerate(grouped_vectors(STORED, seed=5)):
        store.upsert(
            Feature(
                path=_path(number),
                etag="1",
                modified=datetime(2026, 1, 1, tzinfo=UTC),
                model=backbone.MODEL,
                embedding=vector,
                pixel_hash="0" * 16,
                size=1,
                tags={"half": str(number % 2)},
            )
        )


def _path(number: int) -> str:
    return f"bench/{number // GROUPED:03}/{number:06}.jpg"
