"""The index that a command asks: one of a search service, or the local one."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.search.documents import SearchClient

from infra.search.asking import app_pictures, file_pictures, local_index
from infra.search.asking.local_index import FOLDER, LocalIndexError, open_index
from infra.search.asking.querying import Hit, Query, QueryError, service_search
from infra.search.asking.result_page import Shown
from infra.search.asking.vectorizing import VectorizerError, own_headers
from infra.search.definitions import Definitions
from infra.search.deployment.service import (
    Service,
    ServiceError,
    add_service_option,
    asking,
    connect,
    documents,
    endpoint,
)
from shared.command_line import CommandError, Options
from shared.contract import Json
from shared.markup import plural

INDEX_ERRORS: tuple[type[Exception], ...] = (LocalIndexError, QueryError, ServiceError, VectorizerError)
"""What asking may raise."""


class Asked(NamedTuple):
    """An index that can be asked."""

    definition: dict[str, Json]
    search: Callable[[Query], list[Hit]]
    pictures: Callable[[Iterable[Mapping[str, Json]]], Shown]
    """Of documents."""
    labelled: Callable[[], bool]
    """Whether any document has a label."""
    name: str
    """For people."""
    local: bool


def add_index_options(parser: argparse.ArgumentParser) -> None:
    """Lets a command be told which index it asks."""
    add_service_option(parser)
    parser.add_argument("--local", action="store_true", help="ask the index that 'try' left on this machine")
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="ask the local index in this folder: that of try --out"
    )


@contextmanager
def index_asked(options: Options, definitions: Definitions) -> Iterator[Asked]:
    """The index of the service that the options or the environment name, or else the local one.

    Raises:
        CommandError: There is no such index.
        LocalIndexError: There is no local one.
        ServiceError: The service cannot be asked.
    """
    local = options.local or options.index
    if local and options.service:
        raise CommandError("--service excludes --local and --index.")
    if local or not endpoint(options.service, os.environ):
        yield _local(options.index or FOLDER, definitions)
        return
    service = connect(options.service, os.environ)
    try:
        name = definitions.index["name"]
        with documents(service, name) as client:
            definition = _definition(service, definitions)

            def search(query: Query) -> list[Hit]:
                with asking(service):
                    return service_search(client, definition, query)

            def labelled() -> bool:
                with asking(service):
                    return _has_labels(client, definition)

            yield Asked(
                definition,
                search,
                lambda wanted: app_pictures.pictures(wanted, definitions),
                labelled,
                f"the index {name} of {service.endpoint}",
                local=False,
            )
    finally:
        service.close()


def _local(folder: Path, definitions: Definitions) -> Asked:
    index = open_index(folder)
    headers = own_headers(index.definition, definitions.index)
    configuration = definitions.indexer["parameters"]["configuration"]
    name = f"the local index in {folder}, {plural(len(index.documents), 'document')}"
    made, asked = (_made_with(one) for one in (index.definition, definitions.index))
    if made != asked:
        name += f", made with {made} and asked as it is"
    return Asked(
        index.definition,
        lambda query: local_index.search(index, query, headers),
        lambda wanted: file_pictures.pictures(wanted, index.report, configuration),
        lambda: any(document.get("label") for document in index.documents),
        name,
        local=True,
    )


def _made_with(index: Mapping[str, Json]) -> str:
    """The parameters that tell one index from another: a local one keeps those that it was made with."""
    by_documents = any(field["name"] == "parent_id" for field in index["fields"])
    return f"prefix={index['name']}, shape={'documents' if by_documents else 'images'}"


def _has_labels(client: SearchClient, index: Mapping[str, Json]) -> bool:
    """Whether any document has a label; where that cannot be asked, it is taken to be so."""
    if not any(field["name"] == "label" and field.get("facetable") for field in index["fields"]):
        return True
    return bool((client.search(facets=["label,count:1"], top=0).get_facets() or {}).get("label"))


def _definition(service: Service, definitions: Definitions) -> dict[str, Json]:
    """The index as it is there; who may only query is not told, and then it is taken to be as it is defined here."""
    name = definitions.index["name"]
    with asking(service):
        try:
            found: dict[str, Json] = service.indexes.get_index(name).as_dict()
        except ResourceNotFoundError as error:
            raise CommandError(
                f"There is no index {name} in {service.endpoint}: 'python -m infra.search deploy' makes it, and "
                "--set prefix=NAME names another one."
            ) from error
        except HttpResponseError as error:
            if error.status_code != 403:
                raise
            return definitions.index
    return found
