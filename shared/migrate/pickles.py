"""The image paths in an older system's feature file, read without running anything that it says.

Such a file is a pickle, and loading a pickle can call any function that it names. The paths are all that is wanted
(the features are of another network), and they stand in it as plain text. So the pickle is never loaded: its
instructions are listed, and the texts among them kept.
"""

import pickletools
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif"}
)

_TEXTS = frozenset(
    {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"})
_TEXT_DTYPE = re.compile(r"[<=|]?U(\d+)")


class PickleError(ValueError):
    """The file is no pickle, or is cut short."""


def image_paths(data: bytes) -> list[str]:
    """The image paths that a pickle holds, each once, in their order, with `/` between folders.

    Found are texts by themselves and in NumPy arrays of texts (dtype U), that end like an image's name.

    Raises:
        PickleError: Not a pickle, or a damaged one.
    """
    try:
        texts = list(_texts(data))
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise PickleError(f"The file is not a whole pickle ({error}).") from error
    paths = (text.strip().replace("\\", "/") for text in texts)
    return list(dict.fromkeys(path for path in paths if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES))


def _texts(data: bytes) -> Iterator[str]:
    width, held = 0, b""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _TEXTS:
            text = argument if isinstance(argument, str) else bytes(argument or b"").decode("utf-8", "replace")
            if dtype := _TEXT_DTYPE.fullmatch(text):
                # NumPy names the dtype of an array before its content, from protocol 5 on after it.
                width = min(int(dtype[1]), 10_000)
                yield from _array_texts(held, width)
            # Up to protocol 2, bytes are written as the text that has their numbers for its characters.
            yield from _array_texts(text.encode("latin-1", "replace"), width) if "\0" in text and width else [text]
        elif opcode.name in _BYTES:
            held = bytes(argument or b"")
            yield from _array_texts(held, width)


def _array_texts(content: bytes, width: int) -> list[str]:
    """The texts of a NumPy array: UTF-32, each filled up with zeros to `width` characters."""
    if not width:
        return []
    characters = content[: len(content) // 4 * 4].decode("utf-32-le", "replace")
    return [characters[start : start + width].rstrip("\0") for start in range(0, len(characters), width)]
