"""Bias correction: what rounding shifts on average, the bias shifts back.

Rounded weights and activations move the mean of each output channel a little, and later layers build on it. The mean
over some photos is known from the float network; the difference goes into the bias. One convolution at a time, from
the first to the last, because each correction changes what the next layers see.

Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, appendix D
("empirical bias correction").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from .graph import float_graph, run
from .network import Conv, Layer
from .quantize import Bytes, Weight, is_float, quantized


def correct(
    layers: Sequence[Layer],
    tensors: Mapping[str, Bytes],
    weights: Mapping[str, Weight],
    images: NDArray[np.uint8],
    progress: Callable[[int, int], None],
) -> list[Layer]:
    """The layers with corrected biases.

    Args:
        layers: The float network.
        tensors: Scales of its tensors.
        weights: Its integer weights.
        images: uint8 [n, 224, 224, 3]; about a hundred are enough.
        progress: Called with the number of convolutions done, and of all.
    """
    wanted = _float_means(layers, images)
    corrected = list(layers)
    done = 0
    for index, layer in enumerate(layers):
        if layer.name not in wanted or not isinstance(layer, Conv):
            continue
        # The graph ends at this sum, so ONNX Runtime gives it before it is rounded to bytes.
        graph = quantized(corrected[: index + 1], tensors, weights)
        got = _means(graph.model([f"{layer.name}.sum"]), images)[f"{layer.name}.sum"]
        corrected[index] = replace(layer, bias=(layer.bias + wanted[layer.name] - got).astype(np.float32))
        done += 1
        progress(done, len(wanted))
    return corrected


def _float_means(layers: Sequence[Layer], images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    graph = float_graph(layers)
    names = [layer.name for layer in layers if isinstance(layer, Conv) and not is_float(layer)]
    means = _means(graph.model([f"{name}.sum" for name in names]), images)
    return {name: means[f"{name}.sum"] for name in names}


def _means(model: onnx.ModelProto, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Mean of each output over images and space, float64 [channels]."""
    sums: dict[str, NDArray[np.float64]] = {}
    for outputs in run(model, images):
        for name, values in outputs.items():
            sums[name] = sums.get(name, 0) + values.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
    return {name: total / len(images) for name, total in sums.items()}
