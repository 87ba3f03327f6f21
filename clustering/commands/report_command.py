"""The command that writes the page of a fit, and a contact sheet of each cluster."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from PIL import Image
from tqdm import tqdm

from clustering.assignment import Current
from clustering.commands.commands import fit_in_force
from clustering.reporting.groups import groups, samples
from clustering.reporting.report import other_pictures, report_page, report_samples
from clustering.views import SHEET_PICTURES
from shared.command_line import CommandError, Options, Outcome, Tools
from shared.fits import NOISE
from shared.markup import missing, plural
from shared.pictures import (
    Picture,
    Pictures,
    from_folder,
    from_storage,
    read_pictures,
    sheet,
)
from shared.terminal import printable

GONE = "gone or broken"


def report(options: Options, tools: Tools) -> Outcome:
    """Write the page, and a contact sheet of each cluster."""
    now = fit_in_force(options.collection, tools)
    if options.images and not options.images.is_dir():
        raise CommandError(f"{printable(str(options.images))} is no folder.")
    if not options.file.parent.is_dir():  # before all the pictures are read
        raise CommandError(f"The folder {printable(str(options.file.parent))} does not exist.")
    source = from_folder(options.images, tools.settings) if options.images else from_storage(tools.settings)
    with tqdm(unit=" pictures", disable=None) as bar:
        picture = _counted(source, bar)
        shown = report_samples(now, tools.fits, picture)
        options.file.write_text(report_page(now, tools.features, shown), encoding="utf-8")
        asked, lost = set(shown.paths), _missing(shown.missing, shown.pictures)
        sheets = 0
        if options.png and not shown.pictures.trouble:  # storage that cannot be asked is not asked again
            sheets = _sheets(options.png, now, tools, picture, asked, lost)
    clusters = len(groups(*now))
    content = {"file": str(options.file), "clusters": clusters, "sheets": sheets, "missing": lost}
    lines = [f"{printable(str(options.file))}: {plural(clusters, 'cluster')}"]
    lines += [f"{printable(str(options.png))}: {plural(sheets, 'sheet')}"] if options.png else []
    return Outcome(content, "\n".join([*lines, *_trouble(asked, lost, options)]), bool(lost))


def _missing(paths: Iterable[str], pictures: Pictures) -> dict[str, str]:
    """Why there is no picture of each of these."""
    return {path: GONE if path in pictures.found else pictures.trouble for path in paths}


def _trouble(asked: set[str], lost: Mapping[str, str], options: Options) -> list[str]:
    """What is missing and what to do about it."""
    if not lost:
        return []
    how_many = missing(len(lost), len(asked))
    if trouble := next((why for why in lost.values() if why != GONE), ""):
        return [f"{how_many}: {printable(trouble)}", printable(other_pictures(options.collection))]
    lines = [f"{how_many}: {GONE}"]
    if options.images and len(lost) == len(asked):
        example = printable(str(options.images / min(lost)))
        lines.append(f"The folder must contain the collection's folder: there is no image {example}")
    return lines


def _counted(picture: Picture, bar: "tqdm[NoReturn]") -> Picture:
    """The same pictures; the bar moves."""

    def counted(path: str) -> Image.Image | None:
        found = picture(path)
        bar.update(1)
        return found

    return counted


def _sheets(folder: Path, now: Current, tools: Tools, picture: Picture, asked: set[str], lost: dict[str, str]) -> int:
    """A contact sheet for each cluster, and one for noise; returns how many there are.

    Adds the images that it asked for to `asked`, and why there is no picture of one to `lost`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"cluster-{group.id}": [part.id for part in group.parts] for group in groups(*now)}
    if now.fit.noise:
        wanted["noise"] = [NOISE]
    written = 0
    for name, clusters in wanted.items():
        members = samples(tools.fits, now.fit.id, clusters, SHEET_PICTURES)
        paths = [member.path for member in members]
        pictures = read_pictures(paths, picture)
        asked.update(paths)
        lost |= _missing((path for path in paths if pictures.found.get(path) is None), pictures)
        if pictures.found:
            (folder / f"{name}.png").write_bytes(sheet([pictures.found.get(path) for path in paths]))
            written += 1
        if pictures.trouble:
            break
    return written
