"""The pictures on the pages of a PDF."""

import io
import json
from contextlib import suppress

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from infra.search.trial.pdf import Drawn, PdfError, drawn
from tests.infra.search.trial.pdfs import form, pdf, picture, stream
from tests.pictures import scene

SMALL, WIDE = picture(scene(size=(40, 30))), picture(scene(size=(60, 20)))


def _sizes(file: bytes) -> list[tuple[int, tuple[int, int]]]:
    return [(one.page, one.read()[0].size) for one in drawn(file)]


def _corners(one: Drawn) -> list[tuple[float, float]]:
    (points,) = json.loads(one.read()[1])
    return [(point["x"], point["y"]) for point in points]


def test_pictures_come_as_the_pages_draw_them_and_pages_count_from_1() -> None:
    file = pdf([b"/B Do /A Do", b"", b"/A Do"], [SMALL, WIDE], {"A": 1, "B": 2})
    assert _sizes(file) == [(1, (60, 20)), (1, (40, 30)), (3, (40, 30))]


def test_what_is_drawn_nowhere_is_left_out_and_what_is_drawn_twice_is_one() -> None:
    twice = b"q 200 0 0 100 0 0 cm /A Do Q q 9 0 0 9 0 0 cm /A Do Q /Unknown Do"
    (one,) = drawn(pdf([twice], [SMALL, WIDE], {"A": 1, "B": 2}))
    assert (one.page, one.read()[0].size) == (1, (40, 30))
    assert _corners(one) == [(0, 0), (1, 0), (1, 1), (0, 1)]  # where it is drawn first


def test_the_polygon_is_where_the_page_shows_the_picture_from_its_top_left() -> None:
    # 100 × 50 points, its lower left corner at (20, 10), on a page of 200 × 100: from 0.1 to 0.6, and 0.4 to 0.9 down.
    (one,) = drawn(pdf([b"q 2 0 0 2 20 10 cm q 50 0 0 25 0 0 cm /A Do Q Q"], [SMALL], {"A": 1}))
    assert _corners(one) == [(0.1, 0.4), (0.6, 0.4), (0.6, 0.9), (0.1, 0.9)]


def test_a_place_that_was_set_aside_is_taken_up_again() -> None:
    file = pdf([b"q 50 0 0 50 150 50 cm Q 200 0 0 100 0 0 cm /A Do"], [SMALL], {"A": 1})
    (one,) = drawn(file)
    assert _corners(one) == [(0, 0), (1, 0), (1, 1), (0, 1)]


def test_pictures_in_drawings_are_found_where_those_are() -> None:
    inner = form(b"50 0 0 50 0 0 cm /A Do", {"A": 1}, matrix="1 0 0 1 100 0")
    outer = form(b"/Inner Do", {"Inner": 2})
    (one,) = drawn(pdf([b"1 0 0 1 0 50 cm /Outer Do"], [SMALL, inner, outer], {"Outer": 3}))
    assert one.read()[0].size == (40, 30)
    assert _corners(one) == [(0.5, 0), (0.75, 0), (0.75, 0.5), (0.5, 0.5)]


def test_drawings_that_draw_each_other_come_to_an_end() -> None:
    first = form(b"/A Do /Second Do /Second Do", {"A": 1, "Second": 3})
    second = form(b"/First Do /B Do", {"First": 2, "B": 4})
    file = pdf([b"/First Do /First Do"], [SMALL, first, second, WIDE], {"First": 2})
    assert _sizes(file) == [(1, (40, 30)), (1, (60, 20))]


def test_a_picture_that_cannot_be_decoded_is_named_and_the_others_are_kept() -> None:
    broken = stream("/Type /XObject /Subtype /Image /Width 9 /Height 9 /ColorSpace /DeviceRGB /Filter /DCTDecode", b"?")
    old = stream("/Type /XObject /Subtype /Image /Width 9 /Height 9 /ColorSpace /DeviceRGB /Filter /DCT", b"?")
    bomb = stream(
        "/Type /XObject /Subtype /Image /Width 90000 /Height 90000 /ColorSpace /DeviceRGB /BitsPerComponent 8", b"?"
    )
    found = list(
        drawn(
            pdf(
                [b"/Bad Do /Bomb Do /Old Do /A Do"], [broken, SMALL, bomb, old], {"Bad": 1, "A": 2, "Bomb": 3, "Old": 4}
            )
        )
    )
    assert len(found) == 4
    for one, problem in zip(found, (".", "exceeds limit", "."), strict=False):
        with pytest.raises(PdfError, match=problem):
            one.read()
    assert found[3].read()[0].size == (40, 30)


def test_pdfs_of_other_programs_are_read() -> None:
    target = io.BytesIO()
    images: list[Image.Image] = [scene(size=(50, 40)), scene("L", size=(30, 40)), scene("1", size=(16, 8))]
    images[0].save(target, "PDF", save_all=True, append_images=images[1:])
    assert _sizes(target.getvalue()) == [(1, (50, 40)), (2, (30, 40)), (3, (16, 8))]


def _encrypted(password: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf([b"/A Do"], [SMALL], {"A": 1})))
    writer.encrypt(password, algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_a_password_is_told_and_an_empty_one_is_none() -> None:
    with pytest.raises(PdfError, match="password"):
        list(drawn(_encrypted("secret")))
    writer = pypdf.PdfWriter(io.BytesIO(pdf([b"/A Do"], [SMALL], {"A": 1})))
    writer.encrypt("", "owner", algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    assert _sizes(target.getvalue()) == [(1, (40, 30))]


@pytest.mark.parametrize("file", [b"", b"%PDF-1.7", b"no pdf", pdf([b"/A Do"], [SMALL], {"A": 1})[:60]])
def test_what_is_no_pdf_is_told(file: bytes) -> None:
    with pytest.raises(PdfError, match="damaged or incomplete"):
        list(drawn(file))


_FILE = pdf([b"q 9 0 0 9 0 0 cm /A Do Q /F Do"], [SMALL, form(b"/A Do", {"A": 1})], {"A": 1, "F": 2})


@given(st.lists(st.tuples(st.integers(0, len(_FILE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_broken_files_raise_nothing_else(changes: list[tuple[int, int]]) -> None:
    file = bytearray(_FILE)
    for at, value in changes:
        file[at] = value
    try:
        for one in drawn(bytes(file)):
            with suppress(PdfError):
                one.read()
    except PdfError:
        pass
