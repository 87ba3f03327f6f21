"""A region of an image, as other tools write them: a rectangle, or the corners of a polygon."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.boxes import Box
from shared.contract import Json, RecordError
from shared.images import ImageError

FORMS = 'send {"x": …, "y": …, "w": …, "h": …} (or "width" and "height"), or a list of at least three {"x": …, "y": …}'

MOST_CORNERS = 1000
"""Corners of a polygon. OCR and face detection send four."""

LARGEST = 1e9
"""The largest number in a region: far beyond any image, and still exact."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in an image that is upright: in pixels at its full size or, where no number is above 1, fractions."""

    left: float
    top: float
    right: float
    bottom: float
    fractions: bool

    def __call__(self, width: int, height: int) -> Box:
        """The part of it that lies in an image of this size, in pixels.

        Raises:
            ImageError: That is nothing, or less than a pixel wide or high.
        """
        left, top, right, bottom = self._in_pixels(width, height)
        inside = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
        # A little less than 1: fractions of one pixel do not multiply to it exactly.
        if inside[2] - inside[0] < 0.999 or inside[3] - inside[1] < 0.999:
            where = "outside" if right <= 0 or bottom <= 0 or left >= width or top >= height else "less than a pixel of"
            raise ImageError(
                f"The region {left:g},{top:g} to {right:g},{bottom:g} is {where} the image, "
                f"which is {width}×{height} pixels when it is upright. "
                "(Numbers are fractions of it only when none is above 1.)"
            )
        return inside

    def sticks_out(self, width: int, height: int) -> bool:
        """Whether a part of it lies outside an image of this size. Half a pixel is how boxes are rounded."""
        left, top, right, bottom = self._in_pixels(width, height)
        return left <= -0.5 or top <= -0.5 or right >= width + 0.5 or bottom >= height + 0.5

    def _in_pixels(self, width: int, height: int) -> Box:
        if not self.fractions:
            return self.left, self.top, self.right, self.bottom
        return self.left * width, self.top * height, self.right * width, self.bottom * height


def read_region(value: Json) -> Region | None:
    """The region that a record's `boundingBox` says, None when there is none.

    Raises:
        RecordError: It is neither a rectangle nor a polygon, or has a negative size, or no size at all.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        numbers = _rectangle(value)
    elif isinstance(value, list):
        numbers = _bounds(value)
    else:
        raise RecordError(f"'boundingBox' is no region: {FORMS}.")
    left, top, right, bottom, fractions = numbers
    if right <= left or bottom <= top:
        raise RecordError("The 'boundingBox' is empty: its width and its height must be more than 0.")
    return Region(left, top, right, bottom, fractions)


def _rectangle(value: Mapping[str, Json]) -> tuple[float, float, float, float, bool]:
    x, y = _number(value, "x"), _number(value, "y")
    width = _number(value, "width" if value.get("w") is None else "w")
    height = _number(value, "height" if value.get("h") is None else "h")
    return x, y, x + width, y + height, max(x, y, width, height) <= 1


def _bounds(corners: list[Json]) -> tuple[float, float, float, float, bool]:
    if not 3 <= len(corners) <= MOST_CORNERS or not all(isinstance(corner, dict) for corner in corners):
        raise RecordError(f"'boundingBox' is no polygon: {FORMS}.")
    xs, ys = [_number(corner, "x") for corner in corners], [_number(corner, "y") for corner in corners]
    return min(xs), min(ys), max(xs), max(ys), max(*xs, *ys) <= 1


def _number(value: Mapping[str, Json], name: str) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise RecordError(f"The 'boundingBox' has no number {name!r}: {FORMS}.")
    if not abs(number) <= LARGEST:  # "not <=": NaN is refused too
        raise RecordError(f"The 'boundingBox' has an {name!r} that is no number of pixels: {number!r:.50}.")
    return float(number)
