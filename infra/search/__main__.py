"""`python -m infra.search`: the objects of Azure AI Search from these definitions, and a local indexer to try them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from infra.search.commands import (
    compare_command,
    delete_command,
    deploy_command,
    query_command,
    reset_command,
    run_command,
    status_command,
    try_command,
)
from infra.search.commands.adding import Work
from infra.search.parameters import ParameterError
from shared.command_line import prepare_streams, run

COMMANDS: tuple[ModuleType, ...] = (
    try_command,
    query_command,
    compare_command,
    deploy_command,
    run_command,
    status_command,
    reset_command,
    delete_command,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when some of it could not be done, 2 when the command could not be done."""
    errors = tuple(error for module in COMMANDS for error in module.ERRORS)
    options = _arguments(arguments)
    return run("infra.search", options, (ParameterError, *errors), stopped=options.stopped)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra.search",
        description="Makes a search service index images with the app's skills, and asks its index. 'try' does the "
        "same on this machine, with the same definitions and the running app, and needs no service.",
        epilog="COMMAND --help shows an example of each. The service is --service or AZURE_SEARCH_ENDPOINT, its key "
        "AZURE_SEARCH_KEY; without one you are signed in as 'az login' left you. Exit codes: 0, 1 when some of it "
        "could not be done, 2 when the command could not.",
    )
    some = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, work: Work, about: str, example: str, /) -> argparse.ArgumentParser:
        said = f"Example: python -m infra.search {name} {example}".rstrip()
        command = some.add_parser(name, help=about, description=about, epilog=said)
        command.set_defaults(work=work, stopped="stopped")
        command.add_argument("--json", action="store_true", help="print the answer as JSON")
        command.add_argument(
            "--parameters", type=Path, metavar="FILE", help="a JSON object of parameters (docs/search.md has them all)"
        )
        command.add_argument(
            "--set",
            type=_setting,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="one parameter, before those of the file; any number of times",
        )
        return command

    for module in COMMANDS:
        module.add(add)
    return parser.parse_args(arguments)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
