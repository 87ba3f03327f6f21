"""The whole recipe: float network, projection, integers, bias correction."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from . import network, photos, weights
from .bias import correct
from .graph import collect, float_graph
from .projection import Projection, add_embedding, add_features, fit
from .quantize import calibrate, quantize_weights, quantized

IMAGES = 256
"""To measure on; crops make up for missing photos."""

CORRECTION_IMAGES = 96

type Progress = Callable[[str], None]


def build_float(path: Path, *, folder: Path = photos.FOLDER, outputs: Sequence[str] = ("embedding",)) -> None:
    """Write the same graph in float32, to compare the shipped model with. Takes a few seconds.

    Args:
        path: Where to write the ONNX file, about 15 MB. Its input is uint8 [n, 224, 224, 3].
        folder: Photos to measure the projection on.
        outputs: What the graph returns: `embedding` is float32 [n, 256], `features` [n, 1280] the mean of the last
            layer over space.

    Raises:
        WeightsError: The package with the weights is not installed.
        FileNotFoundError: There are no photos.
    """
    read = weights.load()
    layers = list(network.layers(read))
    projection = _fit(layers, network.classifier(read)[0], images(folder))
    graph = float_graph(layers)
    add_features(graph)
    add_embedding(graph, projection)
    path.write_bytes(graph.model(outputs).SerializeToString(deterministic=True))


def build_int8(folder: Path, progress: Progress) -> onnx.ModelProto:
    """The model that is shipped: uint8 [n, 224, 224, 3] `image` → float32 [n, 256] `embedding`.

    The same photos give the same model, byte for byte.
    """
    progress("reading the weights and the photos")
    read = weights.load()
    layers = list(network.layers(read))
    pixels = images(folder)
    progress(f"fitting the projection on {len(pixels)} images")
    projection = _fit(layers, network.classifier(read)[0], pixels)
    progress("measuring the range of every tensor")
    tensors = calibrate(layers, pixels)
    integers = quantize_weights(layers, tensors)
    some = pixels[np.linspace(0, len(pixels) - 1, CORRECTION_IMAGES).astype(int)]
    corrected = correct(
        layers, tensors, integers, some, lambda done, of: progress(f"correcting biases: {done} of {of}")
    )
    graph = quantized(corrected, tensors, integers)
    add_features(graph)
    add_embedding(graph, projection)
    model = graph.model(["embedding"])
    onnx.checker.check_model(model, full_check=True)
    return model


def images(folder: Path) -> NDArray[np.uint8]:
    """At least `IMAGES` images from the photos of a folder, or every crop there is of them."""
    paths = photos.files(folder)
    views = min(-(-IMAGES // len(paths)), len(photos.VIEWS))
    return photos.load(paths, views)


def _fit(layers: Sequence[network.Layer], classifier: weights.Array, pixels: NDArray[np.uint8]) -> Projection:
    graph = float_graph(layers)
    add_features(graph)
    measured = collect(graph.model(["features", "texture"]), pixels)
    return fit(measured["features"], measured["texture"], classifier)
