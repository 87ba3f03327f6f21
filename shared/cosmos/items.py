"""Single documents: read, created, replaced, deleted, each telling whether it came to that.

What another process did meanwhile is an answer here, not an error: it is found out by the document's `_etag`.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from shared.cosmos.containers import TIMEOUT
from shared.cosmos.documents import Document


def read(container: ContainerProxy, identity: str, place: str) -> Document | None:
    """The document with this id in a partition, or None."""
    try:
        return dict(container.read_item(identity, place, timeout=TIMEOUT))
    except CosmosResourceNotFoundError:
        return None


def created(container: ContainerProxy, document: Document) -> bool:
    """Create a document, unless there is one of that id in its partition."""
    try:
        container.create_item(document)
    except CosmosResourceExistsError:
        return False
    return True


def replaced(container: ContainerProxy, document: Document, stored: Mapping[str, Any]) -> bool:
    """Put a document in the place of a stored one, unless that has changed or gone since it was read."""
    try:
        container.replace_item(
            stored["id"], document, etag=stored["_etag"], match_condition=MatchConditions.IfNotModified
        )
    except (CosmosResourceNotFoundError, CosmosAccessConditionFailedError):
        return False
    return True


def deleted(container: ContainerProxy, stored: Mapping[str, Any]) -> bool:
    """Delete a stored document, unless it has changed or gone since it was read."""
    try:
        container.delete_item(
            stored["id"], stored["partition"], etag=stored["_etag"], match_condition=MatchConditions.IfNotModified
        )
    except (CosmosResourceNotFoundError, CosmosAccessConditionFailedError):
        return False
    return True


def query(container: ContainerProxy, text: str, parameters: list[dict[str, Any]], place: str) -> list[Any]:
    """The rows that a query gives in a partition."""
    while True:
        try:
            return list(container.query_items(text, parameters=parameters, partition_key=place, timeout=TIMEOUT))
        except RuntimeError as error:
            # azure-cosmos 4.17.1 keeps the headers of the last answer in the client, where one thread may change them
            # while another copies them. The answer itself is lost by that, and asked for once more.
            if "mutated" not in str(error):
                raise


def forget(container: ContainerProxy, identity: str, place: str) -> None:
    """Delete the document with this id in a partition, whatever it holds, if there is one."""
    with suppress(CosmosResourceNotFoundError):
        container.delete_item(identity, place)
