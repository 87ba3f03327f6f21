"""The commands about labels: what people call clusters, and their way in and out of files."""

import json
import sys
from pathlib import Path

from clustering.commands.commands import CommandError, Options, Outcome, Tools, again, fit_in_force
from clustering.commands.terminal import printable
from clustering.labels import as_csv, dictionary, edit_labels, labelled_images, replace_labels
from shared.contract import Json


def label(options: Options, tools: Tools) -> Outcome:
    """Give words to a cluster, or take them away."""
    return _edited({options.how: {str(options.cluster): options.words}}, [options.cluster], options, tools)


def rename(options: Options, tools: Tools) -> Outcome:
    """Put one word in the place of another, wherever it is."""
    before = fit_in_force(options.collection, tools).state.labels
    holders = [cluster for cluster, words in before.items() if options.old in words]
    if not holders:
        raise CommandError(f"No cluster is called {printable(options.old)}.")
    return _edited({"rename": {options.old: options.new}}, holders, options, tools)


def merge(options: Options, tools: Tools) -> Outcome:
    """Make two clusters one, from now on and after later fits."""
    return _edited({"merge": {str(options.cluster): options.into}}, [options.into], options, tools)


def export_labels(options: Options, tools: Tools) -> Outcome:
    """The labels as a dictionary, or the images with their labels."""
    how = options.format or ("csv" if options.file.lower().endswith(".csv") else "json")
    if how == "csv":
        lines = again(options.collection, tools, lambda now: list(as_csv(labelled_images(now, tools.fits))))
        text, count = "".join(lines), len(lines) - 1
    else:
        words = dictionary(fit_in_force(options.collection, tools))
        text, count = json.dumps(words, ensure_ascii=False, indent=2) + "\n", len(words)
    what = "images" if how == "csv" else "clusters"
    if options.file == "-":
        sys.stdout.write(text)
        return Outcome(None, "")
    Path(options.file).write_text(text, encoding="utf-8", newline="")
    return Outcome({"file": options.file, what: count}, f"{options.file}: {count} {what}")


def import_labels(options: Options, tools: Tools) -> Outcome:
    """Replace all labels by those of a dictionary."""
    try:
        given = json.loads(options.file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{printable(str(options.file))} is not JSON.") from error
    state = replace_labels(options.collection, given, tools.features, fit=None)
    named = {cluster: list(words) for cluster, words in state.labels.items() if words}
    return Outcome({"collection": options.collection, "labels": named}, f"{len(named)} clusters have labels")


def _edited(edit: Json, clusters: list[int], options: Options, tools: Tools) -> Outcome:
    state = edit_labels(options.collection, edit, tools.features, fit=None)
    now = {str(cluster): list(state.words(cluster)) for cluster in clusters}
    lines = [f"{cluster}: {', '.join(map(printable, words)) or '(no labels)'}" for cluster, words in now.items()]
    return Outcome({"collection": options.collection, "labels": now}, "\n".join(lines))
