"""Images through the local indexer and the app's three skills, against decoding and embedding them alone."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from infra.search.trial.folder import blobs
from infra.search.trial.indexer import run
from infra.search.trial.web_api import WebApi
from shared.embedding import embed_bytes
from shared.settings import Settings
from tests.bench.images import photo
from tests.bench.measure import Figure, compare, seconds
from tests.pictures import encoded
from tests.servers.devhost import ROOT, running, wait_until

SECTION = "Indexing"
SAMPLES = 109
IMAGES = 1000
SIDES = (400, 300)


def figures() -> Iterator[Figure]:
    """The app on the sample photos and their groups; the images are new to it in every round."""
    with ExitStack() as stack:
        data, folder = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        host = stack.enter_context(running(ROOT, "--images", str(ROOT / "samples" / "images"), "--data", str(data)))
        health = f"{host.url}/api/health"
        wait_until(lambda: httpx.get(health, trust_env=False).json()["features"] == SAMPLES, timeout=120)
        fit = [sys.executable, "-m", "clustering", "fit", "photos", "--data", str(data)]
        subprocess.run(fit, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        images_url = f"{host.url.replace('localhost', '127.0.0.1')}/images/photos/"
        call = stack.enter_context(WebApi())
        definitions = define(read_parameters({"appUrl": host.url}, None, {}, local=True))
        rounds = count()
        base = photo(SIDES)

        def fresh() -> None:
            """The same photo in another light each time, so that no two are alike and all are as large."""
            shift = next(rounds)
            for number in range(IMAGES):
                pixels = np.roll(np.asarray(base), (shift, 3 * number), axis=(0, 1))
                (folder / f"{number:04}.jpg").write_bytes(encoded(Image.fromarray(pixels), "JPEG", quality=90))

        def through_the_indexer() -> float:
            fresh()
            return seconds(partial(_run, definitions, folder, images_url, call)) / IMAGES

        yield compare(
            SECTION,
            f"{IMAGES:,} images of {SIDES[0]} × {SIDES[1]} through `try`: cracked, three skills, mapped; each",
            through_the_indexer,
            lambda: _alone(folder),
            baseline_name="decode and embed alone, all cores",
            rounds=3,
        )


def _run(definitions: Definitions, folder: Path, images_url: str, call: WebApi) -> None:
    listing = blobs(folder, definitions.data_source, definitions.indexer["parameters"]["configuration"])
    found = run(definitions, listing, images_url, call, lambda _: None, lambda phase, done: None, lambda: None)
    if found.documents != IMAGES or found.issues:
        raise RuntimeError(f"{found.documents} documents, {found.issues[:3]}")


def _alone(folder: Path) -> float:
    def embed(file: Path) -> None:
        embed_bytes(file.read_bytes(), Settings())

    files = list(folder.iterdir())
    with ThreadPoolExecutor(os.process_cpu_count()) as pool:
        return seconds(lambda: list(pool.map(embed, files))) / IMAGES
