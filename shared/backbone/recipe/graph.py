"""Writing and running ONNX graphs: the few helpers that the recipe's other modules share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shared.backbone import DIMENSIONS, PREPROCESSING

from .network import Add, Conv, Layer

OPSET = 17
IR_VERSION = 8
"""The IR version that belongs to the opset: ONNX Runtime 1.12 and later read both."""

SIZE = PREPROCESSING.size
INPUT = "image"
SHAPES: dict[str, list[str | int | None]] = {"embedding": ["n", DIMENSIONS], "features": ["n", 1280]}
"""Of the outputs that others than the recipe ask for."""


@dataclass(slots=True)
class Graph:
    """An ONNX graph while it is written. Tensors are known by their names."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], output, None, None, None, **attributes))
        return output

    def conv(self, layer: Conv, inputs: Sequence[str], output: str) -> str:
        return self.node(
            "Conv",
            inputs,
            output,
            kernel_shape=list(layer.weight.shape[2:]),
            strides=[layer.stride] * 2,
            pads=layer.padding,
            group=layer.weight.shape[0] if layer.depthwise else 1,
        )

    def model(self, outputs: Iterable[str]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "backbone",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPES.get(name)) for name in outputs],
            initializer=list(self.constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def add_pixels(graph: Graph) -> None:
    """From `image`, uint8 [n, 224, 224, 3], to `pixels`, float32 [n, 3, 224, 224]: (value − mean) / std.

    Dequantisation does exactly that arithmetic, without a float copy of the image before the transposition.
    """
    graph.node("Transpose", [INPUT], "image.channels_first", perm=[0, 3, 1, 2])
    scale = graph.constant("image.scale", np.float32(1 / PREPROCESSING.std))
    zero_point = graph.constant("image.zero_point", np.uint8(PREPROCESSING.mean))
    graph.node("DequantizeLinear", ["image.channels_first", scale, zero_point], "pixels")


def float_graph(layers: Iterable[Layer]) -> Graph:
    """The network in float32, from `image` to the last layer."""
    graph = Graph()
    add_pixels(graph)
    for layer in layers:
        add_float_layer(graph, layer)
    return graph


def add_float_layer(graph: Graph, layer: Layer) -> None:
    """The layer in float32. A convolution's sum before ReLU6 is the tensor `<name>.sum`."""
    if isinstance(layer, Add):
        graph.node("Add", [layer.left, layer.right], layer.name)
        return
    weight = graph.constant(f"{layer.name}.weight", layer.weight)
    bias = graph.constant(f"{layer.name}.bias", layer.bias)
    summed = graph.conv(layer, [layer.source, weight, bias], f"{layer.name}.sum")
    if layer.relu6:
        low, high = graph.constant("zero", np.float32(0)), graph.constant("six", np.float32(6))
        graph.node("Clip", [summed, low, high], layer.name)
    else:
        graph.node("Identity", [summed], layer.name)


def run(
    model: onnx.ModelProto, images: NDArray[np.uint8], batch: int = 4
) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    """Every output of the model by name, for a few images at a time.

    Args:
        model: With one input, uint8 [n, 224, 224, 3].
        images: uint8 [n, 224, 224, 3].
        batch: Images in one run. More only take memory: all layers of one image are about 30 MB in float.
    """
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for start in range(0, len(images), batch):
        yield dict(zip(names, session.run(names, {INPUT: images[start : start + batch]}), strict=True))


def collect(model: onnx.ModelProto, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Every output of the model by name, for all images in one array each."""
    parts = list(run(model, images))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model that also returns these float32 tensors, such as `features`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPES.get(name)) for name in names)
    return copy
