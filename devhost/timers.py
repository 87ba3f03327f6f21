"""Functions that run by the clock: UTC, as in Azure."""

import asyncio
import json
import logging
from datetime import UTC, datetime

from croniter import croniter

from devhost import invocation
from devhost.bindings import Function, TimerTrigger
from devhost.protos import TypedData
from devhost.queues import Queues

_LONGEST_SLEEP_SECONDS = 60.0  # a machine that was suspended, or a clock that was set, is late by no more

log = logging.getLogger(__name__)


async def keep_time(function: Function, trigger: TimerTrigger, queues: Queues | None) -> None:
    """Runs the function whenever its schedule says so, until cancelled. What falls into a run is left out."""
    while True:
        due: datetime = croniter(trigger.schedule, datetime.now(UTC), second_at_beginning=True).get_next(datetime)
        while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))
        running = asyncio.ensure_future(run(function, queues))
        try:
            await asyncio.shield(running)
        finally:  # a stop that comes while it runs lets it finish
            await asyncio.wait([running])


async def run(function: Function, queues: Queues | None) -> bool:
    """Returns whether one run, now, succeeds."""
    info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
    return await invocation.succeeds(function, "its schedule", TypedData(json=json.dumps(info)), {}, queues)
