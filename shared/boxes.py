"""Boxes in pictures: where a box of the upright picture lies in the stored one, and in one that was made smaller."""

import math

type Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""


def stored_box(box: Box, width: int, height: int, orientation: int) -> Box:
    """Where a box of an upright picture lies in the picture as it is stored.

    Args:
        box: In the upright picture.
        width: Of the upright picture.
        height: Of the upright picture.
        orientation: How the stored one lies, 1 to 8 as in EXIF 2.3; 1 is upright.
    """
    left, top, right, bottom = box
    if orientation in {2, 3, 6, 7}:
        left, right = width - right, width - left
    if orientation in {3, 4, 7, 8}:
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in SIDEWAYS else (left, top, right, bottom)


def least_side(width: int, height: int, box: Box | None, at_least: int) -> int:
    """How long both sides of a whole picture must stay so that those of a box in it keep `at_least` pixels."""
    if box is None:
        return at_least
    smaller_side = min(box[2] - box[0], box[3] - box[1])
    return math.ceil(at_least * min(width, height) / smaller_side)


def scaled_box(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    """The pixels that a box touches in a picture of another size: so much wider, and so much higher."""
    edge = 1e-6  # what rounding makes of a box that ends where a pixel does
    return (
        math.floor(box[0] * across + edge),
        math.floor(box[1] * down + edge),
        math.ceil(box[2] * across - edge),
        math.ceil(box[3] * down - edge),
    )
