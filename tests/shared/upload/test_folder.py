"""A folder of images, uploaded to a real storage server."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContentSettings
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.blobs import read_blob
from shared.settings import Settings
from shared.upload.content import Content, ItemError
from shared.upload.files import File
from shared.upload.metadata import encoded, writable
from shared.upload.storage import send, stored
from tests.pictures import encoded as picture
from tests.pictures import stripes
from tests.servers.azurite import AzuriteServer
from tests.shared.upload.conftest import Upload

PHOTO = picture(stripes(0))
OTHER = picture(stripes(90))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, of which one is deep, and one is a link to another."""
    root = tmp_path / "photos"
    (root / "big" / "old").mkdir(parents=True)
    (root / "rex.png").write_bytes(PHOTO)
    (root / "big" / "old" / "Bello.JPG").write_bytes(b"any bytes: the app says what it cannot read")
    (root / "linked.webp").symlink_to("rex.png")
    return root


def names(container: ContainerClient) -> list[str]:
    return sorted(container.list_blob_names())


def test_a_folder_s_images_are_uploaded_with_their_type_and_their_md5(
    upload: Upload, folder: Path, images_container: ContainerClient
) -> None:
    code, report = upload(folder, "--metadata", "owner=me", "--metadata", "Year=1999")
    sizes = sum(file.stat().st_size for file in folder.rglob("*.*"))
    assert (code, report) == (
        0,
        {"collection": "dogs", "uploaded": 3, "unchanged": 0, "left_out": 0, "bytes": sizes, "failed": []},
    )
    assert names(images_container) == ["dogs/big/old/Bello.JPG", "dogs/linked.webp", "dogs/rex.png"]
    stream = images_container.download_blob("dogs/rex.png")
    about = stream.properties
    assert stream.readall() == PHOTO
    assert about.content_settings.content_type == "image/png"
    assert bytes(about.content_settings.content_md5 or b"") == hashlib.md5(PHOTO).digest()
    assert about.metadata == {"owner": "me", "Year": "1999"}
    jpeg = images_container.get_blob_client("dogs/big/old/Bello.JPG").get_blob_properties()
    assert jpeg.content_settings.content_type == "image/jpeg"


