"""`python -m clustering`: fit a collection, look at its clusters, name them, and see where a photo belongs."""

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from clustering.commands import assign_command, commands, label_commands, report_command
from clustering.commands.commands import CommandError, Outcome, Tools
from clustering.edits import MAX_LENGTH, MAX_WORDS, LabelError, UnknownClusterError
from clustering.fits import EPS, MAX_IMAGES, MAX_IMAGES_HDBSCAN, MIN_SAMPLES, ParameterError
from clustering.fitting.fit import NothingToFitError
from clustering.fitting.publishing import FitSupersededError
from clustering.labels import StaleFitError
from clustering.state import StateTooLongError
from shared.features import StoreBusy, usable_collection
from shared.local_settings import command_settings
from shared.settings import Settings, SettingsError
from shared.stores import open_fit_store, open_store
from shared.terminal import told

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

# What ends a command with a line: each of them says what is wrong and what to do.
_FOR_THE_READER = (
    CommandError,
    FitSupersededError,
    LabelError,
    NothingToFitError,
    OSError,
    ParameterError,
    SettingsError,
    StaleFitError,
    StateTooLongError,
    StoreBusy,
    UnknownClusterError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when some of it could not be done, 2 when the command could not be done."""
    options = _arguments(arguments)
    try:
        outcome = _outcome(options)
        if answer := json.dumps(outcome.content) if options.json and outcome.content else outcome.text:
            print(answer, flush=True)
    except BrokenPipeError:
        # Whoever reads has read enough. What Python would still write at its end has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except _FOR_THE_READER as error:
        print(f"clustering: {_told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("clustering: stopped; a fit that did not end leaves the one in force as it was", file=sys.stderr)
        return 2
    else:
        return 1 if outcome.failed else 0
    return 0


def _collection(text: str) -> str:
    if not usable_collection(text):
        raise argparse.ArgumentTypeError("no collection can be called so")
    return text


def _told(error: Exception) -> str:
    """What an error says, of parameters by the names that they have here."""
    said = told(error) if isinstance(error, OSError) else str(error)
    for name, option in OPTIONS.items():
        said = said.replace(f"'{name}'", option)
    return said


def _outcome(options: argparse.Namespace) -> Outcome:
    settings = _settings(options.data)
    with closing(open_store(settings)) as features, closing(open_fit_store(settings)) as fits:
        outcome: Outcome = options.run(options, Tools(features, fits, settings))
    return outcome


def _settings(data: Path | None) -> Settings:
    settings = command_settings()
    if data and settings.cosmos_endpoint:
        raise SettingsError("--data names the folder of the embedded store, but COSMOS_ENDPOINT is set.")
    settings = replace(settings, data_dir=data) if data else settings
    if not settings.cosmos_endpoint and not (settings.data_dir / "features.sqlite").is_file():
        # It would be made, empty, and every collection in it would be unknown.
        raise SettingsError(f"There is no feature store in {settings.data_dir}: name its folder with --data.")
    return settings


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print the answer as JSON")
    shared.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder of the embedded store; default: DATA_DIR or .local"
    )
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
        command = some.add_parser(name, help=about, description=about, epilog=said, parents=[shared])
        command.set_defaults(run=run)
        command.add_argument(
            "collection", type=_collection, metavar="COLLECTION", help="its name: the first folder of its images"
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
    # Libraries warn of each try and of each connection; what matters comes as an error.
    logging.disable(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a word is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
