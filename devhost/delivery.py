"""Tells a function of a blob or of its end: five tries, each a little later, and then the message is set aside."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devhost import blobs, worker
from devhost.bindings import BlobTrigger, EventGridTrigger, Function
from devhost.protos import ParameterBinding, TypedData

POISON = "webjobs-blobtrigger-poison.jsonl"  # a queue of that name in Azure
DEAD_LETTERS = "eventgrid-deadletter.jsonl"  # a container of the operator's choice in Azure

_TRIES = 5
_FIRST_DELAY_SECONDS = 0.1  # doubled from try to try

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one try came to: to be tried again after some seconds, or over, by success or because it was given up."""

    retry_after: float | None = None
    gave_up: bool = False


class Deliveries:
    """One try at a time, remembering how many have failed. What is given up goes to a file in the data folder."""

    def __init__(self, container: blobs.Container, data: Path) -> None:
        self._container = container
        self._data = data
        self._failed: dict[tuple[str, str], tuple[str, int]] = {}  # (path, function) → (what state, how many tries)

    async def blob(self, function: Function, trigger: BlobTrigger, blob: blobs.Blob) -> Verdict:
        """Returns what came of giving the blob to the function."""
        data = ParameterBinding(trigger.parameter, TypedData(bytes=blob.content))
        message = {
            "Type": "BlobTrigger",
            "FunctionId": f"Host.Functions.{function.name}",
            "BlobType": "BlockBlob",
            "ContainerName": self._container.name,
            "BlobName": blob.path,
            "ETag": blob.etag,
        }
        metadata = blobs.trigger_metadata(self._container, blob, trigger.pattern)
        verdict = await self._try(function, blob.path, blob.etag, data, metadata)
        if verdict.gave_up:
            self._set_aside(POISON, message)
        return verdict

    async def removal(self, function: Function, trigger: EventGridTrigger, path: str, last_etag: str) -> Verdict:
        """Returns what came of telling the function that the blob is gone."""
        event = blobs.deleted_event(self._container, path, last_etag)
        text = TypedData(json=json.dumps(event))
        verdict = await self._try(function, path, "", ParameterBinding(trigger.parameter, text), {"data": text})
        if verdict.gave_up:
            self._set_aside(DEAD_LETTERS, event)
        return verdict

    async def _try(
        self, function: Function, path: str, state: str, data: ParameterBinding, metadata: Mapping[str, TypedData]
    ) -> Verdict:
        outcome = await worker.invoke(function.id, function.name, data, metadata)
        failed_state, failed = self._failed.pop((path, function.name), (state, 0))
        if outcome.error is None:
            return Verdict()
        tries = failed + 1 if failed_state == state else 1
        trace = outcome.error.stack_trace.rstrip()
        log.error("%s failed for %s (try %d of %d)\n%s", function.name, path, tries, _TRIES, trace)
        if tries >= _TRIES:
            return Verdict(gave_up=True)
        self._failed[path, function.name] = (state, tries)
        return Verdict(retry_after=_FIRST_DELAY_SECONDS * 2.0 ** (tries - 1))

    def _set_aside(self, name: str, message: Mapping[str, object]) -> None:
        text = json.dumps(message, ensure_ascii=False)
        with (self._data / name).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        log.error("Given up after %d tries, written to %s: %s", _TRIES, name, text)
