"""Starts `python -m devhost` for an app, in a process of its own: the worker library keeps one app per process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_READY = "Listening on "


@dataclass
class Devhost:
    """A running host: where it answers, and what it has written so far."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def wait_for(self, text: str, *, after: int = 0, timeout: float = 30) -> str:
        """Returns the first line, from number `after` on, that contains the text.

        Raises AssertionError with the whole output when it does not come in time or the host ends without it.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for line in self.lines[after:]:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    output = "\n".join(self.lines)
                    raise AssertionError(f"the host {'ended' if self._ended else 'waited'} without '{text}':\n{output}")
                self._news.wait(left)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Returns the exit code after the signal; kills the host, and raises TimeoutExpired, when it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def follow(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Returns once the condition holds; raises AssertionError when it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        threading.Event().wait(0.02)


def start_command(app: Path, *arguments: str) -> list[str]:
    """Returns the command line of a host for the app, on a free port unless the arguments name one."""
    return [sys.executable, "-m", "devhost", "--app", str(app), "--port", "0", *arguments]


@contextlib.contextmanager
def running(app: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 30) -> Iterator[Devhost]:
    """Runs a host for the app; on leaving, it is stopped and, should it not stop, killed.

    Without `--data` among the arguments it keeps its files in `.local` of the app's folder. Raises AssertionError with
    the output when the host does not come up.
    """
    process = subprocess.Popen(
        start_command(app, *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    host = Devhost(process)
    follower = threading.Thread(target=host.follow, daemon=True)
    follower.start()
    try:
        host.url = host.wait_for(_READY, timeout=timeout).removeprefix(_READY)
        yield host
    finally:
        try:
            host.stop()
        finally:
            follower.join(timeout=5)
            if process.stdout:
                process.stdout.close()
