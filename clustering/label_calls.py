"""The calls by which people name clusters: read the labels, replace them, change some."""

import json
from collections.abc import Callable, Mapping

from clustering.answers import answered, in_force
from clustering.assignment import Current
from clustering.labels import as_csv, dictionary, edit_labels, labelled_images, replace_labels
from clustering.state import State
from shared.calls import json_object
from shared.contract import CallError, Deadline, Json, Reply
from shared.features import FeatureStore
from shared.fits import FitStore
from shared.settings import Settings


def read_labels(
    collection: str,
    params: Mapping[str, str],
    features: FeatureStore,
    fits: FitStore,
    settings: Settings,
) -> Reply:
    """The words of all clusters; with `format` = csv, every image of the collection with its cluster and words.

    When the table takes longer than the time budget of a call, that is a 503 which names the command: a table that
    ends somewhere would look like a whole one.
    """
    deadline = Deadline(settings.time_budget)

    def check() -> None:
        if not deadline.remaining():
            raise CallError(
                503,
                f"The table of all images takes longer than the time budget of a call, {deadline.seconds:g} s. "
                "Write it with the command: python -m clustering export COLLECTION FILE.csv; "
                "or raise TIME_BUDGET_SECONDS.",
            )

    def call() -> Reply:
        kind = params.get("format", "json")
        if kind not in {"json", "csv"}:
            raise CallError(400, f"'format' takes json or csv, not {kind!r:.50}.")
        now = in_force(collection, features)
        if kind == "json":
            return _labels(now)
        table = "".join(as_csv(labelled_images(now, features, fits, check=check)))
        return Reply(200, table.encode(), {"X-Content-Type-Options": "nosniff"}, mimetype="text/csv")

    return answered(call)


def write_labels(collection: str, params: Mapping[str, str], body: bytes, features: FeatureStore) -> Reply:
    """Replace all labels by what `read_labels` gave, as it is or only the dictionary in it."""
    example = '{"3": ["flower"]}'

    def change(content: dict[str, Json], fit: str | None) -> State:
        return replace_labels(collection, content.get("labels", content), features, fit=fit)

    return _changed(collection, params, body, example, features, change)


def change_labels(collection: str, params: Mapping[str, str], body: bytes, features: FeatureStore) -> Reply:
    """Change some labels, see `edit_labels`."""
    example = '{"set": {"3": ["flower"]}}'

    def change(content: dict[str, Json], fit: str | None) -> State:
        return edit_labels(collection, content, features, fit=fit)

    return _changed(collection, params, body, example, features, change)


def _changed(
    collection: str,
    params: Mapping[str, str],
    body: bytes,
    example: str,
    features: FeatureStore,
    change: Callable[[dict[str, Json], str | None], State],
) -> Reply:
    """`fit`, in the query string or the body, is the fit that people looked at: with another in force it is a 409."""

    def call() -> Reply:
        content = json_object(body, example)
        fit = content.pop("fit", None) or params.get("fit")
        if fit is not None and not isinstance(fit, str):
            raise CallError(400, f"'fit' takes the id of a fit, not {fit!r:.50}.")
        content.pop("collection", None)
        change(content, fit)
        return _labels(in_force(collection, features))

    return answered(call)


def _labels(now: Current) -> Reply:
    content = {"collection": now.fit.collection, "fit": now.fit.id, "labels": dictionary(now)}
    return Reply(200, json.dumps(content))
