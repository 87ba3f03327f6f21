"""Asking before something is done that cannot be undone."""

import sys

from shared.command_line import CommandError, Options


def confirm(options: Options, question: str) -> None:
    """Ask on the terminal, unless --yes was given.

    Raises:
        CommandError: The answer is not yes, or nobody is there to give one.
    """
    if options.yes:
        return
    if options.json:
        raise CommandError("--json asks nothing: say --yes too.")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        sys.stdout.write("\n")  # the question's line has no end yet
        raise CommandError("Nobody is there to be asked: say --yes.") from None
    if not sys.stdin.isatty():
        sys.stdout.write("\n")  # nobody pressed Enter here
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.")
