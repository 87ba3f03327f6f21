"""Small pictures for a page of the local index, from the files that it was made of: no app has to run for it."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from infra.search.asking.origins import image_number
from infra.search.asking.result_page import SIDE, Shown
from infra.search.trial.cracking import crack
from infra.search.trial.documents import Document
from infra.search.trial.folder import Blob
from shared.contract import Json
from shared.images import ImageError, open_image

AT_ONCE = 4
"""Files that are read at a time; each may be large."""

UNKNOWN = (
    "This local index does not say of which files it was made: 'python -m infra.search try FOLDER' makes one that does."
)


def pictures(documents: Iterable[Mapping[str, Json]], report: Json, configuration: Mapping[str, Json]) -> Shown:
    """Pictures of documents.

    Args:
        documents: Of the local index.
        report: Of the run that made it: `folder`, which was tried as the container, and `imagesUrl`, with which the
            urls of its files begin.
        configuration: The indexer's.
    """
    wanted = list(documents)
    said = report if isinstance(report, dict) else {}
    folder, begin = said.get("folder"), said.get("imagesUrl")
    if not (isinstance(folder, str) and isinstance(begin, str)):
        return {str(document["id"]): UNKNOWN for document in wanted}
    root = Path(folder).resolve()
    if not root.is_dir():
        return {str(document["id"]): f"There is no folder {root} any more." for document in wanted}
    small = {**configuration, "normalizedImageMaxWidth": SIDE, "normalizedImageMaxHeight": SIDE}
    by_url = defaultdict[str, list[Mapping[str, Json]]](list)
    for document in wanted:
        by_url[str(document.get("url") or "")].append(document)

    def taken(url: str) -> Shown:
        blob = _blob(root, url, begin)
        if not blob:
            return {str(document["id"]): f"There is no such file in {root}." for document in by_url[url]}
        cracked = crack(blob, base_url=begin, configuration=small)
        return {str(document["id"]): _picture(cracked, image_number(document)) for document in by_url[url]}

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture") as pool:
        return {key: one for some in pool.map(taken, by_url) for key, one in some.items()}


def _blob(root: Path, url: str, begin: str) -> Blob | None:
    """The file of a url, unless it is outside of the folder or reached by a link: the indexer follows none."""
    if not url.startswith(begin):
        return None
    path = unquote(url.removeprefix(begin))
    file = root / path
    try:
        inside = file.is_relative_to(root) and file.resolve() == file and file.is_file()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return Blob(path, file) if inside else None


def _picture(cracked: Document, number: int) -> Image.Image | str:
    items: Sequence[Mapping[str, Json]] = cracked.tree.get("normalized_images") or []
    if number >= len(items):
        return next(
            (issue.details or issue.message for issue in cracked.issues), "The file has no such image any more."
        )
    try:
        return open_image(base64.b64decode(items[number]["data"]), max_pixels=SIDE * SIDE, at_least=SIDE)
    except ImageError as error:
        return str(error)
