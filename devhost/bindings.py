"""What each function listens to and writes to: the worker library's metadata as a few dataclasses."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from croniter import croniter

from devhost.protos import RpcFunctionMetadata

HOST_STORAGE = "AzureWebJobsStorage"  # the setting that a binding without a connection means

_SETTING = re.compile(r"%([^%]+)%")
_CAPTURE = re.compile(r"\{(\w+)\}")


class BindingError(Exception):
    """A binding that the host cannot serve; the message says which function and why."""


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    parameter: str
    route: str
    methods: frozenset[str]  # empty means every method
    level: str  # ANONYMOUS, FUNCTION or ADMIN


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    kind: ClassVar = "blobTrigger"

    parameter: str
    container: str
    pattern: re.Pattern[str]  # matches a blob's name; its groups are the captures of the path
    connection: str  # the name of a setting
    by_reference: bool  # the function is told which blob it is, instead of being given the bytes


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    kind: ClassVar = "eventGridTrigger"

    parameter: str


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    kind: ClassVar = "queueTrigger"

    parameter: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    kind: ClassVar = "timerTrigger"

    parameter: str
    schedule: str  # seconds, minutes, hours, day of month, month, day of week


@dataclass(frozen=True, slots=True)
class QueueOutput:
    parameter: str  # `$return` is what the function returns
    queue: str
    connection: str


type Trigger = HttpTrigger | BlobTrigger | EventGridTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True, slots=True)
class Function:
    id: str
    name: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...] = ()


def read(metadata: Sequence[RpcFunctionMetadata], settings: Mapping[str, str]) -> tuple[list[Function], list[str]]:
    """Returns the functions that can be served, and a note for every binding that is left alone.

    Raises BindingError for a binding of a known kind that cannot be understood.
    """
    functions: list[Function] = []
    notes: list[str] = []
    for one in metadata:
        trigger: Trigger | None = None
        outputs: list[QueueOutput] = []
        for raw in one.raw_bindings:
            binding = _expand(one.name, json.loads(raw), settings)
            kind = str(binding["type"])
            found = _trigger(one.name, kind.lower(), binding)
            if found:
                trigger = found
            elif kind.lower() == "queue":
                outputs.append(QueueOutput(binding["name"], binding["queueName"], _connection(binding)))
            elif kind != "http":
                what = "so it never runs" if kind.lower().endswith("trigger") else "it is left alone"
                notes.append(f"{one.name}: a {kind} binding is not imitated here: {what}")
        if trigger:
            functions.append(Function(one.function_id, one.name, trigger, tuple(outputs)))
    return functions, notes


def _trigger(function: str, kind: str, binding: dict[str, Any]) -> Trigger | None:
    name = str(binding["name"])
    by_reference = bool((binding.get("properties") or {}).get("SupportsDeferredBinding"))
    if by_reference and kind != "blobtrigger":
        raise BindingError(f"{function}: the SDK type of '{name}' is not imitated for this kind of binding")
    match kind:
        case "httptrigger":
            return HttpTrigger(
                parameter=name,
                route=binding.get("route") or function,
                methods=frozenset(method.upper() for method in binding.get("methods") or ()),
                level=str(binding.get("authLevel") or "FUNCTION").upper(),
            )
        case "blobtrigger":
            container, _, pattern = str(binding["path"]).partition("/")
            if not container or "{" in container:
                raise BindingError(f"{function}: the path '{binding['path']}' must start with the name of a container")
            return BlobTrigger(name, container, _blob_pattern(function, pattern), _connection(binding), by_reference)
        case "eventgridtrigger":
            return EventGridTrigger(name)
        case "queuetrigger":
            return QueueTrigger(name, binding["queueName"], _connection(binding))
        case "timertrigger":
            return TimerTrigger(name, _schedule(function, str(binding["schedule"])))
    return None


def _connection(binding: dict[str, Any]) -> str:
    return str(binding.get("connection") or HOST_STORAGE)


def _schedule(function: str, schedule: str) -> str:
    # Five fields would be understood as well, but as minutes first: every second job would run at odd times.
    if len(schedule.split()) != 6 or not croniter.is_valid(schedule, second_at_beginning=True):
        raise BindingError(
            f"{function}: the schedule '{schedule}' is not understood: it takes six fields, seconds first"
        )
    return schedule


def _blob_pattern(function: str, pattern: str) -> re.Pattern[str]:
    """A capture takes as much as it can, slashes too: `{name}.{type}` splits `a/b.c.jpg` into `a/b.c` and `jpg`."""
    if not pattern:
        return re.compile(r".*", re.DOTALL)
    literal_then_name = _CAPTURE.split(pattern)
    parts = [f"(?P<{part}>.*)" if at % 2 else re.escape(part) for at, part in enumerate(literal_then_name)]
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise BindingError(f"{function}: the path '{pattern}' is not understood: {error}") from error


def _expand(function: str, binding: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings:
            raise BindingError(f"{function}: '{match.string}' names the setting {name}, which is not set")
        return settings[name]

    return {key: _SETTING.sub(value_of, value) if isinstance(value, str) else value for key, value in binding.items()}
