"""`python -m infra.search run`: a run of the indexer."""

import os

from infra.search.commands.adding import Add
from infra.search.commands.service_asked import service_of
from infra.search.commands.waiting import STOPPED, run_and_wait
from infra.search.deployment.service import ServiceError, add_service_option
from infra.search.names import names_for
from infra.search.parameters import ParameterError
from shared.command_line import Options, Outcome

ERRORS: tuple[type[Exception], ...] = (ParameterError, ServiceError)


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "run",
        _run,
        "run the indexer, wait for its end and show its errors and warnings",
        "--service my-search",
    )
    add_service_option(parser)
    parser.set_defaults(stopped=STOPPED)


def _run(options: Options) -> Outcome:
    names = names_for(options)
    with service_of(options, os.environ) as service:
        return run_and_wait(service, names.indexer, options)
