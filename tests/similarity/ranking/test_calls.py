"""What people ask of rankers over HTTP, without the HTTP: every answer, and every mistake that they can make."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared import backbone
from shared.contract import Reply
from shared.settings import Settings
from similarity.ranking import calls
from similarity.ranking.stored import ranker_for, read
from tests.conftest import Stores
from tests.similarity.ranking.examples import noise, planted, put_labelled
from tests.similarity.stored_images import at, put, stored

ON_ONE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""For what no store has to do with."""

LABELS = ["cat", "cow", "dog"] * 8


def answer(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    assert reply.mimetype == "application/json"
    return json.loads(reply.body)


def why(reply: Reply, status: int = 400) -> str:
    return str(answer(reply, status)["error"])


def train(stores: Stores, content: Any = None, collection: str = "c", settings: Settings | None = None) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
    return calls.train_ranker(collection, body, stores.features, settings or Settings())


def switch(stores: Stores, content: Any) -> Reply:
    return calls.change_ranker("c", json.dumps(content).encode(), stores.features)


@pytest.fixture
def telling(stores: Stores) -> Stores:
    """A collection whose labels tell something, with one that only one image has."""
    put_labelled(stores.features, [*LABELS, "alone"], planted([*LABELS, "alone"]))
    return stores


def test_a_ranker_is_trained_shown_switched_and_forgotten(telling: Stores) -> None:
    store = telling.features
    assert answer(calls.list_rankers("c", store)) == {"collection": "c", "on": None, "rankers": []}
    report = answer(train(telling))
    assert {name: report[name] for name in ("collection", "ranker", "model", "source", "labels", "images")} == {
        "collection": "c",
        "ranker": "projection",
        "model": backbone.MODEL,
        "source": "folder",
        "labels": 3,
        "images": 24,
    }
    assert report["leftOut"] == {
        "oneImageOnly": {"count": 1, "some": ["alone"]},
        "notThere": {"count": 0, "some": []},
        "notInSample": 0,
    }
    assert (report["on"], report["whyNot"], report["usable"]) == (True, None, True)
    assert set(report["figures"]) == {"random", "l2", "cosine", "projection"}
    gain = {name: figures["meanAveragePrecision"] for name, figures in report["figures"].items()}
    assert gain["projection"] > gain["cosine"] > gain["random"]
    assert report["curve"][-1].items() >= report["figures"]["projection"].items()
    assert report["betterFrom"] in report["curve"]

    shown = answer(calls.list_rankers("c", store))
    assert (shown["collection"], shown["on"]) == ("c", "projection")
    assert [report | one for one in shown["rankers"]] == [report]
    assert answer(switch(telling, {"on": None}))["on"] is None
    assert ranker_for("c", True, store) is None
    assert answer(switch(telling, {"on": "projection"})) == shown
    assert ranker_for("c", True, store)
    assert answer(calls.delete_ranker("c", "projection", store)) == {"collection": "c", "on": None, "rankers": []}
    assert "never trained" in why(calls.delete_ranker("c", "projection", store), 404)


def test_labels_that_are_noise_switch_nothing_on_and_nobody_can(stores: Stores) -> None:
    put_labelled(stores.features, LABELS, noise(24))
    for name in ("projection", "svm"):
        report = answer(train(stores, {"ranker": name}))
        assert report["on"] is False
        assert "does not beat cosine: mean average precision" in report["whyNot"]
        assert report["whyNot"] == report["objection"]
        refused = why(switch(stores, {"on": name}), 409)
        assert report["objection"] in refused
    shown = answer(calls.list_rankers("c", stores.features))
    assert (shown["on"], [one["ranker"] for one in shown["rankers"]]) == (None, ["projection", "svm"])


@ON_ONE
def test_labels_that_are_noise_do_not_take_away_what_helps(telling: Stores) -> None:
    good = answer(train(telling))
    paths = sorted(feature.path for block in telling.features.scan("c") for feature in block)
    report = answer(train(telling, {"labels": {path: str(n % 3) for n, path in enumerate(paths)}}))
    assert report["on"] is False
    assert "the one that was trained on" in report["whyNot"]
    assert report["whyNot"].endswith(" UTC stays")
    shown = answer(calls.list_rankers("c", telling.features))
    assert (shown["on"], shown["rankers"][0]["trained"]) == ("projection", good["trained"])


@ON_ONE
def test_the_same_training_again_learns_the_same(telling: Stores) -> None:
    first, second = (answer(train(telling)) for _ in range(2))
    assert first | {"trained": second["trained"]} == second
    assert answer(train(telling, {"seed": 1}))["figures"] != first["figures"]
    weights = []
    for seed in (0, 1):
        train(telling, {"ranker": "svm", "seed": seed})
        weights.append(read("c", telling.features).rankers["svm"].parameters["weights"].tolist())
    assert weights[0] != weights[1]


@ON_ONE
def test_of_more_images_than_a_call_learns_from_a_sample_is_taken(
    telling: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MAX_IMAGES", 20)
    report = answer(train(telling))
    assert report["leftOut"]["notInSample"] == 5
    assert report["images"] + report["leftOut"]["oneImageOnly"]["count"] == 20


@ON_ONE
def test_labels_may_be_a_tag_or_come_with_the_call(stores: Stores) -> None:
    vectors = planted(LABELS)
    put(stores.features, [stored(f"c/{n}", vectors[n], {"kind": label}) for n, label in enumerate(LABELS)])
    by_tag = answer(train(stores, {"labels": "tag:kind"}))
    labels = {f"c/{n}": label for n, label in enumerate(LABELS)} | {f"c/gone {n}": "cat" for n in range(7)}
    by_path = answer(train(stores, {"labels": labels}))
    assert (by_tag["source"], by_path["source"]) == ("tag:kind", "given")
    assert by_path["figures"] == by_tag["figures"]
    assert by_path["leftOut"]["notThere"] == {"count": 7, "some": [f"c/gone {n}" for n in range(5)]}


@ON_ONE
def test_too_few_images_to_measure_are_learned_from_and_not_switched_on(stores: Stores) -> None:
    put_labelled(stores.features, ["cat", "cat", "dog", "dog"], planted(["cat", "cat", "dog", "dog"]))
    report = answer(train(stores))
    assert (report["images"], report["figures"], report["curve"], report["on"]) == (4, {}, [], False)
    assert "two labels with four images each" in report["whyNot"]
    assert "four images each" in why(switch(stores, {"on": "projection"}), 409)


@ON_ONE
def test_a_better_ranker_stays_on(telling: Stores) -> None:
    for name in ("projection", "svm", "projection"):
        train(telling, {"ranker": name})
    shown = answer(calls.list_rankers("c", telling.features))
    gains = {one["ranker"]: one["figures"][one["ranker"]]["meanAveragePrecision"] for one in shown["rankers"]}
    best = max(gains, key=lambda name: gains[name])
    assert shown["on"] == best
    (other,) = gains.keys() - {best}
    assert gains[best] > gains[other]
    assert f"the ranker {best}, which is switched on, gains more" in answer(train(telling, {"ranker": other}))["whyNot"]


@ON_ONE
@pytest.mark.parametrize(
    ("content", "why_"),
    [
        (b"", "The body is not JSON"),
        (b"[]", "The body is no JSON object"),
        ({"ranker": "cosine"}, "'ranker' takes svm or projection, not 'cosine'"),
        ({"ranker": ["svm"]}, "'ranker' takes svm or projection"),
        ({"labels": "tag:"}, "'labels' takes 'folder', 'tag:NAME'"),
        ({"labels": None}, "'labels' takes"),
        ({"labels": {"c/cat/000.jpg": 3}}, "The label of 'c/cat/000.jpg' is not a text"),
        ({"labels": {"c/x": "cat", "c/y": "dog"}}, "None of the 2 images with labels is in the collection"),
        ({"labels": "tag:kind"}, "has the tag 'kind'. Tags there: none."),
        ({"labels": {"c/cat/000.jpg": "cat", "c/cat/003.jpg": "cat"}}, "only one label, 'cat', has that many images"),
        ({"labels": {"c/cat/000.jpg": "cat", "c/cow/001.jpg": "cow"}}, "but no label has that many images"),
        ({"seed": -1}, "'seed' takes a whole number from 0 to 2147483647, not -1"),
        ({"seed": 1.5}, "'seed' takes"),
        ({"seed": True}, "'seed' takes"),
        ({"seed": 2**40}, "'seed' takes"),
        ({"rankers": "svm"}, "'rankers' is not known here; there are ranker, labels, seed."),
    ],
)
def test_a_training_that_cannot_be_says_why_and_changes_nothing(telling: Stores, content: Any, why_: str) -> None:
    said = why(train(telling, content))
    assert why_ in said
    assert len(said) < 400
    assert answer(calls.list_rankers("c", telling.features))["rankers"] == []


@ON_ONE
def test_one_label_and_no_images(stores: Stores) -> None:
    put(stores.features, [stored(f"c/{n}.jpg", at(n)) for n in range(4)])
    assert "only one label, 'c', has" in why(train(stores))
    put(stores.features, [stored("old/cat/a", at(1), model="older/1")])
    for nowhere in ("nowhere", "old"):
        assert "holds no images" in why(train(stores, collection=nowhere), 404)


@ON_ONE
def test_a_training_that_takes_too_long_for_a_call_names_the_command(telling: Stores) -> None:
    reply = train(telling, settings=replace(Settings(), time_budget=1e-9))
    assert "python -m similarity train" in why(reply, 503)
    assert answer(calls.list_rankers("c", telling.features))["rankers"] == []


@ON_ONE
def test_more_labels_than_a_body_may_have(telling: Stores) -> None:
    assert "larger than 4 MB" in why(train(telling, b" " * 4_000_001), 413)


@ON_ONE
def test_a_ranker_that_cannot_be_switched_on(telling: Stores) -> None:
    train(telling)
    wrong: list[tuple[Any, int, str]] = [
        ({}, 400, 'such as {"on": "projection"}'),
        ({"on": True}, 400, "Send the name of a ranker, or null"),
        ({"on": "projection", "force": True}, 400, "'force' is not known here"),
        ({"on": "svm"}, 404, "The ranker svm was never trained"),
        ({"on": "l2"}, 404, "There is no ranker 'l2'; there can be svm and projection."),
        ({"on": "x" * 10_000}, 404, "There is no ranker"),
    ]
    for content, status, expected in wrong:
        said = why(switch(telling, content), status)
        assert expected in said
        assert len(said) < 400
    assert "There is no ranker 'x" in why(calls.delete_ranker("c", "x" * 1000, telling.features), 404)
    assert answer(calls.list_rankers("c", telling.features))["on"] == "projection"


@ON_ONE
def test_what_is_stored_is_damaged(telling: Stores) -> None:
    telling.features.remember("rankers of c", "{")
    store = telling.features
    for reply in (
        calls.list_rankers("c", store),
        switch(telling, {"on": "svm"}),
        calls.delete_ranker("c", "svm", store),
    ):
        assert "is damaged. Train it with" in why(reply, 409)
    assert answer(train(telling))["on"] is True
    assert answer(calls.list_rankers("c", store))["on"] == "projection"
