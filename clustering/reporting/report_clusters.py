"""The part of the report that shows the clusters: what they are called, how large they are, pictures of each."""

from collections.abc import Sequence
from typing import NamedTuple

from clustering.fits import Fit
from clustering.reporting.groups import Group, samples
from shared.contract import Deadline
from shared.fits import NOISE, FitStore, Member
from shared.markup import LISTED, ids, plural, text
from shared.page import img
from shared.pictures import Picture, Pictures, read_pictures

SHOWN = 60
"""Clusters with pictures: 500 pictures make a page of 4 MB."""

PICTURES = 8
NOISE_PICTURES = 16


class Samples(NamedTuple):
    """What there is to show, by the cluster as people see it; a cluster that was not reached in time is missing."""

    members: dict[int, list[Member]]
    pictures: Pictures

    @property
    def paths(self) -> list[str]:
        """The images that there should be pictures of."""
        return list(dict.fromkeys(member.path for some in self.members.values() for member in some))

    @property
    def missing(self) -> list[str]:
        """Those of them that there is no picture of."""
        return [path for path in self.paths if self.pictures.found.get(path) is None]

    @property
    def unread(self) -> bool:
        """Whether the time was over before all was read."""
        # Noise is the last to be listed.
        return NOISE not in self.members or any(path not in self.pictures.found for path in self.paths)


def find_samples(
    found: Sequence[Group], fit: Fit, fits: FitStore, picture: Picture, deadline: Deadline | None
) -> Samples:
    """Samples of some clusters and of noise, until the deadline. Raises StoreBusy."""
    members: dict[int, list[Member]] = {}
    wanted = [(group.id, [part.id for part in group.parts], PICTURES) for group in found]
    for cluster, parts, count in [*wanted, (NOISE, [NOISE], NOISE_PICTURES)]:
        if deadline and not deadline.remaining():
            break
        members[cluster] = samples(fits, fit.id, parts, count)
    shown = Samples(members, Pictures({}, ""))
    return shown._replace(pictures=read_pictures(shown.paths, picture, deadline))


def clusters_html(found: Sequence[Group], shown: Samples) -> str:
    if not found:
        return "<h2>Clusters</h2><p>There are none: no images are near enough to each other. Try a larger eps.</p>"
    more = len(found) - SHOWN
    rest = sum(group.size for group in found[SHOWN:])
    return (
        "<h2>Clusters, the largest first</h2>"
        '<p class="soft">A dashed frame marks an image that is no core sample: it is near one, at the edge.</p>'
        + "\n".join(_cluster(group, shown) for group in found[:SHOWN])
        + (f"<p>And {more:,} more clusters with {rest:,} images.</p>" if more > 0 else "")
    )


def _cluster(group: Group, shown: Samples) -> str:
    words = "".join(f'<bdi class="word">{text(word)}</bdi>' for word in group.words[:LISTED])
    if len(group.words) > LISTED:
        words += f"and {len(group.words) - LISTED:,} more"
    name = words or f"Cluster {group.id}"
    others = [part.id for part in group.parts if part.id != group.id]
    merged = f" · with {ids(others)} merged into it" if others else ""
    spread = f"{'up to ' if len(group.parts) > 1 else ''}{group.spread:.2f}"
    return (
        f'<section class="cluster card"><header><h3>{name}</h3><span class="soft">'
        f"{f'cluster {group.id} · ' if words else 'no name yet · '}{plural(group.size, 'image')} · "
        f"{plural(group.cores, 'core sample')} · spread {spread}{merged}</span></header>"
        f"{_pictures(group.id, group.size, shown)}</section>"
    )


def noise_html(fit: Fit, shown: Samples) -> str:
    if not fit.noise:
        return ""
    said = f"{plural(fit.noise, 'image')} near no cluster: not wrong, only unlike the others, or too few of a kind."
    return (
        f'<h2>Noise</h2><section class="card"><p class="soft">{said}</p>{_pictures(NOISE, fit.noise, shown)}</section>'
    )


def _pictures(cluster: int, size: int, shown: Samples) -> str:
    if cluster not in shown.members:
        return '<p class="soft">Its pictures were not reached in time.</p>'
    if not shown.members[cluster]:
        return '<p class="soft">Its images cannot be listed any more: a newer fit took over meanwhile.</p>'
    some = shown.members[cluster]
    items = "".join(_picture(member, shown.pictures) for member in some)
    return f'<ul class="pictures">{items}</ul><p class="soft">{len(some)} of {plural(size, "image")}</p>'


def _picture(member: Member, pictures: Pictures) -> str:
    picture = pictures.found.get(member.path)
    if picture is None:
        why = "no picture" if member.path in pictures.found else "not read"
        return f'<li class="none" title="{text(member.path)}">{why}</li>'
    edge = "" if member.core or member.cluster == NOISE else ' class="edge"'
    return f"<li{edge}>{img(picture, member.path)}</li>"
