"""The app that the definitions name: whether it answers, and where its images are."""

from urllib.parse import quote, urlsplit

import httpx

from infra.search.definitions import Definitions
from shared.contract import Json


class AppError(Exception):
    """The app cannot be used; the message says what to do."""


def connected(definitions: Definitions) -> httpx.Client:
    """A client for the app of the definitions, with the headers that its vectorizer has.

    Raises:
        AppError: It does not answer, or is not ready.
    """
    (vectorizer,) = definitions.index["vectorSearch"]["vectorizers"]
    parameters = vectorizer["customWebApiParameters"]
    parts = urlsplit(parameters["uri"])
    url = f"{parts.scheme}://{parts.netloc}"
    app = httpx.Client(base_url=url, headers=parameters.get("httpHeaders"), timeout=60, trust_env=False)
    try:
        health = app.get("/api/health")
    except httpx.HTTPError as error:
        app.close()
        raise AppError(
            f"The app does not answer at {url}: start it with 'make run', or say where it is with --set appUrl=URL."
        ) from error
    if health.status_code != httpx.codes.OK:
        app.close()
        raise AppError(f"The app at {url} is not ready ({health.status_code}): {health.text:.300}")
    return app


def images_url(app: httpx.Client, container: str) -> str:
    """What the urls of the app's images begin with, so that it knows the local files for those that it has stored.

    Raises:
        AppError: The app refuses to tell.
    """
    for entry in _asked(app, "/api/collections?top=1")["collections"]:
        name = quote(entry["collection"], safe="")
        for image in _asked(app, f"/api/collections/{name}/images?top=1")["images"]:
            if image.get("url"):
                return str(image["url"]).removesuffix(quote(image["path"]))
    return f"{app.base_url}".rstrip("/") + f"/{container}/"


def _asked(app: httpx.Client, path: str) -> dict[str, Json]:
    reply = app.get(path)
    if reply.status_code != httpx.codes.OK:
        raise AppError(f"The app answered {reply.status_code} to {path.partition('?')[0]}: {reply.text:.300}")
    found: dict[str, Json] = reply.json()
    return found
