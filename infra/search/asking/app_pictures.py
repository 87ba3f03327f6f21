"""Small pictures of indexed images, from the app that the definitions name."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import httpx
from PIL import Image

from infra.search.asking.app import AppError, connected
from infra.search.asking.origins import is_inside
from infra.search.asking.result_page import SIDE, Shown
from infra.search.asking.vectorizing import REFUSED, refusal
from infra.search.definitions import Definitions
from shared.contract import Json
from shared.features import collection_of
from shared.image_ids import id_of
from shared.images import ImageError, open_image

AT_ONCE = 8
"""Pictures that are asked for at a time."""

GONE = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND, httpx.codes.CONFLICT})
"""What the app answers when it is the image that is wrong, and the next may be right."""

INSIDE = "The app has no pictures of images inside documents."
UNKNOWN = "The app does not know the image."
NONE = "The app has no picture of it."


def pictures(documents: Iterable[Mapping[str, Json]], definitions: Definitions) -> Shown:
    """Pictures of documents of an index, a few at a time."""
    shown: dict[str, Image.Image | str] = {}
    wanted: dict[str, str] = {}
    for document in documents:
        key, path = str(document["id"]), str(document.get("path") or "")
        if is_inside(document):
            shown[key] = INSIDE
        elif not path:
            shown[key] = UNKNOWN
        else:
            wanted[key] = path
    if not wanted:
        return shown
    try:
        app = connected(definitions)
    except AppError as error:
        return shown | dict.fromkeys(wanted, str(error))
    trouble = ""

    def picture(path: str) -> Image.Image | str:
        nonlocal trouble
        if trouble:  # which all others would meet as well
            return trouble
        try:
            return _picture(app, path)
        except AppError as error:
            trouble = str(error)
            return trouble

    with closing(app), ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture") as pool:
        return shown | dict(zip(wanted, pool.map(picture, wanted.values()), strict=True))


def _picture(app: httpx.Client, path: str) -> Image.Image | str:
    try:
        url = f"/api/collections/{quote(collection_of(path), safe='')}/images/{id_of(path)}/thumbnail"
    except UnicodeEncodeError:  # no blob has half a character in its name
        return NONE
    try:
        reply = app.get(url, params={"side": SIDE})
    except httpx.HTTPError as error:
        raise AppError(f"The app stopped answering ({type(error).__name__}).") from error
    if reply.status_code in GONE:
        return NONE
    if reply.status_code in REFUSED:
        raise AppError(refusal(f"The app at {app.base_url}", reply.status_code))
    if reply.status_code != httpx.codes.OK:
        raise AppError(f"The app answered {reply.status_code}: {reply.text:.300}")
    try:
        return open_image(reply.content, max_pixels=SIDE * SIDE, at_least=SIDE)
    except ImageError:
        return NONE
