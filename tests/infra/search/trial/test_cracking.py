"""What the indexer finds in a blob: metadata, text, pictures, and what it says of blobs that it cannot read."""

import base64
import hashlib
import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from infra.search.trial import office as office_files
from infra.search.trial.cracking import MOST_BYTES, MOST_IMAGES, NOT_EXTRACTED, UNPROCESSABLE, crack
from infra.search.trial.documents import Document, Issue
from infra.search.trial.folder import Blob
from infra.search.trial.office import OfficeError
from shared.contract import Json
from tests.infra.search.trial.pdfs import office, pdf, picture, stream
from tests.pictures import encoded, scene

CONFIGURATION = {
    "dataToExtract": "contentAndMetadata",
    "imageAction": "generateNormalizedImages",
    "normalizedImageMaxWidth": 64,
    "normalizedImageMaxHeight": 64,
    "failOnUnsupportedContentType": False,
    "failOnUnprocessableDocument": False,
    "indexStorageMetadataOnlyForOversizedDocuments": True,
}
STRICT = {
    "failOnUnsupportedContentType": True,
    "failOnUnprocessableDocument": True,
    "indexStorageMetadataOnlyForOversizedDocuments": False,
}
URL = "https://account.blob.core.windows.net/images/"
NAME = "DocumentExtraction.azureblob.images"
JPEG = encoded(scene(size=(80, 40)), "JPEG")
PNG = encoded(scene(size=(40, 20)))


type Cracked = Callable[..., Document]


@pytest.fixture
def cracked(tmp_path: Path) -> Cracked:
    """Writes a file into the container and cracks it."""

    def write_and_crack(path: str, content: bytes, **configuration: Json) -> Document:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (1_700_000_000.9, 1_700_000_000.9))
        return crack(Blob(path, file), URL, CONFIGURATION | configuration)

    return write_and_crack


def _images(document: Document) -> list[dict[str, Json]]:
    images = document.tree["normalized_images"]
    assert isinstance(images, list)
    return images


def test_a_document_has_the_metadata_of_its_blob(cracked: Cracked) -> None:
    document = cracked("a b/Fête #1.JPG", JPEG)
    url = URL + "a%20b/F%C3%AAte%20%231.JPG"
    assert document.key == url
    assert {name: value for name, value in document.tree.items() if name != "normalized_images"} == {
        "metadata_storage_name": "Fête #1.JPG",
        "metadata_storage_path": url,
        "metadata_storage_content_type": "image/jpeg",
        "metadata_storage_size": len(JPEG),
        "metadata_storage_last_modified": "2023-11-14T22:13:20Z",
        "metadata_storage_file_extension": ".JPG",
        "metadata_storage_content_md5": base64.b64encode(hashlib.md5(JPEG).digest()).decode(),
        "content": "",
    }
    assert [(image["width"], image["height"]) for image in _images(document)] == [(64, 32)]
    assert document.issues == []


def test_the_largest_size_is_2000_where_the_indexer_says_none(cracked: Cracked) -> None:
    sides = {"normalizedImageMaxWidth": None, "normalizedImageMaxHeight": None}
    (image,) = _images(cracked("a.png", encoded(Image.new("L", (10, 4000))), **sides))
    assert (image["width"], image["height"]) == (5, 2000)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"plain", "plain"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("größe".encode("utf-16"), "größe"),
        (b"half \xff", "half \ufffd"),
    ],
)
def test_the_content_of_a_text_file_is_its_text(cracked: Cracked, content: bytes, text: str) -> None:
    document = cracked("notes.txt", content, **STRICT)
    assert document.tree["content"] == text
    assert _images(document) == []
    assert document.issues == []


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.webp", encoded(scene(size=(20, 20)), "WEBP"), "image/webp"),
        ("a.jpg", encoded(scene(size=(20, 20)), "WEBP"), "image/webp"),
        ("a.jpg", b"\0\0\0\x18ftypheic", "image/heic"),
        ("a.jpg", encoded(scene(size=(20, 20)), "AVIF"), "image/avif"),
        ("a.unknown", b"?", "application/octet-stream"),
    ],
)
def test_unsupported_kinds_fail_or_keep_their_metadata_as_configured(
    cracked: Cracked, path: str, content: bytes, kind: str
) -> None:
    document = cracked(path, content)
    assert (_images(document), document.issues) == ([], [])
    assert document.tree["metadata_storage_content_type"] == kind
    document = cracked(path, content, **STRICT)
    assert document.issues == [
        Issue(document.key, NAME, NOT_EXTRACTED, f"Document has unsupported content type '{kind}'")
    ]
    assert document.failed


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("a.jpg", b"garbage", "not an image in a known format"),
        ("a.jpg", JPEG[:700], "damaged or incomplete"),
        ("a.jpg", b"", "not an image in a known format"),
        ("a.pdf", b"%PDF-1.7", "damaged or incomplete"),
        ("a.docx", b"PK", "damaged"),
        ("a.docx", b"\xd0\xcf\x11\xe0", "password"),
    ],
)
def test_unreadable_files_fail_or_warn_and_keep_their_metadata_as_configured(
    cracked: Cracked, path: str, content: bytes, reason: str
) -> None:
    document = cracked(path, content)
    (issue,) = document.issues
    assert issue.warning
    assert (issue.name, issue.message) == (NAME, NOT_EXTRACTED)
    assert issue.details.startswith(UNPROCESSABLE)
    assert reason in issue.details
    assert document.tree["metadata_storage_size"] == len(content)
    (issue,) = cracked(path, content, **STRICT).issues
    assert not issue.warning


