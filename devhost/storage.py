"""How the host reaches Azure Storage: the connection strings that settings hold."""

from collections.abc import Mapping
from typing import Any


class StorageError(Exception):
    """A setting that is no connection string; the message names it, without its value."""


def connection_string(setting: str, settings: Mapping[str, str]) -> str:
    """Returns what the setting holds; raises StorageError when it is not set."""
    text = settings.get(setting)
    if not text:
        raise StorageError(f"the setting {setting} is not set")
    return text


def make_client[T](kind: type[T], setting: str, settings: Mapping[str, str]) -> T:
    """Returns a service client of the SDK for the account that the setting names; raises StorageError.

    The host tries again by itself, so the client does not.
    """
    text = connection_string(setting, settings)
    options = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 30}
    # On this machine there is no proxy to look for, which would take a fifth of the time of a request.
    local = text.startswith("UseDevelopmentStorage") or "127.0.0.1" in text or "localhost" in text
    maker: Any = kind
    try:
        client: T = maker.from_connection_string(text, **options, use_env_settings=not local)
    except ValueError as error:
        raise StorageError(f"the setting {setting} is not a connection string for this service") from error
    return client
