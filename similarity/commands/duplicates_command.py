"""The command that finds duplicates: all of a collection, or whether photos of this machine are there already."""

import argparse
from collections import Counter
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from shared.command_line import CommandError, Options, Outcome, Tools, elsewhere
from shared.contract import Json
from shared.embedding import embed_bytes
from shared.images import ImageError
from shared.markup import plural
from shared.pictures import Picture, from_folder, from_storage
from shared.settings import Settings
from shared.table import csv_line
from shared.terminal import aligned, from_a_folder, printable, progress_bar, told
from similarity.commands.adding import Add
from similarity.commands.duplicates_page import write_page
from similarity.duplicates.calls import LEAST_SCORE, shown_duplicate, shown_groups, warnings_of
from similarity.duplicates.check import Checked, asked_new, check
from similarity.duplicates.groups import Duplicate, Groups, find_groups
from similarity.duplicates.looking import GONE
from similarity.duplicates.rule import CAUTION, SAME_SCORE

ERRORS: tuple[type[Exception], ...] = ()

SHOWN = 50
"""Groups that are printed for people; --json, --csv and --html have all."""


def add(add: Add) -> None:
    """Add the command."""
    about = "find images that are the same picture; with photos, say which the collection has already. Deletes nothing"
    command = add("duplicates", duplicates, about, "photos --images samples/images --html duplicates.html")
    command.add_argument("photos", nargs="*", metavar="PHOTO", help="an image file; none: all duplicates there are")
    command.add_argument(
        "--min-score",
        type=_score,
        default=SAME_SCORE,
        metavar="S",
        help=f"the cosine similarity of one picture, {LEAST_SCORE:g} to 1; default: %(default)s",
    )
    command.add_argument(
        "--second-look",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare doubtful pairs by their pixels; default: yes",
    )
    command.add_argument("--csv", type=Path, metavar="FILE.csv", help="write a line for each image to keep or delete")
    command.add_argument("--html", type=Path, metavar="FILE.html", help="write a page with the pictures")
    command.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="take the pictures from here, not from the container: the folder that holds the collection's",
    )


def duplicates(options: Options, tools: Tools) -> Outcome:
    """All groups, or the duplicates of each photo."""
    if options.images and not options.images.is_dir():
        raise CommandError(f"{printable(str(options.images))} is no folder.")
    for file in (options.csv, options.html):
        if file and not file.parent.is_dir():  # before all images are compared
            raise CommandError(f"The folder {printable(str(file.parent))} does not exist.")
    if missing := elsewhere(options.collection, tools):
        raise CommandError(f"The collection {printable(options.collection)} holds no images.{missing}")
    if not options.photos:
        return _groups(options, tools)
    if options.csv or options.html:
        raise CommandError("--csv and --html are for the duplicates of a collection: name no photo.")
    return _photos(options, tools)


def _groups(options: Options, tools: Tools) -> Outcome:
    there: set[bool] = set()
    picture = _pictures(options, tools.settings, there) if options.second_look else None
    with progress_bar() as progress:
        found = find_groups(
            options.collection, tools.features, min_score=options.min_score, picture=picture, progress=progress
        )
    failed = bool(found.trouble)
    files = [from_a_folder("The second look needs the pictures")] if failed else []
    if options.csv:
        options.csv.write_text("".join(csv_lines(found)), encoding="utf-8", newline="")
        files.append(f"{printable(str(options.csv))}: {plural(len(found.groups), 'group')}")
    if options.html:
        source = picture or _pictures(options, tools.settings, there)
        said, lost = write_page(options.html, options.collection, found, source)
        files.append(said)
        failed = failed or lost
    warnings, nowhere = _unseen(found.unseen, there, options)
    lines = [*_table(found), "", _foot(found), *map(printable, warnings), *files, *([CAUTION] if found.groups else [])]
    return Outcome(shown_groups(found, tools.settings) | {"warnings": warnings}, "\n".join(lines), failed or nowhere)


