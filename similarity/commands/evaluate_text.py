"""What the command that measures answers."""

from shared.command_line import Options, Outcome
from shared.contract import Json
from shared.terminal import aligned, printable
from similarity.commands.labelled_images import LabelledImages
from similarity.duplicates.figures import HARDER, DuplicateFigures
from similarity.evaluation.evaluate import BASELINE, Evaluation
from similarity.evaluation.files import as_json, duplicates_json
from similarity.evaluation.verdict import NOISE, signed, verdict


def outcome(
    options: Options, found: Evaluation, images: LabelledImages, duplicates: DuplicateFigures | None
) -> Outcome:
    """The answer for scripts and for people."""
    content: Json = {
        "source": options.source,
        **as_json(found),
        "notes": list(images.notes),
        "failed": [{"path": path, "reason": reason} for path, reason in images.failed.items()],
        "duplicates": duplicates_json(duplicates) if duplicates else None,
    }
    few, many = (pick(len(one.negatives) for one in found.sets) for pick in (min, max))
    others = f"{many}" if few == many else f"{few} to {many}"
    lines = [
        f"{printable(options.source)}: {len(found.labels):,} images with {len(set(found.labels)):,} labels, "
        f"{len(found.learned):,} to learn from and {len(found.measured):,} to measure on: {len(found.sets):,} sets of "
        f"a query, 1 of its label, and {others} of other labels",
        *(printable(note) for note in images.notes),
        "",
        *_table(found),
        "",
        *map(printable, verdict(found)),
        NOISE,
    ]
    if duplicates:
        lines += ["", *_duplicates_table(duplicates)]
    lines += [f"Written: {printable(str(file))}" for file in (options.html, options.csv) if file]
    return Outcome(content, "\n".join(lines), bool(images.failed))


def _table(found: Evaluation) -> list[str]:
    several = len({run.model for run in found.runs}) > 1
    heads = ["mAP", f"against {BASELINE}", "recall@1", "@5", "@10", "mean rank", "median", "top 1", "top 5", "top 10"]
    rows = [[*heads, "ranker", *(["model"] if several else [])]]
    for run in found.runs:
        some = run.total
        rows.append(
            [
                f"{some.mean_average_precision:.3f} ± {some.mean_average_precision_error:.3f}",
                signed(run.gain.mean_average_precision) if run.gain else "",
                *(f"{value:.2f}" for value in (some.recall_at_1, some.recall_at_5, some.recall_at_10)),
                f"{some.mean_rank:.2f} ± {some.mean_rank_error:.2f}",
                f"{some.median_rank:g}",
                *(f"{some.top_n[n - 1]:.2f}" for n in (1, 5, 10)),
                run.ranker,
                *([printable(run.model)] if several else []),
            ]
        )
    return aligned(rows, texts=2 if several else 1)


def _duplicates_table(duplicates: DuplicateFigures) -> list[str]:
    counted = len(duplicates.changes) - len(HARDER)
    some = (*duplicates.changes[:counted], duplicates.total, *duplicates.changes[counted:])
    rows = [[f"{one.recall:.3f}", f"{one.precision:.3f}", one.change] for one in some]
    return aligned([["recall", "precision", f"duplicates of {duplicates.photos} photos"], *rows], texts=1)
