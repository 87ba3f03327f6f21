"""How well duplicates are found, measured."""

import numpy as np
import pytest
from PIL import Image

from shared.images import open_image, perceptual_hash
from similarity.duplicates import figures
from similarity.duplicates.figures import CHANGES, HARDER, Found, duplicate_figures
from tests.conftest import SAMPLES
from tests.similarity.duplicates.collections import PHOTOS, photo


def test_recall_and_precision_are_shares_of_what_there_is_and_of_what_was_found() -> None:
    assert Found("", 8, 6, 2).recall == Found("", 8, 6, 2).precision == 0.75
    assert (Found("", 8, 0, 0).recall, Found("", 8, 0, 0).precision) == (0, 1)


def test_the_figures_of_a_few_photos() -> None:
    photos = {name: photo(name) for name in PHOTOS}
    done: list[float] = []
    alone = duplicate_figures(photos, second_look=False, progress=done.append)
    both = duplicate_figures(photos, second_look=True)
    assert [one.change for one in alone.changes] == [*CHANGES, *HARDER]
    assert (alone.photos, alone.second_look, both.second_look) == (5, False, True)
    assert alone.total.asked == 5 * 7
    assert alone.total.right == sum(one.right for one in alone.changes[:7])
    assert 35 == both.total.right > alone.total.right >= 32
    assert alone.total.precision == both.total.precision == 1
    assert all(mine.right >= other.right for mine, other in zip(both.changes, alone.changes, strict=True))
    assert [point.recall for point in alone.curve] == sorted((point.recall for point in alone.curve), reverse=True)
    assert alone.curve[0].min_score == 0.5
    assert alone.curve[0].recall == 1
    assert done == sorted(done)
    assert done[-1] == 1


def test_the_samples_are_found_again_as_the_documentation_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every third photo, and those changes that make the total: ten seconds."""
    monkeypatch.setattr(figures, "HARDER", {})
    files = sorted(SAMPLES.rglob("*.jpg"))[::3]
    photos = {file.name: open_image(file.read_bytes(), max_pixels=10**8, at_least=448) for file in files}
    total = duplicate_figures(photos, second_look=True).total
    assert total.asked == 7 * len(files) > 200
    assert total.recall >= 0.93
    assert total.precision >= 0.97


def test_two_of_one_picture_are_wrong_for_each_other() -> None:
    """Of a photo that is there twice, the other one counts as a stranger: in each change one is wrong for each."""
    found = duplicate_figures({"a": photo("fish/red-porgy"), "b": photo("fish/red-porgy")}, second_look=False)
    assert (found.total.right, found.total.wrong) == (14, 14)
    assert found.total.precision == 0.5


@pytest.mark.parametrize("name", [*CHANGES, *HARDER])
def test_changes_change_and_leave_the_photo_alone(name: str) -> None:
    original = photo("fish/red-porgy")
    before = original.tobytes()
    changed = {**CHANGES, **HARDER}[name](original)
    assert original.tobytes() == before
    assert changed.mode == "RGB"
    assert changed.size != original.size or changed.tobytes() != before
    assert len(perceptual_hash(changed)) == 16


@pytest.mark.parametrize("size", [(1, 1), (2, 400)])
def test_tiny_photos_can_be_measured(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    tiny = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8))
    assert duplicate_figures({"tiny": tiny}, second_look=True).total.asked == 7
