"""What the calls of people and scripts have in common: bodies, and lists that come in pages."""

import json
from collections.abc import Callable, Mapping

from shared.contract import CallError, Json, OutOfTime, RecordError, Reply, error_reply

MAX_BODY = 4_000_000
"""Bytes of a body without an image. All the labels that a collection can keep are less than half of it."""

SHOWN = 100
"""Entries in one page when the caller does not say."""

MOST_SHOWN = 1000


def answered(call: Callable[[], Reply], status: Mapping[type[Exception], int]) -> Reply:
    """What a call answers, also where that is an error.

    Args:
        call: Raises CallError with a status of its own; RecordError, which is 400, or 503 when it is OutOfTime; or one
            of those in `status`.
        status: The HTTP status of an error that says to people what is wrong, by its type.

    Raises:
        StoreBusy: A store did not answer.
        SettingsError: Something cannot be used as it is set up.
    """
    try:
        return call()
    except CallError as error:
        return error_reply(error)
    except OutOfTime:
        # Its own words are for the many records of a skill call.
        said = "The call took longer than TIME_BUDGET_SECONDS: try again, with fewer or smaller images."
        return error_reply(CallError(503, said))
    except RecordError as error:
        return error_reply(CallError(400, str(error)))
    except tuple(status) as error:
        return error_reply(CallError(status[type(error)], str(error)))


def json_object(body: bytes, example: str, *, max_bytes: int = MAX_BODY) -> dict[str, Json]:
    """The object that a body holds.

    Raises:
        CallError: It is larger than `max_bytes`, no JSON or no object; the message shows the example.
    """
    if len(body) > max_bytes:
        raise CallError(413, f"The body is larger than {max_bytes / 1e6:g} MB.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CallError(400, f"The body is not JSON. Send an object such as {example}.") from error
    if not isinstance(content, dict):
        raise CallError(400, f"The body is no JSON object such as {example}.")
    return content


def page_size(params: Mapping[str, str]) -> int:
    """`top` of a query string: how many entries a page may have.

    Raises:
        CallError: It is not a whole number from 1 to 1000.
    """
    try:
        top = int(params.get("top", SHOWN))
    except ValueError:
        top = 0
    if not 1 <= top <= MOST_SHOWN:
        raise CallError(400, f"'top' takes a number from 1 to {MOST_SHOWN}, not {params['top']!r:.50}.")
    return top
