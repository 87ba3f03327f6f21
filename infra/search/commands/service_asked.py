"""The search service that a command is about."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from infra.search.deployment.service import Service, connect
from shared.command_line import Options


@contextmanager
def service_of(options: Options, env: Mapping[str, str]) -> Iterator[Service]:
    """The service that the options or the environment name, closed at the end.

    Raises:
        CommandError: No service is named, or not properly.
    """
    service = connect(options.service, env)
    try:
        yield service
    finally:
        service.close()
