"""Calls of real skills that fail in every way the service has a rule for."""

import gzip
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from infra.search.trial import web_api
from infra.search.trial.answers import FAILED, Verdict, invalid
from infra.search.trial.web_api import WebApi
from shared.contract import Json
from tests.servers.skills import Asked, Behaviour, Said, SkillServer, answered, skill_server

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server() -> Iterator[SkillServer]:
    with skill_server() as running:
        yield running


class Pauses(list[float]):
    """Remembers what it was to wait, and does not."""

    async def __call__(self, length: float) -> None:
        self.append(length)


@pytest.fixture(scope="module")
def remembered() -> Pauses:
    return Pauses()


@pytest.fixture(scope="module")
def call(remembered: Pauses) -> Iterator[WebApi]:
    with WebApi(remembered) as opened:
        yield opened


@pytest.fixture
def pauses(remembered: Pauses) -> Pauses:
    remembered.clear()
    return remembered


def _skill(server: SkillServer, behaviour: Behaviour, **members: Json) -> Json:
    return {"uri": server.add(behaviour)} | members


def _hang_up(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no end
    connection.close()


def _in_turn(*statuses: int, **headers: str) -> Behaviour:
    """Answers with these statuses one after the other, and rightly from the first 200 on."""

    def behave(asked: Asked) -> Said:
        status = statuses[min(asked.number, len(statuses) - 1)]
        return answered(asked) if status == 200 else Said({"why": "busy"}, status, HEADERS | headers)

    return behave


def test_records_go_out_in_the_contracts_envelope(server: SkillServer, call: WebApi) -> None:
    skill = _skill(server, answered, httpHeaders={"x-functions-key": "key"}, httpMethod="PUT")
    assert call(skill, [[{"a": 1}, {"a": None}]]) == [[Verdict({"got": {"a": 1}}), Verdict({"got": {"a": None}})]]
    (asked,) = server.asked[skill["uri"]]
    assert asked.body == {"values": [{"recordId": "0", "data": {"a": 1}}, {"recordId": "1", "data": {"a": None}}]}
    assert asked.method == "PUT"
    assert asked.headers["x-functions-key"] == "key"
    assert asked.headers["Content-Type"] == "application/json"


def test_posting_is_the_default(server: SkillServer, call: WebApi) -> None:
    skill = _skill(server, answered)
    call(skill, [[{}]])
    assert server.asked[skill["uri"]][0].method == "POST"


@pytest.mark.parametrize("status", [429, 502, 503])
def test_busy_twice_and_then_right_is_right(server: SkillServer, call: WebApi, pauses: Pauses, status: int) -> None:
    skill = _skill(server, _in_turn(status, status, 200))
    assert call(skill, [[{"a": 1}]]) == [[Verdict({"got": {"a": 1}})]]
    assert pauses == [1, 2]


def test_busy_three_times_is_an_error(server: SkillServer, call: WebApi, pauses: Pauses) -> None:
    skill = _skill(server, _in_turn(429))
    details = """Web Api response status: 'TooManyRequests', Web Api response details: '{"why": "busy"}'"""
    assert call(skill, [[{}, {}]]) == [[Verdict({}, FAILED, details)] * 2]
    assert len(server.asked[skill["uri"]]) == 3
    assert pauses == [1, 2]


@pytest.mark.parametrize(
    ("asked", "waited"), [("3", [3, 3]), ("0", [0, 0]), ("86400", [5, 5]), ("Wed, 21 Oct 2026 07:28:00 GMT", [1, 2])]
)
def test_a_skill_may_say_when_to_retry_within_reason(
    server: SkillServer, call: WebApi, pauses: Pauses, asked: str, waited: list[float]
) -> None:
    call(_skill(server, _in_turn(503, **{"Retry-After": asked})), [[{}]])
    assert pauses == waited


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (500, "InternalServerError"),
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (404, "NotFound"),
        (413, "RequestEntityTooLarge"),
        (504, "GatewayTimeout"),
        (302, "Found"),
        (599, "599"),
    ],
)
def test_other_statuses_are_final(server: SkillServer, call: WebApi, pauses: Pauses, status: int, name: str) -> None:
    skill = _skill(server, lambda _: Said(b"because", status, {"Location": "/elsewhere"}))
    details = f"Web Api response status: '{name}', Web Api response details: 'because'"
    assert call(skill, [[{}]]) == [[Verdict({}, FAILED, details)]]
    assert len(server.asked[skill["uri"]]) == 1
    assert pauses == []


def test_the_answers_contract_is_checked(server: SkillServer, call: WebApi) -> None:
    skill = _skill(server, lambda _: Said(b"hello", headers={"Content-Type": "text/plain"}))
    details = "Web Api response has invalid content type 'text/plain'. Expected 'application/json'"
    assert call(skill, [[{}]]) == [[invalid(details)]]


