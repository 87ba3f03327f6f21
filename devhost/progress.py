"""How far the watched folder is: a bar while there is work, and one line when it is done."""

import logging
from dataclasses import dataclass, field

from devhost.console import Progress

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What has been counted since the last report."""

    total: int = 0  # paths, those included that are not counted yet
    processed: int = 0
    failed: int = 0
    removed: int = 0
    _done: int = 0
    _unchanged: int | None = None  # since the first look; None before it
    _reported: bool = False
    _bar: Progress = field(default_factory=lambda: Progress("Images"))

    def first_look(self, *, unchanged: int) -> None:
        """Only the first call counts: later on, most images are always unchanged."""
        if self._unchanged is None:
            self._unchanged = unchanged

    def count(self, *, fired: bool, failed: bool, removed: bool) -> None:
        """Counts a path that nothing is left to do for."""
        self._done += 1
        self.processed += fired and not failed
        self.failed += fired and failed
        self.removed += removed
        self._bar.show(self._done, self.total)

    def report_if(self, idle: bool) -> None:
        """Says what has been counted, if nothing is under way, and starts again."""
        if not idle or self._unchanged is None:
            return
        self._bar.close()
        if not self._reported or self.processed or self.failed or self.removed:
            removed = f", {self.removed} removed" if self.removed else ""
            unchanged = f", {self._unchanged} unchanged" if self._unchanged else ""
            log.info("Images: %d processed, %d failed%s%s", self.processed, self.failed, removed, unchanged)
        self.total = self.processed = self.failed = self.removed = self._done = self._unchanged = 0
        self._reported = True

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()
