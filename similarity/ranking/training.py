"""Training: learn from the labels of a collection, find out whether that helps, and store what was learned."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from shared import backbone
from shared.contract import Json
from shared.features import FeatureStore
from similarity.ranking.examples import usable_labels
from similarity.ranking.labels import MAX_IMAGES, Labelled, LabelSource, labelled
from similarity.ranking.measuring import Figures, Measured, Step, measure
from similarity.ranking.projection import ProjectionRanker
from similarity.ranking.stored import Stored, keep
from similarity.ranking.svm import SvmRanker
from similarity.ranking.trained import Trained

MAX_SEED = 2**31 - 1

SHOWN = 5
"""Labels and paths that a report names."""


class Report(NamedTuple):
    """What came of a training."""

    trained: Trained
    given: Labelled
    alone: Sequence[str]
    """Labels of one image, which nothing can be learned from, sorted."""
    measured: Measured | None
    """None where there were too few images."""
    on: str | None
    """The ranker that is switched on now."""
    stays: datetime | None
    """When the one of its name was trained that is better and stays; None where this one was stored."""

    @property
    def why_not(self) -> str | None:
        """Why the ranker was not switched on, None when it was."""
        if self.stays:
            return f"{self.trained.objection}; the one that was trained on {self.stays:%d %B %Y at %H:%M} UTC stays"
        if self.on == self.trained.name:
            return None
        return self.trained.objection or f"the ranker {self.on}, which is switched on, gains more against cosine"


def train(
    collection: str,
    name: str,
    labels: LabelSource,
    features: FeatureStore,
    progress: Callable[[str, float], object],
    *,
    seed: int = 0,
    limit: int = MAX_IMAGES,
) -> Report:
    """Train a ranker on all labelled images of a collection and store it, in the place of one of its name.

    Before, it is measured on images held back from it. Only where it beats cosine there it is switched on.

    Args:
        collection: Its name.
        name: One of LEARNED.
        labels: Where the labels come from.
        features: Where the images are, and where the ranker is stored.
        progress: Is told what is being done and how much of that is done, 0 to 1. What it raises goes through, and then
            nothing was stored.
        seed: Another one holds other images back, and pairs other ones.
        limit: Of more labelled images than these a sample is taken.

    Raises:
        LabelError: No image has a label.
        TrainingError: Fewer than two labels have two images.
        StoreBusy: The store did not answer.
    """
    given = labelled(collection, labels, features, lambda done: progress("reading", done), limit=limit)
    ranker = SvmRanker(seed=seed) if name == "svm" else ProjectionRanker()
    progress("learning", 0.0)
    ranker.fit(given.vectors, given.labels)
    measured = measure(name, given.vectors, given.labels, seed=seed, progress=lambda done: progress("measuring", done))
    usable = usable_labels(given.labels)
    trained = Trained(
        name=name,
        model=backbone.MODEL,
        trained=datetime.now(UTC),
        source=labels if isinstance(labels, str) else "given",
        labels=len(usable),
        images=sum(label in usable for label in given.labels),
        figures=measured.figures if measured else {},
        parameters=ranker.parameters,
    )
    stored = keep(collection, trained, features)
    there = stored.rankers[name]
    stays = there.trained if there is not trained else None
    return Report(trained, given, sorted(set(given.labels) - usable), measured, stored.on, stays)


def report_json(collection: str, report: Report) -> Json:
    """A report for scripts."""
    given, measured = report.given, report.measured
    return ranker_json(report.trained) | {
        "collection": collection,
        "leftOut": {
            "oneImageOnly": _some(report.alone),
            "notThere": _some(given.missing),
            "notInSample": given.of - len(given.paths),
        },
        "halvings": measured.halvings if measured else 0,
        "heldOut": measured.held_out if measured else 0,
        "curve": [_step(step) for step in measured.curve] if measured else [],
        "betterFrom": _step(measured.better_from) if measured and measured.better_from else None,
        "on": report.on == report.trained.name and not report.stays,
        "whyNot": report.why_not,
    }


def list_json(collection: str, stored: Stored) -> Json:
    """The rankers of a collection for scripts."""
    return {"collection": collection, "on": stored.on, "rankers": list(map(ranker_json, stored.rankers.values()))}


def ranker_json(trained: Trained) -> dict[str, Json]:
    """A ranker for scripts, without what it learned."""
    return {
        "ranker": trained.name,
        "model": trained.model,
        "trained": trained.trained.isoformat(),
        "source": trained.source,
        "labels": trained.labels,
        "images": trained.images,
        "figures": {name: _figures(figures) for name, figures in trained.figures.items()},
        "usable": trained.objection is None,
        "objection": trained.objection,
    }


def _figures(figures: Figures) -> dict[str, float]:
    precision, recall, rank, chance = figures
    return {"meanAveragePrecision": precision, "recallAt1": recall, "meanRank": rank, "chance": chance}


def _step(step: Step) -> dict[str, Json]:
    return {"examples": step.examples, "images": step.images, **_figures(step.figures)}


def _some(names: Sequence[str]) -> Json:
    return {"count": len(names), "some": list(names[:SHOWN])}
