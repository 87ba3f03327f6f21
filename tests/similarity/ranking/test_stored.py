"""Rankers in the feature store."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from shared import backbone
from shared.features import FeatureStore
from similarity.ranking.measuring import Figures
from similarity.ranking.projection import ProjectionRanker
from similarity.ranking.rankers import LEARNED
from similarity.ranking.stored import (
    RankerError,
    UnknownRankerError,
    drop,
    keep,
    ranker_for,
    read,
    switch,
    switched_on,
)
from similarity.ranking.svm import SvmRanker
from similarity.ranking.trained import Trained
from tests.conftest import Stores
from tests.similarity.ranking.examples import noise, planted

ON_ONE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""For what no store has to do with."""

COSINE = Figures(0.5, 0.6, 5.0)
TEXT = "rankers of c"


def trained(name: str = "projection", gain: float | None = 0.1, model: str = backbone.MODEL) -> Trained:
    """A ranker that beats cosine by `gain`, or None: that was not measured."""
    figures: Mapping[str, Figures] = {}
    if gain is not None:
        figures = {"cosine": COSINE, name: Figures(0.5 + gain, 0.6, 4.0, 0.01)}
    return Trained(
        name=name,
        model=model,
        trained=datetime(2026, 1, 2, tzinfo=UTC),
        source="folder",
        labels=12,
        images=48,
        figures=figures,
        parameters=PARAMETERS[name],
    )


def test_one_that_helps_is_not_lost_to_a_training_that_does_not(stores: Stores) -> None:
    good = trained(gain=0.1)
    keep("c", good, stores.features)
    kept = keep("c", replace(trained(gain=-0.1), images=7), stores.features)
    assert (kept.on, kept.rankers["projection"].images) == ("projection", good.images)
    better = keep("c", replace(trained(gain=0.2), images=8), stores.features)
    assert better.rankers["projection"].images == 8


def fitted(name: str, labels: Sequence[str]) -> SvmRanker | ProjectionRanker:
    ranker = SvmRanker() if name == "svm" else ProjectionRanker()
    ranker.fit(planted(labels), labels)
    return ranker


PARAMETERS = {name: fitted(name, [f"{n % 12}" for n in range(48)]).parameters for name in LEARNED}


@pytest.mark.parametrize("name", LEARNED)
def test_what_was_learned_ranks_the_same_when_it_comes_back(name: str, stores: Stores) -> None:
    ranker = fitted(name, ["a", "b", "c"] * 4)
    kept = keep("c", replace(trained(name), parameters=ranker.parameters), stores.features)
    query, candidates = noise(1)[0], noise(20, seed=1)
    for which in (True, name):
        back = ranker_for("c", which, stores.features)
        assert back
        assert back.name == name
        assert back.rank(query, candidates).tolist() == ranker.rank(query, candidates).tolist()
    known = read("c", stores.features).rankers[name]
    assert replace(known, parameters={}) == replace(kept.rankers[name], parameters={})


def test_a_collection_without_rankers(stores: Stores) -> None:
    assert ranker_for("c", True, stores.features) is None
    assert ranker_for("c", False, stores.features) is None
    assert switched_on("c", stores.features) is None
    with pytest.raises(UnknownRankerError, match=r"never trained for the collection 'c'.*--ranker svm"):
        ranker_for("c", "svm", stores.features)
    with pytest.raises(UnknownRankerError, match="no ranker 'magic'; there can be svm and projection"):
        ranker_for("c", "magic", stores.features)
    keep("other", trained(), stores.features)
    assert ranker_for("c", True, stores.features) is None


def test_only_what_beats_cosine_is_switched_on(stores: Stores) -> None:
    store = stores.features
    assert keep("c", trained("svm", 0.001), store).on is None
    with pytest.raises(
        RankerError, match=r"0\.501 against 0\.500, where 0\.010 may be chance, and mean rank 4\.00 against"
    ):
        switch("c", "svm", store)
    assert ranker_for("c", True, store) is None
    # Who asks for it by name gets it.
    assert ranker_for("c", "svm", store)
    assert keep("c", trained("projection", None), store).on is None
    with pytest.raises(RankerError, match="two labels with four images each"):
        switch("c", "projection", store)
    assert keep("c", trained("projection", 0.1), store).on == switched_on("c", store) == "projection"


@ON_ONE
def test_of_two_that_beat_cosine_the_better_one_is_on_until_people_say_otherwise(stores: Stores) -> None:
    store = stores.features
    keep("c", trained("svm", 0.1), store)
    assert keep("c", trained("projection", 0.2), store).on == "projection"
    assert keep("c", trained("svm", 0.15), store).on == "projection"
    assert switch("c", "svm", store).on == "svm"
    assert switch("c", None, store).on is None
    assert switched_on("c", store) is None
    assert keep("c", trained("svm", 0.15), store).on == "svm"


