"""An evaluation for other programs: as JSON, and as the lines of a CSV file."""

from collections.abc import Iterator, Mapping, Sequence

from shared.contract import Json
from shared.table import csv_line
from similarity.duplicates.figures import DuplicateFigures, Found
from similarity.evaluation.evaluate import Evaluation
from similarity.evaluation.measure import Figures
from similarity.evaluation.verdict import verdict
from similarity.measures.ranks import TOP
from similarity.ranking.measuring import Step


def as_json(evaluation: Evaluation) -> dict[str, Json]:
    """All figures; of the images only how many there are."""
    setup, labels = evaluation.setup, evaluation.labels
    models = dict.fromkeys(run.model for run in evaluation.runs)
    best = {model: evaluation.best(model) for model in models}
    negatives = [len(one.negatives) for one in evaluation.sets]
    return {
        "seed": setup.seed,
        "queries": setup.queries,
        "negatives": setup.negatives,
        "images": len(labels),
        "labels": {label: labels.count(label) for label in sorted(set(labels))},
        "learnedFrom": len(evaluation.learned),
        "measuredOn": len(evaluation.measured),
        "sets": len(evaluation.sets),
        "negativesInSets": {"least": min(negatives), "most": max(negatives)},
        "runs": [
            {
                "model": run.model,
                "ranker": run.ranker,
                **_json(run.total._asdict()),
                "gain": None if run.gain is None else _json(run.gain._asdict()),
                "perLabel": {label: _json(some._asdict()) for label, some in run.per_label.items()},
            }
            for run in evaluation.runs
        ],
        "trials": [
            {
                "model": trial.model,
                "ranker": trial.ranker,
                "passed": trial.passed,
                "halvings": trial.found.halvings,
                "heldOut": trial.found.held_out,
                "figures": {name: _json(some._asdict()) for name, some in trial.found.figures.items()},
                "curve": [_step(step) for step in trial.found.curve],
                "betterFrom": _step(trial.found.better_from) if trial.found.better_from else None,
            }
            for trial in evaluation.trials
        ],
        "switchOn": {model: trial.ranker if trial else None for model, trial in best.items()},
        "notRun": dict(evaluation.not_run),
        "verdict": list(verdict(evaluation)),
    }


def as_csv(evaluation: Evaluation) -> Iterator[str]:
    """A header, and a line for each ranker on each model: of all labels, where `label` is empty, and of each."""
    plain = [name for name in Figures._fields if name != "top_n"]
    yield csv_line("model", "ranker", "label", *plain, *(f"top_{n}" for n in range(1, TOP + 1)))
    for run in evaluation.runs:
        for label, some in {"": run.total, **run.per_label}.items():
            yield csv_line(run.model, run.ranker, label, *(getattr(some, name) for name in plain), *some.top_n)


def duplicates_json(figures: DuplicateFigures) -> dict[str, Json]:
    """How well duplicates are found, by change, and by threshold of the cosine alone."""
    return {
        "photos": figures.photos,
        "secondLook": figures.second_look,
        "total": _found(figures.total),
        "changes": [_found(one) for one in figures.changes],
        "cosineAlone": [_json(point._asdict()) for point in figures.curve],
    }


def _found(one: Found) -> dict[str, Json]:
    return {**one._asdict(), "recall": one.recall, "precision": one.precision}


def _step(step: Step) -> dict[str, Json]:
    return {"examples": step.examples, "images": step.images, **_json(step.figures._asdict())}


def _json(values: Mapping[str, float | Sequence[float]]) -> dict[str, Json]:
    """Names as they are written in JSON."""
    return {_camel(name): list(value) if isinstance(value, Sequence) else value for name, value in values.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
