"""One page that shows an evaluation: figures, curves, and rows of pictures.

Names and labels come from anywhere, so every text goes through `markup.text`.
"""

from collections.abc import Sequence
from pathlib import Path

from shared.markup import missing, plural, text
from shared.page import page
from shared.pictures import Pictures
from similarity.evaluation.evaluate import BASELINE, Evaluation, Run
from similarity.evaluation.examples import Chosen, examples_html
from similarity.evaluation.report_curves import run_name, top_n_html, trials_html
from similarity.evaluation.tables import table
from similarity.evaluation.verdict import NOISE, signed, verdict

STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")

SHOWN = 100
"""Labels with a line of their own."""


def report_page(
    name: str,
    evaluation: Evaluation,
    paths: Sequence[str],
    notes: Sequence[str],
    chosen: Chosen,
    pictures: Pictures,
    duplicates: str = "",
) -> str:
    """The page: HTML, complete in itself.

    Args:
        name: Of the folder or collection.
        evaluation: What came of it.
        paths: Of the images.
        notes: What was left out, and why.
        chosen: What pictures are shown of.
        pictures: By path; see `examples.py`.
        duplicates: The part of the page about duplicates, as HTML.
    """
    lost = [path for path in (paths[row] for row in chosen.images) if pictures.found.get(path) is None]
    if lost:
        notes = [*notes, f"{missing(len(lost), len(chosen.images))}: {pictures.trouble or 'gone or broken'}"]
    warnings = "".join(f"<li>{text(note)}</li>" for note in notes)
    models = dict.fromkeys(run.model for run in evaluation.runs)
    sentences = "".join(f"<li>{text(said)}</li>" for said in verdict(evaluation))
    body = [
        f"<h1>How well images of a label are found in <bdi>{text(name)}</bdi></h1>",
        _figures(evaluation),
        f'<ul class="warnings">{warnings}</ul>' if warnings else "",
        f"<ul>{sentences}</ul>" if sentences else "",
        f'<h2>Rankers</h2>{_rankers(evaluation)}<p class="soft">{NOISE}</p>',
        f'<div class="two">{top_n_html(evaluation)}{"".join(trials_html(evaluation, model) for model in models)}</div>',
        _labels(evaluation, chosen.run),
        duplicates,
        examples_html(chosen, paths, evaluation.labels, pictures),
        _protocol(evaluation),
    ]
    return page(f"Evaluation of {name}", body, STYLE)


def _figures(evaluation: Evaluation) -> str:
    figures = [
        ("Images", len(evaluation.labels)),
        ("Labels", len(set(evaluation.labels))),
        ("Learned from", len(evaluation.learned)),
        ("Measured on", len(evaluation.measured)),
        ("Comparative sets", len(evaluation.sets)),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in figures)
    return f'<dl class="figures">{items}</dl>'


def _rankers(evaluation: Evaluation) -> str:
    best = {
        (trial.model, trial.ranker)
        for trial in map(evaluation.best, dict.fromkeys(run.model for run in evaluation.runs))
        if trial
    }
    rows = []
    for run in evaluation.runs:
        some = run.total
        gained = "–" if run.gain is None else signed(run.gain.mean_average_precision)
        rows.append(
            [
                text(run_name(run, evaluation)),
                f"{some.mean_average_precision:.3f} ± {some.mean_average_precision_error:.3f}",
                gained,
                *(f"{value:.2f}" for value in (some.recall_at_1, some.recall_at_5, some.recall_at_10)),
                f"{some.mean_rank:.2f} ± {some.mean_rank_error:.2f}",
                f"{some.median_rank:g}",
                *(f"{some.top_n[n - 1]:.2f}" for n in (1, 5, 10)),
            ]
        )
    heads = ["Ranker", "mAP", f"against {BASELINE}", "recall@1", "@5", "@10"]
    heads += ["mean rank", "median", "top 1", "top 5", "top 10"]
    marked = "Marked: the ranker to switch on." if best else ""
    return table(marked, heads, rows, lambda n: (evaluation.runs[n].model, evaluation.runs[n].ranker) in best)


def _labels(evaluation: Evaluation, best: Run) -> str:
    """Every ranker by label on the first model, what the best one finds hardest first."""
    runs = [run for run in evaluation.runs if run.model == best.model]
    hardest = sorted(best.per_label, key=lambda label: (best.per_label[label].mean_average_precision, label))
    rows = [
        [
            f"<bdi>{text(label)}</bdi>",
            f"{best.per_label[label].queries:,}",
            *(
                f"{run.per_label[label].mean_average_precision:.2f} · {run.per_label[label].mean_rank:.1f}"
                for run in runs
            ),
        ]
        for label in hardest[:SHOWN]
    ]
    heads = ["Label", "queries", *(text(run.ranker) for run in runs)]
    more = len(hardest) - SHOWN
    rest = f"<p>And {plural(more, 'label')} more, which {text(best.ranker)} finds easier.</p>" if more > 0 else ""
    return f"<h2>Labels, the hardest first</h2>{table('mAP and mean rank', heads, rows, lambda _: False)}{rest}"


def _protocol(evaluation: Evaluation) -> str:
    sizes = [len(one.negatives) for one in evaluation.sets]
    few, many = min(sizes), max(sizes)
    negatives = f"{many}" if few == many else f"{few} to {many}"
    rows = [
        ("Split", "half of each label to learn from, half to measure on; labels with one image are in neither"),
        (
            "Comparative set",
            f"a query, 1 other image of its label, {negatives} of other labels; the one is to be found",
        ),
        ("Sets", f"up to {evaluation.setup.queries} queries a label"),
        (
            "Rank",
            f"1 is the best, {many + 1} the worst, {1 + many / 2:g} chance; equal ones share the middle of their ranks",
        ),
        (
            "mAP, recall@n",
            "every image to measure on asks for the others of its label; recall@n: one is among the first n",
        ),
        ("Rankers", "l2 and cosine put vectors of unit length in the same order; svm and projection learn from labels"),
        ("Models", text(", ".join(dict.fromkeys(run.model for run in evaluation.runs)))),
        ("Seed", f"{evaluation.setup.seed}"),
    ]
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<h2>How it was measured</h2><dl class="parameters card">{items}</dl>'
