"""A run of the indexer while a command waits for it."""

from typing import Final

from tqdm import tqdm

from infra.search.commands.saying import say
from infra.search.deployment.running import begin, failed, report, wait
from infra.search.deployment.service import Service
from shared.command_line import Options, Outcome
from shared.contract import Json

STOPPED: Final = "stopped; a run that has begun goes on in the service"
"""Told when somebody interrupts a command that waits for a run."""


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
