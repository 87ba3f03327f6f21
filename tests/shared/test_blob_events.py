"""Events and poison messages come from outside: which blobs they are about, and that nothing else is believed."""

import json
from typing import Any

import pytest

from shared.blob_events import path_given_up, paths_in_event
from shared.settings import Settings

SUBJECT = "/blobServices/default/containers/images/blobs/"


@pytest.mark.parametrize(
    ("subject", "data", "paths"),
    [
        (SUBJECT + "dogs/rex.jpg", {}, ["dogs/rex.jpg"]),
        (SUBJECT + "a b/#?%2F\N{DOG FACE}.jpg", None, ["a b/#?%2F\N{DOG FACE}.jpg"]),
        (SUBJECT + "containers/images/blobs/x", {}, ["containers/images/blobs/x"]),
        (SUBJECT.replace("/images/", "/images-old/") + "a.jpg", {}, []),
        (SUBJECT, {}, []),
        ("", {}, []),
        (None, "no object", []),
        (
            SUBJECT + "new.jpg",
            {"sourceUrl": "https://a.dfs.core.windows.net/images/old%20one/%2523.jpg"},
            ["new.jpg", "old one/%23.jpg"],
        ),
        (SUBJECT + "new.jpg", {"sourceUrl": "https://a.dfs.core.windows.net/elsewhere/old.jpg"}, ["new.jpg"]),
        (SUBJECT + "new.jpg", {"sourceUrl": "https://a.dfs.core.windows.net/"}, ["new.jpg"]),
        (SUBJECT + "new.jpg", {"sourceUrl": 7}, ["new.jpg"]),
        (SUBJECT + "new.jpg", {"sourceUrl": "http://[bad"}, ["new.jpg"]),
    ],
)
def test_the_paths_that_an_event_is_about(subject: str | None, data: Any, paths: list[str]) -> None:
    assert list(paths_in_event(subject, data, Settings())) == paths


def test_a_poison_message_names_its_blob() -> None:
    assert path_given_up(b'{"ContainerName": "images", "BlobName": "dogs/rex.jpg"}', Settings()) == "dogs/rex.jpg"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no JSON",
        b"[]",
        b"{}",
        b'{"ContainerName": "images"}',
        b"\xff",
        b"[" * 100_000,
        b'{"ContainerName": "images-old", "BlobName": "dogs/rex.jpg"}',
        *(json.dumps({"ContainerName": "images", "BlobName": name}).encode() for name in (5, None, "", [1])),
    ],
)
def test_a_message_that_names_none_is_passed_over(message: bytes) -> None:
    assert path_given_up(message, Settings()) is None
