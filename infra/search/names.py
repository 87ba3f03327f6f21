"""What the objects in the service are called, for commands that need no more of the definitions."""

import os
from dataclasses import dataclass

from infra.search.definitions import define
from infra.search.parameters import read_parameters
from shared.command_line import Options


@dataclass(frozen=True, slots=True)
class Names:
    """Of the four objects."""

    data_source: str
    index: str
    skillset: str
    indexer: str


def names_for(options: Options) -> Names:
    """The names with the parameters that were given; parameters that have nothing to do with them may be missing.

    Raises:
        ParameterError: A parameter is unknown, or cannot have its value.
    """
    definitions = define(read_parameters(dict(options.set), options.parameters, os.environ, local=True))
    return Names(*(one["name"] for one in definitions))
