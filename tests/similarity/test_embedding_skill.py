import json
from typing import Any

import numpy as np
import pytest

from shared import backbone
from shared.contract import Deadline, RecordError
from shared.embedding import embed_bytes
from shared.settings import Settings
from similarity.embedding_skill import answer_embedding
from tests.pictures import as_base64, encoded, scene, skill_call

PHOTO = encoded(scene())


def ask(record: dict[str, Any]) -> tuple[int, Any]:
    reply = answer_embedding(skill_call(record), Settings())
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize("record", [{"image": as_base64(PHOTO)}, {"imageBinary": {"data": as_base64(PHOTO)}}])
def test_skill_and_vectorizer_get_the_embedding_to_the_last_bit(record: dict[str, Any]) -> None:
    status, body = ask(record)
    assert status == 200
    (value,) = body["values"]
    assert value["errors"] is None
    assert value["data"]["model"] == backbone.MODEL
    assert np.array_equal(np.float32(value["data"]["vector"]), embed_bytes(PHOTO, Settings()).vector)


def test_a_skill_s_broken_image_is_the_record_s_error() -> None:
    status, body = ask({"image": as_base64(b"text")})
    assert status == 200
    assert body["values"][0]["data"] == {}
    assert "known format" in body["values"][0]["errors"][0]["message"]


def test_what_waits_for_a_core_too_long_is_not_begun() -> None:
    late = Deadline(0)
    with pytest.raises(RecordError, match="Not reached"):
        embed_bytes(PHOTO, Settings(), late)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": "a dog"}, "cannot turn text into a vector"),
        ({"imageBinary": {"data": as_base64(b"text")}}, "known format"),
        ({"imageBinary": {}}, "neither 'data' nor 'url'"),
        ({"imageUrl": "https://elsewhere.example/x.jpg"}, "elsewhere.example"),
    ],
)
def test_a_vectorizer_s_failure_is_the_call_s(record: dict[str, Any], reason: str) -> None:
    status, body = ask(record)
    assert status == 400
    assert reason in body["error"]
