"""A ranker that has learned: what is known of it, and how it is written down."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared import backbone
from shared.contract import Json
from shared.features import DIMENSIONS, Vector
from similarity.ranking.measuring import Figures
from similarity.ranking.projection import ProjectionRanker
from similarity.ranking.rankers import Ranker
from similarity.ranking.svm import SvmRanker

KINDS: Mapping[str, Callable[[Mapping[str, Vector]], Ranker]] = {"svm": SvmRanker, "projection": ProjectionRanker}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A ranker that has learned.

    Attributes:
        name: One of LEARNED.
        model: What made the embeddings that it learned from. It ranks no others.
        trained: When.
        source: Where the labels came from: `folder`, `tag:NAME` or `given`.
        labels: How many it learned.
        images: How many it learned from.
        figures: What half of the images said of it when it had learned from the other half, and of what it was compared
            with, by ranker; nothing where there were too few images.
        parameters: What it learned.
    """

    name: str
    model: str
    trained: datetime
    source: str
    labels: int
    images: int
    figures: Mapping[str, Figures]
    parameters: Mapping[str, Vector]

    @property
    def gain(self) -> float:
        """By how much its mean average precision is higher than that of cosine, 0 where that was not measured."""
        ours, cosine = self.figures.get(self.name), self.figures.get("cosine")
        return ours.mean_average_precision - cosine.mean_average_precision if ours and cosine else 0.0

    @property
    def objection(self) -> str | None:
        """Why it is not to be switched on, for people, or None."""
        if self.model != backbone.MODEL:
            return (
                f"it was trained for the model {self.model!r:.100}, and the model is {backbone.MODEL} now: train again"
            )
        ours, cosine = self.figures.get(self.name), self.figures.get("cosine")
        if not ours or not cosine:
            return (
                "there were too few images to hold half of them back and measure it on those: it takes two labels "
                "with four images each"
            )
        if ours.beats(cosine):
            return None
        return (
            f"on images that it did not learn from it does not beat cosine: mean average precision "
            f"{ours.mean_average_precision:.3f} against {cosine.mean_average_precision:.3f}, where {ours.chance:.3f} "
            f"may be chance, and mean rank {ours.mean_rank:.2f} against {cosine.mean_rank:.2f}"
        )

    def ranker(self) -> Ranker:
        """It, to rank with."""
        return KINDS[self.name](self.parameters)


def as_content(trained: Trained) -> Json:
    """A ranker for JSON, without its name: the numbers that it learned in base64, half a megabyte at most."""
    return {
        "model": trained.model,
        "trained": trained.trained.isoformat(),
        "source": trained.source,
        "labels": trained.labels,
        "images": trained.images,
        "figures": trained.figures,
        "parameters": {key: _encoded(numbers) for key, numbers in trained.parameters.items()},
    }


def from_content(name: str, content: Json) -> Trained:
    """The ranker of what `as_content` gave.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, ArithmeticError: It is something else.
    """
    trained = Trained(
        name=name,
        model=str(content["model"]),
        trained=datetime.fromisoformat(content["trained"]),
        source=str(content["source"]),
        labels=int(content["labels"]),
        images=int(content["images"]),
        figures={ranker: Figures(*map(float, numbers)) for ranker, numbers in content["figures"].items()},
        parameters={key: _decoded(numbers) for key, numbers in content["parameters"].items()},
    )
    trained.ranker()
    return trained


def _encoded(numbers: Vector) -> Json:
    return {"shape": numbers.shape, "float32": base64.b64encode(numbers.astype("<f4").tobytes()).decode()}


def _decoded(content: Json) -> Vector:
    numbers: Vector = np.frombuffer(base64.b64decode(content["float32"], validate=True), "<f4")
    shaped: Vector = numbers.reshape(content["shape"])
    if shaped.shape[-1] != DIMENSIONS:
        raise ValueError(f"numbers must be float32 […, {DIMENSIONS}]")
    return shaped
