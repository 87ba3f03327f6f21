import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import Answer, CallError, Deadline, RecordError, Reply, answer_call
from shared.features import StoreBusy
from shared.settings import SettingsError


def double(record: Mapping[str, Any], deadline: Deadline) -> Answer:
    number = record.get("number")
    if not isinstance(number, int):
        raise RecordError("no number")
    if number < 0:
        raise ZeroDivisionError("secret detail")
    return Answer({"double": 2 * number}, ["odd"] if number % 2 else [])


def call(values: Any, budget: float = 60) -> list[dict[str, Any]]:
    reply = answer_call(json.dumps({"values": values}).encode(), double, budget=budget)
    assert reply.status == 200
    answered: list[dict[str, Any]] = json.loads(reply.body)["values"]
    return answered


def test_every_record_is_answered_on_its_own() -> None:
    assert call(
        [
            {"recordId": "a", "data": {"number": 4}},
            {"recordId": "b", "data": {"number": "x"}},
            {"recordId": "c", "data": {"number": 3}},
        ]
    ) == [
        {"recordId": "a", "data": {"double": 8}, "errors": None, "warnings": None},
        {"recordId": "b", "data": {}, "errors": [{"message": "no number"}], "warnings": None},
        {"recordId": "c", "data": {"double": 6}, "errors": None, "warnings": [{"message": "odd"}]},
    ]


records = st.fixed_dictionaries(
    {},
    optional={
        "recordId": st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=3),
        "data": st.none() | st.lists(st.none()) | st.dictionaries(st.sampled_from(["number", "other"]), st.integers()),
    },
)


@given(st.lists(records | st.none() | st.integers() | st.text(max_size=2), max_size=8))
def test_ids_come_back_exactly_once_and_never_with_both_data_and_errors(values: list[Any]) -> None:
    answered = call(values)
    sent = [value.get("recordId") if isinstance(value, dict) else None for value in values]
    usable = [i for i in sent if isinstance(i, str) or type(i) is int]
    assert Counter((type(a["recordId"]), a["recordId"]) for a in answered if a["recordId"] is not None) == Counter(
        {(type(i), i) for i in usable}
    )
    assert sum(a["recordId"] is None for a in answered) == len(sent) - len(usable)
    for answer in answered:
        assert set(answer) == {"recordId", "data", "errors", "warnings"}
        assert bool(answer["data"]) != bool(answer["errors"])


def test_a_repeated_id_is_answered_once_by_its_first_record_with_a_warning() -> None:
    (answer,) = call([{"recordId": "1", "data": {"number": n}} for n in (2, 4, 6)])
    assert answer["data"] == {"double": 4}
    assert "more than once" in answer["warnings"][0]["message"]


def test_a_number_and_a_text_are_different_ids() -> None:
    answered = call([{"recordId": 1, "data": {"number": 2}}, {"recordId": "1", "data": {"number": 4}}])
    assert [(a["recordId"], a["data"]) for a in answered] == [(1, {"double": 4}), ("1", {"double": 8})]


@pytest.mark.parametrize("record_id", ["", " ", "é 😀 \u202e", "\ud800", 'q"\\', 10**30])
def test_an_odd_id_is_echoed_exactly(record_id: str | int) -> None:
    assert call([{"recordId": record_id, "data": {"number": 2}}])[0]["recordId"] == record_id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"values": null}',
        b'{"values": {}}',
        b'{"values": "x"}',
        b'{"values": [NaN]}',
        b"[" * 200_000,
        b'{"values": [' + b"9" * 5000 + b"]}",
    ],
)
def test_what_is_no_skill_call_is_a_400_that_shows_one(body: bytes) -> None:
    reply = answer_call(body, double, budget=60)
    assert reply.status == 400
    assert '"recordId"' in json.loads(reply.body)["error"]


def test_an_unexpected_error_fails_its_record_only_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = call([{"recordId": "1", "data": {"number": 1}}, {"recordId": "2", "data": {"number": -1}}])
    assert good["data"] == {"double": 2}
    assert bad["data"] == {}
    assert "internal error" in bad["errors"][0]["message"]
    assert "secret detail" not in json.dumps(bad)
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (StoreBusy("busy", 7), Reply(503, '{"error": "busy"}', {"Retry-After": "7"})),
        (SettingsError("no role"), Reply(503, '{"error": "no role"}')),
        (CallError(413, "too much"), Reply(413, '{"error": "too much"}')),
    ],
)
def test_trouble_that_is_not_the_record_s_fails_the_call(error: Exception, reply: Reply) -> None:
    def fail(record: Mapping[str, Any], deadline: Deadline) -> Answer:
        raise error

    assert answer_call(b'{"values": [{"recordId": "1", "data": {}}]}', fail, budget=60) == reply


def test_what_is_not_reached_in_time_says_so_and_the_rest_is_answered() -> None:
    begun = []

    def slow(record: Mapping[str, Any], deadline: Deadline) -> Answer:
        begun.append(record["number"])
        while deadline.remaining():
            pass
        return Answer({"done": True})

    values = [{"recordId": str(n), "data": {"number": n}} for n in range(40)]
    reply = answer_call(json.dumps({"values": values}).encode(), slow, budget=0.05)
    answered = json.loads(reply.body)["values"]
    assert [a["recordId"] for a in answered] == [str(n) for n in range(40)]
    assert begun
    assert len(begun) < 40
    for number, answer in enumerate(answered):
        if number in begun:
            assert answer["data"] == {"done": True}
        else:
            assert "time budget of 0.05 s" in answer["errors"][0]["message"]


def test_only_a_call_of_one_record_is_a_vectorizer_s() -> None:
    values = [{"recordId": "1", "data": {"number": 2}}, {"recordId": "2", "data": {"imageUrl": "x"}}]
    good, bad = call(values)
    assert good["data"] == {"double": 4}
    assert bad["errors"]
    (skill,) = call([{"recordId": "1", "data": {"text": None}}])
    assert skill["errors"]


@pytest.mark.parametrize("name", ["text", "imageUrl", "imageBinary"])
def test_a_failed_vectorizer_call_is_an_http_error(name: str) -> None:
    body = json.dumps({"values": [{"recordId": "1", "data": {name: "x"}}]}).encode()
    reply = answer_call(body, double, budget=60)
    assert (reply.status, json.loads(reply.body)) == (400, {"error": "no number"})
