"""Blobs in Azure Storage, read for the functions that take them as a stream."""

from collections.abc import Mapping

from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from devhost.bindings import BlobTrigger
from devhost.blob_input import Blob
from devhost.storage import connection_string, make_client


class StorageBlobs:
    """The blobs of the accounts that settings name."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._accounts: dict[str, BlobServiceClient] = {}  # by connection string

    def account(self, connection: str) -> BlobServiceClient:
        """Returns the client for a setting; raises StorageError when it is no connection string of a blob service."""
        text = connection_string(connection, self._settings)
        if text not in self._accounts:
            self._accounts[text] = make_client(BlobServiceClient, connection, self._settings)
        return self._accounts[text]

    async def read(self, trigger: BlobTrigger, name: str) -> Blob | None:
        """Returns the blob, or None when there is none or it changed meanwhile; raises AzureError."""
        client = self.account(trigger.connection).get_blob_client(trigger.container, name)
        try:
            if trigger.by_reference:
                return _blob(client, await client.get_blob_properties(), None)
            download = await client.download_blob()
            return _blob(client, download.properties, await download.readall())
        except (ResourceNotFoundError, ResourceModifiedError):
            return None

    async def close(self) -> None:
        for account in self._accounts.values():
            await account.close()


def _blob(client: BlobClient, properties: BlobProperties, content: bytes | None) -> Blob:
    settings = properties.content_settings
    return Blob(
        url=client.url,
        created=properties.creation_time or properties.last_modified,
        modified=properties.last_modified,
        length=properties.size,
        content_type=settings.content_type or "application/octet-stream",
        md5=bytes(settings.content_md5) if settings.content_md5 else None,
        metadata=properties.metadata or {},
        content=content,
    )
