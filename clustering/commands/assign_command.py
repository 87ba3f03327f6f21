"""What `python -m clustering assign` does: where photos belong that are in no collection."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from clustering.assignment import Assignment, assign
from clustering.commands.commands import again, fit_in_force
from shared import backbone
from shared.command_line import CommandError, Options, Outcome, Tools
from shared.embedding import embed_bytes
from shared.features import Vector
from shared.fits import NOISE
from shared.images import ImageError
from shared.settings import Settings
from shared.terminal import printable, told


def assign_photos(options: Options, tools: Tools) -> Outcome:
    """Where local photos belong; nothing is stored."""
    now = fit_in_force(options.collection, tools)
    if now.fit.model != backbone.MODEL:
        raise CommandError(f"The fit is of the model {now.fit.model}, not {backbone.MODEL}: fit again.")
    vectors: dict[str, Vector] = {}
    failed: dict[str, str] = {}
    for photo in tqdm(dict.fromkeys(options.photos), unit=" photos", disable=None):
        try:
            vectors[photo] = embed_bytes(_read(Path(photo), tools.settings), tools.settings).vector
        except (OSError, ImageError) as error:
            failed[photo] = told(error) if isinstance(error, OSError) else str(error)
    found: list[Assignment] = []
    if vectors:
        rows = np.stack(list(vectors.values()))
        unknown = [None] * len(rows)
        found = again(options.collection, tools, lambda now: assign(rows, unknown, now, tools.features, tools.fits))
    assigned = dict(zip(vectors, found, strict=True))
    content = {
        "photos": [
            {"photo": photo, "cluster": one.cluster, "label": list(one.labels), "distance": one.distance}
            for photo, one in assigned.items()
        ],
        "failed": [{"photo": photo, "reason": reason} for photo, reason in failed.items()],
    }
    lines = [f"{printable(photo)}: {_belonging(one)}" for photo, one in assigned.items()]
    lines += [f"{printable(photo)}: failed: {printable(reason)}" for photo, reason in failed.items()]
    return Outcome(content, "\n".join(lines), bool(failed))


def _belonging(found: Assignment) -> str:
    if found.distance is None:
        return "in no cluster (there are none)"
    if found.cluster == NOISE:
        return f"in no cluster (the nearest is {found.nearest}, at a distance of {found.distance:.3f})"
    words = ", ".join(map(printable, found.labels)) or "no labels"
    return f"cluster {found.cluster}, {words} (distance {found.distance:.3f})"


def _read(photo: Path, settings: Settings) -> bytes:
    if photo.stat().st_size > settings.max_image_bytes:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    return photo.read_bytes()
