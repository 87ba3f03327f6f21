"""Whether definitions can be used, before the search service is asked.

What the service refuses is told here with the object, the member and what to do; and so is what it would take and then
leave empty or lose.
"""

from collections.abc import Iterator

from infra.search.definitions import Definitions
from infra.search.validation.analyzers import analyzer_problems
from infra.search.validation.calls import call_problems
from infra.search.validation.enrichment import enriched
from infra.search.validation.index_fields import index_problems
from infra.search.validation.indexing import deletion_problems, indexing_problems
from infra.search.validation.knowledge import knowledge_problems
from infra.search.validation.mappings import mapping_problems
from infra.search.validation.models import model_problems
from infra.search.validation.names import name_problems
from infra.search.validation.vectors import vector_problems


def problems(definitions: Definitions, *, local: bool = False) -> list[str]:
    """What is wrong with definitions, as full sentences.

    Args:
        definitions: The objects of the search service.
        local: For the local indexer: the app may be at http://localhost.
    """
    # The other rules may rely on members that are there, with values of the right JSON types.
    return list(dict.fromkeys(model_problems(definitions))) or list(dict.fromkeys(_rules(definitions, local=local)))


def _rules(definitions: Definitions, *, local: bool) -> Iterator[str]:
    yield from name_problems(definitions)
    yield from deletion_problems(definitions.data_source)
    yield from analyzer_problems(definitions.index)
    yield from index_problems(definitions.index)
    yield from vector_problems(definitions.index)
    yield from call_problems(definitions, local=local)
    yield from indexing_problems(definitions.indexer)
    tree, trouble = enriched(definitions)
    yield from trouble
    yield from mapping_problems(definitions, tree)
    yield from knowledge_problems(definitions, tree)
