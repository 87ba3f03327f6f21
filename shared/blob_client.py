"""The client of the images container, and its errors told as what they mean here."""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient, LinearRetry

from shared.features import StoreBusy
from shared.settings import Settings, SettingsError

RETRY_AFTER = 5
"""Seconds after which storage that did not answer may be asked again."""


class BlobUnchanged(Exception):  # noqa: N818 - an answer, not a mistake
    """The blob is still the one that was known."""


class BlobReplaced(Exception):  # noqa: N818
    """The blob was replaced while it was read: what was read belongs to no one version."""


class BlobUnreadable(Exception):  # noqa: N818
    """The blob is there, but Blob storage does not give it out: it is archived, or encrypted with a key of others."""


@functools.cache
def images(settings: Settings) -> ContainerClient:
    """The client of the images container. One serves all threads.

    Raises:
        SettingsError: IMAGES_STORAGE is missing or wrong.
    """
    for library in ("azure.core", "azure.identity", "azure.storage"):
        # They log each request with its headers, and each way to sign in; what matters comes as an error.
        logging.getLogger(library).setLevel(logging.ERROR)
    # The SDK's own three tries take over a minute; who waits here is a host that tries again, or a person.
    how: dict[str, Any] = {
        "retry_policy": LinearRetry(backoff=1, retry_total=2),
        "connection_timeout": 5,
        "read_timeout": 30,
        "connection_data_block_size": settings.max_image_bytes,  # a blob comes in one piece: each more is a copy
    }
    if settings.images_connection:
        try:
            service = BlobServiceClient.from_connection_string(settings.images_connection, **how)
        except ValueError:
            # Not chained: the SDK's own message may quote the connection string.
            raise SettingsError("The setting IMAGES_STORAGE is not a connection string of a storage account.") from None
    elif settings.images_account:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - a tenth of a second

        if not settings.images_account.startswith("https://"):
            raise SettingsError(
                "The setting IMAGES_STORAGE__blobServiceUri is no https url; an identity sends its token to no other."
            )
        credential = DefaultAzureCredential(managed_identity_client_id=settings.images_client_id or None)
        service = BlobServiceClient(settings.images_account, credential, **how)
    else:
        raise SettingsError(
            "The app does not know where the images are: set IMAGES_STORAGE__blobServiceUri to the blob endpoint of "
            "the storage account, or IMAGES_STORAGE to its connection string."
        )
    return service.get_container_client(settings.images_container)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns the SDK's errors into what they mean here; that there is no such blob goes through."""
    try:
        yield
    except ResourceNotFoundError as error:
        if _code(error) == "BlobNotFound":
            raise
        # Whatever else is not there, it does not mean that the blobs are gone.
        raise SettingsError(
            f"The images container is not where IMAGES_STORAGE and IMAGES_CONTAINER say ({_code(error)})."
        ) from error
    except ClientAuthenticationError as error:
        raise SettingsError(_REFUSED) from error
    except HttpResponseError as error:
        if error.status_code == 304:
            raise BlobUnchanged from error
        if error.status_code == 412:
            raise BlobReplaced from error
        if error.status_code == 403:
            raise SettingsError(_REFUSED) from error
        if error.status_code in {400, 409}:
            raise BlobUnreadable(f"Blob storage does not give it out ({_code(error)}).") from error
        raise StoreBusy(f"Blob storage answered {error.status_code or 'not in full'}.", RETRY_AFTER) from error
    except AzureError as error:
        raise StoreBusy("Blob storage cannot be reached (IMAGES_STORAGE).", RETRY_AFTER) from error


_REFUSED = (
    "Blob storage refuses this app: the key in IMAGES_STORAGE is wrong, or its identity lacks the role "
    "'Storage Blob Data Owner' (a Reader cannot see index tags)."
)


def _code(error: HttpResponseError) -> str:
    """What Blob storage calls the trouble; the SDK adds it to its errors without saying so in their type."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.status_code)
