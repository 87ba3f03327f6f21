"""The recipe as a whole, on few photos: the shipped model takes a minute."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from shared.backbone.recipe import bias, build, photos, projection


@pytest.fixture
def few(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in photos.files(photos.FOLDER)[:5]:
        shutil.copy(file, folder)
    return folder


def test_the_same_photos_build_the_same_bytes(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every fourth bias corrected: each correction builds a network of its own."""
    means = bias._float_means

    def every_fourth(*given: Any) -> dict[str, Any]:
        found = means(*given)
        assert len(found) == 43
        return dict(list(found.items())[::4])

    monkeypatch.setattr(bias, "_float_means", every_fourth)
    monkeypatch.setattr(build, "CORRECTION_IMAGES", 2)
    steps: list[str] = []
    first, second = (build.build_int8(few, steps.append).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert len(first) <= 6_000_000
    assert "correcting biases: 11 of 11" in steps
    assert [output.name for output in onnx.load_model_from_string(first).graph.output] == ["embedding"]


def test_crops_make_up_for_missing_photos(few: Path) -> None:
    images = build.images(few)
    assert images.shape == (5 * len(photos.VIEWS), 224, 224, 3)
    assert len({image.tobytes() for image in images}) == len(images)
    assert np.array_equal(images[:5], photos.load(photos.files(few), views=1))


def test_too_few_photos_for_a_projection() -> None:
    few = np.ones((32, 4), np.float32)
    with pytest.raises(ValueError, match="32 images are too few"):
        projection.fit(few, few, few)


def test_the_command_helps_and_says_what_is_missing(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shared.backbone.recipe", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    shown = run("--help")
    assert shown.returncode == 0
    assert "--photos" in shown.stdout

    missing = run("--photos", str(tmp_path), "--output", str(tmp_path / "model.onnx"))
    assert missing.returncode == 1
    assert "No .jpg file" in missing.stderr
    assert not list(tmp_path.iterdir())


def test_the_photos_are_not_the_samples() -> None:
    def digests(folder: Path) -> set[bytes]:
        return {file.read_bytes() for file in folder.rglob("*.jpg")}

    assert not digests(photos.FOLDER) & digests(Path(build.__file__).parents[3] / "samples")
    assert json.loads((Path(build.__file__).parents[1] / "backbone.json").read_bytes())["weights"]["licence"]
