"""Reading and listing the images container, on a real server with the real SDK."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient, ContentSettings, StandardBlobTier

from shared import blobs
from shared.blob_client import BlobReplaced, BlobUnchanged, BlobUnreadable, images
from shared.blobs import list_page, read_blob, version_of
from shared.features import StoreBusy
from shared.settings import Settings, SettingsError
from tests.servers.azurite import AzuriteServer

ODD_NAMES = [
    "dogs/two words.jpg",
    "dogs/#1.jpg",
    "dogs/what?.jpg",
    "dogs/100%.jpg",
    "dogs/a%2Fb.jpg",
    "dogs/\N{DOG FACE}.jpg",
    "dogs/日本.jpg",
    "dogs/ends.with.dots...",
    "dogs//twice.jpg",
    "no folder.jpg",
    "/".join("d" * 30) + "/deep.jpg",
    "long/" + "n" * 1019,
]
MEGABYTE = 1_000_000


def test_a_blob_comes_with_the_version_and_the_tags_that_its_bytes_belong_to(
    images_settings: Settings, images_container: ContainerClient
) -> None:
    written = images_container.upload_blob(
        "dogs/rex.jpg",
        b"wuff",
        metadata={"caption": "Rex", "kind": "metadata"},
        tags={"kind": "index", "two words": "x"},
    ).get_blob_properties()
    blob = read_blob("dogs/rex.jpg", images_settings)
    assert blob
    assert (blob.path, blob.data, blob.modified) == ("dogs/rex.jpg", b"wuff", written.last_modified)
    assert f'"{blob.etag}"' == written.etag
    assert blob.tags == {"caption": "Rex", "kind": "index", "two words": "x"}
    assert version_of("dogs/rex.jpg", images_settings) == (blob.etag, blob.modified)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_read_and_listed_as_it_is(
    images_settings: Settings, images_container: ContainerClient, name: str
) -> None:
    images_container.upload_blob(name, name.encode())
    blob = read_blob(name, images_settings)
    assert blob
    assert blob.data == name.encode()
    assert [(one.path, one.etag) for one in list_page("", "", images_settings).blobs] == [(name, blob.etag)]


def test_what_is_known_already_is_not_sent_again(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("a.jpg", b"1")
    known = version_of("a.jpg", images_settings)
    assert known
    with pytest.raises(BlobUnchanged):
        read_blob("a.jpg", images_settings, unless=known[0])
    images_container.upload_blob("a.jpg", b"2", overwrite=True)
    blob = read_blob("a.jpg", images_settings, unless=known[0])
    assert blob
    assert blob.data == b"2"


def test_no_blob_is_none_and_no_container_is_a_mistake(images_settings: Settings) -> None:
    assert read_blob("gone.jpg", images_settings) is None
    assert version_of("gone.jpg", images_settings) is None
    elsewhere = replace(images_settings, images_container="there-is-none")
    for ask in (read_blob, version_of):
        with pytest.raises(SettingsError, match="IMAGES_CONTAINER"):
            ask("gone.jpg", elsewhere)
    with pytest.raises(SettingsError, match="IMAGES_CONTAINER"):
        list_page("", "", elsewhere)


def test_what_is_too_large_is_not_given(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("fits.jpg", bytes(images_settings.max_image_bytes))
    images_container.upload_blob("large.jpg", bytes(images_settings.max_image_bytes + 1))
    fits, large = (read_blob(name, images_settings) for name in ("fits.jpg", "large.jpg"))
    assert fits
    assert large
    assert fits.data == bytes(images_settings.max_image_bytes)
    assert large.data is None


def test_300_megabytes_are_neither_read_nor_kept(
    azurite_server: AzuriteServer, images_settings: Settings, images_container: ContainerClient
) -> None:
    block = bytes(60 * MEGABYTE)
    client = images_container.get_blob_client("huge.jpg")
    for number in range(5):
        client.stage_block(f"{number:03}", block)
    client.commit_block_list([BlobBlock(f"{number:03}") for number in range(5)])
    lines: list[str] = []
    with azurite_server.listening(lines.append):
        blob = read_blob("huge.jpg", images_settings)
        version_of("marker", images_settings)
    assert blob
    assert blob.data is None
    assert sum("GET" in line and "huge.jpg" in line for line in lines) <= 1


def test_compressed_content_stays_as_it_is(images_settings: Settings, images_container: ContainerClient) -> None:
    """A small blob that says it is gzip could grow beyond every limit."""
    packed = gzip.compress(bytes(10 * MEGABYTE))
    images_container.upload_blob("bomb.jpg", packed, content_settings=ContentSettings(content_encoding="gzip"))
    blob = read_blob("bomb.jpg", images_settings)
    assert blob
    assert blob.data == packed


@pytest.fixture
def after_first_range(
    azurite_server: AzuriteServer, images_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], object]], Settings]:
    """Has something done between the first and the second range of a download, which a large blob takes."""

    def prepare(act: Callable[[], object]) -> Settings:
        pending = [act]

        def hook(response: Any) -> None:
            if response.http_response.status_code == 206 and pending:
                pending.pop()()

        service = BlobServiceClient.from_connection_string(
            azurite_server.connection_string,
            max_single_get_size=1000,
            max_chunk_get_size=1000,
            raw_response_hook=hook,
        )
        container = service.get_container_client(images_settings.images_container)
        monkeypatch.setattr(blobs, "images", lambda _settings: container)
        return images_settings

    return prepare


def test_a_blob_that_is_replaced_while_it_is_read_is_told_from_a_whole_one(
    images_container: ContainerClient, after_first_range: Callable[[Callable[[], object]], Settings]
) -> None:
    images_container.upload_blob("a.jpg", bytes(2500))
    settings = after_first_range(lambda: images_container.upload_blob("a.jpg", bytes(3000), overwrite=True))
    with pytest.raises(BlobReplaced):
        read_blob("a.jpg", settings)
    blob = read_blob("a.jpg", settings)
    assert blob
    assert blob.data == bytes(3000)


def test_a_blob_that_is_deleted_while_it_is_read_is_not_taken_for_a_whole_one(
    images_container: ContainerClient, after_first_range: Callable[[Callable[[], object]], Settings]
) -> None:
    images_container.upload_blob("a.jpg", bytes(2500))
    settings = after_first_range(lambda: images_container.delete_blob("a.jpg"))
    with suppress(BlobReplaced):  # Azurite answers 412; Blob storage may answer 404
        assert read_blob("a.jpg", settings) is None
    assert read_blob("a.jpg", settings) is None


@pytest.mark.parametrize(
    ("kept", "meant"),
    [
        ("=?utf-8?b?5pel5pys?=", "日本"),
        ("=?utf-8?q?caf=C3=A9?=", "café"),
        ("plain", "plain"),
        ("x =?no such charset?q?y?=", "x =?no such charset?q?y?="),
        ("=?none-such?q?y?=", "=?none-such?q?y?="),
        ("café", "café"),
    ],
)
def test_metadata_beyond_ascii(
    images_settings: Settings, images_container: ContainerClient, kept: str, meant: str
) -> None:
    images_container.upload_blob("a.jpg", b"a", metadata={"caption": kept})
    blob = read_blob("a.jpg", images_settings)
    assert blob
    assert blob.tags == {"caption": meant}
    [listed] = list_page("", "", images_settings).blobs
    assert listed.tags == {"caption": meant}


def test_a_listing_comes_in_parts_with_tags(
    images_settings: Settings, images_container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "PAGE", 2)
    for name in ("dogs/a", "dogs/b", "dogs/c", "cats/a"):
        images_container.upload_blob(name, b"", metadata={"name": name}, tags={"t": "1"})
    first = list_page("dogs/", "", images_settings)
    assert [one.path for one in first.blobs] == ["dogs/a", "dogs/b"]
    assert first.marker
    second = list_page("dogs/", first.marker, images_settings)
    assert [(one.path, one.tags) for one in second.blobs] == [("dogs/c", {"name": "dogs/c", "t": "1"})]
    assert second.marker == ""
    assert list_page("birds/", "", images_settings) == ([], [], "")


def test_folders_are_named_beside_the_blobs_at_the_top(
    images_settings: Settings, images_container: ContainerClient
) -> None:
    for name in ("dogs/a", "top", "cats/x/y"):
        images_container.upload_blob(name, b"")
    page = list_page("", "", images_settings, deep=False)
    assert [one.path for one in page.blobs] == ["top"]
    assert page.folders == ["cats/", "dogs/"]


def test_real_folders_of_an_account_are_no_blobs(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("dogs", b"", metadata={"hdi_isfolder": "true"})
    assert list_page("", "", images_settings).blobs == []


@pytest.mark.usefixtures("no_backoff")
def test_storage_that_is_away_is_busy_and_a_wrong_key_a_mistake(
    images_settings: Settings, images_container: ContainerClient, azurite_server: AzuriteServer
) -> None:
    wrong = azurite_server.connection_string.replace(azurite_server.key, "d3Jvbmc=")
    with pytest.raises(SettingsError, match="Storage Blob Data Owner") as refused:
        read_blob("a.jpg", replace(images_settings, images_connection=wrong))
    assert "d3Jvbmc=" not in str(refused.value)
    away = "BlobEndpoint=http://127.0.0.1:1;SharedAccessSignature=sv=1&sig=secret"
    with pytest.raises(StoreBusy, match="cannot be reached") as busy:
        read_blob("a.jpg", replace(images_settings, images_connection=away))
    assert "secret" not in str(busy.value)


@pytest.mark.parametrize(
    "text", ["nonsense", "AccountKey=secret", "BlobEndpoint=http://h;SharedAccessSignature=secret;"]
)
def test_a_connection_string_that_is_none_is_named_without_its_secrets(text: str) -> None:
    if text.startswith("Blob"):
        text = text.replace(";Shared", "\n;Shared")
    with pytest.raises(SettingsError, match="IMAGES_STORAGE") as error:
        images(Settings(images_connection=text))
    assert "secret" not in str(error.value)


def test_without_any_account_it_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="IMAGES_STORAGE__blobServiceUri"):
        images(Settings())


def test_an_identity_signs_in_where_there_is_no_connection_string() -> None:
    client = images(Settings(images_account="https://a.blob.core.windows.net", images_client_id="id"))
    assert client.url == "https://a.blob.core.windows.net/images"


def test_an_identity_s_token_is_never_sent_in_the_clear() -> None:
    with pytest.raises(SettingsError, match="https"):
        images(Settings(images_account="http://a.blob.core.windows.net"))


def test_metadata_and_tags_without_a_value(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("a.jpg", b"a", metadata={"empty": ""}, tags={"none": ""})
    [listed] = list_page("", "", images_settings).blobs
    blob = read_blob("a.jpg", images_settings)
    assert blob
    assert listed.tags == blob.tags == {"empty": "", "none": ""}


def test_half_a_character_in_metadata_stays_as_it_was_written(
    images_settings: Settings, images_container: ContainerClient
) -> None:
    images_container.upload_blob("a.jpg", b"a", metadata={"odd": "=?utf-7?q?+2AA-?="})
    blob = read_blob("a.jpg", images_settings)
    assert blob
    assert blob.tags == {"odd": "=?utf-7?q?+2AA-?="}


def test_what_stands_for_a_folder_is_no_blob(images_settings: Settings, images_container: ContainerClient) -> None:
    images_container.upload_blob("dogs", b"", metadata={"hdi_isfolder": "true"})
    assert read_blob("dogs", images_settings) is None
    assert version_of("dogs", images_settings) is None


def test_an_archived_blob_cannot_be_read_now(images_settings: Settings, images_container: ContainerClient) -> None:
    client = images_container.upload_blob("a.jpg", b"a")
    client.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    with pytest.raises(BlobUnreadable, match="BlobArchived"):
        read_blob("a.jpg", images_settings)
    assert version_of("a.jpg", images_settings)


LISTING = b"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>dogs/a</Name><Properties>
<Etag>0x1</Etag><Last-Modified>Sat, 02 May 2026 12:00:00 GMT</Last-Modified><Content-Length>1</Content-Length>
<BlobType>BlockBlob</BlobType>
</Properties><Metadata><caption>Rex</caption></Metadata></Blob></Blobs><NextMarker /></EnumerationResults>"""


class Grudging(BaseHTTPRequestHandler):
    """What Azurite never answers: no permission for index tags, and a 404 that says nothing of a blob."""

    def do_GET(self) -> None:
        listing = "comp=list" in self.path
        status, body = (403, b"") if "tags" in self.path else (200, LISTING) if listing else (404, b"")
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the server's name for it

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def grudging() -> Iterator[Settings]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Grudging) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Settings(
            images_connection=f"BlobEndpoint=http://127.0.0.1:{server.server_port};SharedAccessSignature=sv=1&sig=x"
        )
        server.shutdown()


def test_without_a_role_for_index_tags_the_rest_is_listed(grudging: Settings) -> None:
    assert list_page("dogs/", "", grudging).blobs == [("dogs/a", "0x1", None)]


@pytest.mark.parametrize("ask", [read_blob, version_of])
def test_an_address_where_nothing_is_does_not_mean_that_the_blob_is_gone(
    grudging: Settings, ask: Callable[[str, Settings], object]
) -> None:
    with pytest.raises(SettingsError, match="404"):
        ask("dogs/a", grudging)
