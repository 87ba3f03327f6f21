"""The command that searches a collection, by photos of this machine and by stored images."""

import argparse
import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.command_line import CommandError, Options, Outcome, Tools, elsewhere
from shared.contract import CallError, Deadline, Json, RecordError
from shared.settings import Settings
from shared.terminal import aligned, printable
from similarity.commands.adding import Add
from similarity.commands.search_page import Typed, write_page
from similarity.options import MAX_OFFSET, MAX_TOP, OptionError
from similarity.ranking.rankers import LEARNED
from similarity.search_call import find

ERRORS: tuple[type[Exception], ...] = ()

OPTIONS = {"'minScore'": "--min-score", "'groupBy'": "--group-by", "'filter'": "--filter", "'rerank'": "--rerank"} | {
    f"'{name}'": f"--{name}" for name in ("top", "offset")
}
"""What errors call the options, and how they are typed."""


def add(add: Add) -> None:
    """Add the command."""
    about = "find the images that look most like photos of this machine, or like stored ones"
    command = add("search", search, about, "photos new.jpg --top 10 --not photos/fish/koi.jpg")
    command.add_argument("photos", nargs="*", metavar="PHOTO", help="an image file; of several, their mean")
    command.add_argument(
        "--path", action="append", default=[], metavar="PATH", help="a stored image by its path; may be repeated"
    )
    command.add_argument(
        "--not",
        dest="negatives",
        action="append",
        default=[],
        metavar="PHOTO",
        help="an image to turn away from: a file or, where there is none, the path of a stored image; may be repeated",
    )
    command.add_argument(
        "--region",
        type=_region,
        metavar="X,Y,W,H",
        help="only this part of the first image: pixels when it is upright, or fractions of its width and height; "
        "with an = before a minus sign: --region=-5,0,50,50",
    )
    command.add_argument("--top", metavar="N", help=f"how many, 1 to {MAX_TOP}; default: TOPN, or 3")
    command.add_argument("--offset", metavar="N", help=f"leave out so many of the best, up to {MAX_OFFSET}")
    command.add_argument("--min-score", metavar="S", help="only images that score at least this, -1 to 1")
    command.add_argument(
        "--filter",
        action="append",
        default=[],
        type=_tag,
        metavar="NAME=VALUE",
        help="only images with this tag; may be repeated",
    )
    command.add_argument("--group-by", metavar="WHAT", help="the best of each 'folder', or of each value of 'tag:NAME'")
    command.add_argument(
        "--include-self", action="store_true", help="show the images themselves too, if they are stored"
    )
    command.add_argument(
        "--rerank",
        nargs="?",
        const=True,
        choices=LEARNED,
        metavar="NAME",
        help="in the order of the ranker that is switched on, or of this",
    )
    command.add_argument("--html", type=Path, metavar="FILE.html", help="write a page with the pictures")
    command.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="take the pictures of a page, or of a stored image's region, from here, not from the container: the "
        "folder that holds the collection's",
    )


def search(options: Options, tools: Tools) -> Outcome:
    """The look-alikes of what was named."""
    wanted = [
        *(Typed(photo, stored=False) for photo in options.photos),
        *(Typed(path, stored=True) for path in options.path),
    ]
    unwanted = [Typed(name, stored=not Path(name).is_file()) for name in options.negatives]
    if not wanted:
        raise CommandError("Name a photo, or a stored image with --path.")
    if options.images and not (options.html or (options.region and wanted[0].stored)):
        raise CommandError("--images is for the pictures of a page: name its file with --html.")
    content = _query(wanted, unwanted, options, tools.settings)
    names = {f"positives[{n}]": one.name for n, one in enumerate(wanted)}
    names |= {f"negatives[{n}]": one.name for n, one in enumerate(unwanted)}
    try:
        found = find(options.collection, content, {}, tools.features, tools.settings, Deadline(math.inf))
    except CallError as error:
        raise CommandError(f"{error}{elsewhere(options.collection, tools)}") from error
    except (OptionError, RecordError) as error:
        raise CommandError(_as_typed(str(error), names)) from error
    warnings = [_as_typed(warning, names) for warning in found.warnings]
    lines = [*_table(found.data), "", _foot(found.data), *warnings]
    failed = False
    if options.html:
        said, failed = write_page(options.html, found, wanted, unwanted, options.images, tools.settings)
        lines.append(said)
    return Outcome(found.data | {"warnings": warnings}, "\n".join(lines), failed)


def _query(wanted: Sequence[Typed], unwanted: Sequence[Typed], options: Options, settings: Settings) -> dict[str, Json]:
    """What the command asks, as a body of the search call."""
    images = [_record(one, settings) for one in wanted]
    if options.region:
        if wanted[0].stored and options.images:  # its pixels are needed, and they are here
            images[0] |= _pixels(options.images / wanted[0].name, settings)
        images[0]["boundingBox"] = options.region
    # One is asked for by itself, for it may be stored, or be of another collection.
    return (images[0] if len(images) == 1 else {"positives": images}) | {
        "negatives": [_record(one, settings) for one in unwanted] or None,
        "top": options.top,
        "offset": options.offset,
        "minScore": options.min_score,
        "filter": dict(options.filter) or None,
        "groupBy": options.group_by,
        "includeSelf": options.include_self,
        "rerank": options.rerank,
    }


def _record(one: Typed, settings: Settings) -> dict[str, Json]:
    if one.stored:
        return {"path": one.name}
    return _pixels(Path(one.name), settings)


def _pixels(file: Path, settings: Settings) -> dict[str, Json]:
    if file.stat().st_size > settings.max_image_bytes:
        raise CommandError(f"{printable(str(file))} is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    return {"image": base64.b64encode(file.read_bytes()).decode()}


def _as_typed(said: str, names: Mapping[str, str]) -> str:
    """An error or a warning, with options and images called as they were typed."""
    for name, typed in {**OPTIONS, **names}.items():
        said = said.replace(name, printable(typed))
    return said


def _table(data: Mapping[str, Json]) -> list[str]:
    """The matches, for people."""
    if not data["matches"]:
        return ["no look-alikes"]
    first = data["matches"][0]
    ranked, grouped = "rankScore" in first, "group" in first
    table = [["", "score", *(["rank score"] if ranked else []), "path", *(["group"] if grouped else [])]]
    for n, match in enumerate(data["matches"], data["offset"] + 1):
        row = [
            str(n),
            f"{match['score']:.3f}",
            *([f"{match['rankScore']:#.4g}"] if ranked else []),
            printable(match["path"]),
        ]
        table.append(row + ([printable(match["group"] or "–")] if grouped else []))
    return aligned(table, texts=1 + grouped)


def _foot(data: Mapping[str, Json]) -> str:
    took = ", ".join(f"{part} {milliseconds:g} ms" for part, milliseconds in data["took"].items())
    return f"collection {printable(data['collection'])}, model {data['model']}; {took}"


def _region(text: str) -> dict[str, float]:
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError("a region is X,Y,W,H: four numbers with commas between them") from error
    return {"x": x, "y": y, "w": width, "h": height}


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("a filter is NAME=VALUE, such as kind=dog")
    return name, value
