"""The custom-skill contract of Azure AI Search: records in, records out, each on its own.

One broken record never spoils its batch, a record carries data or errors but never both, and trouble that a retry would
cure fails the whole call with 503, because the indexer retries that and never retries a record.
Source: the public documentation of the custom Web API skill and of the `customWebApi` vectorizer.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from shared.features import StoreBusy
from shared.settings import SettingsError

type Json = Any
type Handler = Callable[[Mapping[str, Json], "Deadline"], "Answer"]

VECTORIZER_INPUTS = frozenset({"text", "imageUrl", "imageBinary"})
"""Input names that only a vectorizer sends. It ignores errors in the body, so a failure must be an HTTP status."""

AT_ONCE = 16
"""Records of one call that are answered at the same time, so that they wait for the store together."""

ENVELOPE = 'A call looks like this: {"values": [{"recordId": "0", "data": {"image": …}}]}.'

log = logging.getLogger(__name__)


class RecordError(Exception):
    """One record cannot be answered; the message tells its sender why and what to do."""


class OutOfTime(RecordError):  # noqa: N818 - a state that passes, not a mistake
    """There was no time left to answer a record."""


class CallError(Exception):
    """The whole call cannot be answered: the HTTP status, and a message for the indexer's history."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives for one record; warnings are soft trouble that leaves the data usable."""

    data: dict[str, Json]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    mimetype: str = "application/json"


class Deadline:
    """A moment that work must not outlast, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds that are left, 0 when there are none."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise OutOfTime when no time is left. Ask before beginning what takes long."""
        if not self.remaining():
            raise OutOfTime(
                f"Not reached: the records before this one used up the call's time budget of {self.seconds:g} s. "
                "Set a smaller batchSize in the skill, or raise TIME_BUDGET_SECONDS and the skill's timeout."
            )


def answer_call(body: bytes, handle: Handler, *, budget: float) -> Reply:
    """Answer a skill call: `handle` is called once for each record, for several records at a time.

    Args:
        body: The request body, `{"values": [{"recordId": …, "data": {…}}, …]}`.
        handle: Turns the `data` of one record into an answer. Raises RecordError to fail the record; CallError,
            StoreBusy and SettingsError fail the call; anything else that it raises is logged and fails the record.
        budget: Seconds after which no further record is begun; the records left over say so.

    Returns:
        200 with one value for each record (a repeated recordId is answered once), or an HTTP error with a short
        `{"error": …}`. Never raises.
    """
    deadline = Deadline(budget)
    try:
        records = _distinct(_records(body))
        if len(records) == 1 and _from_vectorizer(records[0][0]):
            return _answer_vectorizer(records[0], handle, deadline)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            values = list(pool.map(partial(_answer_record, handle=handle, deadline=deadline), records))
    except (CallError, StoreBusy, SettingsError) as error:
        return error_reply(error)
    return Reply(200, json.dumps({"values": values}, separators=(",", ":")))


def error_reply(error: CallError | StoreBusy | SettingsError) -> Reply:
    """The HTTP answer to a call that failed as a whole.

    Settings that cannot be used are 503 as well: a role that was just assigned takes minutes to be known everywhere.
    """
    status = error.status if isinstance(error, CallError) else 503
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, StoreBusy) else {}
    return Reply(status, json.dumps({"error": str(error)}), headers)


def _records(body: bytes) -> list[Json]:
    try:
        envelope = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CallError(400, f"The body is not JSON. {ENVELOPE}") from error
    values = envelope.get("values") if isinstance(envelope, dict) else None
    if not isinstance(values, list):
        raise CallError(400, f"The body has no list of values. {ENVELOPE}")
    return values


def _refuse_constant(name: str) -> NoReturn:
    # NaN and Infinity are Python's, not JSON's; a recordId that is one could not be echoed.
    raise ValueError(name)


def _distinct(records: list[Json]) -> list[tuple[Json, list[str]]]:
    """Each record with the warnings it starts with; of several with one recordId, the first.

    An answer that repeats a recordId is void for the indexer, so the others cannot be answered at all.
    """
    found: dict[Json, tuple[Json, list[str]]] = {}
    for position, record in enumerate(records):
        record_id = _record_id(record)
        key = ("no id", position) if record_id is None else record_id
        if key in found:
            found[key][1][:] = [f"The recordId {record_id!r} came more than once; only its first record is answered."]
        else:
            found[key] = (record, [])
    return list(found.values())


def _record_id(record: Json) -> str | int | None:
    value = record.get("recordId") if isinstance(record, dict) else None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _answer_record(entry: tuple[Json, list[str]], handle: Handler, deadline: Deadline) -> dict[str, Json]:
    record, warnings = entry
    record_id = _record_id(record)
    data = record.get("data") if isinstance(record, dict) else None
    try:
        answer = _handled(record_id, data, handle, deadline)
    except RecordError as error:
        return _value(record_id, {}, [str(error)], warnings)
    return _value(record_id, answer.data, [], [*warnings, *answer.warnings])


def _from_vectorizer(record: Json) -> bool:
    data = record.get("data") if isinstance(record, dict) else None
    return isinstance(data, dict) and any(data.get(name) is not None for name in VECTORIZER_INPUTS)


def _answer_vectorizer(entry: tuple[Json, list[str]], handle: Handler, deadline: Deadline) -> Reply:
    """A vectorizer sends one record and looks at the HTTP status only."""
    value = _answer_record(entry, handle, deadline)
    if value["errors"]:
        raise CallError(400, value["errors"][0]["message"])
    return Reply(200, json.dumps({"values": [value]}, separators=(",", ":")))


def _handled(record_id: str | int | None, data: Json, handle: Handler, deadline: Deadline) -> Answer:
    if record_id is None:
        raise RecordError("The record has no recordId, a string that is unique in the call.")
    if data is not None and not isinstance(data, dict):
        raise RecordError("The record's 'data' is not an object of inputs.")
    deadline.check()
    try:
        return handle(data or {}, deadline)
    except (RecordError, CallError, StoreBusy, SettingsError):
        raise
    except Exception as error:
        # The edge of a record: its neighbours are answered whatever happened here.
        log.exception("record %r failed", record_id)
        raise RecordError(
            "The record could not be processed: an internal error, which the app's log describes."
        ) from error


def _value(
    record_id: str | int | None, data: dict[str, Json], errors: list[str], warnings: list[str]
) -> dict[str, Json]:
    return {"recordId": record_id, "data": data, "errors": _messages(errors), "warnings": _messages(warnings)}


def _messages(texts: list[str]) -> list[dict[str, str]] | None:
    return [{"message": text} for text in texts] or None
