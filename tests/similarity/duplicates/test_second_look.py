"""Versions of one picture are known by their pixels."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from similarity.duplicates.figures import CHANGES, HARDER
from similarity.duplicates.registration import prepare
from similarity.duplicates.second_look import CONFIRMED, agreement
from tests.similarity.duplicates.collections import PHOTOS, photo


def agree(one: Image.Image, other: Image.Image) -> float:
    return agreement(prepare(one), prepare(other))


@pytest.mark.parametrize(
    "change", ["crop 80 %", "crop 80 %, off centre", "rotation 10°", "grey", "a third of the size"]
)
def test_a_version_agrees_both_ways_and_mirrored(change: str) -> None:
    original = photo("castles/chambord")
    version = {**CHANGES, **HARDER}[change](original)
    assert agree(original, version) >= CONFIRMED
    assert agree(version, original) >= CONFIRMED
    assert agree(ImageOps.mirror(version), original) >= CONFIRMED
    assert agree(original, ImageOps.mirror(version)) >= CONFIRMED


def test_the_order_of_two_pictures_makes_no_difference() -> None:
    looks = [prepare(change(photo("castles/chambord"))) for change in (CHANGES["rotation 10°"], HARDER["crop 60 %"])]
    looks += [prepare(photo("planets/neptune")), prepare(photo("planets/uranus"))]
    for one in looks:
        for other in looks:
            assert (agreement(one, other) >= CONFIRMED) == (agreement(other, one) >= CONFIRMED)


def test_an_off_centre_crop_of_a_mirrored_and_turned_picture_agrees() -> None:
    original = photo("flowers/flower-8")
    turned = ImageOps.mirror(original).rotate(7, Image.Resampling.BICUBIC)
    width, height = turned.size
    part = turned.crop((width // 10, height // 10, round(0.85 * width), round(0.9 * height)))
    assert agree(part.resize((200, 200)), original) >= CONFIRMED  # other proportions as well
    assert agree(original, part) >= CONFIRMED


def test_different_pictures_do_not_agree() -> None:
    looks = [prepare(photo(name)) for name in PHOTOS]
    for i, one in enumerate(looks):
        for other in looks[:i]:
            assert agreement(one, other) < CONFIRMED - 0.2


def test_two_castles_of_one_photographer_do_not_agree() -> None:
    assert agree(photo("castles/neuschwanstein-front"), photo("castles/neuschwanstein-valley")) < CONFIRMED


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (9, 7), (64, 64), (500, 20)])
def test_there_is_nothing_to_see_in_plain_pictures(size: tuple[int, int]) -> None:
    plain, other = Image.new("RGB", size, "red"), Image.new("RGB", size, "white")
    assert agree(plain, other) == agree(plain, plain) == -1
    assert max(agree(plain, photo("fish/red-porgy")), agree(photo("fish/red-porgy"), plain)) < 0.01


def test_noise_agrees_with_nothing_but_itself() -> None:
    rng = np.random.default_rng(1)
    one, other = (Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)) for _ in range(2))
    assert agree(one, one) >= CONFIRMED
    assert agree(one, other) < 0.5


def test_the_same_pair_agrees_the_same_each_time() -> None:
    one, target = photo("planets/mercury"), io.BytesIO()
    one.save(target, "JPEG", quality=20)
    again = Image.open(target)
    assert agree(one, again) == agree(one, again)
