"""From the network's activations to the embedding: 224 dimensions of what is shown, 32 of what it looks like.

x is the mean over space of the head (1280 channels), t that of block 10 (112 channels). L2 is division by the length.

    h = L2((L2(√x) − centre of L2(√x)) · V · S^½)
    u = L2((L2(z) − centre of L2(z)) · P),    z = (t − mean of t) / deviation of t
    embedding = (h, w·u) / √(1 + w²)

S and V are the 224 largest singular values of the classifier and their vectors, P the 32 leading principal directions
of L2(z). Centres, means, deviations and P are those of the photos.

The square root tames single channels that dominate (the Hellinger kernel: R. Arandjelović and A. Zisserman, "Three
things everyone should know to improve object retrieval", 2012). The classifier's singular vectors are the directions
in which ImageNet's classes differ. Block 10 sees texture and layout, which tells near-duplicates from look-alikes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .weights import Array

SEMANTIC = 224
TEXTURE = 32
TEXTURE_LAYER = "block10"
TEXTURE_WEIGHT = 0.35
"""w. A half ranks slightly better and clusters worse."""

type Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The constants of the formulas above, float32.

    Attributes:
        head: V · S^½, [1280, 224].
        head_offset: −centre · V · S^½, [224].
        mean: Of t, [112].
        deviation: Of t, [112].
        texture: P, [112, 32].
        texture_offset: −centre · P, [32].
    """

    head: Array
    head_offset: Array
    mean: Array
    deviation: Array
    texture: Array
    texture_offset: Array


def fit(features: Array, texture: Array, classifier: Array) -> Projection:
    """Measure the constants on some photos.

    Args:
        features: x of each photo, float32 [n, 1280], not negative.
        texture: t of each photo, float32 [n, 112].
        classifier: ImageNet's classifier, float32 [1000, 1280].

    Raises:
        ValueError: Fewer photos than directions.
    """
    if len(texture) <= TEXTURE:
        raise ValueError(f"{len(texture)} images are too few to find {TEXTURE} directions.")
    _, singular, directions = np.linalg.svd(classifier.astype(np.float64), full_matrices=False)
    head = directions[:SEMANTIC].T * np.sqrt(singular[:SEMANTIC])
    centre = _unit(np.sqrt(features.astype(np.float64))).mean(axis=0)

    mean, deviation = texture.mean(axis=0, dtype=np.float64), texture.std(axis=0, dtype=np.float64)
    standard = _unit((texture - mean) / deviation)
    texture_centre = standard.mean(axis=0)
    _, _, principal = np.linalg.svd(standard - texture_centre, full_matrices=False)
    leading = principal[:TEXTURE].T
    constants = head, -centre @ head, mean, deviation, leading, -texture_centre @ leading
    return Projection(*(constant.astype(np.float32) for constant in constants))


def add_features(graph: Graph) -> None:
    """`features`, float32 [n, 1280], and `texture`, float32 [n, 112]: means over space of `head` and of block 10."""
    graph.node("ReduceMean", ["head"], "features", axes=[2, 3], keepdims=0)
    graph.node("ReduceMean", [TEXTURE_LAYER], "texture", axes=[2, 3], keepdims=0)


def add_embedding(graph: Graph, projection: Projection) -> None:
    """`embedding`, float32 [n, 256], each row of unit length, from `features` and `texture`."""
    rooted = _add_unit(graph, graph.node("Sqrt", ["features"], "features.root"))
    semantic = _add_projected(graph, rooted, projection.head, projection.head_offset)

    centred = graph.node("Sub", ["texture", graph.constant("texture.mean", projection.mean)], "texture.centred")
    deviation = graph.constant("texture.deviation", projection.deviation)
    standard = _add_unit(graph, graph.node("Div", [centred, deviation], "texture.standard"))
    textural = _add_projected(graph, standard, projection.texture, projection.texture_offset)

    length = np.sqrt(1 + TEXTURE_WEIGHT**2)
    parts = [
        graph.node("Mul", [part, graph.constant(f"{part}.share", np.float32(share / length))], f"{part}.weighted")
        for part, share in ((semantic, 1.0), (textural, TEXTURE_WEIGHT))
    ]
    graph.node("Concat", parts, "embedding", axis=1)


def _add_projected(graph: Graph, source: str, matrix: Array, offset: Array) -> str:
    inputs = [source, graph.constant(f"{source}.matrix", matrix), graph.constant(f"{source}.offset", offset)]
    return _add_unit(graph, graph.node("Gemm", inputs, f"{source}.projected"))


def _add_unit(graph: Graph, source: str) -> str:
    return graph.node("LpNormalization", [source], f"{source}.unit", axis=1, p=2)


def _unit(rows: Doubles) -> Doubles:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
