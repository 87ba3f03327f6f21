"""What the developer sees: log lines like func's, and progress."""

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0

_bars: "list[tqdm[NoReturn]]" = []  # those on the screen


class _Handler(logging.Handler):
    def __init__(self, stream: TextIO, current_function: Callable[[], str | None]) -> None:
        super().__init__()
        self._stream = stream
        self._current_function = current_function

    def emit(self, record: logging.LogRecord) -> None:
        try:
            at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            function = self._current_function()
            where = f" {function}:" if function else ""
            _write(f"[{at}] {record.levelname}{where} {self.format(record)}", self._stream)
        except Exception:  # noqa: BLE001 - what logging.Handler asks for: a bad log call must not end the work
            self.handleError(record)


def start_logging(current_function: Callable[[], str | None]) -> None:
    """Sends every log record to stderr, with the time, the level and the function that wrote it."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler(sys.stderr, current_function)]
    root.setLevel(logging.INFO)
    # It reports every change it sees; what comes of the changes is reported anyway.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    # A line for each request otherwise, with all of its headers.
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def say(line: str) -> None:
    """Prints a line of the host's own."""
    _write(line, sys.stdout)


class Progress:
    """A bar on a terminal, and otherwise a line now and then. Closed, it starts again with the next `show`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: tqdm[NoReturn] | None = None
        self._started = self._said = 0.0

    def show(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            self._show_line(done, total)
            return
        if not self._bar:
            self._bar = _new_bar(self._what, total)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar:
            self._bar.close()
            _bars.remove(self._bar)
        self._bar, self._started = None, 0.0

    def _show_line(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._started:
            self._started = self._said = now
        elif now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            rate = done / (now - self._started)
            logging.getLogger(__name__).info(
                "%s: %d of %d, %.1f a second, %.0f s to go", self._what, done, total, rate, (total - done) / rate
            )


def _new_bar(what: str, total: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm  # noqa: PLC0415 - a tenth of a second that only a terminal with images to show needs

    tqdm.monitor_interval = 0  # no thread to repaint a bar that stands still
    bar: tqdm[NoReturn] = tqdm(total=total, desc=what, unit=" images", file=sys.stderr, leave=False)
    _bars.append(bar)
    return bar


def _write(line: str, stream: TextIO) -> None:
    """Takes a bar away while the line is written, and writes at once even into a pipe."""
    if _bars:
        _bars[0].write(line, file=stream)
    else:
        # One call for text and line end: other threads write too.
        stream.write(line + "\n")
    stream.flush()
