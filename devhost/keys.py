"""The access keys: one per function, one for all functions, one for each webhook, and the master key."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hmac import compare_digest
from pathlib import Path


class KeysError(Exception):
    """A file of keys that cannot be used; the message is for the reader of the console."""


@dataclass(frozen=True, slots=True)
class Keys:
    master: str
    host: str
    functions: Mapping[str, str]
    system: Mapping[str, str] = field(default_factory=dict)

    def allow(self, level: str, function: str, given: str) -> bool:
        """Returns whether the given key opens the function."""
        if level == "ANONYMOUS":
            return True
        keys = [self.master]
        if level == "FUNCTION":  # anything else (ADMIN, or a level not known here) takes the master key alone
            keys += [self.host, self.functions[function]]
        return _is_one_of(given, keys)

    def allow_system(self, name: str, given: str) -> bool:
        """Returns whether the given key opens the webhook of an extension."""
        return _is_one_of(given, [self.master, self.system[name]])


def open_keys(path: Path, functions: Iterable[str], system: Iterable[str] = ()) -> Keys:
    """Returns the keys kept in the file; makes those that are missing. Raises KeysError when it is not such a file."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        master, host, known = str(kept["master"]), str(kept["host"]), dict(kept["functions"])
        known_system = dict(kept.get("system", {}))
    except FileNotFoundError:
        master, host, known, known_system = _new_key(), _new_key(), {}, {}
    except (KeyError, TypeError, ValueError) as error:
        raise KeysError(f"{path} is not a file of keys ({error!r}): delete it to have new ones") from error
    keys = Keys(master, host, _with_new(known, functions), _with_new(known_system, system))
    _write(path, asdict(keys))
    return keys


def _with_new(known: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {**known, **{name: known.get(name) or _new_key() for name in names}}


def _is_one_of(given: str, keys: Iterable[str]) -> bool:
    given_bytes = given.encode("utf-8", "surrogateescape")
    # Every key is compared, in constant time: how long it takes tells nothing about which one nearly fitted.
    return sum([compare_digest(key.encode(), given_bytes) for key in keys]) > 0


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Written beside and then moved, so that the file is never half there, nor readable by others for a moment."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    beside.replace(path)


def _new_key() -> str:
    return secrets.token_urlsafe(32)
