"""Metadata of blobs: from what a person writes to the HTTP headers that carry it."""

import re
from collections.abc import Mapping
from email.header import Header

MAX_METADATA = 8192
"""Characters of all names and values of a blob together."""

UNWRITABLE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff"
"""What no name and no value may hold, inside a character class: control characters, line breaks, halves of pairs."""

_UNWRITABLE = re.compile(f"[{UNWRITABLE}]")


def writable(value: str) -> bool:
    """Whether a value can be written: it has no line break, no other control character and no broken character."""
    return not _UNWRITABLE.search(value)


def encoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata for the wire: values beyond ASCII as RFC 2047 encoded words on one line, which the app decodes."""
    return {name: _word(value) for name, value in metadata.items()}


def length(metadata: Mapping[str, str]) -> int:
    """Characters of encoded metadata, as Blob storage counts them."""
    return sum(len(name) + len(value) for name, value in metadata.items())


def _word(value: str) -> str:
    # ASCII that looks like an encoded word would be decoded, so it is encoded too.
    if value.isascii() and "=?" not in value:
        return value
    return Header(value, "utf-8").encode(maxlinelen=0)  # 0: never broken into lines
