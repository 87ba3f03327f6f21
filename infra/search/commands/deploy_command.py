"""`python -m infra.search deploy`: the definitions into the service."""

import os
from typing import Final

from infra.search.commands.adding import Add
from infra.search.commands.asked import definitions_for
from infra.search.commands.saying import say
from infra.search.commands.service_asked import service_of
from infra.search.commands.waiting import STOPPED, run_and_wait
from infra.search.deployment.deploying import Change, content, lines, models, plan, write
from infra.search.deployment.service import ServiceError, add_service_option
from infra.search.deployment.unchangeable import refused
from infra.search.parameters import ParameterError
from shared.command_line import CommandError, Options, Outcome
from shared.contract import Json

ERRORS: tuple[type[Exception], ...] = (ParameterError, ServiceError)

READ_AGAIN: Final = (
    "Images that are indexed already keep what they have: `python -m infra.search reset --run` reads all of them again."
)

_ONLY_WHEN: Final = ("description", "schedule", "parameters.batchSize", "parameters.maxFailedItems")
"""Members of an indexer that do not touch what documents hold, by how their paths begin."""


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "deploy",
        _deploy,
        "create the data source, the index, the skillset and the indexer, or update those that differ",
        "--service my-search --parameters search.json --dry-run",
    )
    add_service_option(parser)
    parser.set_defaults(stopped=STOPPED)
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    parser.add_argument("--wait", action="store_true", help="then run the indexer and wait for its end")


def _deploy(options: Options) -> Outcome:
    definitions = definitions_for(options, local=False)
    with service_of(options, os.environ) as service:
        changes = plan(service, definitions)
        say(options, "\n".join(lines(changes)))
        if sentences := refused(changes):
            raise CommandError("\n".join([*sentences, _elsewhere(definitions.index["name"])]))
        if change := models(changes):
            say(
                options,
                f"The model changes from {change[0]} to {change[1]}. Vectors of two models cannot be compared: the "
                "indexer is reset, so that it reads every image again.",
            )
        answer: dict[str, Json] = {"objects": content(changes), "dryRun": options.dry_run, "written": []}
        if options.dry_run:
            return Outcome(answer, "Nothing was written (--dry-run).")
        for done in write(service, changes):
            say(options, done)
            answer["written"].append(done)
        if options.wait:
            run = run_and_wait(service, definitions.indexer["name"], options)
            text = f"{run.text}\n{READ_AGAIN}" if _touched(changes) else run.text
            return Outcome(answer | {"run": run.content["run"]}, text, run.failed)
    return Outcome(answer, _next(changes))


def _elsewhere(index: str) -> str:
    return (
        "Nothing was written. Deploy beside it under another name (--set prefix=…), or remove it with `delete`, after "
        f"which everything is read again into a new index {index}."
    )


def _next(changes: list[Change]) -> str:
    """What to do now."""
    if changes[-1].existing is None:
        return "The indexer has begun its first run: `python -m infra.search run` waits for it and shows its errors."
    if models(changes):
        return "`python -m infra.search run` reads every image again now; else the indexer does at its next time."
    if _touched(changes):
        return READ_AGAIN
    if any(change.differences for change in changes):
        return "`python -m infra.search run` runs the indexer now."
    return "Nothing differs, as far as the service shows."


def _touched(changes: list[Change]) -> bool:
    """Whether documents that are in the index would be others now, and the indexer does not know."""
    *others, indexer = changes
    if indexer.existing is None or models(changes):  # all is read in the next run anyway
        return False
    if any(change.existing is None or change.differences for change in others):
        return True
    return any(not difference.path.startswith(_ONLY_WHEN) for difference in indexer.differences)
