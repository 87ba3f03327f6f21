"""What a fit was asked for and what came of it: small enough to be one text in the store, beside its many members."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from shared.contract import Json
from shared.features import FeatureStore

type Algorithm = Literal["dbscan", "hdbscan"]

EPS = 0.4
"""The default eps, a cosine distance. Photos of the same kind of thing are mostly nearer to each other; copies and
crops of one photo are within 0.2 to 0.3."""

MIN_SAMPLES = 3
"""The default: three photos that look alike are a group."""

MAX_IMAGES = 100_000
"""How many images a fit learns from when the caller does not say; beyond, it samples. 100 MB of vectors."""

MAX_IMAGES_HDBSCAN = 5_000
"""HDBSCAN compares every image with every other, several times, and meanwhile nothing else runs in the process: with
5,000 for six seconds, with twice as many for four times as long. So it takes twice as many at most."""

LONGEST = 1_900_000
"""Characters of what came of a fit, nearly all of them ASCII. Cosmos DB takes documents up to 2 MB."""

PUBLISHING = "putting it in force"
"""The last phase of a fit, as its progress calls it: from here on it is not to be ended."""


class ParameterError(ValueError):
    """A parameter of a fit cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How a fit groups images.

    Attributes:
        algorithm: `dbscan` or `hdbscan`.
        eps: DBSCAN: the largest cosine distance of neighbours, above 0 and up to 2. HDBSCAN finds its own.
        min_samples: How many images within `eps`, itself included, make one a core sample; for HDBSCAN also the
            smallest cluster. At least 1 for DBSCAN, 2 for HDBSCAN.
        max_images: How many images it learns from; when there are more, a sample is drawn and the rest assigned.
        noise_only: Whether the clusters in force stay as they are and only what belongs to none of them is grouped.
    """

    algorithm: Algorithm = "dbscan"
    eps: float = EPS
    min_samples: int = MIN_SAMPLES
    max_images: int = MAX_IMAGES
    noise_only: bool = False


class Cluster(NamedTuple):
    """One cluster of a fit."""

    id: int
    size: int
    """Images, core samples included."""
    cores: int
    spread: float
    """Mean cosine distance between two of its images, 0 to 2; of one image, 0."""
    reach: float
    """The farthest from its nearest core sample that a new image may be to belong: `eps`, or what HDBSCAN found."""


class SweepRow(NamedTuple):
    """What DBSCAN finds with another eps."""

    eps: float
    clusters: int
    noise: int
    largest: int


class Changes(NamedTuple):
    """What became of the clusters of the fit before."""

    new: Sequence[int]
    """Clusters that follow none."""
    gone: Sequence[int]
    """Clusters that none follows."""
    splits: Mapping[int, Sequence[int]]
    """Of a former cluster, the clusters its images are in now, when there are several."""
    merges: Mapping[int, Sequence[int]]
    """Of a cluster, the former clusters its images come from, when there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What came of a fit.

    Attributes:
        id: Unique among all fits: letters, digits and hyphens.
        collection: What was fitted.
        model: The model of the embeddings. Vectors of another one cannot be assigned.
        parameters: How.
        started: When, in UTC.
        seconds: How long it took.
        images: How many images of that model there were.
        learned_from: How many of them it learned from: all, or a sample.
        noise: How many belong to no cluster.
        clusters: Ascending by id.
        silhouette: Mean silhouette of the clustered images, -1 to 1, or None with fewer than two clusters. Above 0.5
            clusters are well apart; below 0.2 they overlap. Rousseeuw 1987, of a sample when there are many.
        curve: Distances to the `min_samples`-th nearest image (itself the first), ascending, at most 200 of them.
        knee: The eps where that curve bends, or None when it does not.
        sweep: What other values of eps would find; of a sample when there are many.
        changes: What became of the former clusters; None for a first fit.
        warnings: For people.
    """

    id: str
    collection: str
    model: str
    parameters: Parameters
    started: datetime
    seconds: float
    images: int
    learned_from: int
    noise: int
    clusters: Sequence[Cluster]
    silhouette: float | None
    curve: Sequence[float]
    knee: float | None
    sweep: Sequence[SweepRow]
    changes: Changes | None
    warnings: Sequence[str]


def read_parameters(given: Mapping[str, Json]) -> Parameters:
    """Parameters by their names on the wire: `algorithm`, `eps`, `minSamples`, `maxImages`, `noiseOnly`.

    What is absent or null has its default. Numbers may come as text.

    Raises:
        ParameterError: A value cannot be used, or a name is unknown.
    """
    unknown = set(given) - {"algorithm", "eps", "minSamples", "maxImages", "noiseOnly"}
    if unknown:
        raise ParameterError(
            f"{min(unknown)!r} is no parameter; there are algorithm, eps, minSamples, maxImages and noiseOnly."
        )
    algorithm = given.get("algorithm") or "dbscan"
    if algorithm not in ("dbscan", "hdbscan"):
        raise ParameterError(f"'algorithm' takes dbscan or hdbscan, not {algorithm!r:.50}.")
    eps = _number(given, "eps", EPS)
    if not 0 < eps <= 2:
        raise ParameterError(f"'eps' takes a cosine distance above 0 and up to 2, not {given['eps']!r:.50}.")
    if algorithm == "hdbscan" and eps != EPS:  # the default comes with the parameters of a job
        raise ParameterError(f"'eps' is for dbscan; hdbscan finds its own and takes none, not {given['eps']!r:.50}.")
    noise_only = given.get("noiseOnly") or False
    if not isinstance(noise_only, bool):
        raise ParameterError(f"'noiseOnly' takes true or false, not {noise_only!r:.50}.")
    hdbscan = algorithm == "hdbscan"
    usual = MAX_IMAGES_HDBSCAN if hdbscan else MAX_IMAGES
    return Parameters(
        algorithm="hdbscan" if hdbscan else "dbscan",
        eps=eps,
        min_samples=_whole(given, "minSamples", MIN_SAMPLES, 2 if hdbscan else 1, 1_000_000),
        max_images=_whole(given, "maxImages", usual, 100, 2 * usual),
        noise_only=noise_only,
    )


def keep_fit(fit: Fit, store: FeatureStore) -> None:
    """Keep what came of a fit.

    Raises:
        ParameterError: It has more clusters than can be kept.
        StoreBusy: The store did not answer.
    """
    text = to_text(fit)
    if len(text) > LONGEST:
        raise ParameterError(
            f"These parameters make {len(fit.clusters)} clusters, more than can be kept (some 50,000): "
            "give a larger 'eps' or 'minSamples'."
        )
    store.remember(_name(fit.id), text)


def recall_fit(fit: str, store: FeatureStore) -> Fit | None:
    """What came of a fit, or None when it is not there any more. Raises StoreBusy."""
    text = store.recall(_name(fit))
    return from_text(text) if text else None


def forget_fit(fit: str, store: FeatureStore) -> None:
    """Drop what is kept of a fit. Raises StoreBusy."""
    store.remember(_name(fit), None)


def to_text(fit: Fit) -> str:
    """A fit as JSON. Clusters are short lists: there may be tens of thousands."""
    return json.dumps(asdict(fit) | {"started": fit.started.isoformat()}, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Fit:
    """The fit of a text by `to_text`."""
    content = json.loads(text)
    changes = content["changes"]
    return Fit(
        **content
        | {
            "parameters": Parameters(**content["parameters"]),
            "started": datetime.fromisoformat(content["started"]),
            "clusters": [Cluster(*values) for values in content["clusters"]],
            "sweep": [SweepRow(*values) for values in content["sweep"]],
            "changes": changes and Changes(changes[0], changes[1], _by_number(changes[2]), _by_number(changes[3])),
        }
    )


def _name(fit: str) -> str:
    return f"fit {fit}"


def _by_number(given: Mapping[str, Sequence[int]]) -> dict[int, Sequence[int]]:
    return {int(cluster): others for cluster, others in given.items()}


def _number(given: Mapping[str, Json], name: str, default: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, bool | list | dict) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ParameterError(f"{name!r} takes a number, not {value!r:.50}.")
    return number


def _whole(given: Mapping[str, Json], name: str, default: int, least: int, most: int) -> int:
    number = _number(given, name, default)
    if number != int(number) or not least <= number <= most:
        raise ParameterError(f"{name!r} takes a whole number from {least} to {most}, not {given[name]!r:.50}.")
    return int(number)
