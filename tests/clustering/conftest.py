"""Empty stores for a test: each test that asks for `stores` runs on both kinds."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.cosmos.fits import CosmosFitStore
from shared.cosmos.store import CosmosFeatureStore
from shared.features import FeatureStore
from shared.fits import FitStore
from shared.settings import Settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore


class Stores(NamedTuple):
    features: FeatureStore
    fits: FitStore


@pytest.fixture(params=["sqlite", "cosmos"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "cosmos":
        settings: Settings = request.getfixturevalue("cosmos_settings")
        found = Stores(CosmosFeatureStore(settings), CosmosFitStore(settings))
    else:
        found = Stores(SqliteFeatureStore(tmp_path / "features.sqlite"), SqliteFitStore(tmp_path / "clusters.sqlite"))
    yield found
    found.fits.close()
    found.features.close()
