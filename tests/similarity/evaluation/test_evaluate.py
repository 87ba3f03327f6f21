"""The whole protocol: on vectors whose labels are known to be right or noise, and on the sample photos."""

import json
from pathlib import Path

import numpy as np
import pytest

from shared.embedding import embed_bytes
from shared.features import Vector
from shared.settings import Settings
from similarity.evaluation.evaluate import Evaluation, EvaluationError, Run, Setup, evaluate
from similarity.evaluation.files import as_json
from similarity.evaluation.measure import figures, measure
from similarity.evaluation.verdict import verdict
from similarity.measures.sets import ComparativeSet
from similarity.ranking.rankers import RANKERS, make
from tests.conftest import SAMPLES
from tests.similarity.evaluation.groups import groups

SIZES = dict.fromkeys("abcdefgh", 12)


def of(found: Evaluation, ranker: str, model: str = "m") -> Run:
    run = found.run(model, ranker)
    assert run
    return run


def test_nothing_that_is_measured_on_was_learned_from() -> None:
    labels, vectors = groups(SIZES, spread=0.7)
    found = evaluate(labels, {"m": vectors}, ["projection"])
    assert set(found.learned) | set(found.measured) == set(range(96))
    assert len(found.learned) == len(found.measured) == 48
    for query, positive, negatives in found.sets:
        assert {query, positive, *negatives} <= set(found.measured)
        assert labels[query] == labels[positive]
        assert labels[query] not in {labels[row] for row in negatives}
    ranker = make("projection")
    ranker.fit(vectors[found.learned], [labels[row] for row in found.learned])
    again = {row: n for n, row in enumerate(found.measured)}
    sets = [ComparativeSet(again[q], again[p], np.array([again[row] for row in some])) for q, p, some in found.sets]
    here = [labels[row] for row in found.measured]
    assert of(found, "projection").total == figures(measure(ranker, vectors[found.measured], here, sets))


def test_every_ranker_is_compared_with_cosine_query_by_query() -> None:
    labels, vectors = groups(SIZES, spread=0.9)
    found = evaluate(labels, {"m": vectors}, ["l2", "projection"])
    assert [run.ranker for run in found.runs] == ["l2", "projection", "cosine"]
    assert of(found, "cosine").gain is None
    for run in found.runs[:2]:
        base = of(found, "cosine").total
        assert run.gain
        gained = run.total.mean_average_precision - base.mean_average_precision
        assert run.gain.mean_average_precision == pytest.approx(gained)
        assert run.gain.mean_rank == pytest.approx(base.mean_rank - run.total.mean_rank)


def test_the_nearest_of_a_set_is_the_positive_exactly_where_that_comes_first() -> None:
    labels, vectors = groups(SIZES, spread=1.2)
    run = of(evaluate(labels, {"m": vectors}, []), "cosine")
    found = evaluate(labels, {"m": vectors}, [])
    first = [near == one.positive for near, one in zip(run.nearest, found.sets, strict=True)]
    assert first == [rank == 1 for rank in run.ranks]
    assert True in first
    assert False in first


def test_figures_by_label_add_up_to_the_total() -> None:
    labels, vectors = groups(SIZES | {"alone": 1}, spread=1.0)
    run = of(evaluate(labels, {"m": vectors}, []), "cosine")
    assert list(run.per_label) == list("abcdefgh")
    parts = run.per_label.values()
    assert sum(part.sets for part in parts) == run.total.sets == 48
    assert np.average([p.mean_rank for p in parts], weights=[p.sets for p in parts]) == pytest.approx(
        run.total.mean_rank
    )
    assert np.average([p.mean_average_precision for p in parts], weights=[p.queries for p in parts]) == pytest.approx(
        run.total.mean_average_precision
    )


def test_an_embedding_that_is_always_the_same_is_no_better_than_chance_with_any_ranker_that_learns_nothing() -> None:
    labels, vectors = groups(SIZES, spread=1.0)
    found = evaluate(labels, {"same": np.full_like(vectors, 0.25), "random": vectors}, ["random", "l2"])
    for ranker in ("cosine", "l2", "random"):
        same = of(found, ranker, "same").total
        assert same.mean_rank == 1 + len(found.sets[0].negatives) / 2
        assert same.mean_average_precision < 0.25
    chance = of(found, "random", "random").total
    middle = 1 + len(found.sets[0].negatives) / 2
    assert abs(chance.mean_rank - middle) < 2 * chance.mean_rank_error


