"""One page that shows a fit: what it found and how well, and pictures of each cluster.

Names and labels come from anywhere, so every text goes through `markup.text`.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from clustering.assignment import Current
from clustering.fits import Changes, Fit, SweepRow
from clustering.fitting.curve import SWEPT
from clustering.jobs import status_path
from clustering.reporting.groups import Group, groups
from clustering.reporting.plot import ADVICE, svg_curve
from clustering.reporting.report_clusters import SHOWN, Samples, clusters_html, find_samples, noise_html
from shared.contract import Deadline
from shared.features import FeatureStore
from shared.fits import FitStore
from shared.markup import LISTED, ids, missing, plural, text
from shared.page import page
from shared.pictures import Picture

STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def report_html(
    current: Current,
    features: FeatureStore,
    fits: FitStore,
    picture: Picture,
    deadline: Deadline | None = None,
) -> str:
    """The page of the fit in force: HTML, complete in itself.

    Args:
        current: The fit, and what people call its clusters and merged.
        features: Where the images of the collection are counted.
        fits: Where the members of the fit are.
        picture: Gives the pictures; see `pictures.py`. When the storage cannot be asked, the page says so.
        deadline: Pictures that are not there by then are left out, and the page says so.

    Raises:
        StoreBusy: A store did not answer.
    """
    return report_page(current, features, report_samples(current, fits, picture, deadline))


def report_samples(current: Current, fits: FitStore, picture: Picture, deadline: Deadline | None = None) -> Samples:
    """What the page has pictures of, and these. Arguments and errors are those of `report_html`."""
    return find_samples(groups(*current)[:SHOWN], current.fit, fits, picture, deadline)


def report_page(current: Current, features: FeatureStore, shown: Samples) -> str:
    """The page with these pictures. Raises StoreBusy."""
    fit = current.fit
    found = groups(*current)
    now = features.counts(fit.collection).get(fit.collection, {}).get(fit.model, 0)
    body = [
        f"<h1>Clusters of <bdi>{text(fit.collection)}</bdi></h1>",
        f'<p class="soft">Fitted on {fit.started:%d %B %Y at %H:%M} UTC in {_duration(fit.seconds)}</p>',
        _naming(fit.collection, found),
        _figures(fit, found),
        _warnings(fit, shown, now),
        f"<p>{_quality(fit)}</p>",
        _changes(fit.changes),
        _eps(fit),
        clusters_html(found, shown),
        noise_html(fit, shown),
        _parameters(fit),
    ]
    return page(f"Clusters of {fit.collection}", body, STYLE)


def page_path(collection: str) -> str:
    """Where the running app shows the page, below the host's name."""
    return status_path(collection).removesuffix("fit") + "report"


def other_pictures(collection: str) -> str:
    """What to do when the storage gives no pictures."""
    return (
        "`python -m clustering report` takes them from a folder with `--images FOLDER`; the running app shows the page "
        f"at {page_path(collection)}."
    )


def _naming(collection: str, found: Sequence[Group]) -> str:
    if not found:
        return ""
    cluster, path = found[0].id, status_path(collection).removesuffix("fit") + "labels"
    command = f"python -m clustering label {shlex.quote(collection)} {cluster} WORD …"
    return (
        f'<p class="soft">To name a cluster: <code>{text(command)}</code>, or PATCH <code>{text(path)}</code> with '
        f"<code>{text(f'{{"set": {{"{cluster}": ["WORD"]}}}}')}</code>.</p>"
    )


def _figures(fit: Fit, found: Sequence[Group]) -> str:
    clustered = sum(group.size for group in found)
    figures = [
        ("Images", f"{fit.images:,}", ""),
        ("Clusters", f"{len(found):,}", ""),
        ("In clusters", f"{clustered:,}", _share(clustered, fit.images)),
        ("In none (noise)", f"{fit.noise:,}", _share(fit.noise, fit.images)),
        ("Largest cluster", f"{found[0].size:,}" if found else "–", _share(found[0].size, fit.images) if found else ""),
        ("Silhouette", "–" if fit.silhouette is None else f"{fit.silhouette:.2f}", ""),
    ]
    items = "".join(
        f"<div><dt>{name}</dt><dd>{value} <small>{beside}</small></dd></div>" for name, value, beside in figures
    )
    return f'<dl class="figures">{items}</dl>'


