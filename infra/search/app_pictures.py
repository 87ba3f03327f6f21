"""Small pictures of indexed images, from the app that the definitions name."""

from collections.abc import Iterable
from contextlib import closing
from urllib.parse import quote

import httpx
from PIL import Image

from infra.search.app import AppError, connected
from infra.search.definitions import Definitions
from shared.features import StoreBusy, collection_of
from shared.image_ids import id_of
from shared.images import ImageError, open_image
from shared.pictures import SIDE, Pictures, read_pictures

GONE = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND, httpx.codes.CONFLICT})
"""What the app answers when it is the image that is wrong, and the next may be right."""


def pictures(paths: Iterable[str], definitions: Definitions) -> Pictures:
    """Pictures of images by their paths, a few at a time; with what is wrong where the app cannot be asked."""
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return Pictures({}, "")
    try:
        app = connected(definitions)
    except AppError as error:
        return Pictures({}, str(error))
    with closing(app):
        return read_pictures(wanted, lambda path: _picture(app, path))


def _picture(app: httpx.Client, path: str) -> Image.Image | None:
    try:
        url = f"/api/collections/{quote(collection_of(path), safe='')}/images/{id_of(path)}/thumbnail"
    except UnicodeEncodeError:  # no blob has half a character in its name
        return None
    try:
        reply = app.get(url, params={"side": SIDE})
    except httpx.HTTPError as error:
        raise StoreBusy(f"The app stopped answering ({type(error).__name__}).", 5) from error
    if reply.status_code in GONE:
        return None
    if reply.status_code != httpx.codes.OK:
        raise StoreBusy(f"The app answered {reply.status_code}: {reply.text:.300}", 5)
    try:
        return open_image(reply.content, max_pixels=SIDE * SIDE, at_least=SIDE)
    except ImageError:
        return None
