"""The part of the report with curves: the first n, and what is gained by labelled images."""

from shared.markup import plural, text
from similarity.evaluation.evaluate import BASELINE, Evaluation, Run
from similarity.evaluation.plot import Axis, Line, axis, svg_lines
from similarity.evaluation.tables import table
from similarity.evaluation.verdict import signed
from similarity.measures.ranks import TOP
from similarity.ranking import measuring
from similarity.ranking.rankers import RANKERS


def top_n_html(evaluation: Evaluation) -> str:
    """The top-n curve of every ranker."""
    lines = [
        Line(run_name(run, evaluation), list(enumerate(run.total.top_n, 1)), _style(run.model, run.ranker, evaluation))
        for run in evaluation.runs
    ]
    places = [1, *range(4, TOP + 1, 4)]
    drawn = svg_lines(lines, Axis("n", places, list(map(str, places))), axis("share of sets", 0, 1))
    return (
        f'<figure class="card">{drawn}<figcaption>How often the correct match is among the first n of its set.'
        "</figcaption></figure>"
    )


def trials_html(evaluation: Evaluation, model: str) -> str:
    """How learned rankers grow better on a model with the images they learn from; "" where there are none."""
    trials = [trial for trial in evaluation.trials if trial.model == model]
    if not trials:
        return ""
    found = trials[0].found  # of all, the halvings and their steps are the same, and so is what cosine does
    base, steps = found.figures[BASELINE], found.curve
    level, last = base.mean_average_precision, max(1, len(steps) - 1)
    lines = [Line(BASELINE, [(0, level), (last, level)], _style(model, BASELINE, evaluation))]
    lines += [
        Line(
            trial.ranker,
            [(n, step.figures.mean_average_precision) for n, step in enumerate(trial.found.curve)],
            _style(model, trial.ranker, evaluation),
        )
        for trial in trials
    ]
    values = [value for line in lines for _, value in line.points]
    names = [f"{step.examples}" for step in steps] + [""] * (2 - len(steps))
    # A tenth at least: less would make mountains of noise.
    low, high = min(values), max(*values, min(values) + 0.1)
    drawn = svg_lines(lines, Axis("labelled images a label", range(last + 1), names), axis("mAP", low, min(high, 1)))
    rows = [
        [f"{step.examples}", f"{step.images:,}", *(_gains(trial.found.curve[n].figures, base) for trial in trials)]
        for n, step in enumerate(steps)
    ]
    heads = ["Images a label", "in all", *(text(trial.ranker) for trial in trials)]
    on = f" for {text(model)}" if len({trial.model for trial in evaluation.trials}) > 1 else ""
    caption = (
        f"mAP and ranks gained over {BASELINE}{on}, by what is learned from: means of "
        f"{plural(found.halvings, 'halving')}, {found.held_out:,} images held out in each."
    )
    return f'<figure class="card">{drawn}{table(caption, heads, rows, lambda _: False)}</figure>'


def _gains(some: measuring.Figures, base: measuring.Figures) -> str:
    gained = signed(some.mean_average_precision - base.mean_average_precision)
    return f"{gained} · {signed(base.mean_rank - some.mean_rank, 2)}"


def run_name(run: Run, evaluation: Evaluation) -> str:
    """What a ranker is called: where there are several models, with its model."""
    several = len({some.model for some in evaluation.runs}) > 1
    return f"{run.ranker}, {run.model}" if several else run.ranker


def _style(model: str, ranker: str, evaluation: Evaluation) -> str:
    models = list(dict.fromkeys(run.model for run in evaluation.runs))
    other = models.index(model)
    return f"line-{RANKERS.index(ranker)}" + (f" other-{min(other, 2)}" if other else "")
