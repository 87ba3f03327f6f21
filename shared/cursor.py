"""How far a reconcile has come, kept in the store from run to run."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.features import FeatureStore


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a pass over a collection has come.

    Attributes:
        began: When the pass began.
        scope: Which of the collection's listings it is at.
        marker: Which part of that.
        after: The last name before that part.
        reached: The last suspect of that part that was looked after: its path, and whether it was stored.
        under_way: The paths that are looked after now; left there, they were when the run ended.
        tries: How often that happened in a row, of a single path.
    """

    began: str
    scope: int = 0
    marker: str = ""
    after: str = ""
    reached: tuple[str, bool] | None = None
    under_way: list[str] = field(default_factory=list)
    tries: int = 0


def now() -> str:
    """The time, as text that sorts: ISO, UTC, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def key_of(collection: str) -> str:
    """The name that a collection's cursor is kept under."""
    return f"reconcile/{collection}"


def keep(key: str, cursor: Cursor, store: FeatureStore) -> None:
    """Keep a cursor for the next run."""
    store.remember(key, json.dumps(asdict(cursor)))


def complete(key: str, cursor: Cursor, store: FeatureStore) -> None:
    """Note that a pass has come to its end; the next run begins a new one."""
    store.remember(key, json.dumps({"completed": cursor.began}))


def resumed(key: str, store: FeatureStore) -> Cursor:
    """The cursor that was kept, or that of a new pass."""
    try:
        return Cursor(**_kept(key, store))
    except TypeError:  # there is none, the last pass is complete, or another version of the app has written it
        return Cursor(began=now())


def completed(key: str, store: FeatureStore) -> str:
    """When the last complete pass began, "" if there was none."""
    return str(_kept(key, store).get("completed", ""))


def _kept(key: str, store: FeatureStore) -> dict[str, Any]:
    text = store.recall(key)
    return dict(json.loads(text)) if text else {}
