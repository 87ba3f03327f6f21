"""Small pictures for people: of stored images, from blob storage or a folder, and many of them on one sheet."""

import io
import math
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from shared.blob_client import BlobReplaced, BlobUnreadable, images, told_plainly
from shared.blobs import read_blob
from shared.contract import Deadline
from shared.features import StoreBusy
from shared.images import ImageError, open_image
from shared.settings import Settings, SettingsError

type Picture = Callable[[str], Image.Image | None]
"""From an image's path to a small RGB picture; None when it is gone or broken. Called from several threads."""

SIDE = 160
"""The longest side of a small picture, in pixels."""

AT_ONCE = 8
"""Pictures under way at a time: each may be as large as MAX_IMAGE_MB while it is read."""

GAP = 8
COLUMNS = 8

_decoders = threading.BoundedSemaphore(os.process_cpu_count() or 1)
"""Each may hold a large image in memory, and more than cores would not be faster."""


class Pictures(NamedTuple):
    """Pictures that were asked for."""

    found: dict[str, Image.Image | None]
    """By path; without those that were not reached in time."""
    trouble: str
    """Why the storage gave no more of them, or ""."""


def from_storage(settings: Settings) -> Picture:
    """Pictures of the blobs in the images container. Each call may raise StoreBusy and SettingsError.

    The storage is asked once whether it answers: each picture would be asked for several times before that is told.
    """
    trouble: StoreBusy | None = None
    try:
        with suppress(SettingsError, BlobUnreadable), told_plainly():  # of these, each picture tells
            images(settings).get_container_properties(retry_total=0)
    except StoreBusy as error:
        trouble = error

    def picture(path: str) -> Image.Image | None:
        if trouble:
            raise StoreBusy(str(trouble), trouble.retry_after)
        try:
            blob = read_blob(path, settings)
        except (BlobReplaced, BlobUnreadable):
            return None
        return _small(blob.data, settings) if blob and blob.data else None

    return picture


def from_folder(folder: Path, settings: Settings) -> Picture:
    """Pictures of the files in a folder that stands for the images container; no path leads out of it."""
    root = folder.resolve()

    def picture(path: str) -> Image.Image | None:
        try:
            file = (root / path).resolve()
            if not (file.is_relative_to(root) and file.is_file()) or file.stat().st_size > settings.max_image_bytes:
                return None
            data = file.read_bytes()
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None
        return _small(data, settings)

    return picture


def read_pictures(paths: Iterable[str], picture: Picture, deadline: Deadline | None = None) -> Pictures:
    """Pictures of some images, several at a time, until the deadline or until the storage cannot be asked."""
    found: dict[str, Image.Image | None] = {}
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture")
    try:
        asked = {pool.submit(picture, path): path for path in dict.fromkeys(paths)}
        for done in as_completed(asked, deadline.remaining() if deadline else None):
            found[asked[done]] = done.result()
    except (StoreBusy, SettingsError) as error:
        return Pictures(found, str(error))
    except TimeoutError:
        pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Pictures(found, "")


def sheet(pictures: Sequence[Image.Image | None]) -> bytes:
    """A contact sheet as PNG: small pictures in rows on white, in the order given; None leaves a grey cell.

    Raises:
        ValueError: There are no pictures.
    """
    if not pictures:
        raise ValueError("a sheet needs pictures")
    columns = min(COLUMNS, math.ceil(math.sqrt(len(pictures))))
    rows = math.ceil(len(pictures) / columns)
    step = SIDE + GAP
    page = Image.new("RGB", (columns * step + GAP, rows * step + GAP), "white")
    for n, picture in enumerate(pictures):
        cell = picture or Image.new("RGB", (SIDE, SIDE), "#e4e4e4")
        left, top = GAP + n % columns * step, GAP + n // columns * step
        page.paste(cell, (left + (SIDE - cell.width) // 2, top + (SIDE - cell.height) // 2))
    target = io.BytesIO()
    page.save(target, "PNG")
    return target.getvalue()


def _small(data: bytes, settings: Settings) -> Image.Image | None:
    try:
        with _decoders:
            image = open_image(data, max_pixels=settings.max_image_pixels, at_least=SIDE)
            image.thumbnail((SIDE, SIDE))
    except ImageError:
        return None
    return image
