"""Which lines of Azurite's are changes of a blob, and what the event of one says."""

from typing import Literal
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobClient
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.azurite.changes import Change, Details, change_of, event_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
BLOB_URL = "http://127.0.0.1:10000/account"


def line(request: str, status: int) -> str:
    return f'127.0.0.1 - - [22/Nov/2026:01:29:39 +0000] "{request} HTTP/1.1" {status} -'


@pytest.mark.parametrize(
    ("request_line", "status", "change"),
    [
        ("PUT /account/images/dogs/a%20b.jpg", 201, Change("PutBlob", "dogs/a b.jpg")),
        ("PUT /account/images/copy", 202, Change("PutBlob", "copy")),
        ("PUT /account/images/a?timeout=30", 201, Change("PutBlob", "a")),
        ("PUT /account/images/a?sv=2025-01-05&sr=c&sig=x%3D", 201, Change("PutBlob", "a")),
        ("PUT /account/images/a?comp=blocklist", 201, Change("PutBlockList", "a")),
        ("PUT /account/images//a", 201, Change("PutBlob", "/a")),
        ("DELETE /account/images/a", 202, Change("DeleteBlob", "a")),
    ],
)
def test_lines_that_are_changes(request_line: str, status: int, change: Change) -> None:
    assert change_of(line(request_line, status), "account", "images") == change


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("PUT /account/images/a", 409),
        ("PUT /account/images/a", 412),
        ("DELETE /account/images/a", 404),
        ("PUT /account/images/a?comp=block&blockid=QUFB", 201),
        ("PUT /account/images/a?comp=tags", 204),
        ("PUT /account/images/a?comp=metadata", 201),
        ("PUT /account/images/a?comp=lease", 201),
        ("PUT /account/images/a?comp=snapshot", 201),
        ("PUT /account/images/a?comp=appendblock", 201),
        ("DELETE /account/images/a?snapshot=2026-11-22T01%3A29%3A39.0000000Z", 202),
        ("PUT /account/images?restype=container", 201),
        ("DELETE /account/images?restype=container", 202),
        ("PUT /account/images/?restype=container", 201),
        ("GET /account/images/a", 200),
        ("HEAD /account/images/a", 200),
        ("PUT /account/others/a", 201),
        ("PUT /account/images2/a", 201),
        ("PUT /other/images/a", 201),
        # A queue of the container's name.
        ("PUT /account/images", 201),
        ("PUT /account/images/messages/1?popreceipt=x&visibilitytimeout=0", 204),
        ("DELETE /account/images/messages", 204),
    ],
)
def test_lines_that_are_not(request_line: str, status: int) -> None:
    assert change_of(line(request_line, status), "account", "images") is None


def test_what_is_no_access_line_is_no_change() -> None:
    assert change_of("Azurite Blob service is closing...", "account", "images") is None


@given(NAMES)
def test_a_name_survives_as_subject_and_url(name: str) -> None:
    change = change_of(line(f"PUT /account/images/{quote(name, safe='~/')}", 201), "account", "images")
    assert change
    event = event_of(change, Details(), 1, account="account", container="images", blob_url=BLOB_URL)
    assert event["subject"] == f"/blobServices/default/containers/images/blobs/{name}"
    with BlobClient(BLOB_URL, "images", name) as blob:
        assert event["data"]["url"] == blob.url


@pytest.mark.parametrize(
    ("api", "copied", "expected"),
    [("PutBlob", False, "PutBlob"), ("PutBlob", True, "CopyBlob"), ("PutBlockList", True, "PutBlockList")],
)
def test_the_event_of_a_blob_that_was_written(
    api: Literal["PutBlob", "PutBlockList"], copied: bool, expected: str
) -> None:
    details = Details("0x8D", "image/png", 9, "BlockBlob", copied)
    event = event_of(Change(api, "a"), details, 1, account="account", container="images", blob_url=BLOB_URL)
    assert event["eventType"] == "Microsoft.Storage.BlobCreated"
    data = event["data"]
    assert (data["api"], data["eTag"], data["contentType"], data["contentLength"]) == (
        expected,
        "0x8D",
        "image/png",
        9,
    )


def test_the_event_of_a_deletion_has_neither_etag_nor_length() -> None:
    details = Details("0x8D", "image/png", 9)
    event = event_of(Change("DeleteBlob", "a"), details, 1, account="account", container="images", blob_url=BLOB_URL)
    assert event["eventType"] == "Microsoft.Storage.BlobDeleted"
    assert event["topic"].endswith("/providers/Microsoft.Storage/storageAccounts/account")
    assert event["data"].keys() & {"eTag", "contentLength"} == set()
    assert (event["data"]["api"], event["data"]["contentType"]) == ("DeleteBlob", "image/png")


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_sequencers_compare_as_the_changes_came(one: int, other: int) -> None:
    first, second = (
        event_of(Change("PutBlob", "a"), Details(), number, account="a", container="c", blob_url="")["data"]
        for number in (one, other)
    )
    assert (first["sequencer"] < second["sequencer"]) == (one < other)
