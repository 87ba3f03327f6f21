"""Indexers that run: a test says what a run comes to, and each look at the status shows its next state."""

from typing import Any

from tests.servers.search.refusal import Refusal

type Execution = dict[str, Any]

LIMITS = {
    "maxRunTime": "PT2H",
    "maxDocumentExtractionSize": 134217728,
    "maxDocumentContentCharactersToExtract": 4000000,
}


def execution(
    status: str, *, items: int = 0, failed: int = 0, errors: Any = (), warnings: Any = (), message: str | None = None
) -> Execution:
    """A state of a run, as the status has it."""
    return {
        "status": status,
        "errorMessage": message,
        "itemsProcessed": items,
        "itemsFailed": failed,
        "errors": list(errors),
        "warnings": list(warnings),
    }


class Runs:
    """The runs of one indexer."""

    def __init__(self) -> None:
        self.next: list[list[Execution]] = []
        """What runs to come will come to, each as the states that the status shows one after another."""
        self.history: list[Execution] = []
        """Newest first."""
        self._states: list[Execution] = []
        self._number = 0
        self._anew = True

    def start(self) -> None:
        """Begin a run."""
        if self._states:
            raise Refusal(
                409,
                "Another indexer invocation is currently in progress; concurrent invocations are not allowed.",
            )
        self._number += 1
        times = {
            "startTime": f"2026-11-22T10:{self._number:02}:00.000Z",
            "initialTrackingState": None if self._anew else "state",
        }
        self._anew = False
        states = self.next.pop(0) if self.next else [execution("success", items=3)]
        self._states = [state | times | {"endTime": None} for state in states]
        self._states[-1] |= {"endTime": f"2026-11-22T10:{self._number:02}:30.000Z"}

    def reset(self) -> None:
        """Forget what was read."""
        if self._states:
            raise Refusal(409, "The indexer is running, so it cannot be reset.")
        self._anew = True
        self._number += 1
        time = f"2026-11-22T10:{self._number:02}:00.000Z"
        self.history.insert(0, execution("reset") | {"startTime": time, "endTime": time, "initialTrackingState": None})

    def status(self, name: str) -> dict[str, Any]:
        """The status; a run that is under way goes on by one state."""
        last = self.history[0] if self.history else None
        if self._states:
            last = self._states.pop(0)
            if not self._states:
                self.history.insert(0, last)
        return {
            "name": name,
            "status": "running",
            "lastResult": last,
            "executionHistory": self.history[:50],
            "limits": LIMITS,
        }
