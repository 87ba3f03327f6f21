"""Which stores this process uses: Cosmos DB when its endpoint is set, else the embedded ones."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from shared.features import FeatureStore, StoreBusy
from shared.fits import FitStore
from shared.settings import Settings, SettingsError, in_azure, settings
from shared.sqlite.fits import SqliteFitStore
from shared.sqlite.store import SqliteFeatureStore

log = logging.getLogger(__name__)

FAILED_SECONDS = 5.0
"""How long a failed opening is remembered: those who waited for it need not fail one after the other."""


class _Shared[Store]:
    """A store of this process, opened at its first use and shared by all threads."""

    def __init__(self, opened: Callable[[Settings], Store]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._open: list[Store] = []
        self._failed: list[tuple[float, SettingsError | StoreBusy]] = []

    def get(self) -> Store:
        with self._lock:
            if not self._open:
                if self._failed and time.monotonic() < self._failed[0][0]:
                    raise self._failed[0][1]
                try:
                    self._open.append(self._opened(settings()))
                except (SettingsError, StoreBusy) as error:
                    self._failed[:] = [(time.monotonic() + FAILED_SECONDS, error)]
                    raise
            return self._open[0]


def feature_store() -> FeatureStore:
    """The feature store of this process, opened at its first use and shared by all threads.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    return _features.get()


def fit_store() -> FitStore:
    """The fit store of this process, opened at its first use and shared by all threads.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    return _fits.get()


def open_store(settings: Settings) -> FeatureStore:
    """A feature store of its own; the caller closes it.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    if settings.cosmos_endpoint:
        # Here, because the SDK takes a tenth of a second that the embedded store does not need.
        from shared.cosmos.store import CosmosFeatureStore  # noqa: PLC0415

        return _in_cosmos(CosmosFeatureStore, settings)
    return _embedded(
        SqliteFeatureStore,
        settings.data_dir / "features.sqlite",
        f"Delete the folder {settings.data_dir} to have the images embedded anew.",
    )


def open_fit_store(settings: Settings) -> FitStore:
    """A fit store of its own; the caller closes it.

    Raises:
        SettingsError: It cannot be used as it is set up; the message says what to do.
        StoreBusy: It cannot be reached now.
    """
    if settings.cosmos_endpoint:
        from shared.cosmos.fits import CosmosFitStore  # noqa: PLC0415

        # It has a client of its own: that takes less than a tenth of a second, once.
        return _in_cosmos(CosmosFitStore, settings)
    file = settings.data_dir / "clusters.sqlite"
    return _embedded(SqliteFitStore, file, f"Delete {file} and fit the collections anew.")


def _in_cosmos[Store](opened: Callable[[Settings], Store], settings: Settings) -> Store:
    try:
        return opened(settings)
    except (SettingsError, StoreBusy):
        raise
    except Exception as error:
        # The edge of the set-up: a key that is no base64, an account without vector search and the like.
        log.exception("Cosmos DB cannot be used")
        raise SettingsError(f"Cosmos DB cannot be used as COSMOS_… says: {_first_line(error)}") from error


def _embedded[Store](opened: Callable[[Path], Store], file: Path, remedy: str) -> Store:
    if in_azure(os.environ):
        raise SettingsError("Set COSMOS_ENDPOINT: the embedded stores keep files that Azure does not.")
    try:
        return opened(file)
    except ValueError as error:
        raise SettingsError(f"{error}. {remedy}") from error
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(f"The folder {file.parent} cannot be used (DATA_DIR): {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


_features = _Shared(open_store)
_fits = _Shared(open_fit_store)
