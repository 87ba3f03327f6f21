"""Mapping functions: what a field mapping may do to a value on its way into the index."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus, unquote_plus

from shared.contract import Json


class FunctionError(ValueError):
    """A function cannot be applied to a value; the message says why."""


class NotPlayed(FunctionError):  # noqa: N818 - no mistake of the user's
    """The local indexer does not know the function."""


def apply_function(function: Mapping[str, Json] | None, value: Json) -> Json:
    """The value that a mapping function makes of another.

    Args:
        function: Its `name`, in any case, and `parameters`; None leaves the value as it is.
        value: What the source holds.

    Raises:
        NotPlayed: It is none of those here.
        FunctionError: The value does not suit it.
    """
    if function is None:
        return value
    play = _FUNCTIONS.get(function["name"].lower())
    if play is None:
        raise NotPlayed(f"The local indexer does not play the mapping function '{function['name']}'.")
    if value is None:
        raise FunctionError("Array cannot be null. Parameter name: bytes")  # the service's words, whatever the function
    if not isinstance(value, str):
        raise FunctionError(f"It takes a string, not {json.dumps(value)[:40]}.")
    try:
        return play(value, function.get("parameters") or {})
    except UnicodeEncodeError as error:
        raise FunctionError("It holds half a character, which is no text.") from error


def url_token(text: str) -> str:
    """Base64url as .NET's HttpServerUtility.UrlTokenEncode writes it: the padding is counted by a digit at the end."""
    bare = base64.urlsafe_b64encode(text.encode()).decode("ascii")
    return bare.rstrip("=") + str(bare.count("=")) if bare else ""


def _base64_encode(text: str, parameters: Mapping[str, Json]) -> str:
    if parameters.get("useHttpServerUtilityUrlTokenEncode", True):
        return url_token(text)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _base64_decode(text: str, parameters: Mapping[str, Json]) -> str:
    padding = "=" * (-len(text) % 4)
    if text and parameters.get("useHttpServerUtilityUrlTokenDecode", True):
        if text[-1] not in "012":
            raise FunctionError("It is no URL token: those end with 0, 1 or 2.")
        text, padding = text[:-1], "=" * int(text[-1])
    try:
        return base64.b64decode(text + padding, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FunctionError("It is not the base64 of a text.") from error


def _url_encode(text: str, _parameters: Mapping[str, Json]) -> str:
    """As .NET's HttpUtility.UrlEncode: lower-case hex, and its own idea of what is safe."""
    quoted = quote_plus(text, safe="-_.!*()").replace("~", "%7e")
    return re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)


def _url_decode(text: str, _parameters: Mapping[str, Json]) -> str:
    return unquote_plus(text)


def _extract_token(text: str, parameters: Mapping[str, Json]) -> str:
    delimiter, position = parameters.get("delimiter"), parameters.get("position")
    if not isinstance(delimiter, str) or not delimiter or not isinstance(position, int):
        raise FunctionError("It takes the parameters 'delimiter', a string, and 'position', a number from 0.")
    tokens = text.split(delimiter)
    if not 0 <= position < len(tokens):
        raise FunctionError(f"There is no token {position}: '{delimiter}' makes {len(tokens)} of it.")
    return tokens[position]


def _json_array(text: str, _parameters: Mapping[str, Json]) -> list[str]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FunctionError("It is not JSON.") from error
    if not isinstance(items, list) or any(isinstance(item, dict | list | None) for item in items):
        raise FunctionError("It is not a JSON array of strings, numbers and truths.")
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


_FUNCTIONS: dict[str, Callable[[str, Mapping[str, Json]], Json]] = {
    "base64encode": _base64_encode,
    "base64decode": _base64_decode,
    "urlencode": _url_encode,
    "urldecode": _url_decode,
    "extracttokenatposition": _extract_token,
    "jsonarraytostringcollection": _json_array,
}
