"""The calls by which people look at clusters: all of them, the images of one, and the report."""

import json
import re
from collections.abc import Mapping, Sequence

from clustering.answers import answered, in_force
from clustering.assignment import Current, FitGoneError
from clustering.jobs import to_wire
from clustering.reporting.groups import Group, groups, samples
from clustering.reporting.report import report_html
from shared.calls import page_size
from shared.contract import CallError, Deadline, Json, Reply
from shared.features import FeatureStore, StoreBusy
from shared.fits import NOISE, FitStore, Member
from shared.pictures import from_storage, read_pictures, sheet
from shared.settings import Settings

SHEET_PICTURES = 48
"""Six rows of eight."""


def list_clusters(collection: str, features: FeatureStore) -> Reply:
    """The fit in force: how it was made, its clusters as people see them, how good it is, what changed."""
    return answered(lambda: Reply(200, json.dumps(_shown(in_force(collection, features)))))


def list_images(
    collection: str,
    cluster: str,
    params: Mapping[str, str],
    features: FeatureStore,
    fits: FitStore,
    settings: Settings,
) -> Reply:
    """The images of one cluster, -1 for noise.

    Args:
        collection: Its name.
        cluster: The cluster's id.
        params: `top`, 1 to 1000, and `after`, the last path of the answer before.
        features: Where the state of the clustering is.
        fits: Where the images of a fit are.
        settings: Say where the images' urls begin.

    Returns:
        `{"collection", "fit", "cluster", "images": [{path, url, core}], "after": path or null}`, null at the end.
    """

    def call() -> Reply:
        top = page_size(params)
        now = in_force(collection, features)
        parts = _parts(cluster, now)
        members = _page(parts, now, fits, top, params.get("after", ""))
        content = {
            "collection": collection,
            "fit": now.fit.id,
            "cluster": int(cluster),
            "images": [
                {
                    "path": member.path,
                    "url": settings.url_of(member.path),
                    "core": member.core,
                }
                for member in members
            ],
            "after": members[-1].path if len(members) == top else None,
        }
        return Reply(200, json.dumps(content))

    return answered(call)


def report(
    collection: str, params: Mapping[str, str], features: FeatureStore, fits: FitStore, settings: Settings
) -> Reply:
    """The fit in force as a page with pictures; with `cluster`, the pictures of that one as PNG."""

    def call() -> Reply:
        now, picture, deadline = in_force(collection, features), from_storage(settings), Deadline(settings.time_budget)
        if "cluster" not in params:
            page = report_html(now, features, fits, picture, deadline)
            return Reply(200, page, mimetype="text/html")
        members = samples(fits, now.fit.id, _parts(params["cluster"], now), SHEET_PICTURES)
        if not members:
            raise FitGoneError(now.fit.id)
        pictures = read_pictures([member.path for member in members], picture, deadline)
        if pictures.trouble:
            raise StoreBusy(pictures.trouble, 5)
        png = sheet([pictures.found.get(member.path) for member in members])
        return Reply(200, png, mimetype="image/png")

    return answered(call)


def _shown(now: Current) -> dict[str, Json]:
    fit = now.fit
    return {
        "collection": fit.collection,
        "fit": fit.id,
        "model": fit.model,
        "parameters": to_wire(fit.parameters),
        "started": fit.started.isoformat(),
        "seconds": fit.seconds,
        "images": fit.images,
        "learnedFrom": fit.learned_from,
        "noise": fit.noise,
        "clusters": [_cluster(group) for group in groups(*now)],
        "silhouette": fit.silhouette,
        "curve": list(fit.curve),
        "knee": fit.knee,
        "sweep": [row._asdict() for row in fit.sweep],
        "changes": fit.changes._asdict() if fit.changes else None,
        "warnings": list(fit.warnings),
    }


def _cluster(group: Group) -> dict[str, Json]:
    return {
        "cluster": group.id,
        "label": list(group.words),
        "size": group.size,
        "cores": group.cores,
        "spread": round(group.spread, 4),
    }


def _parts(cluster: str, now: Current) -> Sequence[int]:
    """The clusters of the fit that people see as one, ascending. Raises CallError when there is no such cluster."""
    if not re.fullmatch(r"-?[0-9]{1,15}", cluster):
        raise CallError(
            400, f"A cluster is named by its id, a whole number, or {NOISE} for noise; not {cluster!r:.50}."
        )
    wanted = int(cluster)
    if wanted == NOISE and now.fit.noise:
        return [NOISE]
    for group in groups(*now):
        if group.id == wanted:
            return sorted(part.id for part in group.parts)
    merged = f" It was merged into {now.state.merged[wanted]}." if wanted in now.state.merged else ""
    what = "is no noise" if wanted == NOISE else f"is no cluster {wanted}"
    raise CallError(404, f"There {what} in the collection {now.fit.collection!r}.{merged}")


def _page(parts: Sequence[int], now: Current, fits: FitStore, top: int, after: str) -> list[Member]:
    """Up to `top` members of some clusters of a fit: cluster by cluster, and in each as the store orders paths."""
    first = parts[0]
    if after:
        last = fits.member(now.fit.id, after)
        if last is None or last.cluster not in parts:
            raise CallError(409, "'after' is not in this cluster any more: begin anew without it.")
        first = last.cluster
    members: list[Member] = []
    for part in parts[parts.index(first) :]:
        members += fits.members(
            now.fit.id, cluster=part, after=after if part == first else "", limit=top - len(members)
        )
        if len(members) == top:
            break
    if not members and not after:  # every cluster has some
        raise FitGoneError(now.fit.id)
    return members
