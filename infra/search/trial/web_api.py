"""Calls of custom skills as the search service makes them: in parallel, retried rarely, bounded in time and size."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Self

import httpx

from infra.search.durations import clock, seconds
from infra.search.this_machine import THIS_MACHINE
from infra.search.trial.answers import FAILED, SHOWN, Verdict, check, invalid
from shared.contract import Json

type Batch = Sequence[Mapping[str, Json]]
"""The data of the records of one call."""

RETRIED = frozenset({429, 502, 503})
"""The only statuses that the service tries again."""

PAUSES = (1.0, 2.0)
"""Seconds before each retry, where the skill does not name any."""

LONGEST_PAUSE = 5.0
"""Seconds that a Retry-After may ask for."""

LARGEST_ANSWER = 100 * 1024 * 1024

DEFAULT_TIMEOUT = "PT30S"
DEFAULT_BATCH_SIZE = 1_000
DEFAULT_PARALLELISM = 5

# .NET calls these otherwise than Python does, and the service shows .NET's names.
_OTHER_NAMES = {
    203: "NonAuthoritativeInformation",
    413: "RequestEntityTooLarge",
    414: "RequestUriTooLong",
    416: "RequestedRangeNotSatisfiable",
    422: "UnprocessableEntity",
    505: "HttpVersionNotSupported",
}


class _Failed(Exception):  # noqa: N818 - what the records of a call are told
    """A call that has no answer; the message and the details of the error."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.verdict = Verdict({}, message, details)


class WebApi:
    """Asks custom skills. Connections are kept from call to call until it is closed; use it with `with`."""

    def __init__(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Make one; `pause` waits that many seconds before a retry."""
        self._pause = pause
        self._runner = asyncio.Runner()
        # A proxy of the environment is for the internet. The time is bounded as a whole, see _ask.
        here: dict[str, httpx.AsyncBaseTransport | None] = {f"all://{host}": None for host in THIS_MACHINE}
        self._client = httpx.AsyncClient(timeout=None, mounts=here)  # noqa: S113

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __call__(self, skill: Mapping[str, Json], batches: Sequence[Batch]) -> list[list[Verdict]]:
        """Send batches to a skill, as many at a time as its degreeOfParallelism.

        Returns:
            For each batch a verdict for each of its records.
        """
        return self._runner.run(self._all(skill, batches))

    async def _all(self, skill: Mapping[str, Json], batches: Sequence[Batch]) -> list[list[Verdict]]:
        at_once = asyncio.Semaphore(skill.get("degreeOfParallelism") or DEFAULT_PARALLELISM)

        async def one(batch: Batch) -> list[Verdict]:
            async with at_once:
                return await self._batch(skill, batch)

        async with asyncio.TaskGroup() as calls:
            tasks = [calls.create_task(one(batch)) for batch in batches]
        return [task.result() for task in tasks]

    async def _batch(self, skill: Mapping[str, Json], batch: Batch) -> list[Verdict]:
        """What comes of one batch, retries included."""
        ids = [str(at) for at in range(len(batch))]
        records = [{"recordId": name, "data": data} for name, data in zip(ids, batch, strict=True)]
        body = json.dumps({"values": records}).encode()
        try:
            response, answer = await self._ask(skill, body)
            for pause in PAUSES:
                if response.status_code not in RETRIED:
                    break
                await self._pause(_asked_pause(response, pause))
                response, answer = await self._ask(skill, body)
        except _Failed as failure:
            return [failure.verdict] * len(ids)
        if not response.is_success:
            said = answer[: 4 * SHOWN].decode(errors="replace")[:SHOWN]
            details = f"Web Api response status: '{_status(response)}', Web Api response details: '{said}'"
            return [Verdict({}, FAILED, details)] * len(ids)
        if len(answer) > LARGEST_ANSWER:
            return [invalid(f"Web Api response is larger than {LARGEST_ANSWER} bytes.")] * len(ids)
        return check(response.headers.get("Content-Type", ""), answer, ids)

    async def _ask(self, skill: Mapping[str, Json], body: bytes) -> tuple[httpx.Response, bytes]:
        """One request and its answer, of which no more is read than can be used."""
        limit = seconds(skill.get("timeout") or DEFAULT_TIMEOUT)
        headers = {**(skill.get("httpHeaders") or {}), "Content-Type": "application/json"}
        address = skill["uri"].partition("?")[0]  # a key may follow
        answer = bytearray()
        try:
            async with (
                asyncio.timeout(limit),
                self._client.stream(
                    skill.get("httpMethod") or "POST", skill["uri"], headers=headers, content=body
                ) as response,
            ):
                async for part in response.aiter_bytes():
                    answer += part
                    if len(answer) > LARGEST_ANSWER:
                        break
        except TimeoutError as error:
            raise _Failed(
                f"Could not execute skill because it did not execute within the time limit '{clock(limit)}'. "
                "This is likely transient. Please try again later. For custom skills, consider increasing the "
                "'timeout' parameter on your skill in the skillset.",
                "",
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeEncodeError) as error:
            # Their messages quote headers, which hold keys.
            raise _Failed(FAILED, f"'{address}' cannot be called: look at the skill's uri and httpHeaders.") from error
        except httpx.ConnectError as error:
            raise _Failed(FAILED, f"'{address}' cannot be reached: {_said(error)}. Does the app run there?") from error
        except httpx.HTTPError as error:
            raise _Failed(FAILED, f"'{address}' broke off: {_said(error)}") from error
        return response, bytes(answer)


def _said(error: httpx.HTTPError) -> str:
    """Many of them have no text."""
    return str(error) or type(error).__name__


def _asked_pause(response: httpx.Response, usual: float) -> float:
    """Seconds before the next try. A Retry-After that is a date is not looked at."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isascii() and asked.isdecimal() else usual


def _status(response: httpx.Response) -> str:
    """A status by the name that the service shows, such as `TooManyRequests`."""
    code = response.status_code
    if code in _OTHER_NAMES:
        return _OTHER_NAMES[code]
    try:
        return HTTPStatus(code).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return str(code)
