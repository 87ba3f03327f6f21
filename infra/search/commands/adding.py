"""How a module of commands adds its own to `python -m infra.search`."""

import argparse
from collections.abc import Callable
from typing import Protocol

from shared.command_line import Options, Outcome

type Work = Callable[[Options], Outcome]


class Add(Protocol):
    """Adds a command: its name, what does it, what that is for people, and the rest of a line as an example.

    Returns:
        The command's parser, for arguments of its own. It has --json, --parameters and --set already.
    """

    def __call__(self, name: str, work: Work, about: str, example: str, /) -> argparse.ArgumentParser: ...
