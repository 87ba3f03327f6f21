"""Which feature store this process uses."""

import os
import threading

from shared.features import FeatureStore
from shared.settings import SettingsError, in_azure, settings
from shared.sqlite_store import SqliteFeatureStore

_lock = threading.Lock()
_open: list[FeatureStore] = []


def feature_store() -> FeatureStore:
    """The feature store of this process, opened at its first use and shared by all threads.

    Raises:
        SettingsError: The embedded store is refused in Azure, where its file would be lost with the instance.
    """
    with _lock:
        if not _open:
            if in_azure(os.environ):
                raise SettingsError("The embedded feature store keeps a local file, which an instance in Azure loses.")
            _open.append(SqliteFeatureStore(settings().data_dir / "features.sqlite"))
        return _open[0]
