"""A list of labels and urls: fetched from a real TLS server on loopback, uploaded to a real storage server."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from azure.storage.blob import ContainerClient, PublicAccess

from shared import fetch
from shared.blobs import read_blob
from shared.fetch import is_public
from shared.settings import Settings
from shared.upload.content import ending_of_bytes
from tests.pictures import encoded as picture
from tests.pictures import scene, stripes
from tests.servers.https import HttpsServer, https_server
from tests.shared.upload.conftest import Upload

JPEG = picture(stripes(0), "JPEG")
PNG = picture(stripes(90))
FILES = {
    "/rex.jpg": JPEG,
    "/wrong-ending.gif": PNG,
    "/id": PNG,
    "/%E7%8A%AC.png": PNG,
    "/page.jpg": b"<html>Gone</html>",
}


@pytest.fixture(scope="module")
def running() -> Iterator[HttpsServer]:
    with https_server(FILES) as server:
        yield server


@pytest.fixture
def server(running: HttpsServer, environment: pytest.MonkeyPatch) -> HttpsServer:
    running.asked.clear()
    environment.setattr(fetch, "_tls_context", lambda: running.trust)
    environment.setattr(fetch, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    return running


@pytest.fixture
def list_file(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def mark(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def content_type(container: ContainerClient, path: str) -> str | None:
    return container.get_blob_client(path).get_blob_properties().content_settings.content_type


def test_each_url_becomes_an_image_with_its_label(
    upload: Upload, server: HttpsServer, list_file: Path, images_container: ContainerClient, images_settings: Settings
) -> None:
    at = server.url
    lines = [
        "# dogs of the village",
        "",
        f"Rex\t{at}/rex.jpg?size=1&sig=hunter2",
        f"柴犬\t{at}/犬.png",
        f"柴犬\t{at}/id",
        f"cat/dog\t{at}/wrong-ending.gif#top",
        f"St.\t{at}/redirect?/rex.jpg",
        f"Rex\t{at}/rex.jpg?size=1&sig=hunter2",
    ]
    list_file.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    code, report = upload(list_file, "--metadata", "owner=me")
    assert (code, report["uploaded"], report["failed"]) == (0, 5, [])
    assert report["bytes"] == 2 * len(JPEG) + 3 * len(PNG)
    expected = {
        f"dogs/Rex/rex-{mark(f'{at}/rex.jpg?size=1&sig=hunter2')}.jpg": ("Rex", f"{at}/rex.jpg"),
        f"dogs/柴犬/犬-{mark(f'{at}/%E7%8A%AC.png')}.png": ("柴犬", f"{at}/%E7%8A%AC.png"),
        f"dogs/柴犬/id-{mark(f'{at}/id')}.png": ("柴犬", f"{at}/id"),
        f"dogs/cat_dog/wrong-ending-{mark(f'{at}/wrong-ending.gif#top')}.png": ("cat/dog", f"{at}/wrong-ending.gif"),
        f"dogs/St_/redirect-{mark(f'{at}/redirect?/rex.jpg')}.jpg": ("St.", f"{at}/redirect"),
    }
    assert set(images_container.list_blob_names()) == set(expected)
    for path, (label, source) in expected.items():
        blob = read_blob(path, images_settings)
        assert blob
        assert blob.tags == {"label": label, "source": source, "owner": "me"}
        assert blob.data == (JPEG if path.endswith("jpg") else PNG)
        assert content_type(images_container, path) == ("image/jpeg" if path.endswith("jpg") else "image/png")


def test_what_cannot_be_fetched_is_listed_with_the_reason_and_the_rest_uploaded(
    upload: Upload, server: HttpsServer, list_file: Path, images_container: ContainerClient
) -> None:
    wrong = {
        "/missing": "answered 404",
        "/error": "answered 500",
        "/hang": "did not answer in time",
        "/drip-body": "did not answer in time",
        "/short": "could not be fetched",
        "/gigabyte": "larger than MAX_IMAGE_MB = 0.2",
        "/page.jpg": "no image in a format that the app reads",
        "/redirect?https://169.254.169.254/latest": "inside a private network",
    }
    urls = [server.url + path for path in wrong] + ["https://10.1.2.3/x.jpg", "https://no-such-host.invalid/x.jpg"]
    reasons = [*wrong.values(), "inside a private network", "has no address"]
    list_file.write_text("".join(f"dog\t{url}\n" for url in [*urls, f"{server.url}/rex.jpg"]))
    code, report = upload(list_file)
    assert (code, report["uploaded"], len(report["failed"])) == (1, 1, len(urls))
    told = {failure["what"]: failure["why"] for failure in report["failed"]}
    for number, (url, reason) in enumerate(zip(urls, reasons, strict=True), 1):
        assert reason in told[f"line {number}, {url.partition('?')[0]}"]
    assert len(list(images_container.list_blob_names())) == 1


def test_plain_http_is_fetched_too(
    upload: Upload, server: HttpsServer, list_file: Path, images_container: ContainerClient
) -> None:
    images_container.set_container_access_policy({}, public_access=PublicAccess.BLOB)
    url = images_container.upload_blob("cats/tom.png", PNG).url
    assert url.startswith("http://")
    list_file.write_text(f"cat\t{url}\n")
    code, report = upload(list_file)
    assert (code, report["uploaded"]) == (0, 1)


def test_without_the_test_s_exception_loopback_is_refused(
    upload: Upload, running: HttpsServer, list_file: Path
) -> None:
    running.asked.clear()
    list_file.write_text(f"dog\t{running.url}/rex.jpg\n")
    code, report = upload(list_file)
    assert (code, running.asked) == (1, [])
    assert "inside a private network" in report["failed"][0]["why"]


def test_a_second_time_only_what_failed_is_fetched(upload: Upload, server: HttpsServer, list_file: Path) -> None:
    list_file.write_text(f"dog\t{server.url}/rex.jpg\ndog\t{server.url}/id\ndog\t{server.url}/missing\n")
    assert upload(list_file)[1]["uploaded"] == 2
    server.asked.clear()
    code, report = upload(list_file)
    assert (code, report["uploaded"], report["unchanged"], len(report["failed"])) == (1, 0, 2, 1)
    assert server.asked == ["/missing"]


def test_lines_that_name_no_image_are_reported_by_number(upload: Upload, server: HttpsServer, list_file: Path) -> None:
    lines = [
        "no tab",
        f"\t{server.url}/rex.jpg",
        "no url\t",
        "dog\tftp://example.com/rex.jpg",
        "dog\t/rex.jpg",
        "dog\thttps:///rex.jpg",
        "dog\thttps://[::1/rex.jpg",
        f"dog\t{server.url}/two words.jpg",
        f"dog\t{server.url}/rex.jpg\tmore",
        "dog\thttps://user:hunter2@example.com/rex.jpg",
        f"bell\a\t{server.url}/rex.jpg",
        f"a/b\t{server.url}/rex.jpg",
        f"a_b\t{server.url}/rex.jpg",  # the same path as the line before
    ]
    list_file.write_text("\n".join(lines))
    code, report = upload(list_file)
    assert (code, report["uploaded"]) == (1, 1)
    assert [failure["what"] for failure in report["failed"]] == [f"line {n}" for n in (*range(1, 12), 13)]
    assert "the one of line 12" in report["failed"][-1]["why"]
    assert "hunter2" not in str(report)


def test_no_token_of_a_url_is_shown(
    upload: Upload, server: HttpsServer, list_file: Path, images_container: ContainerClient
) -> None:
    paths = ["/missing?", "/page.jpg?", "/redirect?https://example.invalid/x?", "/short?", "/rex.jpg?"]
    list_file.write_text("".join(f"dog\t{server.url}{path}sig=hunter2\n" for path in paths))
    code, report = upload(list_file)
    assert (code, len(report["failed"])) == (1, 4)
    assert "hunter2" not in str(report)
    assert "hunter2" not in str(list(images_container.list_blobs(include=["metadata"])))


@pytest.mark.parametrize("source", ["missing.txt", "photo.jpg", "latin.txt"])
def test_a_source_that_is_neither_folder_nor_list_is_one_sentence(
    upload: Upload, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    (tmp_path / "latin.txt").write_bytes("Köter\thttps://example.com/x.jpg".encode("latin-1"))
    assert upload(tmp_path / source) == (2, None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("JPEG", ".jpg"),
        ("MPO", ".jpg"),
        ("PNG", ".png"),
        ("WEBP", ".webp"),
        ("GIF", ".gif"),
        ("TIFF", ".tif"),
        ("BMP", ".bmp"),
        ("AVIF", ".avif"),
        ("HEIF", ".heic"),
        ("PPM", ""),  # Pillow reads it, the app does not
    ],
)
def test_the_bytes_say_which_ending_suits(kind: str, expected: str) -> None:
    pillow_heif.register_heif_opener()
    second = {"save_all": True, "append_images": [scene()]} if kind == "MPO" else {}  # without it is a plain JPEG
    assert ending_of_bytes(picture(scene(), kind, **second)) == expected
