"""The shipped integers against the float network, and against exact arithmetic."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shared.backbone.recipe.graph import collect, with_outputs
from shared.backbone.recipe.network import Conv
from shared.backbone.recipe.quantize import quantize_weight

type Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def constants(int8_model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {constant.name: numpy_helper.to_array(constant) for constant in int8_model.graph.initializer}


@pytest.fixture(scope="module")
def integer_convs(int8_model: onnx.ModelProto, constants: dict[str, NDArray[np.generic]]) -> dict[str, str]:
    """Name of each integer convolution, with the name of the tensor it reads."""
    return {
        node.name.removesuffix(".sum"): node.input[0]
        for node in int8_model.graph.node
        if node.op_type == "Conv" and f"{node.name.removesuffix('.sum')}.weight.integers" in constants
    }


def cosines(left: Floats, right: Floats) -> NDArray[np.floating]:
    return np.sum(left * right, axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_close_to_float_on_photos_it_was_not_built_from(
    samples: NDArray[np.uint8], int8_model: onnx.ModelProto, float_model: onnx.ModelProto
) -> None:
    wanted = collect(float_model, samples)
    got = collect(with_outputs(int8_model, ["features"]), samples)
    features = cosines(wanted["features"], got["features"])
    embedding = cosines(wanted["embedding"], got["embedding"])
    assert features.mean() >= 0.998
    assert features.min() >= 0.99
    assert embedding.mean() >= 0.994
    assert embedding.min() >= 0.95


def test_no_pair_of_neighbours_can_saturate_16_bits(
    integer_convs: dict[str, str], constants: dict[str, NDArray[np.generic]]
) -> None:
    checked = 0
    for name in integer_convs:
        weight = constants[f"{name}.weight.integers"].astype(np.int32)
        if weight.shape[1] == 1:  # depthwise
            continue
        rows = weight.reshape(len(weight), -1)
        for sign in (1, -1):
            one_sign = np.maximum(sign * rows, 0)
            assert (one_sign[:, 0::2] + one_sign[:, 1::2]).max() <= 128, name
        checked += 1
    assert checked == 29  # of 49: without 6 in float and 14 depthwise


def test_every_convolution_after_the_float_blocks_runs_in_integers(int8_model: onnx.ModelProto, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # It warns that the optimised file belongs to this machine.
    ort.InferenceSession(int8_model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert operators.count("QLinearConv") == 43
    assert operators.count("QLinearAdd") == 9
    assert operators.count("Conv") == 6


def test_the_kernels_equal_exact_arithmetic(
    samples: NDArray[np.uint8],
    int8_model: onnx.ModelProto,
    integer_convs: dict[str, str],
    constants: dict[str, NDArray[np.generic]],
) -> None:
    """Each 1×1 convolution once more, with sums that cannot overflow, from the bytes that ONNX Runtime itself made."""
    pointwise = {name: source for name, source in integer_convs.items() if "depthwise" not in name}
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    white = np.full((1, 224, 224, 3), 255, np.uint8)
    seen = run_bytes(int8_model, {*pointwise, *pointwise.values()}, np.concatenate([samples[:1], noise, white]))
    for name, source in pointwise.items():
        got, inputs = seen[name].astype(np.int32), seen[source].astype(np.float64)
        weight = constants[f"{name}.weight.integers"].astype(np.float64)[:, :, 0, 0]
        # Doubles hold these integers exactly: |sum| < 2**53.
        sums = np.einsum("oc,nchw->nohw", weight, inputs - float(constants[f"{source}.zero_point"]), optimize=True)
        sums += constants[f"{name}.bias.integers"].astype(np.float64)[:, None, None]
        scale = constants[f"{name}.bias.scale"].astype(np.float64) / float(constants[f"{name}.scale"])
        exact = np.rint(sums * scale[:, None, None]) + float(constants[f"{name}.zero_point"])
        steps = np.abs(np.clip(exact, 0, 255) - got)
        # A step apart only where float32 rounds a half to the other side.
        assert steps.max() <= 1, name
        assert np.mean(steps > 0) < 1e-4, name


def run_bytes(model: onnx.ModelProto, names: set[str], images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The bytes of tensors, by name."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    outputs = [f"{name}.bytes" for name in sorted(names)]
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in outputs)
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(sorted(names), session.run(outputs, {"image": images}), strict=True))


@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([1e-4, 0.1, 1.0, 30.0]), bias=st.sampled_from([0.0, 1e7]))
def test_quantised_weights_are_near_and_in_their_limits(seed: int, spread: float, bias: float) -> None:
    random = np.random.default_rng(seed)
    values = (random.standard_normal((3, 8, 1, 1)) * spread).astype(np.float32)
    values[0, :2] = np.abs(values).max()  # the worst pair
    layer = Conv("name", "source", values, np.full(3, bias, np.float32), stride=1, relu6=True)
    weight = quantize_weight(layer, input_scale=0.02)

    assert np.all(np.abs(weight.integers.astype(np.int32)) <= 127)
    pairs = weight.integers.astype(np.int32).reshape(3, 4, 2)
    assert np.maximum(pairs, 0).sum(axis=2).max() <= 128
    assert np.minimum(pairs, 0).sum(axis=2).min() >= -128
    assert np.all(np.abs(layer.bias / (weight.scale * 0.02)) <= 2**30 * 1.001)
    errors = np.abs(weight.integers * weight.scale[:, None, None, None] - values)
    assert np.all(errors <= weight.scale[:, None, None, None] * 0.501)
