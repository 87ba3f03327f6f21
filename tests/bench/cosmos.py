"""The Cosmos DB store through the test server, against the embedded one.

The server runs on the same machine and is not the service: what is seen here is what the app and the SDK cost.
Request units, index builds and the service's own speed only a real account can show.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from shared.bulk import upsert_many
from shared.cosmos.store import CosmosFeatureStore
from shared.features import Feature, FeatureStore
from shared.settings import Settings
from shared.sqlite.store import SqliteFeatureStore
from tests.bench.measure import Figure, compare, seconds
from tests.bench.serving import ENV, start
from tests.bench.store import unit_vectors
from tests.servers.cosmos import cosmos_server
from tests.servers.devhost import ROOT
from tests.shared.store_conformance import feature_of

SECTION = "Cosmos DB, test server"
COUNT = 10_000


def figures() -> Iterator[Figure]:
    """Inserts, queries, and a start with this store."""
    with cosmos_server() as server, tempfile.TemporaryDirectory() as folder:
        ours = CosmosFeatureStore(Settings(cosmos_endpoint=server.endpoint, cosmos_key=server.key))
        embedded = SqliteFeatureStore(Path(folder) / "features.sqlite")
        features = [
            feature_of(f"bench/{n:08}.jpg", embedding=vector, model="m")
            for n, vector in enumerate(unit_vectors(COUNT, seed=1))
        ]
        yield _inserts(ours, embedded, features)
        queries = unit_vectors(1000, seed=2)
        pairs = iter(zip(queries[::2], queries[1::2], strict=True))

        def ask(store: FeatureStore, which: int) -> float:
            vector = next(pairs)[which]
            return seconds(lambda: store.nearest("bench", vector, model="m", top=10))

        yield compare(
            SECTION,
            f"top 10 of {COUNT:,} features",
            lambda: ask(ours, 0),
            lambda: ask(embedded, 1),
            baseline_name="embedded store",
            rounds=31,
        )
        ours.close()
        embedded.close()
        cloud = ENV | {"COSMOS_ENDPOINT": server.endpoint, "COSMOS_KEY": server.key}
        yield compare(
            SECTION,
            "process start to first similarity answer",
            lambda: start(ROOT, Path(folder) / "cloud", cloud),
            lambda: start(ROOT, Path(folder) / "local", ENV),
            baseline_name="embedded store",
            rounds=7,
            unit="s",
            scale=1,
        )


def _inserts(ours: FeatureStore, embedded: FeatureStore, features: list[Feature]) -> Figure:
    rates = [COUNT / seconds(partial(upsert_many, store, features)) for store in (ours, embedded)]
    return Figure(
        section=SECTION,
        name=f"inserts a second, {COUNT:,} features in one partition (more is better)",
        unit="/s",
        ours=rates[0],
        low=rates[0],
        high=rates[0],
        baseline_name="embedded store",
        baseline=rates[1],
    )
