"""What an evaluation comes to, in sentences."""

from collections.abc import Iterator

from shared.markup import plural
from similarity.evaluation.evaluate import BASELINE, Evaluation, Trial
from similarity.evaluation.measure import Gain
from similarity.ranking.rankers import LEARNED

NOISE = (
    "± is half of a 95 % interval over the queries of this one split: what is smaller than it is noise. "
    "Another seed draws other halves, which moves the figures besides."
)


def verdict(evaluation: Evaluation) -> Iterator[str]:
    """Which learned ranker is to be used, what each gains, and from how many labelled images on."""
    models = list(dict.fromkeys(run.model for run in evaluation.runs))
    for model in models:
        on = f" for {model}" if len(models) > 1 else ""
        best = evaluation.best(model)
        if best:
            yield f"The ranker to switch on{on}: {best.ranker}."
        elif any(trial.model == model for trial in evaluation.trials):
            yield f"No learned ranker is better than {BASELINE}{on}: none is to be switched on."
        for run in evaluation.runs:
            if run.model == model and run.ranker in LEARNED and run.gain:
                yield f"{run.ranker} against {BASELINE}{on}: {_gained(run.gain)}."
        for trial in evaluation.trials:
            if trial.model == model:
                yield f"{trial.ranker}{on} over {plural(trial.found.halvings, 'halving')}: {_passed(trial)}."
    for ranker, why in evaluation.not_run.items():
        yield f"Whether {ranker} is better than {BASELINE} cannot be told: half of the images are too few. {why}"


def _gained(gain: Gain) -> str:
    precision, rank = gain.mean_average_precision, gain.mean_rank
    noise = abs(precision) <= gain.mean_average_precision_error
    nearer = "nearer to the first" if rank >= 0 else "farther from the first"
    return (
        f"mAP {signed(precision)} ± {gain.mean_average_precision_error:.3f}{' (within the noise)' if noise else ''}, "
        f"mean rank {abs(rank):.2f} ± {gain.mean_rank_error:.2f} {nearer}"
    )


def _passed(trial: Trial) -> str:
    here, base = trial.found.figures[trial.ranker], trial.found.figures[BASELINE]
    compared = (
        f"mAP {here.mean_average_precision:.3f}, {BASELINE} {base.mean_average_precision:.3f}; "
        f"mean rank {here.mean_rank:.2f}, {BASELINE} {base.mean_rank:.2f}; "
    )
    step = trial.found.better_from
    if not trial.passed or step is None:
        return f"{compared}not better by more than chance"
    return f"{compared}better from {step.examples} labelled images a label on ({step.images:,} of all labels)"


def signed(number: float, places: int = 3) -> str:
    """With its sign, and a minus that is one."""
    return f"{number:+.{places}f}".replace("-", "−")
