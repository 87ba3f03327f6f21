"""`python -m clustering`: fit a collection, look at its clusters, name them, and see where a photo belongs."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from clustering.commands import assign_command, commands, label_commands, report_command
from clustering.edits import MAX_LENGTH, MAX_WORDS, LabelError, UnknownClusterError
from clustering.fits import EPS, MAX_IMAGES, MAX_IMAGES_HDBSCAN, MIN_SAMPLES, ParameterError
from clustering.fitting.fit import NothingToFitError
from clustering.fitting.publishing import FitSupersededError
from clustering.labels import StaleFitError
from clustering.state import StateTooLongError
from shared.command_line import (
    Outcome,
    Tools,
    collection_name,
    common_options,
    prepare_streams,
    run,
)

type Run = Callable[[argparse.Namespace, Tools], Outcome]


class Add(Protocol):
    """Adds a command: its name, what does it, what that is, and the rest of a line as an example."""

    def __call__(self, name: str, run: Run, about: str, example: str, /) -> argparse.ArgumentParser: ...


OPTIONS = {
    "algorithm": "--algorithm",
    "eps": "--eps",
    "minSamples": "--min-samples",
    "maxImages": "--max-images",
    "noiseOnly": "--noise-only",
}
"""The parameters of a fit, as errors call them and as they are typed."""

_FOR_THE_READER = (
    FitSupersededError,
    LabelError,
    NothingToFitError,
    ParameterError,
    StaleFitError,
    StateTooLongError,
    UnknownClusterError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when some of it could not be done, 2 when the command could not be done."""
    stopped = "stopped; a fit that did not end leaves the one in force as it was"
    return run("clustering", _arguments(arguments), _FOR_THE_READER, said=_by_options, stopped=stopped)


def _by_options(said: str) -> str:
    """What an error says, of parameters by the names that they have here."""
    for name, option in OPTIONS.items():
        said = said.replace(f"'{name}'", option)
    return said


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m clustering",
        description="Groups the images of a collection that look alike, and shows and names the groups. The stores are "
        "what the environment says (COSMOS_ENDPOINT, or DATA_DIR), or else local.settings.json in this folder.",
        epilog="A command that ends early changes nothing: the fit that was in force still is. Exit codes: 0, 1 when "
        "some of it could not be done, 2 when the command could not.",
    )
    some = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Run, about: str, example: str) -> argparse.ArgumentParser:
        said = f"Example: python -m clustering {name} {example}"
        command = some.add_parser(name, help=about, description=about, epilog=said, parents=[common_options()])
        command.set_defaults(run=run)
        command.add_argument(
            "collection", type=collection_name, metavar="COLLECTION", help="its name: the first folder of its images"
        )
        return command

    _add_fits(add)
    _add_labels(add)
    _add_files(add)
    return parser.parse_args(arguments)


def _add_fits(add: Add) -> None:
    about = "find the clusters of a collection; they are in force when it ends"
    fit = add("fit", commands.fit, about, "photos --eps 0.4")
    fit.add_argument(
        "--eps", type=float, help=f"how near images must be, a cosine distance above 0 and up to 2; default: {EPS}"
    )
    _add_min_samples(fit, " (2 with hdbscan)")
    fit.add_argument(
        "--algorithm", choices=("dbscan", "hdbscan"), default="dbscan", help="hdbscan takes no --eps; default: dbscan"
    )
    fit.add_argument(
        "--max-images",
        type=int,
        metavar="N",
        help=f"learn from a sample where there are more, 100 to {2 * MAX_IMAGES}; default: {MAX_IMAGES}; "
        f"with hdbscan up to {2 * MAX_IMAGES_HDBSCAN}, default: {MAX_IMAGES_HDBSCAN}",
    )
    fit.add_argument(
        "--noise-only", action="store_true", help="keep the clusters as they are, and find new ones among the rest"
    )
    about = "help with choosing eps: the k-distance curve, and what values would find"
    _add_min_samples(add("eps", commands.eps, about, "photos --min-samples 3"))
    add("show", commands.show, "list the clusters of the fit in force", "photos")


def _add_min_samples(command: argparse.ArgumentParser, but: str = "") -> None:
    command.add_argument(
        "--min-samples",
        type=int,
        default=MIN_SAMPLES,
        metavar="N",
        help="how many images, itself included, must be near one to begin a cluster, "
        f"1{but} to 1000000; default: %(default)s",
    )


def _add_labels(add: Add) -> None:
    about = "call a cluster by these words, in the place of those that it has"
    label = add("label", label_commands.label, about, "photos 3 flower 花")
    label.add_argument("cluster", type=int, metavar="CLUSTER", help="its id, as show lists it")
    label.add_argument(
        "words", nargs="+", metavar="WORD", help=f"up to {MAX_WORDS}, each of up to {MAX_LENGTH} characters"
    )
    how = label.add_mutually_exclusive_group()
    how.add_argument("--add", dest="how", action="store_const", const="add", help="besides those that it has")
    how.add_argument("--remove", dest="how", action="store_const", const="remove", help="take these words away")
    label.set_defaults(how="set")
    about = "put a word in the place of another one, in all clusters"
    rename = add("rename", label_commands.rename, about, "photos flower blossom")
    rename.add_argument("old", metavar="OLD", help="the word that some clusters have")
    rename.add_argument("new", metavar="NEW", help="the word that they get for it")
    about = "make a cluster part of another one, now and after later fits"
    merge = add("merge", label_commands.merge, about, "photos 1 5")
    merge.add_argument("cluster", type=int, metavar="CLUSTER", help="the id of the one that ends; its words go along")
    merge.add_argument("into", type=int, metavar="INTO", help="the id of the one that stays")
    about = "make a merged cluster stand for itself again; words that went along stay where they are"
    unmerge = add("unmerge", label_commands.unmerge, about, "photos 1")
    unmerge.add_argument("cluster", type=int, metavar="CLUSTER", help="the id that it had before it was merged")


def _add_files(add: Add) -> None:
    about = "write labels by cluster (JSON), or images with their labels (CSV)"
    out = add("export", label_commands.export_labels, about, "photos labels.json")
    out.add_argument("file", metavar="FILE", help="ending in .json or .csv; - writes to the standard output")
    out.add_argument("--format", choices=("json", "csv"), help="default: by the file's ending; json for -")
    about = "replace all labels by those of a file as export writes it"
    into = add("import", label_commands.import_labels, about, "photos labels.json")
    into.add_argument("file", type=Path, metavar="FILE.json", help="clusters that are not in it lose their labels")
    about = "say which clusters photos on this machine belong to; stores nothing"
    assign = add("assign", assign_command.assign_photos, about, "photos new.jpg")
    assign.add_argument("photos", nargs="+", metavar="PHOTO", help="an image file")
    about = "write a page with pictures of every cluster"
    report = add("report", report_command.report, about, "photos report.html --images samples/images")
    report.add_argument("file", type=Path, metavar="FILE.html", help="the page; one that is there is replaced")
    report.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="take the images from here, instead of the images container: the folder that holds the collection's",
    )
    report.add_argument("--png", type=Path, metavar="DIR", help="write a contact sheet of each cluster there as well")


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
