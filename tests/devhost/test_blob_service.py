"""The folder as a Blob service, as azure-storage-blob sees it over a real socket."""

import asyncio
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobPrefix, BlobServiceClient, ContainerClient
from hypothesis import given, settings
from hypothesis import strategies as st

from devhost import blob_service, blobs

_MONDAY = 1_700_000_000 * 10**9 + 123_456_789  # 2023-11-14 22:13:20 UTC and a bit


class Service:
    """A running service of a folder, and the SDK's client for its container."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port

    def put(self, path: str, content: bytes = b"x", *, at: int = _MONDAY) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(at, at))
        return file

    @contextmanager
    def client(self, **options: Any) -> Iterator[ContainerClient]:
        text = f"BlobEndpoint=http://127.0.0.1:{self.port};SharedAccessSignature=sig=local"
        with BlobServiceClient.from_connection_string(text, **options) as service:
            yield service.get_container_client("images")

    def ask(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Without the SDK: status, headers by lower-case name, and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        answer = response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
        connection.close()
        return answer


@contextmanager
def serving(root: Path) -> Iterator[Service]:
    container = blobs.Container(root.resolve(), "images", "http://127.0.0.1:1")

    async def handle(request: web.Request) -> web.StreamResponse:
        return await blob_service.answer(container, request) or web.Response(status=418)

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_route("*", r"/{path:[\s\S]*}", handle)  # a name may hold the end of a line
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Service(root, port)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    root = tmp_path / "images"
    root.mkdir()
    with serving(root) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("images")) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[ContainerClient]:
    with service.client() as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, 40 * 1024 * 1024 + 7])
def test_a_blob_arrives_as_its_file_is(service: Service, client: ContainerClient, size: int) -> None:
    content = os.urandom(size)
    service.put("dogs/a.jpg", content)
    download = client.download_blob("dogs/a.jpg")
    assert download.readall() == content
    assert download.properties.size == size
    assert download.properties.content_settings.content_type == "image/jpeg"


def test_only_the_bytes_asked_for_arrive(service: Service, client: ContainerClient) -> None:
    service.put("a", b"0123456789")
    assert client.download_blob("a", offset=3, length=4).readall() == b"3456"
    assert client.download_blob("a", offset=7).readall() == b"789"
    assert client.download_blob("a", offset=8, length=100).readall() == b"89"
    with pytest.raises(HttpResponseError) as behind_the_end:
        client.download_blob("a", offset=10)
    assert behind_the_end.value.status_code == 416


@pytest.mark.parametrize(
    ("headers", "status", "content_range", "body"),
    [
        ({"Range": "bytes=2-3"}, 206, "bytes 2-3/10", b"23"),
        ({"Range": "bytes=8-"}, 206, "bytes 8-9/10", b"89"),
        ({"Range": "bytes=0-0", "x-ms-range": "bytes=1-1"}, 206, "bytes 1-1/10", b"1"),
        ({"Range": "bytes=10-"}, 416, "bytes */10", None),
        ({"Range": "bytes=10-20"}, 416, "bytes */10", None),
        ({"Range": "bytes=3-2"}, 200, None, b"0123456789"),
        ({"Range": "bytes=-3"}, 200, None, b"0123456789"),
        ({"Range": "bytes=0-1,3-4"}, 200, None, b"0123456789"),
        ({"Range": "bytes=0-0", "If-Range": '"another"'}, 200, None, b"0123456789"),
    ],
)
def test_ranges(
    service: Service, headers: dict[str, str], status: int, content_range: str | None, body: bytes | None
) -> None:
    service.put("a", b"0123456789")
    got_status, got_headers, got_body = service.ask("/images/a", headers)
    assert (got_status, got_headers.get("content-range")) == (status, content_range)
    assert body in {None, got_body}
    assert int(got_headers["content-length"]) == len(got_body)


def test_a_blob_replaced_between_two_ranges_is_not_mixed(service: Service) -> None:
    service.put("a", b"o" * 3000)
    with service.client(max_single_get_size=1000, max_chunk_get_size=1000) as client:
        download = client.download_blob("a")
        replacement = service.put("b", b"n" * 3000, at=_MONDAY + 1)
        replacement.rename(service.root / "a")
        with pytest.raises(ResourceModifiedError):
            download.readall()
        assert client.download_blob("a").readall() == b"n" * 3000


@pytest.mark.parametrize("change", ["overwritten", "shortened"])
def test_a_file_that_changes_while_it_is_sent_breaks_the_connection(service: Service, change: str) -> None:
    # More than the sockets hold: the server cannot be through before this side reads.
    size = 64 * 1024 * 1024
    file = service.put("a", bytes(size))
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"GET /images/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        if change == "overwritten":
            with file.open("r+b") as opened:
                opened.seek(-1, os.SEEK_END)
                opened.write(b"x")
        else:
            os.truncate(file, size - 1)
        with pytest.raises(http.client.IncompleteRead):
            response.read()


def test_the_properties_are_those_of_the_file(service: Service, client: ContainerClient) -> None:
    service.put("a.png", b"12345")
    properties = client.get_blob_client("a.png").get_blob_properties()
    assert properties.size == 5
    assert properties.last_modified == properties.creation_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert properties.content_settings.content_type == "image/png"
    assert properties.blob_type == "BlockBlob"
    assert properties.metadata == {}
    assert service.ask("/images/a.png?comp=metadata", method="HEAD")[0] == 200


def test_a_blob_has_one_etag_wherever_it_is_named(service: Service, client: ContainerClient) -> None:
    file = service.put("a", b"12345")
    expected = blobs.state(file.stat()).etag
    assert expected.startswith('"0x')
    assert client.download_blob("a").properties.etag == expected
    assert client.download_blob("a", offset=1, length=2).properties.etag == expected
    assert client.get_blob_client("a").get_blob_properties().etag == expected
    # In a list Azure Storage leaves the quotes out.
    [listed] = client.list_blobs()
    assert f'"{listed.etag}"' == expected
    assert client.download_blob("a", etag=listed.etag, match_condition=MatchConditions.IfNotModified).readall()


def test_conditions_on_the_etag(service: Service, client: ContainerClient) -> None:
    service.put("a", b"old")
    old = client.get_blob_client("a").get_blob_properties().etag
    unmodified: dict[str, Any] = {"etag": old, "match_condition": MatchConditions.IfNotModified}
    modified: dict[str, Any] = {"etag": old, "match_condition": MatchConditions.IfModified}
    assert client.download_blob("a", **unmodified).readall() == b"old"
    with pytest.raises(HttpResponseError) as unchanged:
        client.download_blob("a", **modified)
    assert unchanged.value.status_code == 304
    service.put("a", b"new", at=_MONDAY + 1)  # the same second and size
    assert client.download_blob("a", **modified).readall() == b"new"
    for ask in (client.download_blob, lambda name, **how: client.get_blob_client(name).get_blob_properties(**how)):
        with pytest.raises(ResourceModifiedError):
            ask("a", **unmodified)


def test_conditions_on_the_time_count_whole_seconds(service: Service, client: ContainerClient) -> None:
    service.put("a")
    blob = client.get_blob_client("a")
    at = blob.get_blob_properties().last_modified
    second = timedelta(seconds=1)
    assert blob.download_blob(if_unmodified_since=at).readall() == b"x"
    assert blob.download_blob(if_modified_since=at - second).readall() == b"x"
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(if_unmodified_since=at - second)
    with pytest.raises(HttpResponseError) as unchanged:
        blob.download_blob(if_modified_since=at)
    assert unchanged.value.status_code == 304


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"x", ETAG'}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x", ETAG'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        # An ETag decides over a time.
        ({"If-Match": "ETAG", "If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"}, 200),
        # A condition decides over a range.
        ({"If-Match": '"x"', "Range": "bytes=99-"}, 412),
        ({"If-Modified-Since": "no date"}, 200),
    ],
)
def test_conditions_as_http_has_them(service: Service, headers: dict[str, str], status: int) -> None:
    tag = blobs.state(service.put("a").stat()).etag
    sent = {name: value.replace("ETAG", tag) for name, value in headers.items()}
    got, got_headers, body = service.ask("/images/a", sent)
    assert got == status
    if status == 304:
        assert body == b""
        assert got_headers["etag"] == tag
        assert "content-type" not in got_headers


_ODD = [
    "a b.jpg",
    "a#b",
    "a?b=c&d",
    "100%",
    "a%2Fb",
    "a+b",
    "a;b,c'd\"e<f>&amp;",
    " leading and trailing ",
    "😀/ü.jpg",
    "line\nbreak\r\ttab",
    "bell\x07",
    "not a character \uffff",
    "data:text/html,x",
    "/".join(["deep"] * 30) + "/x",
]


def test_odd_names_are_listed_and_read(service: Service, client: ContainerClient) -> None:
    for name in _ODD:
        service.put(name, name.encode())
    assert [blob.name for blob in client.list_blobs()] == sorted(_ODD)
    assert [blob.name for blob in client.list_blobs(results_per_page=1)] == sorted(_ODD)  # each is a marker once
    assert {name: client.download_blob(name).readall() for name in _ODD} == {name: name.encode() for name in _ODD}
    assert all(client.get_blob_client(name).exists() for name in _ODD)
    assert client.get_blob_client("data:text/html,x").get_blob_properties().content_settings.content_type == (
        "application/octet-stream"
    )


def test_what_is_no_blob_is_neither_listed_nor_served(service: Service, client: ContainerClient) -> None:
    outside = service.root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    service.put("shown/a")
    service.put("shown/.hidden")
    service.put(".git/config")
    (service.root / "out").symlink_to(outside / "secret")
    (service.root / "folder-out").symlink_to(outside, target_is_directory=True)
    (service.root / "to-hidden").symlink_to(service.root / "shown/.hidden")
    (service.root / "dangling").symlink_to(service.root / "none")
    (service.root / "same").symlink_to(service.root / "shown/a")
    (service.root / "empty").mkdir()
    (service.root / "only-hidden").mkdir()
    service.put("only-hidden/.x")
    os.mkfifo(service.root / "pipe")
    (service.root / os.fsdecode(b"not-\xff-text")).write_text("x")
    assert list(client.list_blob_names()) == ["same", "shown/a"]
    assert [item.name for item in client.walk_blobs()] == ["shown/", "same"]  # the SDK puts prefixes first
    not_blobs = [".git/config", "shown/.hidden", "out", "folder-out/secret", "to-hidden", "dangling", "pipe", "shown"]
    for name in [*not_blobs, "shown/", "none"]:
        for ask in (client.download_blob, lambda name: client.get_blob_client(name).get_blob_properties()):
            with pytest.raises(ResourceNotFoundError, match="ErrorCode:BlobNotFound"):
                ask(name)
    for raw in ("not-%FF-text", "../outside/secret", "%2e%2e/outside/secret", "shown/..%2fsame", "/same", "a%00"):
        assert service.ask(f"/images/{raw}")[0] == 404


def test_a_blob_carries_no_tags(service: Service, client: ContainerClient) -> None:
    service.put("a")
    assert client.get_blob_client("a").get_blob_tags() == {}
    with pytest.raises(ResourceNotFoundError):
        client.get_blob_client("b").get_blob_tags()


def test_pages_go_on_where_the_last_one_ended(service: Service, client: ContainerClient) -> None:
    names = [f"set {number % 3}/{number}.jpg" for number in range(25)]
    for name in names:
        service.put(name, name.encode())
    pages = client.list_blobs(name_starts_with="set ", include=["metadata", "tags"], results_per_page=10).by_page()
    first = [blob.name for blob in next(pages)]
    token = pages.continuation_token  # type: ignore[attr-defined]
    # What comes and goes between pages moves nothing else, not even the blob that the marker names.
    service.put("a")
    (service.root / sorted(names)[10]).unlink()
    rest = [list(page) for page in client.list_blobs(name_starts_with="set ", results_per_page=10).by_page(token)]
    assert first == sorted(names)[:10]
    assert [[blob.name for blob in page] for page in rest] == [sorted(names)[11:21], sorted(names)[21:]]
    assert {blob.size for page in rest for blob in page} <= {len("set 0/1.jpg"), len("set 0/10.jpg")}
    assert all(blob.metadata == {} and blob.last_modified for page in rest for blob in page)


def test_a_walk_sees_folders_level_by_level(service: Service, client: ContainerClient) -> None:
    for name in ["a.jpg", "a/1", "a/2", "a/b/3", "c/4"]:
        service.put(name)
    found = list(client.walk_blobs())
    assert [item.name for item in found if isinstance(item, BlobPrefix)] == ["a/", "c/"]
    assert [item.name for item in found if not isinstance(item, BlobPrefix)] == ["a.jpg"]
    assert sorted(item.name for item in client.walk_blobs("a/")) == ["a/1", "a/2", "a/b/"]
    assert sorted(item.name for item in client.walk_blobs(results_per_page=1)) == ["a.jpg", "a/", "c/"]


_names = st.text("ab.!0é😀 %\x01\r", min_size=1, max_size=3).filter(lambda name: not name.startswith("."))
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)


@settings(max_examples=50)
@given(
    paths=st.sets(_paths, max_size=12),
    prefix=st.text("ab./ é%", max_size=3),
    delimiter=st.sampled_from(["", "/", ".", "a/"]),
    limit=st.integers(1, 5),
)
def test_any_list_is_sorted_whole_and_without_doubles(
    paths: set[str], prefix: str, delimiter: str, limit: int, lasting_service: Service
) -> None:
    # Every example in a folder of its own, and a part of a neighbour's name.
    base = f"{len(list(lasting_service.root.iterdir())):04}"
    lasting_service.put(f"{base}-neighbour/a")
    prefix = f"{base}/{prefix}"
    expected = set()
    for path in (f"{base}/{path}" for path in paths):
        if any(f"{base}/{other}".startswith(f"{path}/") for other in paths):
            continue  # a name is a file or a folder, not both
        lasting_service.put(path)
        if path.startswith(prefix):
            end = path.find(delimiter, len(prefix)) if delimiter else -1
            expected.add(path if end < 0 else path[: end + len(delimiter)])
    with lasting_service.client() as client:
        if delimiter:
            walked = client.walk_blobs(prefix, delimiter=delimiter, results_per_page=limit).by_page()
            pages = [sorted(item.name for item in page) for page in walked]
        else:
            listed = client.list_blobs(prefix, results_per_page=limit).by_page()
            pages = [[item.name for item in page] for page in listed]
    assert [name for page in pages for name in page] == sorted(expected)
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages[-1]) <= limit


def test_a_folder_that_is_not_there_is_not_an_empty_one(service: Service, client: ContainerClient) -> None:
    assert list(client.list_blobs()) == []
    service.root.rmdir()
    with pytest.raises(ResourceNotFoundError, match="ErrorCode:ContainerNotFound"):
        list(client.list_blobs())


def test_nothing_is_written(service: Service, client: ContainerClient) -> None:
    service.put("a", b"kept")
    blob = client.get_blob_client("a")
    for write in (
        lambda: blob.upload_blob(b"new", overwrite=True),
        blob.delete_blob,
        lambda: blob.set_blob_tags({"a": "b"}),
        client.delete_container,
    ):
        with pytest.raises(HttpResponseError, match="read-only here: add, change and remove blobs by copying") as no:
            write()
        assert no.value.status_code == 405
    assert (service.root / "a").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/images", 404),
        ("/images/", 404),
        ("/images?restype=container", 400),
        ("/images/a?comp=blocklist", 400),
        ("/images?restype=container&comp=list&maxresults=0", 400),
        ("/images?restype=container&comp=list&maxresults=x", 400),
        ("/images?restype=container&comp=list&prefix=%01", 400),
        ("/images?restype=container&comp=list&maxresults=999999&marker=%25FF%00", 200),
        ("/imagesx/a", 418),
        ("/image", 418),
        ("//images/a", 418),
        ("/", 418),
    ],
)
def test_other_requests(service: Service, path: str, status: int) -> None:
    service.put("a")
    assert service.ask(path)[0] == status


def test_a_page_among_the_blobs_cannot_act_as_the_app(service: Service) -> None:
    service.put("a.html", b"<script>1</script>")
    for path in ("/images/a.html", "/images/b.html", "/images?restype=container&comp=list"):
        headers = service.ask(path)[1]
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]


def test_a_file_beside_a_blob_is_never_sent_in_its_place(service: Service) -> None:
    service.put("a.txt", b"plain")
    service.put("a.txt.gz", b"compressed")
    _, headers, body = service.ask("/images/a.txt", {"Accept-Encoding": "gzip"})
    assert body == b"plain"
    assert "content-encoding" not in headers
    assert service.ask("/images/a.txt.gz")[1]["content-type"] == "application/octet-stream"
