"""`python -m similarity`: find look-alikes and duplicates, train rankers, and measure how good all that is."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from shared.command_line import collection_name, common_options, prepare_streams, run
from similarity.commands import duplicates_command, evaluate_command, search_command, train_command
from similarity.commands.adding import Run

COMMANDS: tuple[ModuleType, ...] = (search_command, duplicates_command, train_command, evaluate_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when some of it could not be done, 2 when the command could not be done."""
    errors = tuple(error for module in COMMANDS for error in module.ERRORS)
    return run("similarity", _arguments(arguments), errors)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m similarity",
        description="Finds images of a collection that look alike, finds duplicates, trains rankers on labels, and "
        "measures how good all that is. The stores are what the environment says (COSMOS_ENDPOINT, or DATA_DIR), or "
        "else local.settings.json in this folder.",
        epilog="COMMAND --help shows an example of each. Exit codes: 0, 1 when some of it could not be done, 2 when "
        "the command could not.",
    )
    some = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Run, about: str, example: str, /, *, collection: bool = True) -> argparse.ArgumentParser:
        said = f"Example: python -m similarity {name} {example}"
        command = some.add_parser(name, help=about, description=about, epilog=said, parents=[common_options()])
        command.set_defaults(run=run)
        if collection:
            command.add_argument(
                "collection",
                type=collection_name,
                metavar="COLLECTION",
                help="its name: the first folder of its images",
            )
        return command

    for module in COMMANDS:
        module.add(add)
    options, rest = parser.parse_known_args(arguments)
    # argparse takes an empty list of photos as soon as an option follows COLLECTION; those behind it are left over.
    if rest and (not hasattr(options, "photos") or any(one.startswith("-") for one in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.photos = [*options.photos, *rest]
    return options


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
