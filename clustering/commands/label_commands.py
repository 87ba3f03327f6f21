"""The commands about labels: what people call clusters, and their way in and out of files."""

import json
import sys
from pathlib import Path

from clustering.commands.commands import again, fit_in_force
from clustering.labels import as_csv, dictionary, edit_labels, labelled_images, replace_labels
from clustering.state import State
from shared.command_line import CommandError, Options, Outcome, Tools
from shared.contract import Json
from shared.markup import plural
from shared.terminal import printable


def label(options: Options, tools: Tools) -> Outcome:
    """Give words to a cluster, or take them away."""
    before = fit_in_force(options.collection, tools).state.words(options.cluster)
    state = _edited({options.how: {str(options.cluster): options.words}}, options, tools)
    absent = [word for word in options.words if word.strip() not in before] if options.how == "remove" else []
    lines = [f"{printable(word)} was not among its labels" for word in absent]
    return _outcome([options.cluster], state, options, lines, failed=bool(absent))


def rename(options: Options, tools: Tools) -> Outcome:
    """Put one word in the place of another, wherever it is."""
    before = fit_in_force(options.collection, tools).state.labels
    holders = [cluster for cluster, words in before.items() if options.old in words]
    if not holders:
        raise CommandError(f"No cluster is called {printable(options.old)}.")
    return _outcome(holders, _edited({"rename": {options.old: options.new}}, options, tools), options)


def merge(options: Options, tools: Tools) -> Outcome:
    """Make two clusters one, from now on and after later fits."""
    state = _edited({"merge": {str(options.cluster): options.into}}, options, tools)
    into = state.shown(options.cluster)
    said = f"{options.cluster} is part of {into} from now on, whose labels are: {_words(into, state)}"
    return Outcome(_content([into], state, options), f"{said}; `unmerge` undoes it")


def unmerge(options: Options, tools: Tools) -> Outcome:
    """Make a cluster stand for itself again."""
    former = fit_in_force(options.collection, tools).state.shown(options.cluster)
    state = _edited({"unmerge": [options.cluster]}, options, tools)
    said = f"{options.cluster} stands for itself again, whose labels are: {_words(options.cluster, state)}"
    said += f"; words that it gave {former} stay there"
    return Outcome(_content([options.cluster, former], state, options), said)


def export_labels(options: Options, tools: Tools) -> Outcome:
    """The labels as a dictionary, or the images with their labels."""
    ending = Path(options.file).suffix.lower()
    how = options.format or {".csv": "csv", ".json": "json"}.get("" if options.file == "-" else ending)
    if how is None and options.file != "-":
        raise CommandError(
            f"{printable(options.file)} ends neither in .json nor in .csv: say which it is to be with --format."
        )
    if how == "csv":
        lines = again(
            options.collection, tools, lambda now: list(as_csv(labelled_images(now, tools.features, tools.fits)))
        )
        text, count, what = "".join(lines), len(lines) - 1, "image"
    else:
        words = dictionary(fit_in_force(options.collection, tools))
        text, count, what = json.dumps(words, ensure_ascii=False, indent=2) + "\n", len(words), "cluster"
    if options.file == "-":
        sys.stdout.write(text)
        return Outcome(None, "")
    Path(options.file).write_text(text, encoding="utf-8", newline="")
    return Outcome({"file": options.file, f"{what}s": count}, f"{printable(options.file)}: {plural(count, what)}")


def import_labels(options: Options, tools: Tools) -> Outcome:
    """Replace all labels by those of a dictionary."""
    try:
        given = json.loads(options.file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{printable(str(options.file))} is not JSON.") from error
    before = fit_in_force(options.collection, tools).state
    state = replace_labels(options.collection, given, tools.features, fit=None)
    lost = sorted(before.labels.keys() - state.labels.keys())
    content = {
        "collection": options.collection,
        "labels": {cluster: list(words) for cluster, words in state.labels.items()},
        "lost": lost,
    }
    text = f"{plural(len(state.labels), 'cluster')} {'has' if len(state.labels) == 1 else 'have'} labels"
    return Outcome(content, f"{text}; {plural(len(lost), 'cluster')} lost theirs" if lost else text)


def _edited(edit: Json, options: Options, tools: Tools) -> State:
    fit_in_force(options.collection, tools)  # raises with the command that starts one
    return edit_labels(options.collection, edit, tools.features, fit=None)


def _outcome(
    clusters: list[int], state: State, options: Options, more: list[str] | None = None, *, failed: bool = False
) -> Outcome:
    lines = [f"{cluster}: {_words(cluster, state)}" for cluster in clusters]
    return Outcome(_content(clusters, state, options), "\n".join([*lines, *(more or [])]), failed)


def _content(clusters: list[int], state: State, options: Options) -> Json:
    return {
        "collection": options.collection,
        "labels": {str(cluster): list(state.words(cluster)) for cluster in clusters},
    }


def _words(cluster: int, state: State) -> str:
    return ", ".join(map(printable, state.words(cluster))) or "(no labels)"