def test_an_oversized_blob_fails_or_keeps_its_metadata_as_configured(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    with file.open("wb") as target:
        target.truncate(MOST_BYTES + 1)
    document = crack(Blob("a.jpg", file), URL, CONFIGURATION)
    assert document.issues == []
    assert document.tree["metadata_storage_size"] == MOST_BYTES + 1
    assert document.tree["metadata_storage_content_md5"] == "X2kO9Cq7lsrf2u+NFdchSA=="
    (issue,) = crack(Blob("a.jpg", file), URL, CONFIGURATION | STRICT).issues
    assert (issue.name, issue.message, issue.warning) == (NAME, NOT_EXTRACTED, False)
    assert issue.details == (
        "Document is '134217729' bytes, which exceeds the maximum size '134217728' bytes "
        "for document extraction for your current service tier."
    )


def test_a_blob_that_is_gone_is_an_error_of_its_own(tmp_path: Path) -> None:
    document = crack(Blob("a.jpg", tmp_path / "a.jpg"), URL, CONFIGURATION)
    assert document.issues == [Issue(URL + "a.jpg", NAME, "Could not read document", "No such file or directory.")]


def test_without_an_image_action_images_are_unsupported(cracked: Cracked) -> None:
    document = cracked("a.png", PNG, imageAction="none", failOnUnsupportedContentType=True)
    assert [issue.details for issue in document.issues] == ["Document has unsupported content type 'image/png'"]
    assert "normalized_images" not in document.tree
    document = cracked("a.pdf", b"never looked at", imageAction="none", **STRICT)
    assert document.issues == []


@pytest.mark.parametrize("wanted", ["storageMetadata", "allMetadata"])
def test_metadata_alone_can_be_asked_for(cracked: Cracked, wanted: str) -> None:
    document = cracked("a.jpg", b"garbage", dataToExtract=wanted, **STRICT)
    assert document.issues == []
    assert "normalized_images" not in document.tree


def test_pictures_of_a_pdf_know_their_page_and_their_place(cracked: Cracked) -> None:
    broken = stream("/Type /XObject /Subtype /Image /Width 9 /Height 9 /ColorSpace /DeviceRGB /Filter /DCTDecode", b"?")
    pages = [b"/Bad Do", b"200 0 0 100 0 0 cm /A Do"]
    document = cracked("a.pdf", pdf(pages, [picture(scene(size=(80, 60))), broken], {"A": 1, "Bad": 2}))
    (image,) = _images(document)
    assert (image["pageNumber"], image["originalWidth"], image["width"]) == (2, 80, 64)
    corners = '{"x":0.0,"y":0.0},{"x":1.0,"y":0.0},{"x":1.0,"y":1.0},{"x":0.0,"y":1.0}'
    assert image["boundingPolygon"] == f"[[{corners}]]"
    (issue,) = document.issues
    assert issue.warning
    assert issue.details.startswith("Page 1: ")


def test_pages_cannot_be_drawn_here_which_is_said(cracked: Cracked) -> None:
    file = pdf([b"/A Do"], [picture(scene(size=(80, 60)))], {"A": 1})
    document = cracked("a.pdf", file, imageAction="generateNormalizedImagePerPage")
    assert len(_images(document)) == 1
    assert [issue.message for issue in document.issues] == ["The local indexer does not draw pages"]
    assert cracked("a.jpg", JPEG, imageAction="generateNormalizedImagePerPage").issues == []


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_pictures_of_office_files_come_in_the_order_of_their_numbers(cracked: Cracked, kind: str) -> None:
    folder = {"docx": "word", "pptx": "ppt", "xlsx": "xl"}[kind]
    files = {
        f"{folder}/media/image10.PNG": PNG,
        f"{folder}/media/image2.jpeg": JPEG,
        f"{folder}/media/image3.png": b"garbage",
        f"{folder}/media/image4.emf": b"a drawing",
        f"{folder}/other/image1.png": PNG,
    }
    document = cracked(f"a.{kind}", office(files), **STRICT)
    assert [image["originalWidth"] for image in _images(document)] == [80, 40]
    assert [image["pageNumber"] for image in _images(document)] == [0, 0]
    assert "boundingPolygon" not in _images(document)[0]
    (issue,) = document.issues
    assert issue.warning
    assert issue.details.startswith(f"{folder}/media/image3.png: ")


def test_a_zip_archive_that_is_no_office_file_and_a_bomb_are_refused(cracked: Cracked) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("word/media/a.png", PNG)
    (issue,) = cracked("a.docx", target.getvalue()).issues
    assert "none of Word" in issue.details
    bomb = office({"word/media/a.png": bytes(64_000_001)})
    assert len(bomb) < 100_000
    (issue,) = cracked("b.docx", bomb).issues
    assert "larger than 64 MB" in issue.details


def test_no_more_of_a_bomb_is_unpacked_than_is_needed_to_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office_files, "MOST_BYTES", 1_000_000)
    bomb = office({"word/media/a.png": bytes(50_000_000)})
    tracemalloc.start()
    try:
        with pytest.raises(OfficeError, match="larger than 1 MB"):
            list(office_files.media(bomb))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000


def test_a_document_has_a_thousand_images_at_most(cracked: Cracked) -> None:
    dot = encoded(Image.new("L", (1, 1)))
    files = {f"word/media/{number}.png": dot for number in range(MOST_IMAGES + 1)}
    exactly = dict(list(files.items())[:MOST_IMAGES])
    assert cracked("a.docx", office(exactly)).issues == []
    document = cracked("b.docx", office(files))
    assert len(_images(document)) == MOST_IMAGES
    assert [(issue.warning, issue.message) for issue in document.issues] == [
        (True, "Only the first 1,000 images of your document were extracted")
    ]
