"""Field mappings: the key and the fields that come from the blob itself."""

from collections.abc import Mapping

from infra.search.definitions import Definitions
from infra.search.trial.documents import Document
from infra.search.trial.fields import NOT_PARSED
from infra.search.trial.fitting import fitted
from infra.search.trial.functions import FunctionError, NotPlayed, apply_function, url_token
from shared.contract import Json


def key_and_fields(document: Document, definitions: Definitions) -> dict[str, Json]:
    """The fields of the blob's own document, its key among them.

    Explicit mappings come first. What none of them names, as source or as target, goes to the field of the same name;
    and the blob's url, encoded, to the key. Names are the same in any case.

    Args:
        document: What does not suit a function is noted there as an error.
        definitions: The index and the indexer's mappings.
    """
    index_fields = {field["name"].lower(): field for field in definitions.index["fields"]}
    given = {name.lower(): name for name in document.tree if _is_metadata(name)}
    mappings = definitions.indexer.get("fieldMappings") or []
    found: dict[str, Json] = {}
    for mapping in mappings:
        source = given.get(mapping["sourceFieldName"].lower())
        target = _target(mapping)
        field = index_fields.get(target.lower(), {"name": target, "type": ""})
        try:
            value = document.tree[source] if source else None
            found[field["name"]] = fitted(apply_function(mapping.get("mappingFunction"), value), field)
        except NotPlayed as gap:
            document.warn(_name(definitions), f"The field '{field['name']}' is left empty.", str(gap))
        except FunctionError as error:
            function = mapping["mappingFunction"]["name"]
            details = f"Could not apply mapping function '{function}' to field '{field['name']}'. {error}"
            document.error(_name(definitions), NOT_PARSED, details)
    taken = {mapping["sourceFieldName"].lower() for mapping in mappings}
    aimed = {_target(mapping).lower() for mapping in mappings}
    for lowered, field in index_fields.items():
        if lowered in aimed:
            continue
        if field.get("key"):
            found[field["name"]] = url_token(document.tree["metadata_storage_path"])
        elif lowered in given and lowered not in taken:
            found[field["name"]] = fitted(document.tree[given[lowered]], field)
    return found


def _is_metadata(name: str) -> bool:
    return name == "content" or name.startswith("metadata_")


def _target(mapping: Mapping[str, Json]) -> str:
    return str(mapping.get("targetFieldName") or mapping["sourceFieldName"])


def _name(definitions: Definitions) -> str:
    return f"DocumentExtraction.azureblob.{definitions.data_source['container']['name']}"
