"""What objects and their parts are called, and whether they mean each other."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from infra.search.definitions import Definitions
from infra.search.validation.models import MODELS

_OBJECT = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{0,126}[a-z0-9]")


def name_problems(definitions: Definitions) -> Iterator[str]:
    """Names that cannot be, are there twice, or name nothing."""
    for (kind, _), json in zip(MODELS, definitions, strict=True):
        if not _OBJECT.fullmatch(json["name"]):
            yield f"{kind} {json['name']!r} cannot be called so; it takes lower-case letters, digits and single dashes."
    yield from _references(definitions)
    skillset = definitions.skillset
    doubled = twice([skill["name"] for skill in skillset["skills"] if skill.get("name")])
    yield from (f"Skillset {skillset['name']!r} has two skills called {name!r}; rename one." for name in doubled)


def _references(definitions: Definitions) -> Iterator[str]:
    indexer = definitions.indexer
    for member, kind, wanted in (
        ("dataSourceName", "data source", definitions.data_source["name"]),
        ("skillsetName", "skillset", definitions.skillset["name"]),
        ("targetIndexName", "index", definitions.index["name"]),
    ):
        if indexer.get(member) != wanted:
            yield f"Indexer {indexer['name']!r}: {member} is {indexer.get(member)!r}; the {kind} is called {wanted!r}."
    projections = definitions.skillset.get("indexProjections") or {}
    for selector in projections.get("selectors", []):
        if selector["targetIndexName"] != definitions.index["name"]:
            yield (
                f"Skillset {definitions.skillset['name']!r}, index projection: targetIndexName is "
                f"{selector['targetIndexName']!r}; the index is called {definitions.index['name']!r}."
            )


def twice(names: Sequence[str]) -> list[str]:
    """Names that are there more than once, as the service compares them: without regard to case."""
    return [name for name, times in Counter(name.lower() for name in names).items() if times > 1]
