"""The service's verdicts on answers of skills that break the contract."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.trial.answers import INVALID, Verdict, check, invalid
from shared.contract import Json

SENT = ["0", "1"]
JSON = "application/json"


def _check(values: Json, sent: list[str] | None = None) -> list[Verdict]:
    return check(JSON, json.dumps({"values": values}).encode(), SENT if sent is None else sent)


def _record(name: Json, **members: Json) -> Json:
    return {"recordId": name, "data": {"x": name}, "errors": None, "warnings": None} | members


def _one(**members: Json) -> Verdict:
    return _check([_record("0", **members)], ["0"])[0]


def test_data_is_given_to_its_record_in_any_order() -> None:
    assert _check([_record("1"), _record("0")]) == [Verdict({"x": "0"}), Verdict({"x": "1"})]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", JSON])
def test_json_may_name_its_charset(content_type: str) -> None:
    assert check(content_type, b'{"values": [{"recordId": "0", "errors": null, "warnings": null}]}', ["0"]) == [
        Verdict({})
    ]


@pytest.mark.parametrize("content_type", ["text/plain", "", "text/json", "application/jsonx"])
def test_another_content_type_fails_every_record(content_type: str) -> None:
    details = f"Web Api response has invalid content type '{content_type}'. Expected 'application/json'"
    assert check(content_type, b'{"values": []}', SENT) == [Verdict({}, INVALID, details)] * 2


TOO_LARGE = [b'{"values": [{"recordId": "0", "data": {"x": %b}}]}' % digits for digits in (b"-1e400", b"9" * 400)]
"""Numbers that a double does not hold, which Python reads without a word."""


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"values": [', b"\xff\xfe\xff", b"[" * 200_000, b'{"values": [NaN]}', b"9" * 5000, *TOO_LARGE],
)
def test_what_is_not_json_fails_every_record(body: bytes) -> None:
    verdicts = check(JSON, body, SENT)
    assert [(one.data, one.error) for one in verdicts] == [({}, INVALID)] * 2
    assert verdicts[0].details.startswith("Web Api response is not valid JSON: ")
    assert len(verdicts[0].details) < 1_100


@pytest.mark.parametrize("answer", [[], {}, {"values": None}, {"values": {"0": {}}}, {"Values": []}, "values", 1, None])
def test_another_envelope_fails_every_record(answer: Json) -> None:
    verdicts = check(JSON, json.dumps(answer).encode(), SENT)
    assert all(one.details.startswith('Web Api response has no list "values"') for one in verdicts)
    assert len(verdicts) == 2


@pytest.mark.parametrize(
    ("stray", "details"),
    [
        (_record("r1"), "Web Api response contains data properties for a record with invalid id 'r1'"),
        (_record(0), "Web Api response contains data properties for a record with invalid id 0, which is no text."),
        (_record(None), "Web Api response contains a record with a missing id."),
        (_record(""), "Web Api response contains a record with a missing id."),
        ({"data": {}}, "Web Api response contains a record with a missing id."),
        ("0", "Web Api response contains a record with a missing id."),
    ],
)
def test_a_record_of_nobody_costs_the_record_that_lacks_an_answer(stray: Json, details: str) -> None:
    assert _check([stray, _record("1")]) == [invalid(details), Verdict({"x": "1"})]
    assert _check([_record("0"), stray, _record("1")]) == [invalid(details)] * 2  # one too many: whose is it?


def test_fewer_records_cost_those_without_an_answer() -> None:
    assert _check([_record("1")]) == [
        invalid("Web Api response contains no record with the id '0'."),
        Verdict({"x": "1"}),
    ]


def test_a_record_that_is_answered_twice_gets_nothing() -> None:
    assert _check([_record("0"), _record("1"), _record("0")]) == [
        invalid("Web Api response contains 2 records with the id '0'."),
        Verdict({"x": "1"}),
    ]


def test_errors_fail_a_record() -> None:
    errors = [{"message": "no image"}, {"message": "no luck"}]
    assert _one(data={}, errors=errors) == invalid("Web Api skill response contains errors: 'no image;no luck'")
    assert _one(data=None, errors=errors[:1]) == invalid("Web Api skill response contains errors: 'no image'")


def test_data_beside_errors_is_not_processed() -> None:
    assert _one(errors=[{"message": "no image"}]) == invalid(
        "Web Api skill response contains errors: 'Web Api response contains both data and errors. "
        "Will not process Data.;no image'"
    )


def test_warnings_leave_the_data() -> None:
    warned = _one(warnings=[{"message": "small"}, {"message": "grey", "more": 1}])
    assert warned == Verdict({"x": "0"}, warnings=("small", "grey"))
    assert _one(data={}, errors=[{"message": "e"}], warnings=[{"message": "w"}]).warnings == ("w",)


def test_the_largest_numbers_of_a_double_are_taken() -> None:
    body = b'{"values": [{"recordId": "0", "data": {"x": [1.7e308, %b]}, "errors": null, "warnings": null}]}'
    assert check(JSON, body % (b"1" + b"0" * 308), ["0"]) == [Verdict({"x": [1.7e308, 10**308]})]


def test_empty_lists_say_nothing() -> None:
    assert _one(errors=[], warnings=[]) == Verdict({"x": "0"})


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (
            {"errors": "", "warnings": ""},
            '"errors" is "" and "warnings" is "": the contract asks for null or a list of ',
        ),
        ({"errors": None, "warnings": ""}, '"warnings" is "": the contract'),
        ({"warnings": []}, '"errors" is left out: the contract'),
        ({}, '"errors" is left out and "warnings" is left out: the contract'),
    ],
)
def test_what_older_skills_leave_out_or_say_otherwise_is_taken_and_told(members: Json, told: str) -> None:
    (verdict,) = _check([{"recordId": "0", "data": {"x": 1}, **members}], ["0"])
    assert verdict == Verdict({"x": 1}, slack=verdict.slack)
    assert verdict.slack.startswith(told)
    (failed,) = _check([{"recordId": "0", "data": {}, "warnings": "", "errors": [{"message": "e"}]}], ["0"])
    assert failed.details.endswith("'e'")
    assert failed.slack.startswith('"warnings" is ""')


@pytest.mark.parametrize("member", ["errors", "warnings"])
@pytest.mark.parametrize(
    "wrong", ["boom", ["boom"], {"message": "boom"}, [{"text": "boom"}], [{"message": None}], 5, True]
)
def test_messages_in_another_form_fail_a_record(member: str, wrong: Json) -> None:
    details = f'Web Api response contains {member} that are not a list of {{"message": "…"}}: {json.dumps(wrong)}'
    assert _one(**{member: wrong}) == invalid(details)


@pytest.mark.parametrize("data", [[], ["x"], "x", 5, False])
def test_data_that_is_no_object_fails_a_record(data: Json) -> None:
    assert _one(data=data) == invalid(f"Web Api response contains data that is not an object: {json.dumps(data)}")


def test_a_long_message_is_shortened() -> None:
    assert len(_one(data={}, errors=[{"message": "x" * 100_000}]).details) < 1_100


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "recordId": st.sampled_from(["0", "1", "2", "", None, 0]) | ANYTHING,
        "data": st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2) | ANYTHING,
        "errors": st.just([{"message": "e"}]) | ANYTHING,
        "warnings": st.just([{"message": "w"}]) | ANYTHING,
    },
)


@given(st.lists(RECORDS | ANYTHING, max_size=4) | ANYTHING)
def test_every_record_gets_one_verdict_and_never_data_with_an_error(values: Json) -> None:
    verdicts = _check(values)
    assert len(verdicts) == len(SENT)
    for name, one in zip(SENT, verdicts, strict=True):
        assert bool(one.error) == bool(one.details)
        assert not (one.data and one.error)
        if not one.error:
            (record,) = [record for record in values if isinstance(record, dict) and record.get("recordId") == name]
            assert one.data == (record.get("data") or {})


@given(st.binary(max_size=50), st.text(max_size=20))
def test_any_bytes_are_judged(body: bytes, content_type: str) -> None:
    assert len(check(content_type, body, SENT)) == 2
    assert all(one.error for one in check(JSON, body, SENT))
