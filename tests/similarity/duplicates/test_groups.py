"""All duplicates of a collection."""

import io
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from shared.contract import Deadline
from shared.features import FeatureStore, StoreBusy
from shared.pictures import from_folder
from similarity.duplicates import groups as groups_module
from similarity.duplicates.groups import Group, find_groups, takers
from similarity.duplicates.looking import GONE, LATE, beyond
from tests.clustering.small_fits import at, feature, on_one_store
from tests.conftest import Stores
from tests.pictures import encoded
from tests.similarity.duplicates.collections import SETTINGS, image, photo, put_files, telling


def shape(groups: list[Group] | tuple[Group, ...]) -> dict[str, list[tuple[str, str]]]:
    return {group.keep.path: [(one.path, one.kind) for one in group.duplicates] for group in groups}


def jpeg(picture: Image.Image, quality: int = 85, **options: bytes) -> bytes:
    return encoded(picture, "JPEG", quality=quality, **options)


def test_the_largest_then_the_oldest_then_the_first_is_kept(stores: Stores) -> None:
    for one in (
        image("c/a", 0, size=5),
        image("c/b", 0, size=7, minutes=2),
        image("c/c", 0, size=7, minutes=1),
        image("c/e", 0, size=7, minutes=1),
        image("c/alone", 90),
        image("other/a", 0, size=9),
    ):
        stores.features.upsert(one)
    stores.features.upsert(feature("c/old model", at(0), model="another/1"))
    found = find_groups("c", stores.features)
    assert shape(list(found.groups)) == {"c/c": [("c/e", "version"), ("c/b", "version"), ("c/a", "version")]}
    assert (found.images, found.duplicates, found.bytes, found.unseen, found.trouble) == (5, 3, 19, {}, "")


def test_a_duplicate_says_how_it_was_found(stores: Stores) -> None:
    near = f"{int(telling(1), 16) ^ 0b11:016x}"
    for one in (
        image("c/0", 0, pixel_hash=telling(1), size=9),
        image("c/copy", 0, pixel_hash=telling(1)),
        image("c/hash", 90, pixel_hash=near),
        image("c/score", 20, pixel_hash=telling(2)),
        image("c/not", 40, pixel_hash=telling(3)),
    ):
        stores.features.upsert(one)
    (group,) = find_groups("c", stores.features).groups
    assert group.keep.path == "c/0"
    found = {one.path: one for one in group.duplicates}
    assert {path: (one.kind, one.distance) for path, one in found.items() if path != "c/score"} == {
        "c/copy": ("copy", 0),
        "c/hash": ("version", 2),
    }
    assert found["c/copy"].score == 1
    assert found["c/score"].score == pytest.approx(0.9397, abs=1e-4)
    assert found["c/hash"].score == pytest.approx(0, abs=1e-6)


def test_a_collection_without_images_has_no_groups(stores: Stores) -> None:
    found = find_groups("nothing", stores.features, picture=lambda path: None)
    assert (found.images, list(found.groups), found.bytes) == (0, [], 0)


