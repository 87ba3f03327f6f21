"""One run of a function, with the messages it sends."""

import json
import logging
from collections.abc import Mapping, Sequence

from devhost import worker
from devhost.bindings import Function
from devhost.protos import ParameterBinding, RpcException, TypedData
from devhost.queues import QueueError, Queues
from devhost.storage import StorageError

log = logging.getLogger(__name__)


async def invoke(
    function: Function,
    data: TypedData,
    metadata: Mapping[str, TypedData],
    queues: Queues | None,
    trace_parent: str = "",
) -> worker.Outcome:
    """Returns the outcome of one run. Messages that cannot be sent make it a failure; without queues none are sent."""
    parameter = ParameterBinding(function.trigger.parameter, data)
    outcome = await worker.invoke(function.id, function.name, parameter, metadata, trace_parent)
    if outcome.error or not queues:
        return outcome
    try:
        for output in function.outputs:
            for value in _values(outcome, output.parameter):
                for body in messages(value):
                    await queues.open(output.connection, output.queue).send(body)
    except (QueueError, StorageError) as error:
        return worker.Outcome(outcome.value, RpcException(str(error), f"Its messages could not be sent: {error}"))
    return outcome


async def succeeds(
    function: Function, what: str, data: TypedData, metadata: Mapping[str, TypedData], queues: Queues | None
) -> bool:
    """Returns whether a run succeeds; a failure is logged, with what it was about."""
    outcome = await invoke(function, data, metadata, queues)
    if outcome.error:
        log.error("%s failed for %s\n%s", function.name, what, outcome.error.stack_trace.rstrip())
    return outcome.error is None


def messages(value: TypedData) -> Sequence[bytes]:
    """Returns the messages that an output stands for: a list is as many, even one that is JSON text."""
    if value.bytes is not None:
        return [value.bytes]
    text = value.json if value.json is not None else value.string
    if text is None:
        return []
    try:
        content = json.loads(text)
    except ValueError:
        return [text.encode()]
    if isinstance(content, list):
        return [_body(one) for one in content]
    # What the library makes of a QueueMessage; other JSON stays as it was written.
    return [_body(content) if value.json is not None else text.encode()]


def _body(content: object) -> bytes:
    if isinstance(content, dict) and content.keys() == {"id", "body"}:
        content = content["body"]
    return (content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)).encode()


def _values(outcome: worker.Outcome, parameter: str) -> list[TypedData]:
    if parameter == "$return":
        return [outcome.value] if outcome.value else []
    return [one.data for one in outcome.outputs if one.name == parameter]
