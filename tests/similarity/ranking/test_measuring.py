"""How good a learned ranker is, on images made by hand and on the sample photos."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.embedding import embed_bytes
from shared.features import Vector
from shared.settings import Settings
from similarity.measures.split import split
from similarity.ranking import measuring
from similarity.ranking.labels import labels_from_folders
from similarity.ranking.measuring import Figures, Measured, measure
from similarity.ranking.rankers import LEARNED, CosineRanker, make
from tests.conftest import SAMPLES
from tests.similarity.ranking.examples import noise, planted


def measured(name: str, vectors: Vector, labels: Sequence[str], seed: int = 0) -> Measured:
    found = measure(name, vectors, labels, seed=seed, progress=lambda done: None)
    assert found
    return found


@pytest.fixture(scope="module")
def samples() -> tuple[Vector, list[str]]:
    files = sorted(SAMPLES.rglob("*.jpg"))
    labels = labels_from_folders(str(file.relative_to(SAMPLES)) for file in files)
    return np.array([embed_bytes(file.read_bytes(), Settings()).vector for file in files]), list(labels.values())


def test_on_the_sample_photos_the_projection_finds_more_than_cosine(samples: tuple[Vector, list[str]]) -> None:
    vectors, labels = samples
    assert len(set(labels)) == 16
    found = measured("projection", vectors, labels)
    learned, cosine, chance = (found.figures[name] for name in ("projection", "cosine", "random"))
    assert learned.mean_average_precision >= cosine.mean_average_precision + 0.03
    assert learned.mean_rank < cosine.mean_rank
    assert learned.beats(cosine)
    # 275 ranks from 1 to 51 have a mean that errs by .9.
    assert abs(chance.mean_rank - 26) < 4 * 0.9
    assert [step.examples for step in found.curve] == [2, 3, 5]
    assert found.curve[-1].figures == learned
    assert found.better_from == found.curve[0]
    assert (found.halvings, found.held_out) == (5, len(split(labels)[1]))


@pytest.mark.parametrize("name", LEARNED)
def test_what_labels_tell_is_found_and_noise_is_not(name: str) -> None:
    labels = ["cat", "dog", "cow"] * 8
    good = measured(name, planted(labels), labels)
    assert good.figures[name].beats(good.figures["cosine"])
    assert good.better_from
    assert good.figures["l2"] == good.figures["cosine"]
    bad = measured(name, noise(24, dimensions=32), labels)
    assert not bad.figures[name].beats(bad.figures["cosine"])


def test_images_that_were_learned_from_are_not_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"{n % 4}" for n in range(80)]
    learned: list[set[bytes]] = []
    asked: list[set[bytes]] = []

    class Learner(CosineRanker):
        def fit(self, vectors: Vector, _labels: Sequence[str]) -> None:
            learned.append({vector.tobytes() for vector in vectors})
            asked.append(set())

        def rank(self, query: Vector, candidates: Vector) -> NDArray[np.float64]:
            asked[-1] |= {vector.tobytes() for vector in [query, *candidates]}
            return super().rank(query, candidates)

    monkeypatch.setattr(measuring, "make", lambda name, seed: Learner() if name == "svm" else make(name, seed=seed))
    found = measured("svm", noise(80, dimensions=8), labels)
    assert [step.images for step in found.curve] == [8, 12, 20, 40]
    assert [len(some) for some in learned] == [8, 12, 20, 40] * 5
    for some, others in zip(learned, asked, strict=True):
        assert len(others) == 40
        assert not some & others


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("labels", [["a", "a", "b", "b"], ["a"] * 3 + ["b"] * 3, ["a"] * 9 + ["b", "b", "c"]])
def test_too_few_images_to_hold_half_of_them_back(name: str, labels: list[str]) -> None:
    assert measure(name, planted(labels, dimensions=8), labels, seed=0, progress=lambda done: None) is None


@pytest.mark.parametrize("name", LEARNED)
def test_four_images_of_two_labels_are_enough(name: str) -> None:
    labels = ["a", "b"] * 4
    found = measured(name, planted(labels, dimensions=8), labels)
    assert (found.held_out, found.halvings, [step.examples for step in found.curve]) == (4, 5, [2])


def test_of_many_images_some_are_measured_on_and_each_has_one_to_be_found() -> None:
    for of_a_label in (2, 3, 20, 500):
        labels = [f"{n // of_a_label}" for n in range(1500)]
        drawn = measuring._drawn(np.arange(1500), labels, np.random.default_rng(0))
        counts = np.unique([labels[row] for row in drawn], return_counts=True)[1]
        assert len(set(drawn.tolist())) == 200
        assert counts.min() >= 2
        assert counts.max() <= max(2, 200 // min(100, 1500 // of_a_label) + 2)
    assert measuring._drawn(np.arange(7), ["a"] * 7, np.random.default_rng(0)).tolist() == list(range(7))


def test_progress_is_told_and_can_end_it() -> None:
    labels = ["a", "b"] * 8
    told: list[float] = []
    measure("projection", planted(labels, dimensions=8), labels, seed=0, progress=told.append)
    assert told == sorted(told)
    assert told[0] == 0
    assert 0.9 < told[-1] < 1

    def stop(_done: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure("projection", planted(labels, dimensions=8), labels, seed=0, progress=stop)


def test_better_is_by_more_than_chance_and_in_both() -> None:
    cosine = Figures(0.5, 0.9, 3.0)
    assert Figures(0.51, 0.1, 3.0, 0.005).beats(cosine)
    assert not Figures(0.51, 0.9, 2.0, 0.02).beats(cosine)
    assert not Figures(0.9, 0.9, 3.1, 0.005).beats(cosine)
    assert not cosine.beats(cosine)


def test_better_is_where_no_more_examples_make_it_worse() -> None:
    cosine, good, bad = Figures(0.5, 0.9, 3.0), Figures(0.6, 0.9, 2.0), Figures(0.4, 0.9, 4.0)
    steps = [measuring.Step(n, n, figures) for n, figures in enumerate([good, bad, good, good])]
    assert measuring._better_from(steps, cosine) == steps[2]
    assert measuring._better_from(steps[:2], cosine) is None


def test_what_may_be_chance_is_two_standard_errors_of_the_lead() -> None:
    def found(*precisions: float) -> measuring._Found:
        return measuring._Found(Figures(0.5, 0.5, 5.0), np.array(precisions))

    none = float("nan")
    # Four images asked; in the mean over the halvings in which they did they lead by .2, .1, 0 and .1.
    ours = [found(0.5, 0.6, none, none, none), found(0.6, none, 0.5, 0.9, none)]
    cosine = [found(0.4, 0.5, none, none, none), found(0.3, none, 0.5, 0.8, none)]
    expected = 2 * np.std([0.2, 0.1, 0, 0.1], ddof=1) / 4**0.5
    assert measuring._mean_beside(ours, cosine) == pytest.approx((0.5, 0.5, 5.0, expected))


def test_labels_at_random_beat_cosine_in_one_of_ten_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing else is looked at.
    monkeypatch.setattr(measuring, "STEPS", ())
    monkeypatch.setattr(measuring, "COMPARED", ("cosine",))
    labels = ["a", "b", "c"] * 5
    found = [measured("projection", noise(15, seed=seed, dimensions=16), labels, seed=seed) for seed in range(40)]
    assert sum(one.figures["projection"].beats(one.figures["cosine"]) for one in found) <= 4
