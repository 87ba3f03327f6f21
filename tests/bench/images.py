"""From pixels and from JPEG files to embeddings, against the float network and against decoding in full."""

import io
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image, ImageOps

from shared import backbone
from shared.backbone.recipe.build import build_float
from shared.embedding import embed_bytes
from shared.images import squash
from shared.settings import Settings
from tests.bench.measure import Figure, compare, seconds
from tests.pictures import encoded
from tests.servers.devhost import ROOT

SIDES = {"0.2 MP": (512, 384), "2 MP": (1632, 1224), "12 MP": (4000, 3000), "24 MP": (6000, 4000)}


def figures() -> Iterator[Figure]:
    """The network alone, on one thread and on all; then whole files of several sizes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "float.onnx"
        build_float(file)
        pixels = squash(photo((512, 384)), 224)[None]
        for threads in sorted({1, backbone.session().get_session_options().intra_op_num_threads}):
            ours, other = (partial(_run, _session(path, threads), pixels) for path in (backbone.ONNX_FILE, file))
            yield compare(
                "The network alone",
                f"one image, {threads} thread{'s' if threads > 1 else ''}",
                partial(seconds, ours),
                partial(seconds, other),
                baseline_name="the same network in float32",
                rounds=51,
            )
    for name, size in SIDES.items():
        data = encoded(photo(size), "JPEG", quality=90)
        yield compare(
            "JPEG file to embedding",
            f"{name}, {len(data) / 1e6:.1f} MB",
            partial(seconds, partial(embed_bytes, data, Settings())),
            partial(seconds, partial(_decode_in_full_and_embed, data)),
            baseline_name="decoded in full",
            rounds=15,
        )


def _session(file: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in the app
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, pixels: NDArray[np.uint8]) -> object:
    return session.run(["embedding"], {"image": pixels})


def _decode_in_full_and_embed(data: bytes) -> object:
    with Image.open(io.BytesIO(data)) as image:
        return backbone.embed(squash(ImageOps.exif_transpose(image).convert("RGB"), 224)[None])


def photo(size: tuple[int, int]) -> Image.Image:
    """A real photo enlarged, with noise so that it compresses like one of that size."""
    with Image.open(ROOT / "samples/images/photos/fish/pompano.jpg") as photo:
        pixels = np.asarray(photo.convert("RGB").resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
    noise = np.random.default_rng(1).normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
