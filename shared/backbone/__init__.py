"""The network that turns pixels into embeddings: `backbone.onnx`, and `backbone.json` that describes it.

The pixel arithmetic, the projection to 256 dimensions and the normalisation to unit length are inside the ONNX graph:
what is left to do here is to load it once and to call it. `recipe/` rebuilds both files.
"""

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime as ort

ONNX_FILE: Final = Path(__file__).with_name("backbone.onnx")
CARD_FILE: Final = Path(__file__).with_name("backbone.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image becomes the pixels that `embed` takes.

    Attributes:
        size: Width and height, in pixels.
        fit: `squash`: the whole image is squeezed into the square; nothing is cropped away.
        resampling: The filter of that, by Pillow's name.
        jpeg_draft: A JPEG may be decoded at a fraction of its size as long as both sides keep this many pixels.
        mean: What the graph subtracts from each 8-bit value of red, green and blue. Nobody else must.
        std: What the graph divides by after that.
    """

    size: int
    fit: str
    resampling: str
    jpeg_draft: int
    mean: float
    std: float


_CARD = json.loads(CARD_FILE.read_bytes())

MODEL: Final[str] = f"{_CARD['name']}/{_CARD['version']}"
"""Name and version of the model. Vectors of different models are never compared."""

DIMENSIONS: Final[int] = _CARD["dimensions"]

PREPROCESSING: Final = Preprocessing(**_CARD["preprocessing"])

_loading = threading.Lock()


def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed images. May be called from any number of threads at once; the first call loads the network.

    The answer for an image does not depend on what else is in the batch, nor on the number of threads.

    Args:
        images: uint8, shape [n, 224, 224, 3]: RGB, prepared as `PREPROCESSING` says. n may be 0.

    Returns:
        float32, shape [n, 256], each row of unit length.

    Raises:
        ValueError: Another type or shape.
        RuntimeError: The model file is not the one that `backbone.json` describes.
    """
    expected = (PREPROCESSING.size, PREPROCESSING.size, 3)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != expected:
        got = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"Images must be a uint8 array of shape (n, {', '.join(map(str, expected))}), not {got}.")
    embeddings = np.empty((len(images), DIMENSIONS), np.float32)
    # One image in a run: more together are hardly faster per image, and the buffers of a run grow by 8 MB an image
    # in each thread that calls.
    for index in range(len(images)):
        image = np.ascontiguousarray(images[index : index + 1])
        (embeddings[index : index + 1],) = session().run(["embedding"], {"image": image})
    return embeddings


def session() -> "ort.InferenceSession":
    """The loaded network; loads it when it is not. Call it ahead of time to keep the first request quick."""
    with _loading:  # functools.cache alone lets two threads that come at the same time both load
        return _load()


@cache
def _load() -> "ort.InferenceSession":
    # Here, not above: it takes longer to import than all the rest together, and not every function embeds.
    import onnxruntime as ort  # noqa: PLC0415

    model = ONNX_FILE.read_bytes()
    if hashlib.sha256(model).hexdigest() != _CARD["sha256"]:
        # A wrong file would silently store vectors under the name of another model.
        raise RuntimeError(f"{ONNX_FILE.name} is not the file that {CARD_FILE.name} describes: its SHA-256 differs.")
    options = ort.SessionOptions()
    options.intra_op_num_threads = os.process_cpu_count() or 1
    options.inter_op_num_threads = 1
    # Threads that wait must not burn the cores that other requests decode images on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
