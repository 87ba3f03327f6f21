"""Vectors in groups that are as far apart as a test wants."""

import numpy as np

from shared.features import Vector


def groups(sizes: dict[str, int], *, spread: float, seed: int = 0) -> tuple[list[str], Vector]:
    """Labels, and float32 [n, 16] of unit length: the centre of each label, and noise `spread` times as long."""
    random = np.random.default_rng(seed)
    labels = [label for label, size in sizes.items() for _ in range(size)]
    centres = {label: random.normal(size=16) for label in sizes}
    rows = np.array([centres[label] for label in labels]) + spread * random.normal(size=(len(labels), 16))
    return labels, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
