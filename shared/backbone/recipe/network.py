"""EfficientNet-Lite0 as a list of layers, with batch normalisation folded into the convolutions.

Source of the architecture: M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", 2019, as the Lite0 variant: no squeeze-and-excitation, ReLU6 for swish, and a stem and head of fixed size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .weights import Array

STAGES = (
    # repeats, kernel, stride of the first, expansion, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A convolution, and ReLU6 after it if it has one.

    Attributes:
        name: Of the layer, and of the tensor that it makes.
        source: Name of the tensor that it reads.
        weight: float32, [channels out, channels in of each group, kernel, kernel].
        bias: float32, [channels out].
        stride: 1 or 2.
        relu6: Whether the result is clipped to [0, 6].
    """

    name: str
    source: str
    weight: Array
    bias: Array
    stride: int
    relu6: bool

    @property
    def depthwise(self) -> bool:
        """Each channel has its own filter. No layer of this network with one channel in is of another kind."""
        return bool(self.weight.shape[1] == 1)

    @property
    def padding(self) -> list[int]:
        """Top, left, bottom, right, as TensorFlow's SAME pads an even-sized input: the odd one goes to the end."""
        total = self.weight.shape[2] - self.stride
        return [total // 2] * 2 + [total - total // 2] * 2


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of two tensors of one shape: a block's shortcut."""

    name: str
    left: str
    right: str


type Layer = Conv | Add

BLOCKS = sum(repeats for repeats, *_ in STAGES)


def layers(weights: Mapping[str, Array]) -> Iterator[Layer]:
    """The layers in the order they run, from the tensor `pixels` to `head`, the 1280 × 7 × 7 features.

    A block's result is named `block0` to `block15`, whatever layer makes it.
    """
    yield _conv(weights, "stem", "pixels", "_conv_stem", "_bn0", stride=2)
    source, channels, index = "stem", STEM_CHANNELS, 0
    for repeats, _, stride, expansion, channels_out in STAGES:
        for repeat in range(repeats):
            shortcut = repeat > 0 and channels == channels_out
            yield from _block(weights, index, source, stride if repeat == 0 else 1, expansion > 1, shortcut)
            source, channels, index = f"block{index}", channels_out, index + 1
    yield _conv(weights, "head", source, "_conv_head", "_bn1")


def classifier(weights: Mapping[str, Array]) -> tuple[Array, Array]:
    """Weights [1000, 1280] and bias [1000] that turn the mean of `head` over space into ImageNet's logits."""
    return weights["_fc.weight"], weights["_fc.bias"]


def _block(
    weights: Mapping[str, Array], index: int, source: str, stride: int, expands: bool, shortcut: bool
) -> Iterator[Layer]:
    """An inverted residual: 1×1 to more channels, a depthwise filter, and 1×1 back, without ReLU6."""
    name, prefix, inner = f"block{index}", f"_blocks.{index}.", source
    if expands:
        yield _conv(weights, f"{name}.expand", inner, prefix + "_expand_conv", prefix + "_bn0")
        inner = f"{name}.expand"
    yield _conv(weights, f"{name}.depthwise", inner, prefix + "_depthwise_conv", prefix + "_bn1", stride=stride)
    project = f"{name}.project" if shortcut else name
    yield _conv(weights, project, f"{name}.depthwise", prefix + "_project_conv", prefix + "_bn2", relu6=False)
    if shortcut:
        yield Add(name, project, source)


def _conv(
    weights: Mapping[str, Array], name: str, source: str, conv: str, norm: str, *, stride: int = 1, relu6: bool = True
) -> Conv:
    """A convolution and the batch normalisation that follows: (w·x − mean) · gamma / √(variance + epsilon) + beta."""
    gamma, beta, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    weight = weights[f"{conv}.weight"] * factor[:, None, None, None]
    bias = beta - mean * factor
    return Conv(name, source, weight.astype(np.float32), bias.astype(np.float32), stride, relu6)
