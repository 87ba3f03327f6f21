"""The calls by which people train rankers, look at them, and switch them on and off."""

import json
from collections.abc import Mapping

from shared import backbone
from shared.calls import answered, json_object
from shared.contract import CallError, Deadline, Json, Reply
from shared.features import FeatureStore
from shared.settings import Settings
from similarity.ranking import stored
from similarity.ranking.examples import TrainingError
from similarity.ranking.labels import LabelError, label_source
from similarity.ranking.rankers import LEARNED
from similarity.ranking.stored import RankerError, UnknownRankerError
from similarity.ranking.training import MAX_SEED, list_json, report_json, train

MAX_IMAGES = 20_000
"""Images that a call learns from. Learning and measuring took 3 to 14 s on one busy core, so the time budget leaves
room to read them; the command takes more."""

STATUS: Mapping[type[Exception], int] = {
    LabelError: 400,
    TrainingError: 400,
    UnknownRankerError: 404,
    RankerError: 409,
}

TRAIN = '{"ranker": "projection", "labels": "folder"}'
CHANGE = '{"on": "projection"}'


def list_rankers(collection: str, store: FeatureStore) -> Reply:
    """The rankers that were trained, how good they are, and which is switched on."""
    return answered(lambda: _list(collection, stored.read(collection, store)), STATUS)


def train_ranker(collection: str, body: bytes, store: FeatureStore, settings: Settings) -> Reply:
    """Train a ranker and switch it on where it helps.

    Args:
        collection: Whose images it learns from.
        body: A JSON object of `ranker` (one of LEARNED; default: projection), `labels` (`folder`, which is the default,
            `tag:NAME`, or an object with a label for each path) and `seed` (a whole number, default 0).
        store: Where the images are and the ranker is kept.
        settings: The app's settings.

    Returns:
        200 and the report, see `report_json`. When it takes longer than the time budget of a call, that is a 503 which
        names the command, and nothing was changed.
    """
    deadline = Deadline(settings.time_budget)

    def progress(_phase: str, _done: float) -> None:
        if not deadline.remaining():
            raise CallError(
                503,
                f"The training takes longer than the time budget of a call, {deadline.seconds:g} s. Train with the "
                "command: python -m similarity train COLLECTION; or raise TIME_BUDGET_SECONDS.",
            )

    def call() -> Reply:
        content = _fields(body, TRAIN, ("ranker", "labels", "seed"))
        name = content.get("ranker", "projection")
        if name not in LEARNED:
            raise CallError(400, f"'ranker' takes {' or '.join(LEARNED)}, not {name!r:.50}.")
        seed = content.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
            raise CallError(400, f"'seed' takes a whole number from 0 to {MAX_SEED}, not {seed!r:.50}.")
        source = label_source(content.get("labels", "folder"))
        if not store.counts(collection).get(collection, {}).get(backbone.MODEL):
            raise CallError(404, f"The collection {collection!r} holds no images of the model {backbone.MODEL}.")
        report = train(collection, name, source, store, progress, seed=seed, limit=MAX_IMAGES)
        return Reply(200, json.dumps(report_json(collection, report)))

    return answered(call, STATUS)


def change_ranker(collection: str, body: bytes, store: FeatureStore) -> Reply:
    """Switch a ranker on or, with null, off. One that is no better than cosine is refused."""

    def call() -> Reply:
        content = _fields(body, CHANGE, ("on",))
        if "on" not in content or not isinstance(content["on"], str | None):
            raise CallError(400, f"Send the name of a ranker, or null, such as {CHANGE}.")
        return _list(collection, stored.switch(collection, content["on"], store))

    return answered(call, STATUS)


def delete_ranker(collection: str, name: str, store: FeatureStore) -> Reply:
    """Forget a ranker."""
    return answered(lambda: _list(collection, stored.drop(collection, name, store)), STATUS)


def _list(collection: str, found: stored.Stored) -> Reply:
    return Reply(200, json.dumps(list_json(collection, found)))


def _fields(body: bytes, example: str, names: tuple[str, ...]) -> dict[str, Json]:
    content = json_object(body, example)
    if unknown := sorted(content.keys() - set(names)):
        raise CallError(400, f"{unknown[0]!r:.50} is not known here; there are {', '.join(names)}.")
    return content
