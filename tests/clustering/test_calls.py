"""What people ask over HTTP, without the HTTP: every answer, and every mistake that they can make."""

import json
from dataclasses import replace
from typing import Any

import pytest

from clustering import fit_calls, label_calls, views
from clustering.fits import Parameters
from clustering.fitting.running import run
from clustering.jobs import read
from clustering.labels import edit_labels
from clustering.state import read_state
from shared.contract import Reply
from shared.fits import NOISE
from shared.settings import Settings
from tests.clustering.angles import group, put
from tests.clustering.small_fits import at, feature, fit_of, member, publish
from tests.conftest import Stores

URLS = Settings(images_account="https://account.blob.core.windows.net")

ON_ONE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""For what no store has to do with."""


def answer(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    assert reply.mimetype == "application/json"
    return json.loads(reply.body)


def why(reply: Reply, status: int) -> str:
    return str(answer(reply, status)["error"])


@pytest.fixture
def fitted(stores: Stores) -> Stores:
    """Clusters 0, 1 and 3 with four, two and three images, and one that is noise."""
    members = [member(f"c/a {n}", 0, at(n)) for n in range(4)] + [member(f"c/A{n}", 1, at(90 + n)) for n in range(2)]
    members += [member("c/d0", 3), member("c/d1", 3, at(181)), member("c/d2", 3, at(182)), member("c/é", NOISE)]
    publish(stores, members, fit_of("first", members), {0: ("apples", "Äpfel"), 3: ("<b>dates</b>",)})
    return stores


def images(stores: Stores, cluster: int | str, **params: str) -> Reply:
    return views.list_images("c", str(cluster), params, *stores, URLS)


def test_a_fit_is_started_and_followed(stores: Stores) -> None:
    put(stores.features, {path.replace("c/", "c d/"): angle for path, angle in group("a", 0).items()})
    sent: list[str] = []
    reply = fit_calls.start_fit("c d", b'{"eps": "0.003", "minSamples": 4}', stores.features, sent.append)
    job = answer(reply, 202)
    assert reply.headers == {"Location": "/api/collections/c%20d/clusters/fit"}
    assert (job["state"], job["stalled"], job["error"], job["fit"]) == ("queued", False, None, None)
    assert job["parameters"] == {
        "algorithm": "dbscan",
        "eps": 0.003,
        "minSamples": 4,
        "maxImages": 100_000,
        "noiseOnly": False,
    }
    assert answer(fit_calls.fit_status("c d", stores.features)) == job
    again = why(fit_calls.start_fit("c d", b"", stores.features, sent.append), 409)
    assert "/api/collections/c%20d/clusters/fit" in again
    (message,) = sent
    run(message.encode(), *stores)
    done = answer(fit_calls.fit_status("c d", stores.features))
    assert done["state"] == "done"
    shown = answer(views.list_clusters("c d", stores.features))
    assert (shown["fit"], shown["parameters"]) == (done["fit"], job["parameters"])
    assert [(one["cluster"], one["size"]) for one in shown["clusters"]] == [(0, 4)]
    assert "nothing was cancelled" in why(fit_calls.cancel_fit("c d", stores.features), 409)


def test_without_a_body_a_fit_has_the_default_parameters_and_can_be_cancelled(stores: Stores) -> None:
    put(stores.features, {"c/one": 0})
    sent: list[str] = []
    answer(fit_calls.start_fit("c", b" ", stores.features, sent.append), 202)
    job = read("c", stores.features)
    assert job is not None
    assert job.parameters["eps"] == Parameters().eps
    assert answer(fit_calls.cancel_fit("c", stores.features))["state"] == "cancelled"
    assert answer(fit_calls.start_fit("c", b"{}", stores.features, sent.append), 202)["state"] == "queued"
    assert len(sent) == 2


@ON_ONE
def test_parameters_come_in_the_query_string_too(stores: Stores) -> None:
    put(stores.features, {"c/one": 0})
    query = {"code": "a key", "eps": "0.25", "noiseOnly": "True"}
    job = answer(fit_calls.start_fit("c", b'{"minSamples": 7}', stores.features, list[str]().append, query), 202)
    assert job["parameters"] == {
        "algorithm": "dbscan",
        "eps": 0.25,
        "minSamples": 7,
        "maxImages": 100_000,
        "noiseOnly": True,
    }


@ON_ONE
@pytest.mark.parametrize(
    ("query", "body", "reason"),
    [
        ({"eps": "9"}, b"", "above 0 and up to 2"),
        ({"eps": "0.5"}, b'{"eps": 0.5}', "'eps' is in the query string and in the body"),
        ({"epsilon": "0.5"}, b"", "'epsilon' is no parameter"),
        ({"Code": "a key"}, b"", "'Code' is no parameter"),
        ({"noiseOnly": "1"}, b"", "true or false"),
        ({}, b'{"code": "a key"}', "'code' is no parameter"),
    ],
)
def test_a_query_string_is_not_ignored(stores: Stores, query: dict[str, str], body: bytes, reason: str) -> None:
    put(stores.features, {"c/one": 0})
    sent: list[str] = []
    assert reason in why(fit_calls.start_fit("c", body, stores.features, sent.append, query), 400)
    assert sent == []
    assert read("c", stores.features) is None


@ON_ONE
def test_a_fit_by_the_command_has_no_status_but_is_in_force(fitted: Stores) -> None:
    assert why(fit_calls.fit_status("c", fitted.features), 404) == (
        "No fit of the collection 'c' was started over HTTP; GET /api/collections/c/clusters shows the one in force."
    )


BAD_PARAMETERS = {
    '{"eps": 0}': "above 0 and up to 2",
    '{"eps": -0.1}': "above 0 and up to 2",
    '{"eps": 2.5}': "above 0 and up to 2",
    '{"eps": NaN}': "'eps' takes a number",
    '{"eps": "NaN"}': "'eps' takes a number",
    '{"eps": Infinity}': "'eps' takes a number",
    '{"eps": "half"}': "'eps' takes a number",
    '{"eps": true}': "'eps' takes a number",
    '{"eps": [0.5]}': "'eps' takes a number",
    '{"minSamples": 0}': "a whole number from 1 to",
    '{"minSamples": 2.5}': "a whole number from 1 to",
    '{"minSamples": 10000000}': "a whole number from 1 to 1000000",
    '{"algorithm": "hdbscan", "minSamples": 1}': "a whole number from 2 to",
    '{"algorithm": "kmeans"}': "dbscan or hdbscan",
    '{"algorithm": {}, "algorithm": ["dbscan"]}': "dbscan or hdbscan",
    '{"maxImages": 10}': "from 100 to",
    '{"maxImages": 1e9}': "from 100 to",
    '{"noiseOnly": "yes"}': "true or false",
    '{"epsilon": 0.5}': "'epsilon' is no parameter",
    "[]": "no JSON object",
    "null": "no JSON object",
    "eps=0.5": "not JSON",
    '{"eps": ' + "9" * 5000 + "}": "not JSON",
    "[" * 100_000: "not JSON",
}


@ON_ONE
@pytest.mark.parametrize(("body", "reason"), BAD_PARAMETERS.items(), ids=[body[:30] for body in BAD_PARAMETERS])
def test_bad_parameters_are_refused_with_what_to_do(stores: Stores, body: str, reason: str) -> None:
    put(stores.features, {"c/one": 0})
    sent: list[str] = []
    assert reason in why(fit_calls.start_fit("c", body.encode(), stores.features, sent.append), 400)
    assert sent == []
    assert read("c", stores.features) is None


@ON_ONE
@pytest.mark.parametrize("body", ['{"minSamples": 1}', '{"minSamples": 1000000}', '{"eps": 2}', '{"eps": null}'])
def test_parameters_at_the_limits_are_taken(stores: Stores, body: str) -> None:
    put(stores.features, {"c/one": 0})
    sent: list[str] = []
    answer(fit_calls.start_fit("c", body.encode(), stores.features, sent.append), 202)
    run(sent[0].encode(), *stores)
    assert answer(fit_calls.fit_status("c", stores.features))["state"] == "done"


def test_a_collection_without_images_cannot_be_fitted(stores: Stores) -> None:
    stores.features.upsert(feature("c/old", at(0), model="older/1"))
    sent: list[str] = []
    for name in ("c", "nowhere"):
        assert "holds no images" in why(fit_calls.start_fit(name, b"", stores.features, sent.append), 404)
    assert sent == []


def test_before_any_fit_everything_says_what_to_do(stores: Stores) -> None:
    for reply in (
        views.list_clusters("c", stores.features),
        images(stores, 0),
        views.report("c", {}, *stores, URLS),
        label_calls.read_labels("c", {}, *stores, URLS),
        label_calls.read_labels("c", {"format": "csv"}, *stores, URLS),
    ):
        assert "start a fit with POST /api/collections/c/clusters." in why(reply, 404)
    assert "start a fit" in why(label_calls.change_labels("c", {}, b'{"set": {"0": ["a"]}}', stores.features), 404)
    status = why(fit_calls.fit_status("c", stores.features), 404)
    assert "was started over HTTP; start one with POST /api/collections/c/clusters." in status
    assert "There is no fit" in why(fit_calls.cancel_fit("c", stores.features), 409)


def test_clusters_are_shown_as_people_see_them(fitted: Stores) -> None:
    edit_labels("c", {"merge": {"1": 0}}, fitted.features, fit=None)
    shown = answer(views.list_clusters("c", fitted.features))
    assert shown["clusters"] == [
        {"cluster": 0, "label": ["apples", "Äpfel"], "size": 6, "cores": 6, "spread": 0.05},
        {"cluster": 3, "label": ["<b>dates</b>"], "size": 3, "cores": 2, "spread": 0.05},
    ]
    assert (shown["fit"], shown["images"], shown["noise"], shown["learnedFrom"]) == ("first", 10, 1, 10)
    assert shown["sweep"] == [{"eps": 0.1, "clusters": 2, "noise": 1, "largest": 3}]
    assert shown["changes"] == {"new": [1], "gone": [0], "splits": {"4": [1, 2]}, "merges": {"1": [4, 5]}}


def test_the_images_of_a_cluster_come_in_parts(fitted: Stores) -> None:
    first = answer(images(fitted, 3))
    assert [(one["path"], one["core"]) for one in first["images"]] == [("c/d0", False), ("c/d1", True), ("c/d2", True)]
    assert (first["cluster"], first["fit"], first["after"]) == (3, "first", None)
    assert answer(images(fitted, NOISE))["images"] == [
        {"path": "c/é", "url": "https://account.blob.core.windows.net/images/c/%C3%A9", "core": False}
    ]
    edit_labels("c", {"merge": {"1": 0}}, fitted.features, fit=None)
    for top in ("1", "2", "3", "4", "5"):
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            part = answer(images(fitted, 0, top=top, **({"after": after} if after else {})))
            seen += [one["path"] for one in part["images"]]
            after = part["after"]
        assert sorted(seen) == ["c/A0", "c/A1", *(f"c/a {n}" for n in range(4))]
    assert "merged into 0" in why(images(fitted, 1), 404)


def test_a_cluster_that_is_not_there_and_parts_that_cannot_be(fitted: Stores) -> None:
    for cluster in ("2", "-2", "999999999999999"):
        assert "no cluster" in why(images(fitted, cluster), 404)
    for cluster in ("labels", "1.0", "", "٣", "1" * 50, "1_0"):
        assert "named by its id" in why(images(fitted, cluster), 400)
    for top in ("0", "1001", "many", "-1"):
        assert "'top' takes" in why(images(fitted, 0, top=top), 400)
    assert "begin anew" in why(images(fitted, 0, after="c/d0"), 409)
    assert "begin anew" in why(images(fitted, 0, after="nothing"), 409)
    assert "no cluster 7" in why(views.report("c", {"cluster": "7"}, *fitted, URLS), 404)
    publish(fitted, [member("c/a", 0, at(0))], fit_of("second", [member("c/a", 0, at(0))]))
    assert "no noise" in why(images(fitted, NOISE), 404)


def test_labels_can_be_written_back_as_they_were_read(fitted: Stores) -> None:
    read_labels = label_calls.read_labels("c", {}, *fitted, URLS)
    content = answer(read_labels)
    assert content == {
        "collection": "c",
        "fit": "first",
        "labels": {"0": ["apples", "Äpfel"], "1": [], "3": ["<b>dates</b>"]},
    }
    body = str(read_labels.body).encode()
    assert answer(label_calls.change_labels("c", {}, b'{"set": {"1": ["pears"]}}', fitted.features))["labels"]["1"] == [
        "pears"
    ]
    assert answer(label_calls.write_labels("c", {}, body, fitted.features)) == content
    only = answer(label_calls.write_labels("c", {}, '{"1": "梨", "3": []}'.encode(), fitted.features))
    assert only["labels"] == {"0": [], "1": ["梨"], "3": []}


def test_labels_for_a_fit_that_was_replaced_are_refused(fitted: Stores) -> None:
    edit = b'{"fit": "first", "add": {"0": ["more"]}}'
    assert answer(label_calls.change_labels("c", {}, edit, fitted.features))["labels"]["0"] == [
        "apples",
        "Äpfel",
        "more",
    ]
    publish(fitted, [member("c/a", 0, at(0))], fit_of("second", [member("c/a", 0, at(0))]))
    before = read_state("c", fitted.features)
    reason = "The fit first is not in force (that is second): look at the clusters again."
    assert why(label_calls.change_labels("c", {}, edit, fitted.features), 409) == reason
    assert why(label_calls.write_labels("c", {"fit": "first"}, b"{}", fitted.features), 409) == reason
    long = why(label_calls.write_labels("c", {"fit": "x" * 10_000}, b"{}", fitted.features), 409)
    assert len(long) < 200
    assert "'fit' takes" in why(label_calls.change_labels("c", {}, b'{"fit": 7}', fitted.features), 400)
    assert read_state("c", fitted.features) == before


@ON_ONE
@pytest.mark.parametrize("body", [b"", b"set=3", b"[]"])
def test_a_body_that_is_no_object_is_answered_with_an_example(fitted: Stores, body: bytes) -> None:
    assert why(label_calls.change_labels("c", {}, body, fitted.features), 400).endswith('{"set": {"3": ["flower"]}}.')
    assert why(label_calls.write_labels("c", {}, body, fitted.features), 400).endswith('such as {"3": ["flower"]}.')


BAD_LABELS = [
    b'{"set": {"0": "apples"}}',
    b'{"set": {"0": [""]}}',
    b'{"set": {"0": {"a": 1}}}',
    b'{"set": []}',
    b'{"name": {"0": ["a"]}}',
    json.dumps({"set": {"0": [f"word {n}" for n in range(10_000)]}}).encode(),
    b"[]",
    b"",
]


@ON_ONE
@pytest.mark.parametrize("body", BAD_LABELS, ids=[str(body[:30]) for body in BAD_LABELS])
def test_labels_that_cannot_be_are_refused(fitted: Stores, body: bytes) -> None:
    before = read_state("c", fitted.features)
    assert why(label_calls.change_labels("c", {}, body, fitted.features), 400)
    assert read_state("c", fitted.features) == before
    assert "7" in why(label_calls.change_labels("c", {}, b'{"set": {"7": ["a"]}}', fitted.features), 404)
    assert "larger than 4 MB" in why(label_calls.write_labels("c", {}, b" " * 4_000_001, fitted.features), 413)


def test_labels_of_images_as_csv(fitted: Stores) -> None:
    fitted.features.upsert(feature("c/a 0", at(0)))
    reply = label_calls.read_labels("c", {"format": "csv"}, *fitted, URLS)
    assert (reply.status, reply.mimetype) == (200, "text/csv")
    assert isinstance(reply.body, bytes)
    assert reply.body.decode().splitlines() == ["path,cluster,labels", "c/a 0,0,apples; Äpfel"]
    assert "'format' takes" in why(label_calls.read_labels("c", {"format": "xml"}, *fitted, URLS), 400)


@ON_ONE
def test_a_table_that_takes_too_long_for_a_call_names_the_command(fitted: Stores) -> None:
    hurried = replace(URLS, time_budget=1e-9)
    reply = label_calls.read_labels("c", {"format": "csv"}, *fitted, hurried)
    assert "python -m clustering export" in why(reply, 503)
    assert "Retry-After" not in reply.headers
    assert answer(label_calls.read_labels("c", {}, *fitted, hurried))["fit"] == "first"


def test_a_fit_that_was_dropped_meanwhile_is_to_be_asked_for_again(fitted: Stores) -> None:
    fitted.fits.drop("first")
    for reply in (
        images(fitted, 0),
        images(fitted, NOISE),
        label_calls.read_labels("c", {"format": "csv"}, *fitted, URLS),
    ):
        assert "ask again" in why(reply, 503)
        assert reply.headers["Retry-After"] == "1"
