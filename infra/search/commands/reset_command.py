"""`python -m infra.search reset`: everything is to be read again."""

import os

from infra.search.commands.adding import Add
from infra.search.commands.confirming import confirm
from infra.search.commands.saying import say
from infra.search.commands.service_asked import service_of
from infra.search.commands.waiting import STOPPED, run_and_wait
from infra.search.deployment.service import ServiceError, add_service_option, asking
from infra.search.names import names_for
from infra.search.parameters import ParameterError
from shared.command_line import Options, Outcome

ERRORS: tuple[type[Exception], ...] = (ParameterError, ServiceError)


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "reset",
        _reset,
        "let the indexer read every blob again, as if none were indexed: after a change of the skills, or to refresh "
        "look-alikes and groups",
        "--service my-search --run",
    )
    add_service_option(parser)
    parser.set_defaults(stopped=STOPPED)
    parser.add_argument("--run", action="store_true", help="then run it and wait for its end")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _reset(options: Options) -> Outcome:
    names = names_for(options)
    with service_of(options, os.environ) as service:
        confirm(
            options,
            "Every blob is read and every skill is asked again, which takes time and costs as the first run did. "
            f"Reset the indexer {names.indexer} of the index {names.index} at {service.endpoint}?",
        )
        with asking(service):
            service.indexers.reset_indexer(names.indexer)
        done = f"The indexer {names.indexer} is reset."
        if not options.run:
            later = "It reads everything at its next run: `python -m infra.search run` begins one."
            return Outcome({"indexer": names.indexer, "reset": True}, f"{done} {later}")
        say(options, done)
        run = run_and_wait(service, names.indexer, options)
        return Outcome(run.content | {"reset": True}, run.text, run.failed)
