"""An indexer sends every image to three skills: the network runs once for it, and the answers stay what they were."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustering.skill import answer_clustering
from shared import backbone, embedding
from shared.contract import Deadline
from shared.embedding import RECENT, embed_bytes, embed_once
from shared.images import ImageError
from shared.settings import Settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore
from similarity.embedding_skill import answer_embedding
from similarity.skill import answer_similarity
from tests.pictures import as_base64, encoded, skill_call, stripes

SETTINGS = Settings()


class Runs:
    """How often the network really ran."""

    def __init__(self) -> None:
        self.session = backbone.session()
        self.count = 0

    def run(self, *arguments: Any) -> Any:
        self.count += 1
        return self.session.run(*arguments)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    counted = Runs()
    monkeypatch.setattr(backbone, "session", lambda: counted)
    embedding._recent.clear()
    yield counted
    embedding._recent.clear()


def once(data: bytes, settings: Settings = SETTINGS) -> Any:
    return embed_once(data, settings, Deadline(60))


def test_three_skills_at_the_same_time_run_the_network_once_for_each_image(runs: Runs, tmp_path: Path) -> None:
    features, fits = SqliteFeatureStore(tmp_path / "features.sqlite"), SqliteFitStore(tmp_path / "clusters.sqlite")
    body = skill_call(*({"image": as_base64(encoded(stripes(angle)))} for angle in range(8)))
    with ThreadPoolExecutor() as pool:
        calls = [
            pool.submit(answer_similarity, body, {}, features, SETTINGS),
            pool.submit(answer_clustering, body, {}, features, fits, SETTINGS),
            pool.submit(answer_embedding, body, SETTINGS),
        ]
        answers = [json.loads(call.result().body)["values"] for call in calls]
    assert [value["errors"] for values in answers for value in values] == [None] * 24
    assert runs.count == 8
    vectors = np.array([value["data"]["vector"] for value in answers[2]], np.float32)
    assert np.array_equal(vectors, [embed_bytes(encoded(stripes(angle)), SETTINGS).vector for angle in range(8)])
    features.close()
    fits.close()


def test_the_last_thousand_are_remembered_and_one_that_is_asked_for_stays(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "RECENT", 3)
    assert RECENT == 1000
    a, b, c, d = (encoded(stripes(angle)) for angle in (0, 30, 60, 90))
    for picture in (a, b, c, a, d):  # b is the one that was not asked for longest, when d comes
        once(picture)
    assert (runs.count, len(embedding._recent)) == (4, 3)
    once(a)
    assert runs.count == 4
    once(b)
    assert (runs.count, len(embedding._recent)) == (5, 3)


def test_what_is_remembered_cannot_be_changed(runs: Runs) -> None:
    picture = encoded(stripes(0))
    with pytest.raises(ValueError, match="read-only"):
        once(picture)[0] = 0
    assert np.array_equal(once(picture), embed_bytes(picture, SETTINGS).vector)
    assert runs.count == 2


def test_a_smaller_limit_holds_for_what_is_remembered_and_a_failure_is_not(runs: Runs) -> None:
    picture = encoded(stripes(0))
    once(picture)
    with pytest.raises(ImageError, match="MAX_IMAGE_MB"):
        once(picture, Settings(max_image_bytes=100))
    with pytest.raises(ImageError, match="MAX_IMAGE_MEGAPIXELS"):
        once(picture, Settings(max_image_pixels=100))
    assert (runs.count, len(embedding._recent)) == (1, 1)
