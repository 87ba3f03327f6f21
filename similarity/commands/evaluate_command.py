"""The command that measures how well rankers and models find images of the same label."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shared import backbone
from shared.command_line import CommandError, Options, Outcome, Tools, collection_name, with_stores
from shared.features import Vector
from shared.local_settings import command_settings
from shared.markup import missing, plural
from shared.pictures import Picture, from_folder, from_storage, read_pictures
from shared.settings import SettingsError
from shared.terminal import from_a_folder, printable, progress_bar
from similarity.commands.adding import Add
from similarity.commands.changed_photos import duplicates_of_folder
from similarity.commands.evaluate_text import outcome
from similarity.commands.label_option import add_labels, read_labels
from similarity.commands.labelled_images import NAMED, LabelledImages, of_collection, of_folder
from similarity.duplicates.figures import DuplicateFigures
from similarity.evaluation.evaluate import Evaluation, EvaluationError, Setup, evaluate
from similarity.evaluation.examples import choose
from similarity.evaluation.files import as_csv
from similarity.evaluation.report import report_page
from similarity.evaluation.report_duplicates import duplicates_html
from similarity.evaluation.vectors import VectorsError, in_common, read_vectors
from similarity.measures.sets import NEGATIVES, QUERIES
from similarity.ranking.labels import LabelError
from similarity.ranking.rankers import RANKERS

ERRORS = (EvaluationError, LabelError, VectorsError)


def add(add: Add) -> None:
    """Add the command."""
    about = "measure how well images of the same label are found, by each ranker and with vectors of other models"
    command = add("evaluate", _of_collection, about, "samples --html report.html", collection=False)
    # A folder needs no store.
    command.set_defaults(work=_work)
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of this machine: the images below it are embedded, and nothing is stored; or else a collection",
    )
    add_labels(command)
    command.add_argument(
        "--rankers", type=_rankers, default=RANKERS, metavar="NAMES", help=f"some of {','.join(RANKERS)}; default: all"
    )
    command.add_argument(
        "--vectors",
        type=_vectors,
        action="append",
        default=[],
        metavar="NAME=FILE.npz",
        help="compare with another model: NumPy arrays 'paths' (below SOURCE) and 'vectors'; may be repeated",
    )
    command.add_argument("--seed", type=_number(0), default=0, metavar="N", help="draws other halves and sets")
    command.add_argument(
        "--queries", type=_number(1), default=QUERIES, metavar="N", help="sets of a label at most; default: %(default)s"
    )
    command.add_argument(
        "--negatives", type=_number(1), default=NEGATIVES, metavar="N", help="of a set at most; default: %(default)s"
    )
    command.add_argument("--html", type=Path, metavar="FILE.html", help="write a page with curves and pictures")
    command.add_argument("--csv", type=Path, metavar="FILE.csv", help="write all figures, in total and by label")
    command.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="take a collection's pictures from here, not from the container: the folder that holds the collection's",
    )
    command.add_argument(
        "--no-duplicates", action="store_true", help="do not measure how duplicates of a folder's photos are found"
    )


def _work(options: Options) -> Outcome:
    folder = Path(options.source)
    if not folder.is_dir():
        try:
            options.source = collection_name(options.source)
            return with_stores(options)
        except (argparse.ArgumentTypeError, SettingsError) as error:
            said = f"There is no folder {printable(options.source)}, and no collection can be read. {error}"
            raise CommandError(said) from error
    settings = command_settings()
    _check(options)
    labels, others = read_labels(options.labels), _others(options)
    duplicates = None
    with progress_bar() as progress:
        images = of_folder(folder, labels, settings, lambda done: progress("embedding", done))
        found, images = _measured(options, images, "", others, progress)
        if not options.no_duplicates:
            duplicates, images = duplicates_of_folder(folder, images, settings, progress)
        images = _write(options, found, images, lambda: from_folder(folder, settings), duplicates)
    return outcome(options, found, images, duplicates)


def _of_collection(options: Options, tools: Tools) -> Outcome:
    _check(options)
    collection = options.source
    labels, others = read_labels(options.labels), _others(options)
    with progress_bar() as progress:
        images = of_collection(collection, labels, tools, lambda done: progress("reading", done))
        found, images = _measured(options, images, f"{collection}/", others, progress)
        folder, settings = options.images, tools.settings
        images = _write(
            options, found, images, lambda: from_folder(folder, settings) if folder else from_storage(settings), None
        )
    return outcome(options, found, images, None)


def _check(options: Options) -> None:
    """That what will be written can be, before all the work is done."""
    for file in (options.html, options.csv):
        if file and not file.parent.is_dir():
            raise CommandError(f"The folder {printable(str(file.parent))} does not exist.")
    names = [backbone.MODEL, *(name for name, _ in options.vectors)]
    if len(set(names)) < len(names):
        raise CommandError("Two models are called the same.")
    if options.images and not options.images.is_dir():
        raise CommandError(f"{printable(str(options.images))} is no folder.")


def _others(options: Options) -> Mapping[str, Mapping[str, Vector]]:
    return {name: read_vectors(file) for name, file in options.vectors}


def _measured(
    options: Options,
    images: LabelledImages,
    prefix: str,
    others: Mapping[str, Mapping[str, Vector]],
    progress: Callable[[str, float], object],
) -> tuple[Evaluation, LabelledImages]:
    """What came of it, and the images that it is about: those that all models know."""
    common = in_common([path.removeprefix(prefix) for path in images.paths], images.vectors, backbone.MODEL, others)
    labels = [images.labels[row] for row in common.rows]
    notes = [*images.notes, *(_lacking(model, paths) for model, paths in common.lacking.items())]
    alone = sorted(label for label in set(labels) if labels.count(label) == 1)
    if alone:
        notes.append(f"Labels of one image are not measured: {', '.join(alone[:NAMED])}{', …' * (len(alone) > NAMED)}")
    setup = Setup(options.seed, options.queries, options.negatives)
    found = evaluate(labels, common.models, options.rankers, setup, progress)
    paths = [images.paths[row] for row in common.rows]
    return found, LabelledImages(paths, common.models[backbone.MODEL], labels, notes, images.failed)


def _lacking(model: str, paths: Sequence[str]) -> str:
    some = ", ".join(paths[:NAMED]) + (", …" if len(paths) > NAMED else "")
    return f"The model {model} has no vector of {plural(len(paths), 'image')}, left out for all: {some}"


def _write(
    options: Options,
    found: Evaluation,
    images: LabelledImages,
    picture: Callable[[], Picture],
    duplicates: DuplicateFigures | None,
) -> LabelledImages:
    """Write the files that were asked for, and note which pictures are missing."""
    if options.csv:
        options.csv.write_text("".join(as_csv(found)), encoding="utf-8", errors="backslashreplace", newline="")
    if not options.html:
        return images
    part = duplicates_html(duplicates) if duplicates else ""
    chosen = choose(found)
    paths = list(dict.fromkeys(images.paths[row] for row in chosen.images))
    pictures = read_pictures(paths, picture())
    page = report_page(options.source, found, images.paths, images.notes, chosen, pictures, part)
    options.html.write_text(page, encoding="utf-8")  # which says itself what is missing
    if lost := sum(picture is None for picture in map(pictures.found.get, paths)):
        why = from_a_folder(pictures.trouble) if pictures.trouble else "gone or broken"
        images = images._replace(notes=[*images.notes, f"{missing(lost, len(paths))}: {why}"])
    return images


def _rankers(given: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    if unknown := [name for name in names if name not in RANKERS]:
        raise argparse.ArgumentTypeError(f"there is no ranker {unknown[0]!r:.50}; there are {', '.join(RANKERS)}")
    return names


def _vectors(given: str) -> tuple[str, Path]:
    name, _, file = given.partition("=")
    if not name.strip() or not file:
        raise argparse.ArgumentTypeError("it takes NAME=FILE.npz")
    return name.strip(), Path(file)


def _number(least: int) -> Callable[[str], int]:
    def number(given: str) -> int:
        if not given.isdecimal() or len(given) > 9 or int(given) < least:
            raise argparse.ArgumentTypeError(f"it takes a whole number from {least} to 999999999")
        return int(given)

    return number
