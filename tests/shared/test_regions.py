"""Regions as image analysis, OCR, face detection and people write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import RecordError
from shared.images import ImageError
from shared.regions import Region, read_region

SIDES = st.integers(1, 5000)


def region(value: Any) -> Region:
    found = read_region(value)
    assert found
    return found


@pytest.mark.parametrize(
    "value",
    [
        {"x": 10, "y": 20, "w": 30, "h": 40},
        {"x": 10, "y": 20, "width": 30, "height": 40, "kind": "whatever else a tool writes"},
        {"x": 10.0, "y": 20, "w": 30, "h": None, "height": 40},
        [{"x": 10, "y": 20}, {"x": 40, "y": 20}, {"x": 40, "y": 60}, {"x": 10, "y": 60}],
        [{"x": 25, "y": 20}, {"x": 40, "y": 60}, {"x": 10, "y": 30}],
        {"x": 0.1, "y": 0.1, "w": 0.3, "h": 0.2},
        [{"x": 0.1, "y": 0.1}, {"x": 0.4, "y": 0.3}, {"x": 0.2, "y": 0.2}],
    ],
)
def test_each_form_is_the_same_box(value: Any) -> None:
    found = region(value)
    assert found(100, 200) == pytest.approx((10, 20, 40, 60))
    assert not found.sticks_out(100, 200)


def test_no_region_is_none() -> None:
    assert read_region(None) is None


def test_all_numbers_up_to_1_are_fractions_and_one_above_makes_pixels() -> None:
    assert region({"x": 0, "y": 0, "w": 1, "h": 1})(640, 480) == (0, 0, 640, 480)
    assert region({"x": 0, "y": 0, "w": 1, "h": 2})(640, 480) == (0, 0, 1, 2)
    assert region({"x": 1.5, "y": 0, "w": 1, "h": 1})(640, 480) == (1.5, 0, 2.5, 1)


@given(SIDES, SIDES, st.integers(-6000, 6000), st.integers(-6000, 6000), st.integers(2, 9000), st.integers(2, 9000))
def test_what_sticks_out_is_cut_off_and_what_is_left_lies_inside(
    width: int, height: int, x: int, y: int, w: int, h: int
) -> None:
    found = Region(x, y, x + w, y + h, fractions=False)
    inside = max(x, 0) < min(x + w, width) and max(y, 0) < min(y + h, height)
    if not inside:
        with pytest.raises(ImageError, match=f"the image, which is {width}×{height} pixels"):
            found(width, height)
        return
    assert found(width, height) == (max(x, 0), max(y, 0), min(x + w, width), min(y + h, height))
    assert found.sticks_out(width, height) == (x < 0 or y < 0 or x + w > width or y + h > height)


@given(st.integers(1, 5000), st.data())
def test_a_pixel_by_fractions_is_not_too_small(width: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, width - 1))
    left, _, right, _ = Region(at / width, 0, (at + 1) / width, 1, fractions=True)(width, 1)
    assert (left, right) == pytest.approx((at, at + 1))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"x": 640, "y": 0, "w": 10, "h": 10}, "is outside the image, which is 640×480"),
        ({"x": -10, "y": 0, "w": 10, "h": 10}, "is outside the image"),
        ({"x": 0, "y": 480, "w": 10, "h": 10}, "is outside the image"),
        ({"x": -1, "y": -1, "w": 0.5, "h": 0.5}, "is outside the image"),
        ({"x": 5, "y": 5, "w": 0.5, "h": 10}, "is less than a pixel of the image"),
        ({"x": 0.5, "y": 0.5, "w": 0.001, "h": 0.001}, "is less than a pixel of the image"),
        ({"x": 639.5, "y": 5, "w": 10, "h": 10}, "is less than a pixel of the image"),
    ],
)
def test_a_region_outside_the_image_or_too_small_says_so(value: Any, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        region(value)(640, 480)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0,0,5,5", "no region"),
        (5, "no region"),
        ({}, "no number 'x'"),
        ({"x": 1, "y": 2, "w": 3}, "no number 'height'"),
        ({"x": 1, "y": 2, "w": True, "h": 3}, "no number 'w'"),
        ({"x": "1", "y": 2, "w": 3, "h": 3}, "no number 'x'"),
        ({"x": float("nan"), "y": 2, "w": 3, "h": 3}, "no number of pixels"),
        ({"x": 1, "y": 2, "w": float("inf"), "h": 3}, "no number of pixels"),
        ({"x": 10**400, "y": 2, "w": 3, "h": 3}, "no number of pixels"),
        ({"x": 1, "y": 2, "w": 0, "h": 3}, "is empty"),
        ({"x": 9, "y": 2, "w": -3, "h": 3}, "is empty"),
        ([], "no polygon"),
        ([{"x": 1, "y": 2}, {"x": 3, "y": 4}], "no polygon"),
        ([1, 2, 3, 4], "no polygon"),
        ([{"x": 1, "y": 2}] * 1001, "no polygon"),
        ([{"x": 1, "y": 2}, {"x": 3, "y": 2}, {"x": 2, "y": 2}], "is empty"),
        ([{"x": 1, "y": 2}, {"x": 3}, {"x": 2, "y": 2}], "no number 'y'"),
    ],
)
def test_what_is_no_region_is_explained(value: Any, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        read_region(value)
