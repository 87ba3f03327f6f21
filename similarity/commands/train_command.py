"""The commands about rankers: train one, look at them, switch one on or off."""

import argparse
from collections.abc import Mapping, Sequence

from shared.command_line import CommandError, Options, Outcome, Tools, elsewhere
from shared.markup import plural
from shared.terminal import aligned, printable, progress_bar
from similarity.commands.adding import Add
from similarity.commands.label_option import add_labels, read_labels
from similarity.ranking import stored
from similarity.ranking.examples import TrainingError
from similarity.ranking.labels import LabelError
from similarity.ranking.measuring import Figures, Step
from similarity.ranking.rankers import LEARNED
from similarity.ranking.stored import RankerError, Stored, UnknownRankerError
from similarity.ranking.training import MAX_SEED, Report, list_json, report_json
from similarity.ranking.training import train as train_ranker

ERRORS: tuple[type[Exception], ...] = (LabelError, RankerError, TrainingError, UnknownRankerError)

HEADER = ("mAP", "recall@1", "mean rank")


def add(add: Add) -> None:
    """Add the commands."""
    about = "let a ranker learn from labels which images are alike, and switch it on where that helps"
    command = add("train", train, about, "photos --labels tag:kind")
    command.add_argument("--ranker", choices=LEARNED, default="projection", help="default: %(default)s")
    add_labels(command)
    command.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="another one holds back other images; default: %(default)s"
    )
    about = "list the rankers of a collection, switch one on or off, or delete one"
    command = add("rankers", rankers, about, "photos --off")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--on", choices=LEARNED, help="switch this one on; one that is no better than cosine is refused")
    what.add_argument("--off", action="store_true", help="switch off the one that is on")
    what.add_argument("--delete", choices=LEARNED, help="forget this one")


def train(options: Options, tools: Tools) -> Outcome:
    """Train a ranker."""
    source = read_labels(options.labels)
    if said := elsewhere(options.collection, tools):
        raise CommandError(f"The collection {printable(options.collection)} holds no images.{said}")
    with progress_bar() as progress:
        report = train_ranker(options.collection, options.ranker, source, tools.features, progress, seed=options.seed)
    return Outcome(report_json(options.collection, report), "\n".join(_report(report)))


def rankers(options: Options, tools: Tools) -> Outcome:
    """The rankers of a collection, after a change if one was asked for."""
    collection, features = options.collection, tools.features
    if options.on or options.off:
        found = stored.switch(collection, options.on, features)
    elif options.delete:
        found = stored.drop(collection, options.delete, features)
    else:
        found = stored.read(collection, features)
    return Outcome(list_json(collection, found), "\n".join(_list(collection, found)))


def _report(report: Report) -> list[str]:
    trained, measured = report.trained, report.measured
    lines = [
        f"{trained.name} learned {plural(trained.labels, 'label')} from {plural(trained.images, 'image')}",
        *_left_out(report),
    ]
    if measured:
        lines += [
            "",
            f"measured on {plural(measured.held_out, 'image')} that were held back; means of "
            f"{plural(measured.halvings, 'halving')}",
            *_table(measured.figures),
            "",
            f"{trained.name} by what it learned from",
            *aligned(
                [
                    (*HEADER, "examples of a label", "images"),
                    *((*_cells(step.figures), str(step.examples), str(step.images)) for step in measured.curve),
                ]
            ),
        ]
        lines.append(_better_from(measured.better_from))
    return [*lines, "", f"not switched on: {printable(report.why_not)}" if report.why_not else "switched on"]


def _better_from(first: Step | None) -> str:
    if not first:
        return "there is no size from which on it beats cosine by more than chance"
    examples, images = plural(first.examples, "example"), plural(first.images, "image")
    return f"better than cosine from {examples} of a label on, {images} in all"


def _left_out(report: Report) -> list[str]:
    given, lines = report.given, []
    if report.alone:
        lines.append(f"left out, for a label takes two images: {_some(report.alone)}")
    if given.missing:
        lines.append(f"not in the collection: {_some(given.missing)}")
    if given.of > len(given.paths):
        lines.append(f"a sample: {plural(given.of, 'image')} have labels")
    return lines


def _table(figures: Mapping[str, Figures]) -> list[str]:
    return aligned([(*HEADER, "ranker"), *((*_cells(some), name) for name, some in figures.items())], texts=1)


def _cells(figures: Figures) -> tuple[str, str, str]:
    return (f"{figures.mean_average_precision:.3f}", f"{figures.recall_at_1:.3f}", f"{figures.mean_rank:.2f}")


def _some(names: Sequence[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(map(printable, names[:shown])) + more


def _list(collection: str, found: Stored) -> list[str]:
    if not found.rankers:
        name = printable(collection)
        return [f"The collection {name} has no ranker yet. Begin with: python -m similarity train {name}"]
    lines = []
    for trained in found.rankers.values():
        state = "switched on" if found.on == trained.name else "off"
        lines += [
            f"{trained.name}: {state}; {plural(trained.labels, 'label')} and {plural(trained.images, 'image')}, "
            f"{printable(trained.source)}, {trained.trained:%Y-%m-%d %H:%M} UTC",
            *_table(trained.figures),
        ]
        if trained.objection:
            lines.append(f"cannot be switched on: {printable(trained.objection)}")
        lines.append("")
    return lines[:-1]


def _seed(text: str) -> int:
    seed = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= seed <= MAX_SEED:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 to {MAX_SEED}")
    return seed