def test_switching_off_what_is_not_on_writes_nothing(stores: Stores) -> None:
    assert switch("nowhere", None, stores.features).rankers == {}
    assert stores.features.recall("rankers of nowhere") is None
    keep("c", trained(gain=0.001), stores.features)
    assert list(switch("c", None, stores.features).rankers) == ["projection"]


@ON_ONE
def test_a_ranker_that_is_dropped_is_off(stores: Stores) -> None:
    store = stores.features
    keep("c", trained("svm", 0.1), store)
    keep("c", trained("projection", 0.2), store)
    assert drop("c", "svm", store).on == "projection"
    assert drop("c", "projection", store).on is None
    assert read("c", store).rankers == {}
    with pytest.raises(UnknownRankerError):
        drop("c", "projection", store)


@ON_ONE
def test_a_ranker_for_another_model_is_refused_and_training_again_helps(stores: Stores) -> None:
    store = stores.features
    old = trained("projection", 0.3, model="older/1")
    store.remember(TEXT, _text(old, store, on="projection"))
    for which in (True, "projection"):
        with pytest.raises(RankerError, match=f"for the model 'older/1', and the model is {backbone.MODEL} now. Train"):
            ranker_for("c", which, store)
    with pytest.raises(RankerError, match="train again"):
        switch("c", "projection", store)
    # What the old one gained is no reason to leave it on.
    assert keep("c", trained("svm", 0.1), store).on == "svm"
    assert keep("c", trained("projection", 0.2), store).on == "projection"


def _text(one: Trained, store: FeatureStore, on: str | None) -> str:
    keep("c", one, store)
    content = json.loads(store.recall(TEXT) or "")
    return json.dumps(content | {"on": on})


DAMAGED = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"rankers": {}, "on": "svm"}',
    '{"rankers": {}, "on": ["svm"]}',
    '{"rankers": {"svm": null}, "on": null}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
@ON_ONE
def test_damaged_text_says_what_to_do_and_training_mends_it(text: str, stores: Stores) -> None:
    store = stores.features
    store.remember(TEXT, text)
    asks: list[Callable[[str, str, FeatureStore], object]] = [ranker_for, switch, drop]
    for ask in asks:
        with pytest.raises(RankerError, match=r"damaged\. Train it with"):
            ask("c", "svm", store)
    assert switched_on("c", store) is None
    assert keep("c", trained(), store).on == "projection"
    assert ranker_for("c", True, store)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("model",), ...),
        (("trained",), "yesterday"),
        (("labels",), "many"),
        (("labels",), float("inf")),
        (("figures", "cosine"), [1]),
        (("figures",), [1]),
        (("parameters",), {}),
        (("parameters", "weights", "float32"), "no base64"),
        (("parameters", "weights", "float32"), "AAAA"),
        (("parameters", "weights", "float32"), "AAAAAA=="),
        (("parameters", "weights", "shape"), [128, 2]),
        (("parameters", "weights"), {"shape": [2], "float32": "AAAAAAAAAAA="}),
        (("parameters", "weights", "shape"), [2**70]),
        (("parameters", "weights", "shape"), []),
        (("parameters", "weights", "shape"), [16, 16]),
        (("parameters", "weights", "shape"), "256"),
    ],
)
@ON_ONE
def test_a_ranker_of_which_a_part_is_damaged_is_not_used(where: tuple[str, ...], value: object, stores: Stores) -> None:
    keep("c", trained("svm"), stores.features)
    content = json.loads(stores.features.recall(TEXT) or "")
    *above, last = where
    place = content["rankers"]["svm"]
    for name in above:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    stores.features.remember(TEXT, json.dumps(content))
    with pytest.raises(RankerError, match="damaged"):
        ranker_for("c", True, stores.features)


@ON_ONE
def test_the_largest_rankers_fit_into_a_document(stores: Stores) -> None:
    for name, shape in (("svm", (256,)), ("projection", (256, 256))):
        numbers = np.random.default_rng(0).random(shape, np.float32)
        key = next(iter(PARAMETERS[name]))
        keep("c", replace(trained(name), parameters={key: numbers}), stores.features)
    assert len(stores.features.recall(TEXT) or "") < 500_000


def test_two_who_train_at_the_same_time_lose_nothing(stores: Stores) -> None:
    def store(name: str) -> None:
        for gain in np.linspace(0.1, 0.2, 6):
            keep("c", trained(name, float(gain)), stores.features)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(store, LEARNED))
    found = read("c", stores.features)
    assert {name: one.gain for name, one in found.rankers.items()} == pytest.approx(dict.fromkeys(LEARNED, 0.2))
    assert found.on in LEARNED