def test_where_labels_are_noise_nothing_is_to_be_switched_on() -> None:
    _, vectors = groups(SIZES, spread=1.0)
    labels = np.random.default_rng(1).permutation(["a", "b", "c", "d"] * 24).tolist()
    found = evaluate(labels, {"m": vectors}, ["projection"])
    assert found.best("m") is None
    assert as_json(found)["switchOn"] == {"m": None}
    assert any("none is to be switched on" in said for said in verdict(found))


def test_each_model_is_measured_on_the_same_sets() -> None:
    labels, good = groups(SIZES, spread=0.5)
    _, bad = groups(SIZES, spread=2.0)
    found = evaluate(labels, {"good": good, "bad": bad[:, :7]}, ["l2"])
    assert [(run.model, run.ranker) for run in found.runs] == [
        (model, ranker) for model in ("good", "bad") for ranker in ("l2", "cosine")
    ]
    assert of(found, "cosine", "good").total.mean_average_precision > of(found, "cosine", "bad").total.recall_at_1
    assert json.dumps(as_json(found))


def test_queries_and_negatives_are_as_many_as_asked_for() -> None:
    labels, vectors = groups(SIZES, spread=1.0)
    found = evaluate(labels, {"m": vectors}, [], Setup(queries=3, negatives=5))
    assert len(found.sets) == 3 * 8
    assert {len(one.negatives) for one in found.sets} == {5}


def test_a_ranker_that_cannot_learn_from_so_few_is_named_and_the_others_are_measured() -> None:
    labels, vectors = groups({"a": 3, "b": 2}, spread=0.1)
    found = evaluate(labels, {"m": vectors}, RANKERS)
    assert set(found.not_run) == {"svm", "projection"}
    assert [run.ranker for run in found.runs] == ["random", "l2", "cosine"]
    said = list(verdict(found))
    assert [one.partition(" cannot be told: half of the images are too few.")[0] for one in said] == [
        "Whether svm is better than cosine",
        "Whether projection is better than cosine",
    ]


@pytest.mark.parametrize("sizes", [{}, {"a": 9}, {"a": 2, "b": 2}, {"a": 9, "b": 1}, {"a": 1, "b": 1}])
def test_too_few_labels_are_an_error_that_says_what_it_takes(sizes: dict[str, int]) -> None:
    labels = [label for label, size in sizes.items() for _ in range(size)]
    counts = ", ".join(f"'{label}' {size}" for label, size in sizes.items()) or "none"
    with pytest.raises(EvaluationError, match=rf"two labels with two images each.*three.* label: {counts}\."):
        evaluate(labels, {"m": np.ones((len(labels), 4), np.float32)}, RANKERS)


@pytest.fixture(scope="module")
def samples() -> tuple[list[str], Vector]:
    photos = sorted(SAMPLES.rglob("*.jpg"))
    vectors = np.stack([embed_bytes(photo.read_bytes(), Settings()).vector for photo in photos])
    return [Path(photo).parent.name for photo in photos], vectors


def test_on_the_samples_the_learned_projection_is_better_than_cosine(samples: tuple[list[str], Vector]) -> None:
    labels, vectors = samples
    found = evaluate(labels, {"m": vectors}, RANKERS)
    more = of(found, "projection").gain
    assert more
    assert more.mean_average_precision >= 0.03
    assert more.mean_rank > 0
    best = found.best("m")
    assert best
    assert best.ranker == "projection"
    assert of(found, "svm").gain  # whichever way it falls
    said = list(verdict(found))
    assert said[0] == "The ranker to switch on: projection."
    assert any(one.startswith("svm against cosine: mAP ") for one in said)
    assert any("better from 2 labelled images a label on" in one for one in said if one.startswith("projection"))
    chance = of(found, "random").total
    assert abs(chance.mean_rank - 26) < 2 * chance.mean_rank_error < 10
