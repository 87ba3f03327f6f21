"""What each function listens to: the worker library's metadata as a few dataclasses."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devhost.protos import RpcFunctionMetadata

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
    parameter: str
    container: str
    pattern: re.Pattern[str]  # matches a blob's name; its groups are the captures of the path


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    parameter: str


@dataclass(frozen=True, slots=True)
class Function:
    id: str
    name: str
    trigger: HttpTrigger | BlobTrigger | EventGridTrigger


def read(metadata: Sequence[RpcFunctionMetadata], settings: Mapping[str, str]) -> tuple[list[Function], list[str]]:
    """Returns the functions that can be served, and a note for every binding that is left alone.

    Raises BindingError for a binding of a known kind that cannot be understood.
    """
    functions: list[Function] = []
    notes: list[str] = []
    for one in metadata:
        bindings = [_expand(one.name, json.loads(raw), settings) for raw in one.raw_bindings]
        for binding in bindings:
            kind = str(binding["type"])
            if (binding.get("properties") or {}).get("SupportsDeferredBinding"):
                raise BindingError(f"{one.name}: the SDK type of '{binding['name']}' is not imitated; take InputStream")
            trigger = _trigger(one.name, kind, binding)
            if trigger:
                functions.append(Function(one.function_id, one.name, trigger))
            elif kind != "http":
                what = "so it never runs" if kind.lower().endswith("trigger") else "it is left alone"
                notes.append(f"{one.name}: a {kind} binding is not imitated here: {what}")
    return functions, notes


def _trigger(name: str, kind: str, binding: dict[str, Any]) -> HttpTrigger | BlobTrigger | EventGridTrigger | None:
    match kind.lower():
        case "httptrigger":
            return HttpTrigger(
                parameter=binding["name"],
                route=binding.get("route") or name,
                methods=frozenset(method.upper() for method in binding.get("methods") or ()),
                level=str(binding.get("authLevel") or "FUNCTION").upper(),
            )
        case "blobtrigger":
            container, _, pattern = str(binding["path"]).partition("/")
            if not container or "{" in container:
                raise BindingError(f"{name}: the path '{binding['path']}' must start with the name of a container")
            return BlobTrigger(binding["name"], container, _blob_pattern(name, pattern))
        case "eventgridtrigger":
            return EventGridTrigger(binding["name"])
    return None


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
