"""The held-out photos, and the float network to compare with."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from shared.backbone import ONNX_FILE, PREPROCESSING
from shared.backbone.recipe import build_float
from shared.images import open_image, squash

SAMPLES = Path(__file__).parents[3] / "samples"

type Outputs = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="session")
def sample_files() -> list[Path]:
    """Photos that the recipe has not seen."""
    files = sorted(SAMPLES.rglob("*.jpg"))
    assert files
    return files


@pytest.fixture(scope="session")
def samples(sample_files: list[Path]) -> NDArray[np.uint8]:
    return np.stack(
        [
            squash(
                open_image(file.read_bytes(), max_pixels=10**8, at_least=PREPROCESSING.jpeg_draft), PREPROCESSING.size
            )
            for file in sample_files
        ]
    )


@pytest.fixture(scope="session")
def int8_model() -> onnx.ModelProto:
    return onnx.load_model_from_string(ONNX_FILE.read_bytes())


@pytest.fixture(scope="session")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    build_float(path, outputs=("embedding", "features"))
    return onnx.load_model_from_string(path.read_bytes())
