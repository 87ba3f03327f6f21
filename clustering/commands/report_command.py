"""The command that writes the page of a fit, and a contact sheet of each cluster."""

from pathlib import Path
from typing import NoReturn

from PIL import Image
from tqdm import tqdm

from clustering.assignment import Current
from clustering.commands.commands import CommandError, Options, Outcome, Tools, fit_in_force
from clustering.commands.terminal import printable
from clustering.reporting.groups import groups, samples
from clustering.reporting.pictures import Picture, from_folder, from_storage, read_pictures, sheet
from clustering.reporting.report import report_html
from clustering.views import SHEET_PICTURES
from shared.features import StoreBusy
from shared.fits import NOISE
from shared.settings import SettingsError


def report(options: Options, tools: Tools) -> Outcome:
    """Write the page, and a contact sheet of each cluster."""
    now = fit_in_force(options.collection, tools)
    if options.images and not options.images.is_dir():
        raise CommandError(f"{printable(str(options.images))} is no folder.")
    source = from_folder(options.images, tools.settings) if options.images else from_storage(tools.settings)
    missing: dict[str, str] = {}
    with tqdm(unit=" pictures", disable=None) as bar:
        picture = _noting(source, missing, bar)
        page = report_html(now, tools.features, tools.fits, picture)
        options.file.write_text(page, encoding="utf-8")
        sheets = _sheets(options.png, now, tools, picture) if options.png else 0
    shown = len(groups(*now))
    content = {"file": str(options.file), "clusters": shown, "sheets": sheets, "missing": missing}
    lines = [f"{printable(str(options.file))}: {shown} clusters"]
    lines += [f"{printable(str(options.png))}: {sheets} sheets"] if options.png else []
    lines += [f"{len(missing)} pictures are missing: {next(iter(missing.values()))}"] if missing else []
    return Outcome(content, "\n".join(lines), bool(missing))


def _noting(picture: Picture, missing: dict[str, str], bar: "tqdm[NoReturn]") -> Picture:
    """The same pictures; what is missing is noted, and the bar moves."""

    def noting(path: str) -> Image.Image | None:
        try:
            found = picture(path)
        except (StoreBusy, SettingsError) as error:
            missing[path] = str(error)
            raise
        if found is None:
            missing[path] = "gone or broken"
        bar.update(1)
        return found

    return noting


def _sheets(folder: Path, now: Current, tools: Tools, picture: Picture) -> int:
    """A contact sheet for each cluster, and one for noise; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"cluster-{group.id}": [part.id for part in group.parts] for group in groups(*now)}
    if now.fit.noise:
        wanted["noise"] = [NOISE]
    written = 0
    for name, clusters in wanted.items():
        members = samples(tools.fits, now.fit.id, clusters, SHEET_PICTURES)
        found = read_pictures([member.path for member in members], picture).found
        if found:
            shown = [found.get(member.path) for member in members]
            (folder / f"{name}.png").write_bytes(sheet(shown))
            written += 1
    return written
