"""What would change if a definition were written over what the service has."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from infra.search.durations import seconds
from shared.contract import Json

HIDDEN: Final = "•••"
"""Is shown in the place of a secret."""

_UNSHOWN: Final = (None, "<unchanged>", "<redacted>", "<encrypted>")
"""What the service answers where a secret is."""

_SECRETS: Final = frozenset({"connectionString", "storageConnectionString", "apiKey", "key"})
_NAMES: Final = ("name", "targetFieldName", "targetIndexName", "tableName", "storageContainer")
"""Members that tell the items of a list apart."""

_FILLED_IN: Final = frozenset({"startTime", "generatedKeyName", "synthesizeGeneratedKeyName"})
"""Members that the service sets where a definition does not."""

_CASELESS: Final = frozenset({"lineEnding"})
"""Members with known values, which the service's references write in two ways."""

_DEFAULTS: Final[dict[str, Json]] = {
    "stored": True,
    "similarity": {"@odata.type": "#Microsoft.Azure.Search.BM25Similarity"},
}
_DURATION = re.compile(r"P(?:T|\d).*[DHMS]")


class Difference(NamedTuple):
    """A member that would change. Secrets are not shown."""

    path: str
    """Such as `skills.similarity.batchSize`; items of lists go by their names."""
    old: Json
    """None: it is not there."""
    new: Json


def differences(existing: Mapping[str, Json], wanted: Mapping[str, Json]) -> list[Difference]:
    """What writing `wanted` would change, as far as the service shows what it has: see `unshown`.

    Writing replaces all: a member that only `existing` has would go, unless it says nothing or the service sets it
    itself.
    """
    return [
        Difference(path, _masked(path, old), _masked(path, new)) for path, old, new in _compared("", existing, wanted)
    ]


def unshown(existing: Mapping[str, Json], wanted: Mapping[str, Json]) -> list[str]:
    """Paths of secrets that `wanted` has and the service does not show: whether they would change is not known."""
    return [path for path, *_ in _compared("", existing, wanted, unknown=True)]


def change_text(difference: Difference) -> str:
    """What becomes of a member, for people."""
    if difference.old is None or difference.new is None:
        return "new" if difference.old is None else "removed"
    return f"{_short(difference.old)} → {_short(difference.new)}"


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, dict | list) else "…"
    return text if len(text) <= 80 else f"{text[:79]}…"


type _Compared = Iterator[tuple[str, Json, Json]]


def _compared(path: str, old: Json, new: Json, *, unknown: bool = False) -> _Compared:
    """Members that differ, or with `unknown` those of which that cannot be said."""
    member = path.rpartition(".")[2]
    if old in _UNSHOWN and ((isinstance(new, str) and _secret(path)) or (member == "httpHeaders" and new)):
        if unknown:
            yield path, old, new
    elif member in _CASELESS and isinstance(new, str) and isinstance(old, str) and old.lower() == new.lower():
        return
    elif isinstance(new, dict) and isinstance(old, dict):
        yield from _members(path, old, new, unknown=unknown)
    elif isinstance(new, list) and isinstance(old, list) and (name := _told_apart_by([*old, *new])):
        yield from _members(path, {one[name]: one for one in old}, {one[name]: one for one in new}, unknown=unknown)
    elif isinstance(new, list) and isinstance(old, list) and len(old) == len(new) and _objects(old + new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _compared(f"{path}.{number}", before, after, unknown=unknown)
    elif not unknown and not _same(old, new):
        yield path, old, new


def _members(path: str, old: Mapping[str, Json], new: Mapping[str, Json], *, unknown: bool) -> _Compared:
    for name in dict.fromkeys([*new, *old]):
        if name in ("@odata.etag", "@odata.context"):
            continue
        inside = f"{path}.{name}" if path else name
        if name in old and not _nothing(new.get(name)):
            yield from _compared(inside, old[name], new[name], unknown=unknown)
        elif not unknown and not _nothing(new.get(name)):
            yield inside, None, new[name]
        elif not unknown and _says_something(name, old.get(name)):
            yield inside, old[name], None


def _says_something(name: str, value: Json) -> bool:
    """Whether a member that we do not set would be missed."""
    if name in _FILLED_IN or _nothing(value) or value is False:
        return False
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if _says_something(name, one)}
    return not _nothing(value) and value != _DEFAULTS.get(name)


def _told_apart_by(items: Sequence[Json]) -> str:
    """The member that names each of the items, or ""."""
    for name in _NAMES:
        if _objects(items) and all(isinstance(one.get(name), str) for one in items):
            return name
    return ""


def _objects(items: Sequence[Json]) -> bool:
    return bool(items) and all(isinstance(one, dict) for one in items)


def _same(old: Json, new: Json) -> bool:
    if isinstance(old, str) and isinstance(new, str) and _DURATION.fullmatch(old) and _DURATION.fullmatch(new):
        try:
            return seconds(old) == seconds(new)  # the service answers PT3M50S where PT230S was written
        except ValueError:
            return old == new
    return (_nothing(old) and _nothing(new)) or (old == new and isinstance(old, bool) == isinstance(new, bool))


def _nothing(value: Json) -> bool:
    return value is None or value in ("", [], {})


def _secret(path: str) -> bool:
    return path.rpartition(".")[2] in _SECRETS or ".httpHeaders." in path


def _masked(path: str, value: Json) -> Json:
    """The value without secrets in it."""
    name = path.rpartition(".")[2]
    if isinstance(value, dict):
        return {member: _masked(f"{path}.{member}", one) for member, one in value.items()}
    if isinstance(value, list):
        return [_masked(path, one) for one in value]
    if not isinstance(value, str):
        return value
    if _secret(path) and not value.startswith("ResourceId="):
        return HIDDEN
    if name == "uri" and "?" in value:  # a function's key may be in its query
        return f"{value.partition('?')[0]}?{HIDDEN}"
    return value