def csv_lines(found: Groups) -> list[str]:
    """What to do with each image of a group, as the lines of a CSV file."""
    lines = [csv_line("group", "action", "path", "kept", "score", "kind", "bytes")]
    for number, group in enumerate(found.groups, 1):
        keep = group.keep
        lines.append(csv_line(number, "keep", keep.path, keep.path, "", "", keep.size))
        lines += [
            csv_line(number, "delete", one.path, keep.path, f"{one.score:.6f}", one.kind, one.size)
            for one in group.duplicates
        ]
    return lines


def _photos(options: Options, tools: Tools) -> Outcome:
    there: set[bool] = set()
    picture = _pictures(options, tools.settings, there) if options.second_look else None
    found: dict[str, Checked] = {}
    failed: dict[str, str] = {}
    for photo in tqdm(dict.fromkeys(options.photos), unit=" photos", disable=None):
        try:
            asked = asked_new(embed_bytes(_read(Path(photo), tools.settings), tools.settings))
        except (OSError, ImageError) as error:
            failed[photo] = told(error) if isinstance(error, OSError) else str(error)
            continue
        found[photo] = check(asked, options.collection, tools.features, min_score=options.min_score, picture=picture)
    unseen = sum((one.unseen for one in found.values()), Counter[str]())
    warnings, nowhere = _unseen(unseen, there, options)
    photos: list[Json] = []
    lines = []
    for photo, checked in found.items():
        same = [one for _, one in checked.duplicates]
        shown = [shown_duplicate(one, tools.settings) for one in same]
        photos.append({"photo": photo, "isDuplicate": bool(same), "duplicates": shown})
        lines.append(f"{printable(photo)}: {'; '.join(map(_said, same)) or 'not there yet'}")
    lines += [f"{printable(photo)}: failed: {printable(why)}" for photo, why in failed.items()]
    content = {
        "photos": photos,
        "failed": [{"photo": photo, "reason": why} for photo, why in failed.items()],
        "warnings": warnings,
    }
    return Outcome(content, "\n".join([*lines, *map(printable, warnings)]), bool(failed) or nowhere)


def _read(photo: Path, settings: Settings) -> bytes:
    if photo.stat().st_size > settings.max_image_bytes:
        raise ImageError(f"The image is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
    return photo.read_bytes()


def _pictures(options: Options, settings: Settings, there: set[bool]) -> Picture:
    """Where the pictures are; whether each that is asked for is there goes into `there`."""
    source = from_folder(options.images, settings) if options.images else from_storage(settings)

    def noted(path: str) -> Image.Image | None:
        found = source(path)
        there.add(found is not None)
        return found

    return noted


def _unseen(unseen: Counter[str], there: set[bool], options: Options) -> tuple[list[str], bool]:
    """What to say of second looks that were not, and whether that is because the folder of pictures is a wrong one."""
    nowhere = bool(options.images) and there == {False}
    if not nowhere:
        return warnings_of(unseen), False
    why = f"no picture was found in {options.images}: it must hold the folder {options.collection}"
    return [why, *warnings_of(unseen - Counter({GONE: unseen[GONE]}))], True


def _said(one: Duplicate) -> str:
    return f"{one.kind} of {printable(one.path)} (score {one.score:.3f})"


def _table(found: Groups) -> list[str]:
    if not found.groups:
        return ["no duplicates"]
    table = [("group", "score", "bytes", "", "path")]
    for number, group in enumerate(found.groups[:SHOWN], 1):
        table.append((str(number), "", f"{group.keep.size:,}", "keep", printable(group.keep.path)))
        table += [("", f"{one.score:.3f}", f"{one.size:,}", one.kind, printable(one.path)) for one in group.duplicates]
    more = len(found.groups) - SHOWN
    return [*aligned(table, texts=2), *([f"and {plural(more, 'group')} more: see --csv or --json"] if more > 0 else [])]


def _foot(found: Groups) -> str:
    many = plural(found.duplicates, "duplicate")
    groups = plural(len(found.groups), "group")
    return f"{plural(found.images, 'image')}: {many} in {groups}; without them there are {found.bytes:,} bytes less"


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not LEAST_SCORE <= score <= 1:  # "not <=": NaN is refused too
        raise argparse.ArgumentTypeError(f"a number from {LEAST_SCORE:g} to 1")
    return score
