"""The definitions that a command was asked for."""

import os

from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from infra.search.validation import problems
from shared.command_line import CommandError, Options


def definitions_for(options: Options, *, local: bool) -> Definitions:
    """The definitions with the parameters that were given, checked.

    Args:
        options: What was typed.
        local: Whether they are for the local indexer, which needs no Azure.

    Raises:
        ParameterError: A parameter is missing, unknown, unused, or cannot have its value.
        CommandError: The definitions do not fit together; the message lists why.
    """
    values = read_parameters(dict(options.set), options.parameters, os.environ, local=local)
    definitions = define(values)
    if found := problems(definitions, local=local):
        raise CommandError("The definitions cannot be used:\n" + "\n".join(f"- {one}" for one in found))
    return definitions
