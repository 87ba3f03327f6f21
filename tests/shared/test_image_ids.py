"""Ids of images: one of each path, and a path of each."""

import base64
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.image_ids import LONGEST, id_of, path_of

PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda path: not {".", ".."} & set(path.split("/"))
)


@given(PATHS)
def test_an_id_is_one_segment_of_a_url_and_gives_its_path_back(path: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]+", id_of(path))
    assert path_of(id_of(path)) == path


def test_ids_worked_by_hand() -> None:
    # RFC 4648 has "foobar" as Zm9vYmFy and "foob" as Zm9vYg==; "?" and ">" make the letters that base64url has its own.
    assert [id_of("foobar"), id_of("foob"), id_of("a?>")] == ["Zm9vYmFy", "Zm9vYg", "YT8-"]
    assert path_of("w78_") == "ÿ?"


@given(st.text() | st.text("Zm9vYg=+/-_ \n"))
def test_a_path_has_one_id(text: str) -> None:
    with suppress(ValueError):
        assert id_of(path_of(text)) == text


@pytest.mark.parametrize("text", ["", "Zm9vYg==", "Zm9vYh", "Zm9vY", "Zm+v", "Zm9v\n", "/w", "_w", "ünlü"])
def test_other_ways_to_write_one_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not the id of an image"):
        path_of(text)


@pytest.mark.parametrize("path", ["photos/../../others/secret.jpg", "..", "./a.jpg", "a/.", "x" * (LONGEST + 1)])
def test_a_path_where_no_blob_can_be_has_no_id(path: str) -> None:
    text = base64.urlsafe_b64encode(path.encode()).rstrip(b"=").decode()
    with pytest.raises(ValueError, match="not the id of an image"):
        path_of(text)
    assert path_of(id_of("photos/...a/.b/c..jpg" + "x" * (LONGEST - 21)))
