"""The network in 8-bit integers, with the same sums on CPUs with and without VNNI instructions.

Activations are unsigned bytes with one scale per tensor, weights signed bytes with one scale per output channel. The
graph is written with pairs of QuantizeLinear and DequantizeLinear, and ONNX Runtime turns each pattern of them into one
integer kernel.

**Why the weights come in pairs.** A CPU without VNNI multiplies two neighbouring unsigned bytes by two signed ones and
adds both products in 16 bits, which saturate at 32767. So a 1×1 convolution's weights are scaled until no two
neighbours of one sign add up to more than 128: 255 · 128 = 32640 fits, and old and new CPUs agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, add_float_layer, add_pixels, float_graph, run
from .network import Add, Conv, Layer
from .weights import Array

FLOAT_LAYERS = ("stem", "block0", "block1")
"""Kept in float: few weights, but their channels differ so much in range that one scale loses the small ones."""

LAST_FLOAT = "block1"

PAIR_LIMIT = 127.5
"""Two numbers that add up to this add up to at most 128 when each is rounded."""

BIAS_LIMIT = 2.0**30
"""Of a bias in units of its scale: half of int32, which leaves room for its correction."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """How a tensor's numbers are stored in unsigned bytes: number = (byte − zero_point) · scale."""

    scale: np.float32
    zero_point: np.uint8


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A convolution's weights as integers: weight = integers · scale of the output channel.

    Attributes:
        integers: int8, the shape of the convolution's weights.
        scale: float32, [channels out].
    """

    integers: NDArray[np.int8]
    scale: Array


def is_float(layer: Layer) -> bool:
    return layer.name.split(".")[0] in FLOAT_LAYERS


def calibrate(layers: Sequence[Layer], images: NDArray[np.uint8]) -> dict[str, Bytes]:
    """Scales by tensor name, from the least and greatest value of each tensor over all images.

    Args:
        layers: The network.
        images: uint8 [n, 224, 224, 3].
    """
    graph = float_graph(layers)
    names = [layer.name for layer in layers if not is_float(layer) or layer.name == LAST_FLOAT]
    low, high = dict.fromkeys(names, np.float32(0)), dict.fromkeys(names, np.float32(0))
    for outputs in run(graph.model(names), images):
        for name, values in outputs.items():
            low[name], high[name] = min(low[name], values.min()), max(high[name], values.max())
    return {name: _bytes(low[name], high[name]) for name in names}


def quantize_weights(layers: Sequence[Layer], tensors: Mapping[str, Bytes]) -> dict[str, Weight]:
    """The integer weights of every convolution that is not kept in float, by the layer's name."""
    return {
        layer.name: quantize_weight(layer, float(tensors[layer.source].scale))
        for layer in layers
        if isinstance(layer, Conv) and not is_float(layer)
    }


def quantize_weight(layer: Conv, input_scale: float) -> Weight:
    """The finest scale per output channel that neither a weight, nor a pair, nor the bias overflows."""
    rows = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    limits = [np.abs(rows).max(axis=1) / 127, np.abs(layer.bias) / (input_scale * BIAS_LIMIT)]
    if not layer.depthwise:  # Depthwise kernels widen to 16 bits before they multiply.
        for sign in (1, -1):
            one_sign = np.maximum(sign * rows, 0)
            limits.append((one_sign[:, 0::2] + one_sign[:, 1::2]).max(axis=1) / PAIR_LIMIT)
    scale = np.max(limits, axis=0).astype(np.float32)
    integers = np.rint(rows / scale[:, None]).astype(np.int8)
    return Weight(integers.reshape(layer.weight.shape), scale)


def quantized(layers: Sequence[Layer], tensors: Mapping[str, Bytes], weights: Mapping[str, Weight]) -> Graph:
    """The graph of these layers, from `image` to the last of them.

    A convolution's sum, before it is rounded to bytes, is the tensor `<name>.sum`; its result is `<name>`.
    """
    graph = Graph()
    add_pixels(graph)
    for layer in layers:
        if not is_float(layer):
            summed = _add_layer(graph, layer, tensors, weights)
            _add_bytes(graph, summed, layer.name, tensors[layer.name])
        elif layer.name == LAST_FLOAT:
            add_float_layer(graph, replace(layer, name=f"{layer.name}.float"))
            _add_bytes(graph, f"{layer.name}.float", layer.name, tensors[layer.name])
        else:
            add_float_layer(graph, layer)
    return graph


def _add_layer(graph: Graph, layer: Layer, tensors: Mapping[str, Bytes], weights: Mapping[str, Weight]) -> str:
    if isinstance(layer, Add):
        return graph.node("Add", [layer.left, layer.right], f"{layer.name}.sum")
    weight = weights[layer.name]
    bias_scale = tensors[layer.source].scale * weight.scale
    bias = np.rint(layer.bias.astype(np.float64) / bias_scale).astype(np.int32)
    inputs = [
        layer.source,
        _add_constant(graph, f"{layer.name}.weight", weight.integers, weight.scale),
        _add_constant(graph, f"{layer.name}.bias", bias, bias_scale),
    ]
    # No Clip for ReLU6: the bytes of its result start at 0 and end at 6 or less, and rounding to bytes saturates.
    return graph.conv(layer, inputs, f"{layer.name}.sum")


def _add_constant(graph: Graph, name: str, integers: NDArray[np.generic], scale: Array) -> str:
    """Integers as the constant they stand for, one scale for each index of the first axis."""
    inputs = [
        graph.constant(f"{name}.integers", integers),
        graph.constant(f"{name}.scale", scale),
        graph.constant(f"{name}.zero_point", np.zeros(len(scale), integers.dtype)),
    ]
    return graph.node("DequantizeLinear", inputs, name, axis=0)


def _add_bytes(graph: Graph, source: str, output: str, kind: Bytes) -> None:
    """Round a tensor to bytes and back, which is how the graph says that it is kept in bytes."""
    scale = graph.constant(f"{output}.scale", kind.scale)
    zero_point = graph.constant(f"{output}.zero_point", kind.zero_point)
    graph.node("QuantizeLinear", [source, scale, zero_point], f"{output}.bytes")
    graph.node("DequantizeLinear", [f"{output}.bytes", scale, zero_point], output)


def _bytes(low: np.float32, high: np.float32) -> Bytes:
    """The range always holds 0, which padding and ReLU6 need exactly."""
    scale = np.float32((float(high) - float(low)) / 255)
    return Bytes(scale, np.uint8(np.rint(-float(low) / float(scale))))
