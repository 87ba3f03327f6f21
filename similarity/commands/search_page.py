"""The page of a search: what was asked for, and the pictures that were found."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from shared.command_line import CommandError
from shared.contract import Json
from shared.markup import missing, text
from shared.page import img, page
from shared.pictures import Pictures, from_folder, from_storage, read_pictures
from shared.settings import Settings
from shared.terminal import from_a_folder, printable
from similarity.look_alikes import Result

STYLE = """
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 14px; }
.row img { display: block; max-width: 100%; margin: 0 auto; border-radius: 5px; }
.row figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
.row figcaption { overflow-wrap: anywhere; }
.row .none { display: grid; place-content: center; height: 160px; background: var(--empty); color: var(--soft); }
"""


class Typed(NamedTuple):
    """An image as it was typed."""

    name: str
    stored: bool
    """Whether it is the path of a stored image, rather than a file."""


def write_page(
    file: Path,
    found: Result,
    wanted: Sequence[Typed],
    unwanted: Sequence[Typed],
    images: Path | None,
    settings: Settings,
) -> tuple[str, bool]:
    """Write the page of a search.

    Args:
        file: The page; one that is there is replaced.
        found: What was found.
        wanted: What it should look like.
        unwanted: What not.
        images: The folder that holds the collection's, for the pictures; None: the images container.
        settings: The app's settings.

    Returns:
        What was written, for people, and whether pictures are missing.

    Raises:
        CommandError: A folder is not there.
        OSError: The file cannot be written.
    """
    if images and not images.is_dir():
        raise CommandError(f"{printable(str(images))} is no folder.")
    source = from_folder(images, settings) if images else from_storage(settings)
    matches = found.data["matches"]
    stored = [one.name for one in [*wanted, *unwanted] if one.stored]
    paths = dict.fromkeys([*stored, *(match["path"] for match in matches)])
    pictures = read_pictures(paths, source)
    body = [
        f"<h1>Look-alikes in <bdi>{text(found.data['collection'])}</bdi></h1>",
        _warnings(found.warnings),
        "<h2>Like this</h2>" + _row(_asked(one, pictures, settings) for one in wanted),
        "<h2>Unlike this</h2>" + _row(_asked(one, pictures, settings) for one in unwanted) if unwanted else "",
        "<h2>Found</h2>",
        _row(_match(n, match, pictures) for n, match in enumerate(matches, found.data["offset"] + 1))
        if matches
        else "<p>Nothing.</p>",
        f'<p class="soft">Model {text(found.data["model"])}</p>',
    ]
    file.write_text(page(f"Look-alikes in {found.data['collection']}", body, STYLE), encoding="utf-8")
    lost = sum(pictures.found.get(path) is None for path in paths)
    why = from_a_folder(pictures.trouble) if pictures.trouble else "gone or broken"
    said = f"{printable(str(file))}: written" + (f"; {missing(lost, len(paths))}: {printable(why)}" if lost else "")
    return said, bool(lost)


def _warnings(warnings: Iterable[str]) -> str:
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings">{items}</ul>' if items else ""


def _row(figures: Iterable[str]) -> str:
    return f'<div class="row">{"".join(figures)}</div>'


def _asked(one: Typed, pictures: Pictures, settings: Settings) -> str:
    file = Path(one.name)
    picture = pictures.found.get(one.name) if one.stored else from_folder(file.parent, settings)(file.name)
    return _figure(picture, one.name, text(one.name))


def _match(n: int, match: Json, pictures: Pictures) -> str:
    said = f"{n} · score {match['score']:.3f}"
    if "rankScore" in match:
        said += f" · rank score {match['rankScore']:#.4g}"
    group = f"<br>group {text(match['group'])}" if match.get("group") else ""
    return _figure(pictures.found.get(match["path"]), match["path"], f"{said}<br>{text(match['path'])}{group}")


def _figure(picture: Image.Image | None, name: str, caption: str) -> str:
    shown = img(picture, name) if picture else '<div class="none">no picture</div>'
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"
