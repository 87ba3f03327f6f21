"""The float network: the same as the reference implementation's, and it knows what it sees."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from shared.backbone.recipe import network, weights
from shared.backbone.recipe.graph import collect, with_outputs

CLASSES = {"hammers": {587}, "castles": {483}, "churches": {497, 663, 698}, "measuring-tapes": {769}}
"""Folders of samples, and the ImageNet classes (by their usual index) that they are."""


@pytest.fixture(scope="module")
def classifier() -> tuple[weights.Array, weights.Array]:
    return network.classifier(weights.load())


def test_equals_pytorch(float_model: onnx.ModelProto, classifier: tuple[weights.Array, weights.Array]) -> None:
    """Numbers by PyTorch 2.13 and efficientnet-lite-pytorch 0.1.0, with the same weights, for the same picture."""
    y, x, channel = np.indices((224, 224, 3))
    picture = ((7 * y + 5 * x * (channel + 1) + x * y // 64) % 256).astype(np.uint8)[None]
    outputs = collect(with_outputs(float_model, ["texture"]), picture)
    logits = outputs["features"] @ classifier[0].T + classifier[1]
    texture = [5.5273085, -7.4701943, 4.5586653, -1.1963369, -6.9402695, -2.1301003, -2.6308529]
    assert outputs["texture"][0, ::16] == pytest.approx(texture, abs=1e-4)
    expected = [1.0299447, 0.2090857, -2.1260900, -1.0126513, -1.2852887, -0.8869900, -0.2937934, -1.7159492]
    assert logits[0, ::125] == pytest.approx(expected, abs=1e-4)


def test_sees_what_is_there(
    samples: NDArray[np.uint8],
    sample_files: list[Path],
    float_model: onnx.ModelProto,
    classifier: tuple[weights.Array, weights.Array],
) -> None:
    chosen = [index for index, file in enumerate(sample_files) if file.parent.name in CLASSES]
    assert chosen
    logits = collect(float_model, samples[chosen])["features"] @ classifier[0].T + classifier[1]
    best = np.argsort(-logits, axis=1)[:, :5]
    hits = [bool(CLASSES[sample_files[i].parent.name] & set(row)) for i, row in zip(chosen, best.tolist(), strict=True)]
    assert np.mean(hits) >= 0.6


def test_the_architecture(float_model: onnx.ModelProto) -> None:
    layers = list(network.layers(weights.load()))
    assert sum(isinstance(layer, network.Conv) for layer in layers) == 49
    assert sum(isinstance(layer, network.Add) for layer in layers) == 9
    assert layers[-1].name == "head"
    made = {"pixels"}
    for layer in layers:
        assert {layer.source} if isinstance(layer, network.Conv) else {layer.left, layer.right} <= made
        made.add(layer.name)


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [(1, 1, [0, 0, 0, 0]), (3, 1, [1, 1, 1, 1]), (5, 1, [2, 2, 2, 2]), (3, 2, [0, 0, 1, 1]), (5, 2, [1, 1, 2, 2])],
)
def test_pads_as_tensorflow_does(kernel: int, stride: int, expected: list[int]) -> None:
    weight = np.zeros((4, 1, kernel, kernel), np.float32)
    assert network.Conv("name", "source", weight, np.zeros(4, np.float32), stride, relu6=True).padding == expected
