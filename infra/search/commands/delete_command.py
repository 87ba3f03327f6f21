"""`python -m infra.search delete`: what `deploy` made."""

import os

from infra.search.commands.adding import Add
from infra.search.commands.confirming import confirm
from infra.search.commands.saying import say
from infra.search.commands.service_asked import service_of
from infra.search.deployment.objects import KINDS, existing
from infra.search.deployment.service import ServiceError, add_service_option, asking
from infra.search.names import names_for
from infra.search.parameters import ParameterError
from shared.command_line import Options, Outcome

ERRORS: tuple[type[Exception], ...] = (ParameterError, ServiceError)


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "delete",
        _delete,
        "delete the indexer, the skillset, the index with its documents, and the data source; the images stay",
        "--service my-search",
    )
    add_service_option(parser)
    parser.add_argument("--keep-index", action="store_true", help="keep the index and its documents")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _delete(options: Options) -> Outcome:
    names = names_for(options)
    kinds = [kind for kind in reversed(KINDS) if not (options.keep_index and kind.member == "index")]
    called = {kind.member: f"{kind.called} {getattr(names, kind.member)}" for kind in kinds}
    with service_of(options, os.environ) as service:
        say(options, f"To be deleted at {service.endpoint}:")
        for member, one in called.items():
            say(options, f"  {one}{', with all its documents' if member == 'index' else ''}")
        confirm(options, "Delete those of them that are there?")  # before anybody signs in to look
        with asking(service):
            there = [kind for kind in kinds if existing(service, kind, getattr(names, kind.member))]
        if not there:
            return Outcome({"deleted": []}, f"There is nothing of {names.index} at {service.endpoint}.")
        for kind in there:
            with asking(service):
                kind.delete(service, getattr(names, kind.member))
            say(options, f"{called[kind.member]}: deleted")
    kept = "The images, the app's store and a knowledge store are as they were."
    return Outcome({"deleted": [called[kind.member] for kind in there]}, kept)
