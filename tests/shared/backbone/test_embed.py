import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from shared import backbone
from shared.features import DIMENSIONS

SQUARE = (224, 224, 3)


@pytest.fixture(scope="module")
def some(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return samples[:: len(samples) // 12]


@pytest.fixture(scope="module")
def embeddings(some: NDArray[np.uint8]) -> NDArray[np.float32]:
    return backbone.embed(some)


@pytest.fixture
def unloaded() -> Iterator[None]:
    backbone._load.cache_clear()
    yield
    backbone._load.cache_clear()


def session(threads: int, *, arena: bool = True) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = arena
    return ort.InferenceSession(backbone.ONNX_FILE.read_bytes(), options, providers=["CPUExecutionProvider"])


def test_one_unit_vector_for_each_image(some: NDArray[np.uint8], embeddings: NDArray[np.float32]) -> None:
    assert embeddings.shape == (len(some), DIMENSIONS)
    assert embeddings.dtype == np.float32
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_different_images_differ(embeddings: NDArray[np.float32]) -> None:
    scores = embeddings @ embeddings.T
    assert scores[~np.eye(len(scores), dtype=bool)].max() < 0.95


@pytest.mark.parametrize("value", [0, 127, 255])
def test_an_image_of_one_colour_has_an_embedding_too(value: int) -> None:
    (embedding,) = backbone.embed(np.full((1, *SQUARE), value, np.uint8))
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)


def test_no_images_no_embeddings() -> None:
    embeddings = backbone.embed(np.empty((0, *SQUARE), np.uint8))
    assert embeddings.shape == (0, DIMENSIONS)
    assert embeddings.dtype == np.float32


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, *SQUARE), np.float32),
        np.zeros((1, *SQUARE), np.int8),
        np.zeros(SQUARE, np.uint8),
        np.zeros((1, 3, 224, 224), np.uint8),
        np.zeros((1, 224, 224, 4), np.uint8),
        np.zeros((1, 225, 224, 3), np.uint8),
        np.zeros((1, 1, *SQUARE), np.uint8),
        np.array(0, np.uint8),
        np.array([], np.uint8),
        [[1, 2, 3]],
    ],
    ids=lambda wrong: f"{wrong.dtype}{wrong.shape}" if isinstance(wrong, np.ndarray) else "list",
)
def test_refuses_what_is_not_images(wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"uint8 array of shape \(n, 224, 224, 3\), not "):
        backbone.embed(wrong)


def test_views_are_as_good_as_arrays(some: NDArray[np.uint8], embeddings: NDArray[np.float32]) -> None:
    assert np.array_equal(backbone.embed(some[::-2]), embeddings[::-2])
    mirrored = some[:1, :, ::-1]
    assert np.array_equal(backbone.embed(mirrored), backbone.embed(mirrored.copy()))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 3, 5, 12])
def test_bit_identical_for_any_batch_and_any_number_of_threads(
    some: NDArray[np.uint8], embeddings: NDArray[np.float32], threads: int, batch: int
) -> None:
    network = session(threads, arena=threads != 2)
    parts = [network.run(None, {"image": some[i : i + batch]})[0] for i in range(0, len(some), batch)]
    assert np.array_equal(np.concatenate(parts), embeddings)


def test_bit_identical_from_many_threads_at_once(some: NDArray[np.uint8], embeddings: NDArray[np.float32]) -> None:
    orders = [np.random.default_rng(seed).permutation(len(some)) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for order, got in zip(orders, pool.map(lambda order: backbone.embed(some[order]), orders), strict=True):
            assert np.array_equal(got, embeddings[order])


@pytest.mark.usefixtures("unloaded")
def test_loaded_once_however_many_come_at_once(
    some: NDArray[np.uint8], embeddings: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Mock(side_effect=ort.InferenceSession)
    monkeypatch.setattr(ort, "InferenceSession", load)
    barrier = threading.Barrier(8)

    def first(_: int) -> NDArray[np.float32]:
        barrier.wait()
        return backbone.embed(some[:1])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(first, range(8)))
    assert load.call_count == 1
    assert all(np.array_equal(result, embeddings[:1]) for result in results)


@pytest.mark.usefixtures("unloaded")
def test_refuses_a_model_that_the_card_does_not_describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "backbone.onnx"
    damaged.write_bytes(backbone.ONNX_FILE.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(backbone, "ONNX_FILE", damaged)
    with pytest.raises(RuntimeError, match="SHA-256"):
        backbone.embed(np.zeros((1, *SQUARE), np.uint8))


def test_the_card_agrees_with_the_model(int8_model: onnx.ModelProto) -> None:
    card = json.loads(backbone.CARD_FILE.read_bytes())
    data = backbone.ONNX_FILE.read_bytes()
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert len(data) <= 6_000_000
    assert f"{card['name']}/{card['version']}" == backbone.MODEL
    assert card["dimensions"] == backbone.DIMENSIONS == DIMENSIONS

    (image,), (embedding,) = int8_model.graph.input, int8_model.graph.output
    size = backbone.PREPROCESSING.size
    assert [d.dim_value or d.dim_param for d in image.type.tensor_type.shape.dim] == ["n", size, size, 3]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value or d.dim_param for d in embedding.type.tensor_type.shape.dim] == ["n", DIMENSIONS]

    constants = {constant.name: numpy_helper.to_array(constant) for constant in int8_model.graph.initializer}
    assert constants["image.zero_point"] == backbone.PREPROCESSING.mean
    assert constants["image.scale"] == 1 / backbone.PREPROCESSING.std


def test_the_card_says_what_the_app_does() -> None:
    preprocessing = backbone.PREPROCESSING
    assert (preprocessing.fit, preprocessing.resampling) == ("squash", "bicubic")
    assert preprocessing.jpeg_draft == 2 * preprocessing.size


def test_the_app_imports_little() -> None:
    heavy = {"onnx", "scipy", "torch", "sklearn", "PIL"}
    script = f"""
import sys
import shared.backbone
assert not ({heavy | {"onnxruntime"}} & set(sys.modules)), "at import"
import numpy
shared.backbone.embed(numpy.zeros((1, 224, 224, 3), numpy.uint8))
assert not ({heavy} & set(sys.modules)), "at the first call"
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(backbone.__file__).parents[2])
