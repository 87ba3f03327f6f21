import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from shared import inputs
from shared.contract import Deadline, RecordError
from shared.inputs import ImageInput, has_image, read_image, said_path
from shared.settings import Settings

PHOTO = b"\xff\xd8 not really a photo \xff\xd9" * 20
TEXT = base64.b64encode(PHOTO).decode()
SETTINGS = Settings(images_account="https://account.blob.core.windows.net", allowed_hosts=frozenset({"a.example"}))
URL = "https://account.blob.core.windows.net/images/dogs/rex%20%231.jpg"


def read(record: dict[str, Any], settings: Settings = SETTINGS) -> ImageInput:
    return read_image(record, settings, Deadline(5))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The urls that are fetched; what fetching does is tested beside `fetch`, against a server."""
    urls: list[str] = []

    def fetch(url: str, **_: object) -> bytes:
        urls.append(url)
        return PHOTO

    monkeypatch.setattr(inputs, "fetch", fetch)
    return urls


NORMALIZED_IMAGE = {
    "$type": "file",
    "data": TEXT,
    "contentType": "image/jpeg",
    "url": "",
    "width": 512,
    "height": 384,
    "originalWidth": 4000,
    "originalHeight": 3000,
    "rotationFromOriginal": 90,
    "contentOffset": 0,
    "pageNumber": 0,
    "boundingPolygon": json.dumps([[{"x": 0, "y": 0}]]),
}


@pytest.mark.parametrize(
    "record",
    [
        {"image": NORMALIZED_IMAGE},
        {"image": {"data": TEXT}},
        {"image": TEXT},
        {"image": f"data:image/jpeg;base64,{TEXT}"},
        {"image": "\r\n".join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76))},
        {"images": {"data": TEXT}},
        {"file_data": {"$type": "file", "data": TEXT}},
        {"imageBinary": {"data": TEXT}},
        {"image": {"data": TEXT}, "images": None, "file_data": None, "url": None, "metadata_storage_path": None},
    ],
)
def test_an_image_inside_the_record(record: dict[str, Any]) -> None:
    assert read(record) == ImageInput(PHOTO, None)


@pytest.mark.parametrize(
    ("record", "url"),
    [
        ({"image": {"url": URL, "sasToken": "?sv=1&sig=x"}}, f"{URL}?sv=1&sig=x"),
        ({"image": {"url": URL}}, URL),
        ({"file_data": {"$type": "file", "url": URL, "sasToken": "sv=1"}}, f"{URL}?sv=1"),
        ({"url": URL, "sasToken": "sv=1"}, f"{URL}?sv=1"),
        ({"url": f"{URL}?snapshot=2", "sasToken": "?sv=1"}, f"{URL}?snapshot=2&sv=1"),
        ({"metadata_storage_path": URL, "metadata_storage_sas_token": "?sv=1"}, f"{URL}?sv=1"),
        ({"imageUrl": URL}, URL),
    ],
)
def test_an_image_behind_a_url(record: dict[str, Any], url: str, fetched: list[str]) -> None:
    assert read(record) == ImageInput(PHOTO, "dogs/rex #1.jpg")
    assert fetched == [url]


@pytest.mark.parametrize(
    "record",
    [
        {"image": TEXT, "metadata_storage_path": URL},
        {"image": {"data": TEXT, "url": URL}},
        {"image": {"data": TEXT, "url": "https://other.example/x"}, "metadata_storage_path": f"{URL}?sv=1"},
        {"image": TEXT, "path": "dogs/rex #1.jpg"},
    ],
)
def test_beside_an_image_a_url_only_tells_where_it_is_stored(record: dict[str, Any], fetched: list[str]) -> None:
    assert read(record) == ImageInput(PHOTO, "dogs/rex #1.jpg")
    assert fetched == []


@pytest.mark.parametrize(
    "url",
    [
        "https://account.blob.core.windows.net/images-old/dogs/1.jpg",
        "https://other.blob.core.windows.net/images/dogs/1.jpg",
        "https://account.blob.core.windows.net/images/",
    ],
)
def test_a_url_elsewhere_has_no_path(url: str) -> None:
    assert read({"image": TEXT, "url": url}).path is None
    assert read({"image": TEXT, "url": URL}, Settings()).path is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "no image"),
        ({"image": None}, "no image"),
        ({"url": ""}, "no image"),
        ({"text": "a dog"}, "cannot turn text into a vector"),
        ({"image": TEXT, "images": TEXT}, "two images, in 'image' and in 'images'"),
        ({"image": TEXT, "imageBinary": {"data": TEXT}}, "two images"),
        ({"image": [TEXT]}, "neither an object"),
        ({"image": 5}, "neither an object"),
        ({"image": {}}, "neither 'data' nor 'url'"),
        ({"image": {"data": 5}}, "not a base64 string"),
        ({"image": {"data": None, "url": None}}, "neither 'data' nor 'url'"),
        ({"image": "not base64!"}, "not base64"),
        ({"image": TEXT + "é"}, "not base64"),
        ({"image": TEXT[:-1]}, "not base64"),
        ({"url": 5}, "must be strings"),
        ({"url": URL, "sasToken": 5}, "must be strings"),
        ({"image": TEXT, "path": 5}, "'path' is not a string"),
        ({"imageUrl": "https://b.example/x"}, "b.example"),
    ],
)
def test_what_cannot_be_used_is_explained(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        read(record)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"image": TEXT}, True),
        ({"file_data": {}}, True),
        ({"url": URL, "path": "a"}, True),
        ({"metadata_storage_path": URL}, True),
        ({"path": "a", "image": None, "url": "", "sasToken": "sv=1"}, False),
        ({}, False),
    ],
)
def test_a_path_alone_is_told_from_an_image(record: dict[str, Any], expected: bool) -> None:
    assert has_image(record) == expected


def test_a_path_is_any_that_a_blob_can_have() -> None:
    assert said_path({"path": "dogs/柴犬 #1.jpg"}) == "dogs/柴犬 #1.jpg"
    assert said_path({"path": ""}) is said_path({}) is said_path({"path": None}) is None
    for path in (5, ["a"], "x" * 1025, "\ud800"):
        with pytest.raises(RecordError, match="The input 'path'"):
            said_path({"path": path})


def test_the_size_is_bounded_before_it_is_decoded() -> None:
    limit = replace(SETTINGS, max_image_bytes=len(PHOTO))
    assert read({"image": TEXT}, limit).data == PHOTO
    with pytest.raises(RecordError, match="larger than MAX_IMAGE_MB"):
        read({"image": base64.b64encode(PHOTO + b"1234").decode()}, limit)


def test_an_error_never_shows_the_token() -> None:
    with pytest.raises(RecordError) as caught:
        read({"url": "https://b.example/x", "sasToken": "?sig=hunter2"})
    assert "hunter2" not in str(caught.value)
