"""Which feature store this process uses: Cosmos DB when its endpoint is set, else the embedded one."""

import logging
import os
import sqlite3
import threading
import time

from shared.features import FeatureStore, StoreBusy
from shared.settings import Settings, SettingsError, in_azure, settings
from shared.sqlite.store import SqliteFeatureStore

log = logging.getLogger(__name__)

FAILED_SECONDS = 5.0
"""How long a failed opening is remembered: those who waited for it need not fail one after the other."""

_lock = threading.Lock()
_open: list[FeatureStore] = []
_failed: list[tuple[float, SettingsError | StoreBusy]] = []


def feature_store() -> FeatureStore:
    """The feature store of this process, opened at its first use and shared by all threads.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    with _lock:
        if not _open:
            if _failed and time.monotonic() < _failed[0][0]:
                raise _failed[0][1]
            try:
                _open.append(open_store(settings()))
            except (SettingsError, StoreBusy) as error:
                _failed[:] = [(time.monotonic() + FAILED_SECONDS, error)]
                raise
        return _open[0]


def open_store(settings: Settings) -> FeatureStore:
    """A feature store of its own; the caller closes it.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    if settings.cosmos_endpoint:
        # Here, because the SDK takes a tenth of a second that the embedded store does not need.
        from shared.cosmos.store import CosmosFeatureStore  # noqa: PLC0415

        try:
            return CosmosFeatureStore(settings)
        except (SettingsError, StoreBusy):
            raise
        except Exception as error:
            # The edge of the set-up: a key that is no base64, an account without vector search and the like.
            log.exception("Cosmos DB cannot be used")
            raise SettingsError(f"Cosmos DB cannot be used as COSMOS_… says: {_first_line(error)}") from error
    if in_azure(os.environ):
        raise SettingsError("Set COSMOS_ENDPOINT: the embedded feature store keeps a file that Azure does not.")
    file = settings.data_dir / "features.sqlite"
    try:
        return SqliteFeatureStore(file)
    except ValueError as error:
        raise SettingsError(f"{error}. Delete the folder {file.parent} to have the images embedded anew.") from error
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(f"The folder {file.parent} cannot be used (DATA_DIR): {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
