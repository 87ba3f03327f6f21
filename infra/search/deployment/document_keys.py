"""What the service calls a document in its errors, and which blob that is."""

import base64
import binascii
import re
from urllib.parse import parse_qs, unquote, urlsplit

_CHILD = re.compile(r"[0-9a-f]{12}_(?P<key>[\w-]+?)_(?:pages|normalized_images)_(?P<number>\d+)")


def document_name(key: str) -> str:
    """A blob's path in its container, where that can be told from a key; else the key.

    Keys are seen as urls, as what base64Encode makes of them, as `localId=…&documentKey=…` with escapes, and with
    something before and behind for one of many images of a document.
    """
    if not key:
        return "the run"
    if child := _CHILD.fullmatch(key):
        return f"{document_name(child['key'])}, image {int(child['number']) + 1}"
    if "documentKey=" in key:
        return document_name(parse_qs(key).get("documentKey", [""])[0] or key.replace("documentKey=", ""))
    url = key if "://" in key else _decoded(key)
    path = urlsplit(url).path if url.startswith(("https://", "http://")) else ""
    return unquote(path.split("/", 2)[2]) if path.count("/") > 1 else key


def _decoded(token: str) -> str:
    """What base64Encode was given: base64 of the url alphabet whose last digit counts the padding."""
    try:
        content = base64.b64decode(token[:-1] + "=" * int(token[-1:]), altchars="-_", validate=True)
        return content.decode()
    except (binascii.Error, ValueError):
        return ""