def test_a_skill_that_is_too_slow_is_not_waited_for(server: SkillServer, call: WebApi, pauses: Pauses) -> None:
    gone = threading.Event()

    def behave(asked: Asked) -> Said:
        gone.wait(30)
        return answered(asked)

    started = time.monotonic()
    try:
        ((verdict,),) = call(_skill(server, behave, timeout="PT1S"), [[{}]])
    finally:
        gone.set()
    assert 1 <= time.monotonic() - started < 5
    assert verdict == Verdict(
        {},
        "Could not execute skill because it did not execute within the time limit '00:00:01'. "
        "This is likely transient. Please try again later. For custom skills, consider increasing the 'timeout' "
        "parameter on your skill in the skillset.",
    )
    assert pauses == []


@pytest.mark.parametrize("head", [b"", b"\r\n"], ids=["headers", "body"])
def test_an_answer_in_drops_is_bounded_as_a_whole(call: WebApi, head: bytes) -> None:
    """Each drop comes well within the time; the answer would take for ever."""
    with _without_end(head, b"x-drop: 1\r\n", every=0.02) as uri:
        ((verdict,),) = call({"uri": uri, "timeout": "PT0.3S"}, [[{}]])
    assert "did not execute within the time limit" in verdict.error


def test_an_endless_answer_is_not_read_to_the_end(call: WebApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_api, "LARGEST_ANSWER", 1_000_000)
    with _without_end(b"\r\n", b" " * 100_000) as uri:
        verdicts = call({"uri": uri, "timeout": "PT10S"}, [[{}]])
    assert verdicts == [[invalid("Web Api response is larger than 1000000 bytes.")]]


@contextmanager
def _without_end(head: bytes, part: bytes, every: float = 0) -> Iterator[str]:
    """The url of a skill that goes on sending the same part until its caller leaves."""
    stop = threading.Event()

    def send(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(ConnectionError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head)
            while not stop.wait(every):
                connection.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        sending = threading.Thread(target=send, args=[listening])
        sending.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            stop.set()
            sending.join()


def test_an_answer_is_measured_unpacked(server: SkillServer, call: WebApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_api, "LARGEST_ANSWER", 100_000)
    said = Said(gzip.compress(b" " * 1_000_000), headers=HEADERS | {"Content-Encoding": "gzip"})
    assert call(_skill(server, lambda _: said), [[{}]]) == [[invalid("Web Api response is larger than 100000 bytes.")]]


def test_a_skill_that_is_not_there_is_told_without_its_key(call: WebApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    ((verdict,),) = call({"uri": f"http://127.0.0.1:{port}/api/similarity?code=secret"}, [[{}]])
    assert verdict.error == FAILED
    assert verdict.details.startswith(f"'http://127.0.0.1:{port}/api/similarity' cannot be reached: ")
    assert "secret" not in verdict.details


def test_a_connection_that_breaks_off_is_told(call: WebApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        breaking = threading.Thread(target=_hang_up, args=[listening])
        breaking.start()
        ((verdict,),) = call({"uri": f"http://127.0.0.1:{listening.getsockname()[1]}/"}, [[{}]])
        breaking.join()
    assert verdict.error == FAILED
    assert verdict.details.endswith("broke off: ReadError")  # which has no text


@pytest.mark.parametrize(
    "members",
    [
        {"httpHeaders": {"x-functions-key": "sec\nret"}},
        {"httpHeaders": {"x-functions-key": "secrét"}},
        {"uri": "http://127.0.0.1:port/api?code=secret"},
        {"uri": "ftp://127.0.0.1/api?code=secret"},
    ],
)
def test_what_cannot_be_sent_is_told_without_quoting_it(server: SkillServer, call: WebApi, members: Json) -> None:
    ((verdict,),) = call(_skill(server, answered) | members, [[{}]])
    assert verdict.error == FAILED
    assert "cannot be called: look at the skill's uri and httpHeaders." in verdict.details
    assert "sec" not in verdict.details


@pytest.mark.parametrize("degree", [1, 3, None])
def test_as_many_calls_run_at_a_time_as_the_degree_says(degree: int | None) -> None:
    expected = degree or 5
    together = threading.Barrier(expected)

    def behave(asked: Asked) -> Said:
        together.wait(20)  # breaks when fewer come
        return answered(asked)

    batches = [[{"batch": at}] for at in range(3 * expected)]
    with skill_server() as server, WebApi() as call:  # its own: connections of another test may come late
        verdicts = call(_skill(server, behave, degreeOfParallelism=degree), batches)
    assert verdicts == [[Verdict({"got": {"batch": at}})] for at in range(len(batches))]
    # Calls at the same time need as many connections; kept ones serve the later calls.
    assert server.connections == expected


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(
    server: SkillServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with WebApi() as call:
        assert call(_skill(server, answered), [[{}]]) == [[Verdict({"got": {}})]]
