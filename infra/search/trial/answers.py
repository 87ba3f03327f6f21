"""What the search service makes of a custom skill's answer: its rules, and its words where they are known.

Source: the public documentation of the custom Web API skill and of common errors, and errors of the service that people
have shown. Where no text of the service is known, ours says plainly what is wrong. Where the documentation and what was
seen differ, the verdict is the stricter one, because this is for finding mistakes.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.contract import Json

FAILED = "Could not execute skill because the Web Api request failed."
INVALID = "Could not execute skill because Web Api skill response is invalid."
WARNED = "Web Api skill response contains warnings."

SLACK = "Web Api skill response is accepted, but keeps the contract only in part."
"""Ours: the service says nothing, and may be stricter one day."""

SHOWN = 1_000
"""Characters of a skill's own words that an issue shows."""

_SURELY_DOUBLE = 300
"""Digits that the largest number of a double, 1.8e308, has room for."""

_TOLD = ("errors", "warnings")


class Verdict(NamedTuple):
    """What becomes of one record: its data; or why its document fails, in two parts; and the skill's warnings."""

    data: Mapping[str, Json]
    error: str = ""
    details: str = ""
    warnings: tuple[str, ...] = ()
    slack: str = ""
    """What the contract asks for and the service does without, or ""."""


class _Invalid(ValueError):  # noqa: N818 - a verdict, caught here
    """The answer, or a record of it, breaks the contract; the message is the details of the error."""


def invalid(details: str) -> Verdict:
    """A record whose answer breaks the contract."""
    return Verdict({}, INVALID, details)


def check(content_type: str, body: bytes, sent: Sequence[str]) -> list[Verdict]:
    """Judge an answer of status 200 to 299.

    Args:
        content_type: Its header, or "".
        body: Its body.
        sent: The ids of the records that were sent, each once.

    Returns:
        A verdict for each of them, in that order.
    """
    try:
        records = _records(content_type, body)
    except _Invalid as error:
        return [invalid(str(error))] * len(sent)
    known = set(sent)
    stray = [_stray(record) for record in records if _id(record) not in known]
    times = Counter(_id(record) for record in records)
    by_id = {_id(record): record for record in records}
    verdicts = [_one(by_id.get(name), name, times[name], stray) for name in sent]
    if stray and len(known & by_id.keys()) == len(sent):
        # All were answered, and more: nobody knows whose the stray record is, so it is everybody's.
        return [invalid(stray[0])] * len(sent)
    return verdicts


def _records(content_type: str, body: bytes) -> list[Json]:
    """The records of an answer."""
    given = content_type.partition(";")[0].strip()
    if given.lower() != "application/json":
        raise _Invalid(f"Web Api response has invalid content type '{given}'. Expected 'application/json'")
    try:
        answer = json.loads(body, parse_constant=_no_number, parse_float=_double, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise _Invalid(
            f"Web Api response is not valid JSON: {_short(body[: 4 * SHOWN].decode(errors='replace'))}"
        ) from error
    values = answer.get("values") if isinstance(answer, dict) else None
    if not isinstance(values, list):
        raise _Invalid('Web Api response has no list "values": it must be {"values": [{"recordId": …, "data": {…}}]}.')
    return values


def _no_number(name: str) -> Json:
    """NaN and Infinity, which Python writes and JSON does not have."""
    raise ValueError(name)


def _double(digits: str) -> float:
    """Python makes infinity of what is too large."""
    if math.isinf(value := float(digits)):
        raise ValueError(digits)
    return value


def _integer(digits: str) -> int:
    if len(digits) > _SURELY_DOUBLE:
        _double(digits)
    return int(digits)


def _id(record: Json) -> str | None:
    """A record's id, None when it has none. A number is no id, it is not what was sent."""
    name = record.get("recordId") if isinstance(record, dict) else None
    return name if isinstance(name, str) and name else None


def _stray(record: Json) -> str:
    """What is wrong with a record that belongs to none that was sent."""
    name = record.get("recordId") if isinstance(record, dict) else None
    if name is None or name == "":
        return "Web Api response contains a record with a missing id."
    return f"Web Api response contains data properties for a record with invalid id {_quoted(name)}"


def _one(record: Json, name: str, times: int, stray: Sequence[str]) -> Verdict:
    """The verdict on the answer to one record."""
    if not times:
        return invalid(stray[0] if stray else f"Web Api response contains no record with the id '{name}'.")
    if times > 1:
        return invalid(f"Web Api response contains {times} records with the id '{name}'.")
    try:
        errors, warnings = (_messages(record, member) for member in _TOLD)
        data = _data(record)
    except _Invalid as error:
        return invalid(str(error))
    slack = _slack(record)
    if errors:
        # The sample of the documentation has an empty object beside errors, so that is no data.
        both = ("Web Api response contains both data and errors. Will not process Data.",) if data else ()
        told = ";".join((*both, *errors))
        return Verdict({}, INVALID, f"Web Api skill response contains errors: '{_short(told)}'", warnings, slack)
    return Verdict(data, warnings=warnings, slack=slack)


def _data(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The outputs of a record; null is none."""
    data = record.get("data")
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _Invalid(f"Web Api response contains data that is not an object: {_short(json.dumps(data))}")
    return data


def _messages(record: Mapping[str, Json], member: str) -> tuple[str, ...]:
    """The messages of a record's `errors` or `warnings`.

    Null will do. What skills leave out, or say with "" as older ones do, passes here with a word: see `_slack`.
    """
    items = record.get(member)
    if items is None or items == "":
        return ()
    if not isinstance(items, list) or not all(isinstance(_message(item), str) for item in items):
        wrong = _short(json.dumps(items, ensure_ascii=False))
        raise _Invalid(f'Web Api response contains {member} that are not a list of {{"message": "…"}}: {wrong}')
    return tuple(item["message"] for item in items)


def _slack(record: Mapping[str, Json]) -> str:
    """What is left out, or said with "" instead of null."""
    said = [
        f'"{member}" is ' + ('""' if member in record else "left out")
        for member in _TOLD
        if record.get(member, "") == ""
    ]
    return f'{" and ".join(said)}: the contract asks for null or a list of {{"message": "…"}}.' if said else ""


def _message(item: Json) -> Json:
    return item.get("message") if isinstance(item, dict) else None


def _quoted(name: Json) -> str:
    return f"'{_short(name)}'" if isinstance(name, str) else f"{_short(json.dumps(name))}, which is no text."


def _short(words: str) -> str:
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}…"
