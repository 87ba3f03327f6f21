"""Telling people what is done while a command goes on."""

import sys

from shared.command_line import Options


def say(options: Options, text: str) -> None:
    """Print what is known before the command has ended; with --json all comes at the end."""
    if text and not options.json:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
