"""What the app and the host are told: environment variables, local.settings.json, host.json."""

import json
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the Consumption plan uses when host.json does not say.
_MAX_OUTSTANDING = 200
_IMAGES = "IMAGES_STORAGE"  # the connection of the app's blob functions


class SettingsError(Exception):
    """A file of settings that cannot be used; the message is for the reader of the console."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    prefix: str
    max_outstanding: int  # below 0: no bound


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    blobs_at_once: int
    messages_at_once: int  # of one queue


def load_local_settings(app: Path, environment: MutableMapping[str, str]) -> None:
    """Adds the Values of local.settings.json to the environment; a variable that is set already wins.

    Raises SettingsError when the file is encrypted or not understood.
    """
    content = _read(app / "local.settings.json")
    if content.get("IsEncrypted"):
        raise SettingsError("local.settings.json is encrypted: only func can read it")
    values = content.get("Values") or {}
    if not isinstance(values, dict):
        raise SettingsError("local.settings.json: Values must be an object")
    for name, value in values.items():
        environment.setdefault(name, value if isinstance(value, str) else json.dumps(value))
    environment.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def data_folder(app: Path, asked: Path | None, environment: MutableMapping[str, str]) -> Path:
    """Returns the folder for the host's own files, made if need be, and tells the app of it as DATA_DIR if unset."""
    data = (asked or app / (environment.get("DATA_DIR") or ".local")).resolve()
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the data folder {data} cannot be made: {error.strerror}") from error
    environment.setdefault("DATA_DIR", str(data))
    return data


def http_settings(app: Path) -> HttpSettings:
    """Returns the HTTP part of host.json, with defaults; raises SettingsError when the file is not understood."""
    http = _extension(app, "http")
    prefix, outstanding = http.get("routePrefix", "api"), http.get("maxOutstandingRequests", _MAX_OUTSTANDING)
    if not isinstance(prefix, str) or not isinstance(outstanding, int):
        raise SettingsError("host.json: routePrefix must be text and maxOutstandingRequests a whole number")
    return HttpSettings(prefix.strip("/"), outstanding)


def trigger_settings(app: Path) -> TriggerSettings:
    """Returns what host.json says about triggers, with defaults; raises SettingsError when it is not understood."""
    # Half as many leave the processors waiting for the queue between two messages.
    usual = 4 * (os.process_cpu_count() or 1)
    found = TriggerSettings(
        blobs_at_once=_extension(app, "blobs").get("maxDegreeOfParallelism", usual),
        messages_at_once=_extension(app, "queues").get("batchSize", usual),
    )
    if any(type(number) is not int or number < 1 for number in (found.blobs_at_once, found.messages_at_once)):
        raise SettingsError("host.json: maxDegreeOfParallelism and batchSize must be whole numbers from 1 on")
    return found


def use_folder(environment: MutableMapping[str, str], port: int) -> None:
    """Tells the app that its images are where devhost serves the folder, whatever it was told before."""
    for name in [name for name in environment if name.startswith(f"{_IMAGES}__")]:
        del environment[name]
    # Nobody checks the signature, but the SDK wants one that looks like it.
    environment[_IMAGES] = f"BlobEndpoint=http://127.0.0.1:{port};SharedAccessSignature=sig=local"


def _extension(app: Path, name: str) -> dict[str, Any]:
    content: Any = _read(app / "host.json")
    for part in ("extensions", name):
        content = content.get(part) or {}
        if not isinstance(content, dict):
            raise SettingsError(f"host.json: {part} must be an object")
    return dict(content)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SettingsError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} must hold a JSON object")
    return content