def _warnings(fit: Fit, shown: Samples, now: int) -> str:
    said = list(fit.warnings)
    if fit.learned_from < fit.images:
        said.append(
            f"The fit learned from a sample of {fit.learned_from:,} images and assigned the others to what it found: "
            "small clusters may be missing."
        )
    if now != fit.images:
        said.append(
            f"The collection holds {now:,} images of this model now, {fit.images:,} when it was fitted. "
            "New images are assigned to these clusters; only another fit finds new ones."
        )
    if shown.pictures.trouble:
        how_many = missing(len(shown.missing), len(shown.paths))
        said.append(f"{how_many}: {shown.pictures.trouble} {other_pictures(fit.collection)}")
    elif shown.unread:
        said.append("Pictures are missing: the time for this page was over before all of them were read.")
    items = "".join(f"<li>{text(warning)}</li>" for warning in said)
    return f'<ul class="warnings">{items}</ul>' if items else ""


def _quality(fit: Fit) -> str:
    if fit.silhouette is None:
        return "A silhouette says how far clusters are apart; it takes two clusters at least."
    if fit.silhouette >= 0.5:
        meaning = "the clusters are well apart"
    elif fit.silhouette >= 0.2:
        meaning = "the clusters can be told apart, but lie near each other"
    else:
        meaning = "the clusters overlap: many images are about as near to another cluster as to their own"
    return (
        f"The silhouette of {fit.silhouette:.2f} (from −1 to 1) means that {meaning}. The spread of a cluster is the "
        "mean distance between two of its images: the larger, the less alike they are."
    )


def _changes(changes: Changes | None) -> str:
    if changes is None:
        return ""
    lines = [f"New: {ids(changes.new)}."] if changes.new else []
    lines += [f"Gone: {ids(changes.gone)}."] if changes.gone else []
    lines += [f"Cluster {old} was split into {ids(into)}." for old, into in changes.splits.items()]
    lines += [f"Cluster {new} was merged from {ids(of)}." for new, of in changes.merges.items()]
    more = len(lines) - LISTED
    lines = lines[:LISTED] + ([f"And {more:,} more."] if more > 0 else [])
    told = "".join(f"<li>{line}</li>" for line in lines)
    return "<h2>Since the fit before</h2>" + (f"<ul>{told}</ul>" if told else "<p>The clusters are the same.</p>")


def _eps(fit: Fit) -> str:
    """What helps to choose eps: the curve, and what other values would find."""
    eps = fit.parameters.eps if fit.parameters.algorithm == "dbscan" else None
    parts = []
    if fit.curve:
        curve = svg_curve(fit.curve, k=fit.parameters.min_samples, eps=eps, knee=fit.knee)
        bend = "It does not bend clearly" if fit.knee is None else f"It bends at about {fit.knee:.3g}"
        if eps is not None:
            bend += ". Images left of where the curve crosses eps have neighbours enough to be core samples"
        parts.append(f'<figure class="card">{curve}<figcaption>{bend}.</figcaption></figure>')
    if fit.sweep:
        sample = f", in a sample of {SWEPT:,} images" if fit.learned_from > SWEPT else ""
        rows = "".join(_sweep_row(row, eps) for row in fit.sweep)
        parts.append(
            '<div class="card scroll"><table><caption>What DBSCAN finds with other values of eps'
            f'{sample}</caption><thead><tr><th scope="col">eps</th><th scope="col">Clusters</th>'
            f'<th scope="col">Noise</th><th scope="col">Largest</th></tr></thead><tbody>{rows}</tbody></table></div>'
        )
    of = '<p class="soft">Of the images that were noise before.</p>' if fit.parameters.noise_only else ""
    return f'<h2>Choosing eps</h2><p>{ADVICE}</p>{of}<div class="two">{"".join(parts)}</div>' if parts else ""


def _sweep_row(row: SweepRow, eps: float | None) -> str:
    chosen = eps is not None and abs(row.eps - eps) < 1e-9
    return (
        f'<tr{' class="chosen"' if chosen else ""}><th scope="row">{row.eps:.3g}{" (used)" if chosen else ""}</th>'
        f"<td>{row.clusters:,}</td><td>{row.noise:,}</td><td>{row.largest:,}</td></tr>"
    )


def _parameters(fit: Fit) -> str:
    how = fit.parameters
    rows = [
        ("Algorithm", how.algorithm.upper()),
        ("eps", f"{how.eps:g} (cosine distance)" if how.algorithm == "dbscan" else "found by HDBSCAN itself"),
        ("min_samples", f"{how.min_samples:,}"),
        ("Learned from", f"{fit.learned_from:,} of {plural(fit.images, 'image')} (at most {how.max_images:,})"),
        ("Only noise was grouped", "yes" if how.noise_only else "no"),
        ("Model", text(fit.model)),
        ("Fit", text(fit.id)),
    ]
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<h2>How it was fitted</h2><dl class="parameters card">{items}</dl>'


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.1f}&nbsp;s" if seconds < 100 else f"{seconds / 60:.0f}&nbsp;min"
