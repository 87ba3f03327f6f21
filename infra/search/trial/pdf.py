"""The pictures on the pages of a PDF, in the order in which the pages draw them.

Pictures inside the text of a page ("inline images", up to 4 kB by the standard) are left out: they are ornaments.
"""

import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

from PIL import Image
from pypdf import PageObject, PdfReader, Transformation, apply_configuration
from pypdf.errors import DependencyError, DeprecationError, FileNotDecryptedError, PyPdfError
from pypdf.generic import ContentStream, StreamObject

from shared.images import DAMAGE

TROUBLE = (PyPdfError, DependencyError, DeprecationError, *DAMAGE, AttributeError, AssertionError, zlib.error)
"""What pypdf raises for damaged files, found by feeding it thousands of broken ones."""

FORMS_IN_FORMS = 10
"""How deep drawings within drawings ("form XObjects") are followed."""

MOST_BYTES = 300_000_000
"""Of one picture, decoded: a page of A4 at 600 dots per inch takes 140 MB."""

type Names = tuple[str, ...]
"""A picture's name in the resources, after those of the drawings that it is in."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file, which its user cannot help


class PdfError(Exception):
    """The file cannot be read as a PDF, or a picture in it not as one."""


class Drawn(NamedTuple):
    """A picture on a page."""

    page: int
    """From 1."""
    read: Callable[[], tuple[Image.Image, str]]
    """Decodes it, which takes much memory. Gives the picture, and its corners as JSON, clockwise from its top left, 0
    to 1 across the page and down. Raises PdfError."""


def drawn(data: bytes) -> Iterator[Drawn]:
    """The pictures that are drawn, each once a page. What is only stored, and drawn nowhere, is none of them.

    Raises:
        PdfError: Damaged, or it opens with a password only.
    """
    try:
        reader = PdfReader(BytesIO(data))
        for number, page in enumerate(reader.pages, 1):
            yield from _on_page(number, page)
    except FileNotDecryptedError as error:
        raise PdfError("It opens with a password only.") from error
    except TROUBLE as error:
        raise PdfError(f"It is damaged or incomplete ({str(error) or type(error).__name__}).") from error


def _on_page(number: int, page: PageObject) -> Iterator[Drawn]:
    content = page.get_contents()
    if content is None:
        return
    uses: dict[Names, Transformation] = {}
    for names, place in _uses(page, content, Transformation(), (), set()):
        uses.setdefault(names, place)
    for names, place in uses.items():
        yield Drawn(number, partial(_read, page, names, place))


def _read(page: PageObject, names: Names, place: Transformation) -> tuple[Image.Image, str]:
    try:
        with apply_configuration(image_maximum_buffer_size=MOST_BYTES, zlib_maximum_output_length=MOST_BYTES):
            image = page.images[list(names)].image
        polygon = _polygon(place, page)
    except TROUBLE as error:
        raise PdfError(str(error) or type(error).__name__) from error
    if image is None:
        raise PdfError("Its format is unknown.")
    return image, polygon


def _uses(
    holder: Any, content: ContentStream, place: Transformation, above: Names, entered: set[int]
) -> Iterator[tuple[Names, Transformation]]:
    """Where a page, or a drawing on it, draws pictures. Each drawing is entered once a page, so this ends."""
    objects = _resources(holder)
    kept: list[Transformation] = []
    for operands, operator in content.operations:
        if operator == b"q":
            kept.append(place)
        elif operator == b"Q" and kept:
            place = kept.pop()
        elif operator == b"cm":
            place = _moved(operands, place)
        elif operator == b"Do" and isinstance(drawing := objects.get(str(operands[0])), StreamObject):
            names = (*above, str(operands[0]))
            if drawing.get("/Subtype") == "/Image":
                yield names, place
            elif id(drawing) not in entered and len(names) < FORMS_IN_FORMS:
                entered.add(id(drawing))
                inner = _moved(drawing.get("/Matrix", ()), place)
                yield from _uses(drawing, ContentStream(drawing, None), inner, names, entered)


def _resources(holder: Any) -> dict[str, Any]:
    resources = holder.get("/Resources", {}).get_object() if "/Resources" in holder else {}
    objects = resources.get("/XObject", {})
    return {str(name): value.get_object() for name, value in objects.get_object().items()} if objects else {}


def _moved(matrix: Sequence[Any], place: Transformation) -> Transformation:
    """A matrix of the PDF, then the place."""
    if len(matrix) != 6:
        return place
    a, b, c, d, e, f = (float(value) for value in matrix)
    return Transformation((a, b, c, d, e, f)).transform(place)


def _polygon(place: Transformation, page: PageObject) -> str:
    box = page.mediabox
    width, height = float(box.width) or 1.0, float(box.height) or 1.0
    corners = [place.apply_on(corner) for corner in ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))]
    points = [
        {"x": round((x - float(box.left)) / width, 6), "y": round(1 - (y - float(box.bottom)) / height, 6)}
        for x, y in corners
    ]
    return json.dumps([points], separators=(",", ":"))
