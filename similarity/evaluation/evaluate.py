"""The whole protocol: split, learn on one half, and measure every ranker on every model on the other half."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.features import Vector
from similarity.evaluation.measure import Figures, Gain, Measured, figures, gain, measure
from similarity.measures.ranks import Ranks, likeness
from similarity.measures.sets import NEGATIVES, QUERIES, ComparativeSet, comparative_sets
from similarity.measures.split import Rows, split
from similarity.ranking import measuring
from similarity.ranking.examples import TrainingError
from similarity.ranking.rankers import LEARNED, make

BASELINE = "cosine"
"""What all others are compared with: it is what answers are ranked by when no ranker is switched on."""


class EvaluationError(ValueError):
    """Nothing can be measured; the message says what is missing."""


class Setup(NamedTuple):
    """How it is measured."""

    seed: int = 0
    queries: int = QUERIES
    """The most comparative sets of a label."""
    negatives: int = NEGATIVES
    """The most images of other labels in a set."""


DEFAULT = Setup()


class Run(NamedTuple):
    """One ranker on one model."""

    model: str
    ranker: str
    total: Figures
    per_label: Mapping[str, Figures]
    gain: Gain | None
    """Against cosine on the same model; None of cosine itself."""
    nearest: Rows
    """What it finds most alike in each comparative set: indices of images."""
    ranks: Sequence[float]
    """Of the positive of each set."""


class Trial(NamedTuple):
    """What training would find: whether a ranker is better than cosine, and from how many labelled images on."""

    model: str
    ranker: str
    found: measuring.Measured

    @property
    def passed(self) -> bool:
        """Whether training would switch it on."""
        return self.found.figures[self.ranker].beats(self.found.figures[BASELINE])


class Evaluation(NamedTuple):
    """What came of it. Indices are those of the images that were given."""

    setup: Setup
    labels: Sequence[str]
    """Of each image."""
    learned: Rows
    measured: Rows
    sets: Sequence[ComparativeSet]
    runs: Sequence[Run]
    """By model, in the order of the rankers."""
    trials: Sequence[Trial]
    """Of the rankers that learn; over several halvings, because one of a few images is mostly chance."""
    not_run: Mapping[str, str]
    """Why a ranker was not measured."""

    def run(self, model: str, ranker: str) -> Run | None:
        return next((run for run in self.runs if (run.model, run.ranker) == (model, ranker)), None)

    def best(self, model: str) -> Trial | None:
        """The ranker to switch on for a model: of those that pass their trial that of the highest precision."""
        return max(
            (trial for trial in self.trials if trial.model == model and trial.passed),
            key=lambda trial: trial.found.figures[trial.ranker].mean_average_precision,
            default=None,
        )


def evaluate(
    labels: Sequence[str],
    models: Mapping[str, Vector],
    rankers: Sequence[str],
    setup: Setup = DEFAULT,
    progress: Callable[[str, float], object] = lambda _what, _done: None,
) -> Evaluation:
    """Measure rankers on models.

    Args:
        labels: Of each image.
        models: What each model makes of the images: float32 [n, d], d as it likes.
        rankers: Names of rankers. Cosine is measured in any case.
        setup: How it is measured.
        progress: Is told what is being done and how much of that is done, 0 to 1.

    Raises:
        EvaluationError: There are no two labels, one of them with three images.
    """
    learned, measured = split(labels, seed=setup.seed)
    here = [labels[row] for row in measured]
    sets = comparative_sets(here, queries=setup.queries, negatives=setup.negatives, seed=setup.seed)
    if not sets:
        raise EvaluationError(_too_few(labels))
    halves = _Halves(labels, learned, measured, here, sets, setup.seed)
    runs: list[Run] = []
    trials: list[Trial] = []
    not_run: dict[str, str] = {}
    for model, vectors in models.items():
        than = measure(make(BASELINE), vectors[measured], here, sets)
        for name in dict.fromkeys([*rankers, BASELINE]):
            say = partial(progress, f"{name} on {model}" if len(models) > 1 else name)
            say(0.0)
            try:
                runs.append(_run(model, name, vectors, halves, than))
                if name in LEARNED:
                    trials += _trial(model, name, vectors, labels, setup.seed, say)
            except TrainingError as error:
                not_run[name] = str(error)
    absolute = [ComparativeSet(int(measured[q]), int(measured[p]), measured[n]) for q, p, n in sets]
    return Evaluation(setup, labels, learned, measured, absolute, runs, trials, not_run)


class _Halves(NamedTuple):
    labels: Sequence[str]
    learned: Rows
    measured: Rows
    here: Sequence[str]
    """The labels of those to measure on."""
    sets: Sequence[ComparativeSet]
    """They index those to measure on."""
    seed: int


def _run(model: str, name: str, vectors: Vector, halves: _Halves, than: Measured) -> Run:
    ranker = make(name, seed=halves.seed)
    ranker.fit(vectors[halves.learned], [halves.labels[row] for row in halves.learned])
    asked = vectors[halves.measured]
    found = measure(ranker, asked, halves.here, halves.sets)
    return Run(
        model,
        name,
        figures(found),
        _per_label(found, halves.here, halves.sets),
        None if name == BASELINE else gain(found, than),
        halves.measured[_nearest(ranker, asked, halves.sets)],
        found.ranks.tolist(),
    )


def _trial(
    model: str, name: str, vectors: Vector, labels: Sequence[str], seed: int, progress: Callable[[float], object]
) -> list[Trial]:
    """None where there are too few images to hold half of them back."""
    found = measuring.measure(name, vectors, labels, seed=seed, progress=progress)
    return [Trial(model, name, found)] if found else []


def _nearest(ranker: Ranks, vectors: Vector, sets: Sequence[ComparativeSet]) -> Rows:
    found = []
    for query, positive, negatives in sets:
        candidates = np.append(positive, negatives)
        found.append(candidates[likeness(ranker, vectors[query], vectors[candidates]).argmax()])
    return np.array(found, np.intp)


def _per_label(found: Measured, labels: Sequence[str], sets: Sequence[ComparativeSet]) -> dict[str, Figures]:
    of_sets = [labels[one.query] for one in sets]
    of_queries = [labels[row] for row in found.retrieval.queries]

    def which(some: Sequence[str], label: str) -> NDArray[np.bool_]:
        # Not NumPy's own comparison: it takes texts for equal that differ in zero characters at their end.
        return np.array([one == label for one in some], np.bool_)

    return {label: figures(found, which(of_sets, label), which(of_queries, label)) for label in dict.fromkeys(of_sets)}


def _too_few(labels: Sequence[str]) -> str:
    counts = {label: labels.count(label) for label in sorted(set(labels))}
    some = ", ".join(f"{label!r} {count}" for label, count in list(counts.items())[:10])
    more = f" and {len(counts) - 10} more labels" if len(counts) > 10 else ""
    return (
        "There is nothing to measure: it takes two labels with two images each, one of them with three. "
        f"Images by label: {some or 'none'}{more}."
    )
