"""How a module of commands adds its own to `python -m similarity`."""

import argparse
from collections.abc import Callable
from typing import Protocol

from shared.command_line import Options, Outcome, Tools

type Run = Callable[[Options, Tools], Outcome]


class Add(Protocol):
    """Adds a command: its name, what does it, what that is for people, and the rest of a line as an example.

    Returns:
        The command's parser, for arguments of its own. With `collection` it has COLLECTION already.
    """

    def __call__(
        self, name: str, run: Run, about: str, example: str, /, *, collection: bool = True
    ) -> argparse.ArgumentParser: ...
