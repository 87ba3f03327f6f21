"""Texts and numbers as HTML."""

import html
from collections.abc import Iterable

LISTED = 20
"""Ids in one line, and words of one cluster."""


def text(value: str) -> str:
    """Any text as HTML, also inside an attribute; what is no character of a page becomes �."""
    known = value.encode("utf-8", "replace").decode()
    return html.escape("".join(c if c.isprintable() or c in " \u200c\u200d" else "\ufffd" for c in known))


def ids(clusters: Iterable[int]) -> str:
    found = list(clusters)
    return ", ".join(map(str, found[:LISTED])) + (f" and {len(found) - LISTED:,} more" if len(found) > LISTED else "")


def missing(count: int, of: int) -> str:
    """How many pictures are missing."""
    every = ", all of them" if count == of > 1 else ""
    return f"{plural(count, 'picture')} {'is' if count == 1 else 'are'} missing{every}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
