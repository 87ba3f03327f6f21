"""Index projections: from one blob to many documents, one for each node of a context."""

import hashlib
import re
from collections.abc import Iterator, Mapping

from infra.search.definitions import Definitions
from infra.search.trial.documents import Document
from infra.search.trial.fitting import fitted
from infra.search.trial.inputs import input_value
from infra.search.trial.missing import warn_of_missing
from infra.search.trial.planning import Left
from infra.search.trial.tree import Where, contexts
from shared.contract import Json

SKIP_PARENTS = "skipIndexingParentDocuments"


def keeps_parents(definitions: Definitions) -> bool:
    """Whether the blob's own document is indexed as well."""
    projections = definitions.skillset.get("indexProjections") or {}
    return (projections.get("parameters") or {}).get("projectionMode") != SKIP_PARENTS


def children(document: Document, parent_key: str, definitions: Definitions, left: Left) -> Iterator[dict[str, Json]]:
    """The documents that a blob is projected to.

    Args:
        document: What is missing for a field is noted there as a warning.
        parent_key: The key of the blob's own document, indexed or not.
        definitions: The index, and the skillset with the projections into it.
        left: The skills that were not run: what only they would give is not missed.
    """
    index = definitions.index
    fields = {field["name"]: field for field in index["fields"]}
    key_field = next(field["name"] for field in index["fields"] if field.get("key"))
    projections = definitions.skillset.get("indexProjections") or {}
    for selector in projections.get("selectors") or ():
        if selector["targetIndexName"] != index["name"]:
            continue
        mappings = left.without(selector["mappings"])
        for where in contexts(document.tree, selector["sourceContext"]):
            child = {key_field: _key(document, parent_key, where), selector["parentKeyFieldName"]: parent_key}
            for mapping in mappings:
                name = mapping["name"]
                found = input_value(document.tree, mapping, where)
                if found.absent:
                    warn_of_missing(document, name, found.missing, "'indexProjections' property of your skillset")
                else:
                    child[name] = fitted(found.value, fields.get(name, _UNKNOWN))
            yield child


_UNKNOWN: Mapping[str, Json] = {"type": ""}


def _key(document: Document, parent_key: str, where: Where) -> str:
    """As the service makes them, `<12 hex digits>_<the parent's key>_normalized_images_0`: another when the blob is."""
    version = f"{parent_key} {document.tree['metadata_storage_last_modified']}"
    place = "_".join(re.sub(r"[^A-Za-z0-9_\-=]", "_", str(step)) for step in where.place)
    return f"{hashlib.sha256(version.encode()).hexdigest()[:12]}_{parent_key}_{place}"
