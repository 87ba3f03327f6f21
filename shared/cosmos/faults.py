"""What the SDK raises, told as what it means: try again later, or mend the settings."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosClientTimeoutError, CosmosHttpResponseError

from shared.features import StoreBusy
from shared.settings import SettingsError

BUSY = frozenset({408, 410, 429, 449, 500, 502, 503, 504})
"""Statuses that a later try may cure: time-outs, throttling, a replica that moves, a server that is away."""

RETRY_AFTER = 5
"""Seconds to wait when the server does not say how long."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns the SDK's errors into StoreBusy and SettingsError; what the caller handles itself never comes so far."""
    try:
        yield
    except (CosmosHttpResponseError, CosmosBatchOperationError) as error:
        if error.status_code in BUSY:
            raise StoreBusy(f"Cosmos DB answered {error.status_code}.", _retry_after(error)) from error
        if error.status_code in {401, 403}:
            raise SettingsError(
                f"Cosmos DB refuses this app ({error.status_code}): COSMOS_KEY is wrong, or the app's identity lacks "
                "the role 'Cosmos DB Built-in Data Contributor'."
            ) from error
        if error.status_code == 413:
            raise ValueError(
                "the feature is larger than the 2 MB that Cosmos DB takes: its tags are too long"
            ) from error
        if error.status_code == 404:
            raise SettingsError(
                "The Cosmos DB database or container is gone; start the app anew to make it again."
            ) from error
        raise
    except ClientAuthenticationError as error:
        raise SettingsError("This app has no identity to sign in to Cosmos DB with; or set COSMOS_KEY.") from error
    except CosmosClientTimeoutError as error:
        raise StoreBusy("Cosmos DB did not answer in time: it is throttled or slow.", RETRY_AFTER) from error
    except AzureError as error:  # what is left: no connection, none in time, or one that broke
        raise StoreBusy("Cosmos DB cannot be reached at COSMOS_ENDPOINT.", RETRY_AFTER) from error


def _retry_after(error: CosmosHttpResponseError | CosmosBatchOperationError) -> int:
    milliseconds = str((error.headers or {}).get("x-ms-retry-after-ms", ""))
    return max(1, math.ceil(int(milliseconds) / 1000)) if milliseconds.isdecimal() else RETRY_AFTER
