"""What the commands of `python -m clustering` do: each gives its answer for scripts and for people."""

import json
from collections.abc import Callable

from clustering.assignment import TRIES, Current, FitGoneError, current
from clustering.fits import read_parameters
from clustering.fitting import curve
from clustering.fitting.fit import NothingToFitError, run_fit
from clustering.reporting.groups import groups
from clustering.reporting.plot import ADVICE, text_curve
from clustering.views import list_clusters
from shared import backbone
from shared.command_line import CommandError, Options, Outcome, Tools, elsewhere
from shared.features import StoreBusy
from shared.markup import plural
from shared.sampling import load
from shared.terminal import aligned, printable, progress_bar

SHOWN = 50
"""Clusters that are printed for people; --json has all."""


def fit(options: Options, tools: Tools) -> Outcome:
    """Fit a collection; the fit is in force afterwards."""
    parameters = read_parameters(
        {
            "algorithm": options.algorithm,
            "eps": options.eps,
            "minSamples": options.min_samples,
            "maxImages": options.max_images,
            "noiseOnly": options.noise_only,
        }
    )
    with progress_bar() as progress:
        try:
            run_fit(options.collection, parameters, tools.features, tools.fits, progress=progress)
        except NothingToFitError as error:
            raise CommandError(f"{error}{elsewhere(options.collection, tools)}") from error
    return show(options, tools)


def eps(options: Options, tools: Tools) -> Outcome:
    """What helps to choose eps. Nothing is changed."""
    parameters = read_parameters({"minSamples": options.min_samples})
    with progress_bar() as progress:
        images = load(options.collection, parameters.max_images, tools.features, lambda done: progress("reading", done))
        if len(images.paths) < 2:
            raise CommandError(
                f"The collection {printable(options.collection)} holds {plural(len(images.paths), 'image')} of the "
                f"model {backbone.MODEL}; a curve takes two at least.{elsewhere(options.collection, tools)}"
            )
        distances = curve.k_distances(images.vectors, parameters.min_samples)
        rows = curve.sweep(
            images.vectors,
            min_samples=parameters.min_samples,
            eps=parameters.eps,
            progress=lambda done: progress("trying values of eps", done),
        )
    knee = curve.knee(distances)
    content = {
        "collection": options.collection,
        "images": images.of,
        "minSamples": parameters.min_samples,
        "knee": knee,
        "curve": curve.thinned(distances),
        "sweep": [row._asdict() for row in rows],
    }
    table = [("eps", "clusters", "noise", "largest")]
    table += [(f"{row.eps:.3g}", str(row.clusters), str(row.noise), str(row.largest)) for row in rows]
    bend = "the curve has no clear knee" if knee is None else f"the curve bends at {knee:.3g}"
    lines = [text_curve(content["curve"], k=parameters.min_samples, knee=knee), "", *aligned(table), "", bend, ADVICE]
    if parameters.min_samples > images.of:
        said = f"min_samples is {parameters.min_samples}, but there are {plural(images.of, 'image')}"
        lines.append(f"{said}: no cluster can be that large; give a smaller --min-samples")
    return Outcome(content, "\n".join(lines))


def show(options: Options, tools: Tools) -> Outcome:
    """The fit in force."""
    now = fit_in_force(options.collection, tools)
    found = groups(*now)
    content = json.loads(list_clusters(options.collection, tools.features).body)  # what scripts get by HTTP
    lines = _summary(now, tools)
    if found:
        lines += ["", "largest first"]
        table = [("cluster", "images", "core samples", "spread", "labels")]
        for group in found[:SHOWN]:
            words = ", ".join(map(printable, group.words))
            table.append((str(group.id), str(group.size), str(group.cores), f"{group.spread:.2f}", words))
        lines += aligned(table, texts=1)
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more: --json lists all")
    return Outcome(content, "\n".join(lines))


def fit_in_force(collection: str, tools: Tools) -> Current:
    """The clustering of a collection. Raises CommandError before its first fit, and StoreBusy."""
    now = current(collection, tools.features)
    if now is None:
        name = printable(collection)
        raise CommandError(f"The collection {name} has no clusters yet. Begin with: python -m clustering fit {name}")
    return now


def again[T](collection: str, tools: Tools, work: Callable[[Current], T]) -> T:
    """Work on the fit in force, once more on the next one where that one is dropped meanwhile."""
    for _ in range(TRIES):
        try:
            return work(fit_in_force(collection, tools))
        except FitGoneError:
            continue
    raise StoreBusy("The store does not hold the members of the fit: fit again.", 1)


def _summary(now: Current, tools: Tools) -> list[str]:
    fit, how = now.fit, now.fit.parameters
    merged = sum(cluster.id in now.state.merged for cluster in fit.clusters)
    held = tools.features.counts(fit.collection).get(fit.collection, {}).get(fit.model, 0)
    later = [] if held == fit.images else [f"images now: {held}; the fit is of {fit.images}, so fit again in time"]
    used = f"dbscan, eps {how.eps:g}" if how.algorithm == "dbscan" else "hdbscan"
    lines = [
        f"collection: {printable(fit.collection)}",
        f"fit: {fit.id}, {used}, min_samples {how.min_samples}, {fit.seconds:.1f} s",
        f"images: {fit.images}" + ("" if fit.learned_from >= fit.images else f" (learned from {fit.learned_from})"),
        *later,
        f"clusters: {len(groups(*now))}" + (f" ({merged} merged by people)" if merged else ""),
        f"noise: {fit.noise}",
        f"silhouette: {'none' if fit.silhouette is None else f'{fit.silhouette:.2f}'}",
    ]
    if fit.changes:
        lines += [f"split: {old} into {', '.join(map(str, into))}" for old, into in fit.changes.splits.items()]
        lines += [f"merged: {new} from {', '.join(map(str, of))}" for new, of in fit.changes.merges.items()]
    return lines + [f"warning: {warning}" for warning in fit.warnings]
