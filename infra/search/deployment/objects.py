"""The four objects in the service, in the order in which they need each other."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError

from infra.search.deployment.service import Service
from shared.contract import Json


class Kind(NamedTuple):
    """A kind of object and what the service does with one."""

    called: str
    member: str
    """Of `Definitions` and `Names`."""
    get: Callable[[Service, str], Mapping[str, Json]]
    put: Callable[[Service, dict[str, Json], MatchConditions], object]
    delete: Callable[[Service, str], None]


KINDS: Final = (
    Kind(
        "data source",
        "data_source",
        lambda service, name: service.indexers.get_data_source_connection(name).as_dict(),
        lambda service, body, match: service.indexers.create_or_update_data_source_connection(
            body, match_condition=match
        ),
        lambda service, name: service.indexers.delete_data_source_connection(name),
    ),
    Kind(
        "index",
        "index",
        lambda service, name: service.indexes.get_index(name).as_dict(),
        lambda service, body, match: service.indexes.create_or_update_index(body, match_condition=match),
        lambda service, name: service.indexes.delete_index(name),
    ),
    Kind(
        "skillset",
        "skillset",
        lambda service, name: service.indexers.get_skillset(name).as_dict(),
        lambda service, body, match: service.indexers.create_or_update_skillset(body, match_condition=match),
        lambda service, name: service.indexers.delete_skillset(name),
    ),
    Kind(
        "indexer",
        "indexer",
        lambda service, name: service.indexers.get_indexer(name).as_dict(),
        lambda service, body, match: service.indexers.create_or_update_indexer(body, match_condition=match),
        lambda service, name: service.indexers.delete_indexer(name),
    ),
)


def existing(service: Service, kind: Kind, name: str) -> Mapping[str, Json] | None:
    """What the service has under a name, with its ETag under `@odata.etag`."""
    try:
        return kind.get(service, name)
    except ResourceNotFoundError:
        return None
