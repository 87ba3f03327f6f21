"""The app that the definitions name: whether it answers, and where its images are."""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import httpx

from infra.search.asking.querying import QueryError, vector_field
from infra.search.asking.vectorizing import REFUSED, VectorizerError, refusal, vectorizer_of
from infra.search.definitions import Definitions
from shared.contract import Json
from shared.features import collection_of
from shared.image_ids import id_of
from shared.terminal import printable


class AppError(Exception):
    """The app cannot be used; the message says what to do."""


def connected(definitions: Definitions) -> httpx.Client:
    """A client for the app of the definitions, with the headers that its vectorizer has.

    Raises:
        AppError: It does not answer, or is not ready; or the definitions name none.
    """
    try:
        parameters = vectorizer_of(definitions.index, vector_field(definitions.index)["vectorSearchProfile"])
    except (QueryError, VectorizerError) as error:
        raise AppError(str(error)) from error
    parts = urlsplit(parameters["uri"])
    url = f"{parts.scheme}://{parts.netloc}"
    app = httpx.Client(base_url=url, headers=parameters.get("httpHeaders"), timeout=60, trust_env=False)
    try:
        health = app.get("/api/health")
    except httpx.HTTPError as error:
        app.close()
        if _is_plain(error):
            plain = f"http://{parts.netloc}"
            raise AppError(f"What answers at {url} does not speak TLS: maybe --set appUrl={plain} is meant.") from error
        raise AppError(
            f"The app does not answer at {url}: start it with 'make run', or say where it is with --set appUrl=URL."
        ) from error
    if health.status_code != httpx.codes.OK:
        app.close()
        raise AppError(f"The app at {url} is not ready ({health.status_code}): {printable(health.text[:300])}")
    return app


def images_url(app: httpx.Client) -> str:
    """What the urls of the app's images begin with, so that it knows the local files for those that it has stored.

    Returns:
        The url up to the path of an image; "" when the app has none.

    Raises:
        AppError: The app refuses to tell, or what answers is not the app.
    """
    with _as_the_app_answers(app):
        for entry in _collections(app):
            name = quote(entry["collection"], safe="")
            # One of failures only is listed too.
            images = _asked(app, f"/api/collections/{name}/images", top=1)["images"] if entry["images"] else []
            for image in images:
                if image["url"]:
                    return str(image["url"]).removesuffix(quote(image["path"]))
    return ""


def has_any(app: httpx.Client, paths: Iterable[str]) -> bool:
    """Whether the app has stored an image under one of some paths; it is asked until it has.

    Raises:
        AppError: The app refuses to tell, or what answers is not the app.
    """
    with _as_the_app_answers(app):
        for path in paths:
            there = f"/api/collections/{quote(collection_of(path), safe='')}/images/{id_of(path)}"
            if _reply(app, there).status_code == httpx.codes.OK:
                return True
    return False


def check_alive(app: httpx.Client) -> None:
    """Raise an AppError where the app has gone. One that is slow is there."""
    try:
        app.get("/api/health", timeout=10)
    except httpx.TimeoutException:
        return
    except httpx.HTTPError as error:
        raise AppError(
            f"The app at {app.base_url} stopped answering in the middle: nothing is written, and an earlier index "
            "stays as it was. Start the app again with 'make run', and try again."
        ) from error


def _is_plain(error: BaseException | None) -> bool:
    """Whether a connection failed because the other side does not speak TLS; a certificate is another matter."""
    while error and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None and not isinstance(error, ssl.SSLCertVerificationError)


@contextmanager
def _as_the_app_answers(app: httpx.Client) -> Iterator[None]:
    """Anything may answer on a port."""
    try:
        yield
    except (httpx.HTTPError, ValueError, TypeError, LookupError) as error:
        raise AppError(
            f"What answers at {app.base_url} is not the app, or another version of it ({type(error).__name__}): start "
            "the app with 'make run', or say where it is with --set appUrl=URL."
        ) from error


def _collections(app: httpx.Client) -> Iterator[dict[str, Json]]:
    params: dict[str, str] = {}
    while True:
        page = _asked(app, "/api/collections", **params)
        yield from page["collections"]
        if not page["after"]:
            return
        params = {"after": page["after"]}


def _asked(app: httpx.Client, path: str, **params: str | int) -> dict[str, Json]:
    reply = _reply(app, path, **params)
    if reply.status_code != httpx.codes.OK:
        raise AppError(f"The app answered {reply.status_code} to {path}: {printable(reply.text[:300])}")
    found: dict[str, Json] = reply.json()
    return found


def _reply(app: httpx.Client, path: str, **params: str | int) -> httpx.Response:
    reply = app.get(path, params=params)
    if reply.status_code in REFUSED:
        raise AppError(refusal(f"The app at {app.base_url}", reply.status_code))
    return reply