@on_one_store
def test_versions_of_photos_are_found_and_look_alikes_are_not(stores: Stores, tmp_path: Path) -> None:
    castle, fish = photo("castles/chambord"), photo("fish/red-porgy")
    width, height = castle.size
    crop = castle.crop((0, 0, round(0.65 * width), round(0.65 * height)))
    exif = Image.Exif()
    exif[0x010E] = "another description"
    files = {
        "c/castle.jpg": jpeg(castle, 95),
        "c/same pixels.png": encoded(Image.open(io.BytesIO(jpeg(castle, 95)))),
        "c/described.jpg": jpeg(castle, 94, exif=exif.tobytes()),
        "c/crop.jpg": jpeg(crop),
        "c/crop again.jpg": jpeg(crop, 60),
        "c/fish.jpg": jpeg(fish, 95),
        "c/mirrored.jpg": jpeg(ImageOps.mirror(fish)),
        "c/another castle.jpg": jpeg(photo("castles/egeskov")),
    }
    put_files(stores.features, tmp_path, files)
    told: list[tuple[str, float]] = []
    alone = find_groups("c", stores.features)
    both = find_groups(
        "c", stores.features, picture=from_folder(tmp_path, SETTINGS), progress=lambda *said: told.append(said)
    )
    assert shape(list(alone.groups)) == {
        "c/same pixels.png": [("c/castle.jpg", "copy"), ("c/described.jpg", "version")],
        "c/fish.jpg": [("c/mirrored.jpg", "version")],
        "c/crop.jpg": [("c/crop again.jpg", "version")],
    }
    assert shape(list(both.groups)) == {
        "c/same pixels.png": [
            ("c/castle.jpg", "copy"),
            ("c/described.jpg", "version"),
            ("c/crop.jpg", "confirmed"),
            ("c/crop again.jpg", "confirmed"),
        ],
        "c/fish.jpg": [("c/mirrored.jpg", "version")],
    }
    assert (both.unseen, both.trouble) == ({}, "")
    assert {phase for phase, _ in told} == {
        "reading",
        "comparing",
        "looking for more",
        "looking",
        "comparing again",
    }
    assert all(0 <= done <= 1 for _, done in told)


def doubtful(store: FeatureStore, count: int) -> None:
    """Images of which each is a stranger but for its neighbours, 36 degrees away: .81."""
    for n in range(count):
        store.upsert(image(f"c/{n}", 36 * n, pixel_hash=telling(n)))


def nowhere(path: str) -> None:
    raise StoreBusy("no storage", 1)


@on_one_store
@pytest.mark.parametrize(
    ("picture", "why", "trouble"),
    [(lambda path: None, GONE, ""), (nowhere, "no storage", "no storage")],
    ids=["gone", "no storage"],
)
def test_pairs_that_cannot_be_seen_are_counted(
    stores: Stores, picture: Callable[[str], None], why: str, trouble: str
) -> None:
    doubtful(stores.features, 4)
    found = find_groups("c", stores.features, picture=picture)
    assert (list(found.groups), found.unseen, found.trouble) == ([], {why: 3}, trouble)


@on_one_store
def test_second_looks_end_with_the_time_and_with_their_number(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    doubtful(stores.features, 5)
    same = photo("fish/red-porgy")
    read: list[str] = []
    none = find_groups("c", stores.features, picture=read.append, deadline=Deadline(0))
    assert (none.duplicates, none.unseen, read) == (0, {LATE: 10}, [])  # 4 of these are alike, but nobody looked
    assert find_groups("c", stores.features, picture=lambda path: same).duplicates == 2  # 0 and 1, 2 and 3, and 4
    monkeypatch.setattr(groups_module, "MAX_LOOKS", 1)
    one = find_groups("c", stores.features, picture=lambda path: same)
    assert (one.duplicates, one.unseen) == (1, {beyond(1): 3})


@on_one_store
def test_duplicates_of_a_confirmed_one_beyond_the_limit_are_counted(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two are one by the second look. Of the second's duplicates, strangers to the first, one gets a look."""
    for path, angle, size in (("first", 0, 9), ("second", 36, 8), ("a", 60, 3), ("b", 61, 2), ("c", 62, 1)):
        stores.features.upsert(image(f"c/{path}", angle, size=size))
    monkeypatch.setattr(groups_module, "MAX_LOOKS", 1)
    same = photo("fish/red-porgy")
    found = find_groups("c", stores.features, picture=lambda path: same)
    assert found.unseen == {beyond(1): 2}
    assert shape(list(found.groups)) == {
        "c/first": [("c/second", "confirmed"), ("c/a", "confirmed")],
        "c/b": [("c/c", "version")],
    }


@pytest.mark.parametrize("pairs", list(permutations([(0, 3), (1, 3), (2, 3), (2, 4)])))
def test_the_lowest_takes_what_several_were_confirmed_for(pairs: tuple[tuple[int, int], ...]) -> None:
    assert takers(pairs) == {3: 0, 4: 2}
