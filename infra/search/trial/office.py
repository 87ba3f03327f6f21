"""The pictures in a Word, PowerPoint or Excel file: a zip archive with a folder of media."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

MOST_BYTES = 64_000_000
"""Of one picture, unpacked."""

_MEDIA = re.compile(r"(?:word|ppt|xl)/media/[^/]+\.(?:jpe?g|png|gif|bmp|tiff?)", re.IGNORECASE)
"""Drawings (.emf, .wmf, .svg) are there as well, and are no pictures to the skills."""


class OfficeError(Exception):
    """The file is none of these, is damaged, or opens with a password only."""


def media(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The names of the pictures and their bytes, by name: image2 before image10.

    Raises:
        OfficeError: The file cannot be read, or a picture in it is larger than `MOST_BYTES`.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if "[Content_Types].xml" not in archive.NameToInfo:
                raise OfficeError("It is a zip archive, but none of Word, PowerPoint or Excel.")
            for entry in sorted(filter(_is_media, archive.infolist()), key=_counting):
                with archive.open(entry) as packed:
                    picture = packed.read(MOST_BYTES + 1)  # what the archive says of the size may be a lie
                if len(picture) > MOST_BYTES:
                    raise OfficeError(f"{entry.filename} is larger than {MOST_BYTES / 1e6:g} MB.")
                yield entry.filename, picture
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise OfficeError(f"It is damaged, or opens with a password only ({error}).") from error


def _is_media(entry: zipfile.ZipInfo) -> bool:
    return _MEDIA.fullmatch(entry.filename) is not None


def _counting(entry: zipfile.ZipInfo) -> list[tuple[int, str]]:
    """Sorts by numbers where there are some."""
    parts = re.findall(r"(\d{1,9})|(\D+)", entry.filename)
    return [(int(digits or 0), text) for digits, text in parts]
