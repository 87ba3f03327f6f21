"""An evaluation as other programs read it."""

import csv
import json
from typing import Any

import pytest

from similarity.evaluation.evaluate import Evaluation, evaluate
from similarity.evaluation.files import as_csv, as_json
from tests.similarity.evaluation.groups import groups

SIZES = {"=cmd()": 6, 'cat, "tabby"': 6, "gräs\nline": 6}


@pytest.fixture(scope="module")
def found() -> Evaluation:
    labels, vectors = groups(SIZES, spread=1.0)
    return evaluate(labels, {"m": vectors, "other": vectors[:, :3]}, ["projection"])


def test_the_table_has_every_figure_in_total_and_by_label(found: Evaluation) -> None:
    rows = list(csv.DictReader("".join(as_csv(found)).splitlines(keepends=True)))
    assert [(row["model"], row["ranker"], row["label"]) for row in rows] == [
        (model, ranker, label)
        for model in ("m", "other")
        for ranker in ("projection", "cosine")
        # What a spreadsheet might run begins with an apostrophe.
        for label in ("", "'=cmd()", 'cat, "tabby"', "gräs\nline")
    ]
    run = found.run("other", "cosine")
    assert run
    row = rows[12]
    assert float(row["mean_rank"]) == run.total.mean_rank
    assert float(row["mean_average_precision"]) == run.total.mean_average_precision
    assert [float(row[f"top_{n}"]) for n in range(1, 33)] == list(run.total.top_n)
    assert float(rows[13]["recall_at_1"]) == run.per_label["=cmd()"].recall_at_1


def test_the_json_says_the_same(found: Evaluation) -> None:
    content: Any = json.loads(json.dumps(as_json(found)))
    assert (content["images"], content["learnedFrom"], content["measuredOn"]) == (18, 9, 9)
    assert content["labels"] == SIZES
    assert content["negativesInSets"] == {"least": 6, "most": 6}
    last, run = content["runs"][-1], found.runs[-1]
    assert (last["model"], last["ranker"], last["gain"]) == ("other", "cosine", None)
    assert last["meanRank"] == run.total.mean_rank
    assert last["topN"] == list(run.total.top_n)
    assert last["perLabel"]["=cmd()"]["recallAt5"] == run.per_label["=cmd()"].recall_at_5
    assert content["runs"][0]["gain"].keys() >= {"meanAveragePrecision", "meanRankError"}
    trial = content["trials"][0]
    assert trial["ranker"] == "projection"
    assert [step["examples"] for step in trial["curve"]] == [2, 3]
    assert trial["figures"]["cosine"].keys() >= {"meanAveragePrecision", "recallAt1", "meanRank"}
