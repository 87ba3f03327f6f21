"""Is an image in a collection already?"""

from pathlib import Path

import numpy as np

from shared.contract import Deadline
from shared.embedding import Embedded
from shared.pictures import from_folder
from similarity.duplicates.check import MAX_LOOKS, Asked, asked_new, asked_stored, check
from similarity.duplicates.looking import GONE, LATE, beyond
from tests.clustering.small_fits import at, on_one_store
from tests.conftest import Stores
from tests.pictures import encoded
from tests.similarity.duplicates.collections import SETTINGS, image, photo, put_files, telling


def paths(stores: Stores, asked: Asked, min_score: float = 0.87) -> list[str]:
    return [one.path for _, one in check(asked, "c", stores.features, min_score=min_score).duplicates]


def test_duplicates_come_best_first_and_strangers_not_at_all(stores: Stores) -> None:
    for one in (
        image("c/near", 20),
        image("c/copy 2", 0, pixel_hash=telling(1)),
        image("c/copy 1", 0, pixel_hash=telling(1)),
        image("c/far", 40),
        image("c/hash", 60, pixel_hash=telling(1)),
        image("d/copy", 0),
    ):
        stores.features.upsert(one)
    asked = Asked(at(0), telling(1), None, None)
    assert paths(stores, asked) == ["c/copy 1", "c/copy 2", "c/near", "c/hash"]
    assert paths(stores, asked, 0.95) == ["c/copy 1", "c/copy 2", "c/hash"]
    assert paths(stores, asked._replace(pixel_hash=telling(2)), 0.7) == ["c/copy 1", "c/copy 2", "c/near", "c/far"]
    (feature, best), *_ = check(asked, "c", stores.features).duplicates
    assert (feature.path, best.score, best.kind) == ("c/copy 1", 1, "copy")


def test_an_image_is_no_duplicate_of_itself(stores: Stores) -> None:
    for one in (image("c/a", 0), image("c/b", 0)):
        stores.features.upsert(one)
    stored = stores.features.get("c/a")
    assert stored is not None
    assert paths(stores, asked_stored(stored)) == ["c/b"]
    assert paths(stores, Asked(at(0), telling(1), "c/b", None)) == ["c/a"]
    assert check(Asked(at(0), telling(1), None, None), "empty", stores.features).duplicates == []


@on_one_store
def test_a_crop_is_found_by_a_second_look(stores: Stores, tmp_path: Path) -> None:
    castle = photo("castles/chambord")
    crop = castle.crop((0, 0, round(0.65 * castle.width), round(0.65 * castle.height)))
    names = {"c/castle.png": castle, "c/crop.png": crop, "c/other.png": photo("castles/egeskov")}
    put_files(stores.features, tmp_path, {path: encoded(one) for path, one in names.items()})
    picture = from_folder(tmp_path, SETTINGS)
    stored = stores.features.get("c/crop.png")
    assert stored is not None
    new = asked_new(Embedded(crop, stored.embedding, clipped=False), "c/crop.png")
    for asked in (asked_stored(stored), new):
        assert check(asked, "c", stores.features).duplicates == []
        ((_, found),) = check(asked, "c", stores.features, picture=picture).duplicates
        assert (found.path, found.kind) == ("c/castle.png", "confirmed")
    late = check(new, "c", stores.features, picture=picture, deadline=Deadline(0))
    assert (late.duplicates, late.unseen) == ([], {LATE: 1})


@on_one_store
def test_doubtful_images_beyond_the_limit_are_counted(stores: Stores) -> None:
    for n in range(MAX_LOOKS + 3):
        stores.features.upsert(image(f"c/{n}", 36 + n / 10))
    found = check(Asked(at(0), telling(1), "c/x", None), "c", stores.features, picture=lambda path: None)
    assert (found.duplicates, found.unseen) == ([], {beyond(MAX_LOOKS): 3, GONE: MAX_LOOKS})


@on_one_store
def test_among_thousands_of_copies_the_best_are_told(stores: Stores) -> None:
    for n in range(60):
        stores.features.upsert(image(f"c/{n:02}", 0))
    found = check(Asked(at(0), telling(1), None, None), "c", stores.features)
    assert [one.path for _, one in found.duplicates] == [f"c/{n:02}" for n in range(50)]
    assert np.all([one.score == 1 for _, one in found.duplicates])
