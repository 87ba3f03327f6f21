"""The access keys: one per function, one for all functions, and the master key."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path


class KeysError(Exception):
    """A file of keys that cannot be used; the message is for the reader of the console."""


@dataclass(frozen=True, slots=True)
class Keys:
    master: str
    host: str
    functions: Mapping[str, str]

    def allow(self, level: str, function: str, given: str) -> bool:
        """Returns whether the given key opens the function."""
        if level == "ANONYMOUS":
            return True
        keys = [self.master]
        if level == "FUNCTION":  # anything else (ADMIN, or a level not known here) takes the master key alone
            keys += [self.host, self.functions[function]]
        given_bytes = given.encode("utf-8", "surrogateescape")
        # Every key is compared, in constant time: how long it takes tells nothing about which one nearly fitted.
        return sum([compare_digest(key.encode(), given_bytes) for key in keys]) > 0


def open_keys(path: Path, functions: Iterable[str]) -> Keys:
    """Returns the keys kept in the file; makes those that are missing. Raises KeysError when it is not such a file."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        master, host, known = str(kept["master"]), str(kept["host"]), dict(kept["functions"])
    except FileNotFoundError:
        master, host, known = _new_key(), _new_key(), {}
    except (KeyError, TypeError, ValueError) as error:
        raise KeysError(f"{path} is not a file of keys ({error!r}): delete it to have new ones") from error
    keys = Keys(master, host, {**known, **{name: known.get(name) or _new_key() for name in functions}})
    _write(path, {"master": keys.master, "host": keys.host, "functions": keys.functions})
    return keys


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Written beside and then moved, so that the file is never half there, nor readable by others for a moment."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    beside.replace(path)


def _new_key() -> str:
    return secrets.token_urlsafe(32)
