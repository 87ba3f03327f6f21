"""A run of the indexer while a command waits for it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tqdm import tqdm

from infra.search.running import begin, failed, report, wait
from infra.search.service import Service, connect
from shared.command_line import Options, Outcome
from shared.contract import Json


@contextmanager
def service_of(options: Options, env: Mapping[str, str]) -> Iterator[Service]:
    """The service that a command is about, closed at its end.

    Raises:
        CommandError: No service is named, or not properly.
    """
    service = connect(options.service, env)
    try:
        yield service
    finally:
        service.close()


def say(options: Options, text: str) -> None:
    """Print what is known before the command has ended; with --json all comes at the end."""
    if text and not options.json:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def run_and_wait(service: Service, indexer: str, options: Options) -> Outcome:
    """Run the indexer, with progress on a terminal.

    Raises:
        ServiceError: There is no such indexer, it does not begin, or it cannot be asked.
    """
    begun = begin(service, indexer)
    if begun.already:
        say(options, f"The indexer {indexer} is running already: waiting for that run.")
    with tqdm(desc="Indexing", unit=" documents", disable=None, leave=False) as bar:

        def progress(done: int) -> None:
            bar.n = done
            bar.refresh()

        run = wait(service, indexer, begun, progress)
    content: Json = {"indexer": indexer, "alreadyRunning": begun.already, "run": dict(run)}
    return Outcome(content, "\n".join(report(run)), failed(run))
