"""An image's bytes and a small picture of it, from a real container."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pillow_heif
import pytest
from azure.storage.blob import ContainerClient
from PIL import Image

from shared.contract import Reply
from shared.image_ids import id_of
from shared.settings import Settings, SettingsError
from similarity.picture_calls import picture, thumbnail
from tests.pictures import encoded, scene

PHOTO = encoded(scene(), "JPEG")
REX = "dogs/rex 1.jpg"

Put = Callable[..., None]


@pytest.fixture
def put(images_container: ContainerClient) -> Put:
    def put(path: str, data: bytes, **options: Any) -> None:
        images_container.upload_blob(path, data, overwrite=True, **options)

    return put


def shown(settings: Settings, path: str = REX, known: str = "") -> Reply:
    return picture("dogs", id_of(path), known, settings)


def small(settings: Settings, path: str = REX, known: str = "", **params: str) -> Reply:
    return thumbnail("dogs", id_of(path), params, known, settings)


def error(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["error"]


def as_heic(image: Image.Image) -> bytes:
    target = io.BytesIO()
    pillow_heif.from_pillow(image).save(target)
    return target.getvalue()


def as_mpo(image: Image.Image) -> bytes:
    return encoded(image, "MPO", save_all=True, append_images=[image])


KINDS = {
    "image/jpeg": encoded(scene(), "JPEG"),
    "image/png": encoded(scene(), "PNG"),
    "image/webp": encoded(scene(), "WEBP"),
    "image/gif": encoded(scene(), "GIF"),
    "image/tiff": encoded(scene(), "TIFF"),
    "image/bmp": encoded(scene(), "BMP"),
    "image/avif": encoded(scene(), "AVIF"),
    "image/heic": as_heic(scene()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_the_blob_and_called_what_its_bytes_are(images_settings: Settings, put: Put, kind: str) -> None:
    settings = replace(images_settings, max_image_bytes=2_000_000)
    put(REX, KINDS[kind])
    reply = shown(settings)
    assert (reply.status, reply.mimetype, reply.body) == (200, kind, KINDS[kind])
    assert small(settings).status == 200


def test_the_several_pictures_of_a_phone_are_a_jpeg(images_settings: Settings, put: Put) -> None:
    put(REX, as_mpo(scene()))
    assert shown(images_settings).mimetype == "image/jpeg"


def test_what_a_blob_says_of_itself_is_not_repeated(images_settings: Settings, put: Put) -> None:
    from azure.storage.blob import ContentSettings  # noqa: PLC0415 - only here

    put(REX, b"<script>alert(1)</script>", content_settings=ContentSettings(content_type="image/png"))
    assert error(shown(images_settings)) == (409, "Its bytes are no image in a known format.")
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    put(REX, svg, content_settings=ContentSettings(content_type="image/svg+xml"))
    assert error(shown(images_settings))[0] == 409


@pytest.mark.parametrize("ask", [shown, small])
def test_a_browser_takes_it_for_a_picture_only_and_keeps_it_to_itself(
    images_settings: Settings, put: Put, ask: Callable[..., Reply]
) -> None:
    put(REX, PHOTO)
    headers = ask(images_settings).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize("ask", [shown, small])
def test_a_version_that_the_caller_has_is_not_sent_again(
    images_settings: Settings, put: Put, ask: Callable[..., Reply]
) -> None:
    put(REX, PHOTO)
    first = ask(images_settings)
    etag = first.headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = ask(images_settings, known=known)
        assert (again.status, again.body) == (304, b"")
        assert (again.headers, again.mimetype) == (first.headers, first.mimetype)
    assert ask(images_settings, known='"other"').body == first.body
    put(REX, encoded(scene(size=(64, 48))))
    assert ask(images_settings, known=etag).status == 200


def test_each_size_is_a_version_of_its_own(images_settings: Settings, put: Put) -> None:
    put(REX, PHOTO)
    etag = small(images_settings, side="64").headers["ETag"]
    assert small(images_settings, known=etag, side="64").status == 304
    assert small(images_settings, known=etag, side="65").status == 200
    assert small(images_settings, known=shown(images_settings).headers["ETag"]).status == 200


@pytest.mark.parametrize(("params", "size"), [({}, (160, 120)), ({"side": "32"}, (32, 24)), ({"side": "1024"}, None)])
def test_a_thumbnail_has_the_shape_of_its_image_and_is_never_larger(
    images_settings: Settings, put: Put, params: dict[str, str], size: tuple[int, int] | None
) -> None:
    put(REX, encoded(scene()))
    reply = small(images_settings, **params)
    assert (reply.status, reply.mimetype) == (200, "image/jpeg")
    with Image.open(io.BytesIO(bytes(reply.body))) as found:  # type: ignore[arg-type]
        assert (found.format, found.size) == ("JPEG", size or scene().size)
        meant = np.asarray(scene().resize(found.size), float)
        assert np.abs(np.asarray(found, float) - meant).mean() < 8


def test_a_thumbnail_is_upright(images_settings: Settings, put: Put) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    put(REX, encoded(scene(), "JPEG", exif=exif.tobytes()))
    with Image.open(io.BytesIO(bytes(small(images_settings).body))) as found:  # type: ignore[arg-type]
        assert found.size == (120, 160)


@pytest.mark.parametrize("side", ["31", "1025", "-1", "big", "1e2", ""])
def test_a_side_that_cannot_be_is_refused(images_settings: Settings, put: Put, side: str) -> None:
    put(REX, PHOTO)
    status, said = error(small(images_settings, side=side))
    assert (status, "'side' takes a number of pixels from 32 to 1024" in said) == (400, True)


@pytest.mark.parametrize("ask", [picture, lambda of, which, known, to: thumbnail(of, which, {}, known, to)])
def test_what_cannot_be_shown_is_told(images_settings: Settings, put: Put, ask: Callable[..., Reply]) -> None:
    put("cats/tom.jpg", PHOTO)
    put("dogs/empty.jpg", b"")
    put("dogs/half.png", encoded(scene())[:40])
    put("dogs/large.jpg", PHOTO + bytes(images_settings.max_image_bytes))
    for path, status, said in (
        ("dogs/gone.jpg", 404, "no image 'dogs/gone.jpg'"),
        ("cats/tom.jpg", 404, "not in the collection 'dogs'"),
        ("dogs/../cats/tom.jpg", 400, "not the id of an image"),
        ("dogs/empty.jpg", 409, ""),
        ("dogs/half.png", 409, ""),
        ("dogs/large.jpg", 409, "larger than MAX_IMAGE_MB = 0.2"),
    ):
        found = error(ask("dogs", id_of(path), "", images_settings))
        assert (found[0], said in found[1]) == (status, True), (path, found)
    assert error(ask("dogs", "no id", "", images_settings))[0] == 400


def test_a_container_that_is_not_there_is_no_missing_picture(images_settings: Settings) -> None:
    elsewhere = replace(images_settings, images_container="nowhere")
    for ask in (shown, small):
        with pytest.raises(SettingsError, match="IMAGES_CONTAINER"):
            ask(elsewhere)
