"""How the indexer reads blobs: its source, schedule and parameters. Source: the reference of the blob indexer."""

from collections.abc import Iterator, Mapping

from infra.search.durations import seconds
from shared.contract import Json

SIDES = (50, 10_000)
"""Pixels that normalizedImageMaxWidth and -Height may be."""


def deletion_problems(data_source: Mapping[str, Json]) -> Iterator[str]:
    """Blobs that would stay in the index when they are deleted."""
    if not data_source.get("dataDeletionDetectionPolicy"):
        yield (
            f"Data source {data_source['name']!r}: dataDeletionDetectionPolicy is missing; documents of deleted blobs "
            "would stay in the index."
        )


def indexing_problems(indexer: Mapping[str, Json]) -> Iterator[str]:
    """What the service would refuse in an indexer by itself."""
    parameters = indexer.get("parameters") or {}
    for problem in (
        *_schedule_problems(indexer.get("schedule") or {}),
        *_limit_problems(parameters),
        *_image_problems(parameters.get("configuration") or {}),
    ):
        yield f"Indexer {indexer['name']!r}: {problem}"


def _schedule_problems(schedule: Mapping[str, Json]) -> Iterator[str]:
    if schedule and not 300 <= seconds(schedule["interval"]) <= 86_400:
        yield f"schedule.interval is {schedule['interval']!r}; it is PT5M to P1D."


def _limit_problems(parameters: Mapping[str, Json]) -> Iterator[str]:
    for member, least in (("batchSize", 1), ("maxFailedItems", -1), ("maxFailedItemsPerBatch", -1)):
        number = parameters.get(member)
        if number is not None and number < least:
            yield f"parameters.{member} is {number}; it is at least {least}."


def _image_problems(configuration: Mapping[str, Json]) -> Iterator[str]:
    if (configuration.get("imageAction") or "none") == "none":
        yield "parameters.configuration.imageAction is 'none'; skills get images with 'generateNormalizedImages'."
    for member, needed in (("dataToExtract", "contentAndMetadata"), ("parsingMode", "default")):
        if configuration.get(member, needed) != needed:
            yield f"parameters.configuration.{member} is {configuration[member]!r}; images need {needed!r}."
    for member in ("normalizedImageMaxWidth", "normalizedImageMaxHeight"):
        side = configuration.get(member)
        if side is not None and not SIDES[0] <= side <= SIDES[1]:
            yield f"parameters.configuration.{member} is {side}; it is {SIDES[0]} to {SIDES[1]} pixels."