def test_what_is_no_image_or_hidden_or_elsewhere_is_left_out(
    upload: Upload, folder: Path, images_container: ContainerClient
) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(PHOTO)
    (folder / ".git").mkdir()
    (folder / ".git" / "logo.png").write_bytes(PHOTO)
    (folder / "linked-folder").symlink_to(outside)
    (folder / "folder.png").mkdir()
    left_out = ["notes.txt", "no-ending", ".hidden.png", "out.png", "gone.png", "pipe.png", "linked-folder"]
    for name in left_out[:3]:
        (folder / name).write_bytes(PHOTO)
    (folder / "out.png").symlink_to(outside / "secret.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    code, report = upload(folder)
    assert (code, report["uploaded"], report["left_out"]) == (0, 3, len(left_out))
    assert names(images_container) == ["dogs/big/old/Bello.JPG", "dogs/linked.webp", "dogs/rex.png"]


def test_a_second_time_only_what_changed_is_uploaded(
    upload: Upload, folder: Path, images_container: ContainerClient
) -> None:
    upload(folder, "--metadata", "owner=me")
    bello = images_container.get_blob_client("dogs/big/old/Bello.JPG")
    before = bello.get_blob_properties().etag
    (folder / "rex.png").write_bytes(PHOTO[:-1] + b"!")  # the same length; linked.webp is this file too
    (folder / "new.gif").write_bytes(OTHER)
    code, report = upload(folder, "--metadata", "owner=you")
    assert (code, report["uploaded"], report["unchanged"], report["bytes"]) == (0, 3, 1, 2 * len(PHOTO) + len(OTHER))
    assert images_container.download_blob("dogs/rex.png").readall() == PHOTO[:-1] + b"!"
    assert bello.get_blob_properties().etag == before
    assert bello.get_blob_properties().metadata == {"owner": "me"}  # content decides


def test_a_blob_whose_md5_nobody_knows_is_uploaded_again(
    upload: Upload, folder: Path, images_container: ContainerClient
) -> None:
    upload(folder)
    images_container.get_blob_client("dogs/rex.png").set_http_headers(ContentSettings(content_type="image/png"))
    assert upload(folder)[1]["uploaded"] == 1
    assert upload(folder)[1]["uploaded"] == 0


def test_an_image_that_is_sent_in_blocks_has_its_md5_too(
    azurite_server: AzuriteServer, images_settings: Settings
) -> None:
    content = Content("dogs/large.png", bytes(5000), {})
    with azurite_server.blobs(max_single_put_size=1000, max_block_size=1000) as service:
        container = service.get_container_client(images_settings.images_container)
        assert send(content, container, metadata={}, there={})
        assert not send(content, container, metadata={}, there=stored(container, "dogs"))


def test_odd_names_arrive_as_they_are(upload: Upload, tmp_path: Path, images_container: ContainerClient) -> None:
    odd = ["two words.png", "#1.png", "what?.png", "100%.png", "a%2Fb.png", "a+b&c=d.png", "犬.png", "हिन्दी.png"]
    for name in odd:
        (tmp_path / name).write_bytes(name.encode())
    assert upload(tmp_path)[1]["uploaded"] == len(odd)
    assert names(images_container) == sorted(f"dogs/{name}" for name in odd)
    assert upload(tmp_path)[1]["unchanged"] == len(odd)


def test_a_name_that_storage_cannot_hold_is_reported_and_the_rest_uploaded(
    upload: Upload, tmp_path: Path, images_container: ContainerClient
) -> None:
    deep = "/".join(["d" * 200] * 5)
    (tmp_path / deep).mkdir(parents=True)
    longest = f"{deep}/{'n' * (1024 - len(f'dogs/{deep}/.png'))}.png"
    too_long = longest.replace(".png", "n.png")
    bad = [too_long, "back\\slash.png", "line\nbreak.png", os.fsdecode(b"\xff.png")]
    for name in [longest, *bad]:
        (tmp_path / name).write_bytes(PHOTO)
    code, report = upload(tmp_path)
    assert (code, report["uploaded"]) == (1, 1)
    assert sorted(failure["what"] for failure in report["failed"]) == sorted(f"dogs/{name}" for name in bad)
    assert all("takes no such name" in failure["why"] for failure in report["failed"])
    assert names(images_container) == [f"dogs/{longest}"]


def test_a_file_larger_than_the_app_reads_is_reported(
    upload: Upload, tmp_path: Path, images_settings: Settings
) -> None:
    (tmp_path / "large.png").write_bytes(bytes(images_settings.max_image_bytes + 1))
    (tmp_path / "largest.png").write_bytes(bytes(images_settings.max_image_bytes))
    code, report = upload(tmp_path)
    assert (code, report["uploaded"]) == (1, 1)
    assert report["failed"] == [{"what": "dogs/large.png", "why": "The file is larger than MAX_IMAGE_MB = 0.2."}]


def test_a_file_that_is_gone_when_its_turn_comes_fails_alone(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="No such file"):
        File("dogs/gone.png", tmp_path / "gone.png").content(Settings())


def test_a_blob_that_may_not_be_changed_is_reported(
    upload: Upload, folder: Path, images_container: ContainerClient
) -> None:
    lease = images_container.upload_blob("dogs/rex.png", b"kept").acquire_lease()
    code, report = upload(folder)
    assert (code, report["uploaded"]) == (1, 2)
    [failure] = report["failed"]
    assert failure["what"] == "dogs/rex.png"
    assert "LeaseIdMissing" in failure["why"]
    lease.release()


def test_metadata_in_any_script_become_the_tags_of_the_image(
    upload: Upload, folder: Path, images_settings: Settings
) -> None:
    values = {"owner": "山田　太郎", "place": "São Paulo", "odd": "=?utf-8?q?not_encoded?=", "long": "犬と猫" * 200}
    arguments = [argument for name, value in values.items() for argument in ("--metadata", f"{name}={value}")]
    assert upload(folder, *arguments)[0] == 0
    blob = read_blob("dogs/rex.png", images_settings)
    assert blob
    assert blob.tags == values


@pytest.fixture(scope="module")
def scratch(azurite_server: AzuriteServer) -> Iterator[tuple[Settings, ContainerClient]]:
    """A container for all examples of a property."""
    with azurite_server.blobs() as service:
        container = service.create_container(f"images-{uuid.uuid4().hex}")
        yield (
            Settings(
                images_connection=azurite_server.connection_string,
                images_account=azurite_server.blob_url,
                images_container=container.container_name,
            ),
            container,
        )


@settings(max_examples=25)
@given(value=st.text(min_size=1, max_size=60).map(str.strip).filter(lambda text: bool(text) and writable(text)))
def test_every_value_that_can_be_written_is_read_as_it_was(
    scratch: tuple[Settings, ContainerClient], value: str
) -> None:
    images_settings, container = scratch
    container.upload_blob("dogs/a", b"", overwrite=True, metadata=encoded({"name": value}))
    blob = read_blob("dogs/a", images_settings)
    assert blob
    assert blob.tags == {"name": value}
