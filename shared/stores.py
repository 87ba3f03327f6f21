"""Which feature store this process uses: Cosmos DB when its endpoint is set, else the embedded one."""

import os
import threading

from shared.features import FeatureStore
from shared.settings import Settings, SettingsError, in_azure, settings
from shared.sqlite_store import SqliteFeatureStore

_lock = threading.Lock()
_open: list[FeatureStore] = []


def feature_store() -> FeatureStore:
    """The feature store of this process, opened at its first use and shared by all threads.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    with _lock:
        if not _open:
            _open.append(open_store(settings()))
        return _open[0]


def open_store(settings: Settings) -> FeatureStore:
    """A feature store of its own; the caller closes it."""
    if settings.cosmos_endpoint:
        # Here, because the SDK takes a tenth of a second that the embedded store does not need.
        from shared.cosmos.store import CosmosFeatureStore  # noqa: PLC0415

        return CosmosFeatureStore(settings)
    if in_azure(os.environ):
        raise SettingsError("Set COSMOS_ENDPOINT: the embedded feature store keeps a file that Azure does not.")
    file = settings.data_dir / "features.sqlite"
    try:
        return SqliteFeatureStore(file)
    except ValueError as error:
        raise SettingsError(f"{error}. Delete the folder {file.parent} to have the images embedded anew.") from error
