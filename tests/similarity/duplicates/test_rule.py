"""When two images are the same picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shared.images import perceptual_hash
from similarity.duplicates.rule import Hashes, hash_distance, kind_of, same_picture
from tests.similarity.duplicates.collections import PHOTOS, photo, telling

HASH = st.integers(0, 2**64 - 1).map(lambda bits: f"{bits:016x}")
HALVES = "f0" * 8
"""32 ones, by hand: the four lowest horizontal frequencies."""


@pytest.mark.parametrize(
    ("other", "distance"),
    [
        (HALVES, 0),
        ("f0" * 7 + "f1", 1),
        ("f0" * 6 + "0ff0", 8),
        ("a5" * 8, 0),  # the odd frequencies with the other sign: its mirror image, 1111 0000 ^ 0101 0101
        ("a5" * 7 + "a7", 1),
        ("cc" * 8, 32),  # half of the bits, whichever way round
    ],
)
def test_hash_distances_are_those_worked_out_by_hand(other: str, distance: int) -> None:
    assert hash_distance(HALVES, other) == hash_distance(other, HALVES) == distance


@pytest.mark.parametrize("plain", ["8000000000000000", "0000000000000000", "ffe0000000000000"])
def test_hashes_of_plain_pictures_say_nothing_not_even_to_themselves(plain: str) -> None:
    assert hash_distance(plain, plain) is None
    assert hash_distance(plain, HALVES) is None
    assert not same_picture(0.86, None)
    assert kind_of(1.0, None) == "version"


@pytest.mark.parametrize("name", PHOTOS)
def test_a_mirror_image_is_as_near_as_its_picture(name: str) -> None:
    one = perceptual_hash(photo(name))
    distance = hash_distance(one, perceptual_hash(ImageOps.mirror(photo(name))))
    assert distance is not None
    assert distance <= 8
    assert hash_distance(one, one) == 0


def test_the_rule_takes_either() -> None:
    assert same_picture(0.87, 64)
    assert same_picture(0.1, 8)
    assert not same_picture(0.8699, 9)
    assert same_picture(0.8699, 9, min_score=0.86)
    assert [kind_of(*pair) for pair in ((1.0, 0), (1.0, 1), (0.9, 30), (0.8, 4), (0.8, 30))] == [
        "copy",
        "version",
        "version",
        "version",
        "confirmed",
    ]


@given(st.lists(HASH | st.integers(0, 5).map(telling), min_size=1, max_size=12), st.data())
def test_a_tile_of_hashes_is_what_each_pair_is(hashes: list[str], data: st.DataObject) -> None:
    near = [f"{int(one, 16) ^ data.draw(st.sampled_from([0, 1, 0x5555555555555555, 255, 511])):016x}" for one in hashes]
    every = hashes + near
    rows, columns = np.arange(len(every)), np.arange(len(hashes), len(every))
    found = {divmod(int(place), len(columns)) for place in Hashes(every).same(rows, columns)}
    distances = {(i, j): hash_distance(every[i], near[j]) for i in range(len(every)) for j in range(len(near))}
    assert found == {pair for pair, distance in distances.items() if distance is not None and distance <= 8}


@pytest.mark.parametrize("colours", [("red", "blue"), ("white", "black"), ("#123456", "#123457")])
def test_plain_pictures_are_not_the_same_by_their_hashes(colours: tuple[str, str]) -> None:
    one, other = (perceptual_hash(Image.new("RGB", (320, 200), colour)) for colour in colours)
    assert hash_distance(one, other) is None
