"""From an enriched document to the documents that go into the index."""

from infra.search.definitions import Definitions
from infra.search.trial.documents import Document
from infra.search.trial.field_mappings import key_and_fields
from infra.search.trial.fields import NOT_PARSED, check, key_problem
from infra.search.trial.fitting import fitted
from infra.search.trial.functions import FunctionError, NotPlayed, apply_function
from infra.search.trial.missing import warn_of_missing
from infra.search.trial.planning import Left
from infra.search.trial.projections import children, keeps_parents
from infra.search.trial.tree import values
from shared.contract import Json


def index_documents(document: Document, definitions: Definitions, left: Left) -> list[dict[str, Json]]:
    """What a document gives the index: its own fields, what it is projected to, or both; nothing when it failed.

    Args:
        document: With what the skills found. Errors and warnings are added to its issues.
        definitions: Without problems, see `validation.problems`.
        left: The skills that were not run: what only they would give is not missed.
    """
    if document.failed:
        return []
    own = key_and_fields(document, definitions)
    name = next(field["name"] for field in definitions.index["fields"] if field.get("key"))
    key = own.get(name, "")
    if problem := key_problem(key):
        container = definitions.data_source["container"]["name"]
        document.error(f"DocumentExtraction.azureblob.{container}", NOT_PARSED, problem)
        return []
    indexed = [own | _from_skills(document, definitions, left)] if keeps_parents(definitions) else []
    indexed += children(document, key, definitions, left)
    for one in indexed:
        for message, details in check(one, definitions.index):
            document.error(f"Projection.SearchIndex.MergeOrUpload.{definitions.index['name']}", message, details)
    return [] if document.failed else indexed


def _from_skills(document: Document, definitions: Definitions, left: Left) -> dict[str, Json]:
    """The fields that the output field mappings fill."""
    fields = {field["name"].lower(): field for field in definitions.index["fields"]}
    found: dict[str, Json] = {}
    for mapping in left.without(definitions.indexer.get("outputFieldMappings") or []):
        source = mapping["sourceFieldName"]
        target = mapping.get("targetFieldName") or source.rpartition("/")[2]
        field = fields.get(target.lower(), {"name": target, "type": ""})
        there = values(document.tree, source)
        if there.absent:
            warn_of_missing(document, target, there.missing, "'outputFieldMappings' property of your indexer")
            continue
        name = f"Projection.SearchIndex.OutputFieldMapping.{target}"
        try:
            found[field["name"]] = fitted(apply_function(mapping.get("mappingFunction"), there.value), field)
        except NotPlayed as gap:
            document.warn(name, f"The field '{target}' is left empty.", str(gap))
        except FunctionError as error:
            message = f"Could not map output field '{target}' to search index due to deserialization problem while "
            document.error(
                name, f"{message}applying mapping function '{mapping['mappingFunction']['name']}'.", str(error)
            )
    return found
