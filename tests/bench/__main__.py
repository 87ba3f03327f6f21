"""Take every figure, print it as it comes, write `docs/performance.md` and `docs/performance.json`."""

import argparse
import json
import sys
from datetime import UTC, datetime
from itertools import groupby

from tests.bench import clustering, cosmos, duplicates, images, indexing, ingest, serving, similarity, store
from tests.bench.measure import Figure, machine
from tests.servers.devhost import ROOT

PARTS = {
    "images": images.figures,
    "serving": serving.figures,
    "ingest": ingest.figures,
    "indexing": indexing.figures,
    "store": store.figures,
    "similarity": similarity.figures,
    "duplicates": duplicates.figures,
    "clustering": clustering.figures,
    "cosmos": cosmos.figures,
}


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"only some of {', '.join(PARTS)}; then nothing is written")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    where = machine()
    print("\n".join(f"{key}: {value}" for key, value in where.items()))
    taken = []
    for part in options.parts or PARTS:
        for figure in PARTS[part]():
            print(_line(figure), flush=True)
            taken.append(figure)
    if not options.parts:
        day = datetime.now(UTC).date().isoformat()
        result = {"taken": day, "machine": where, "figures": [figure.as_json() for figure in taken]}
        (ROOT / "docs" / "performance.json").write_text(json.dumps(result, indent=2) + "\n")
        (ROOT / "docs" / "performance.md").write_text(_page(day, where, taken))
        print("Written: docs/performance.md, docs/performance.json")
    return 0


def _line(figure: Figure) -> str:
    against = f" | {figure.baseline_name} {_number(figure.baseline)} | ×{_ratio(figure.ratio)}" if figure.ratio else ""
    spread = f" ({_number(figure.low)} to {_number(figure.high)})" if figure.low != figure.high else ""
    return f"{figure.section}: {figure.name} | {_number(figure.ours)} {figure.unit}{spread}{against}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _page(day: str, where: dict[str, str], figures: list[Figure]) -> str:
    parts = [
        "# Performance",
        "",
        f"What `make bench` printed on {day}; it writes this page, so do not edit it. Each figure is a median, with "
        "its smallest and largest value; its baseline was measured in turn with it, in the same run. A ratio below 1 "
        "means less time or memory than the baseline; of recall and precision, more is better.",
        "",
        *(f"- {key}: {value}" for key, value in where.items()),
    ]
    for section, rows in groupby(figures, key=lambda figure: figure.section):
        parts += ["", f"## {section}", "", "| what | ours | from – to | baseline | its figure | ratio |"]
        parts += ["|---|---|---|---|---|---|", *map(_row, rows)]
    return "\n".join(parts) + "\n"


def _row(figure: Figure) -> str:
    spread = f"{_number(figure.low)} – {_number(figure.high)}" if figure.low != figure.high else ""
    baseline = f"{_number(figure.baseline)} {figure.unit}" if figure.baseline else ""
    ratio = _ratio(figure.ratio) if figure.ratio else ""
    ours = f"{_number(figure.ours)} {figure.unit}"
    return f"| {figure.name} | {ours} | {spread} | {figure.baseline_name} | {baseline} | {ratio} |"


if __name__ == "__main__":
    sys.exit(main())
