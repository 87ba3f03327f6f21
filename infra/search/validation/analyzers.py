"""Analyzers that the index defines for its fields, and their parts. Source: Create Index, custom analyzers."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

from azure.search.documents.indexes.models import (
    CharFilterName,
    LexicalAnalyzerName,
    LexicalTokenizerName,
    TokenFilterName,
)

from infra.search.validation.names import twice
from shared.contract import Json

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,126}[A-Za-z0-9])?")
_BUILT_IN: Final[Mapping[str, type[Enum]]] = {
    "analyzers": LexicalAnalyzerName,
    "tokenizers": LexicalTokenizerName,
    "tokenFilters": TokenFilterName,
    "charFilters": CharFilterName,
}
"""The lists of an index, and the names that the service has without them."""


def analyzer_names(index: Mapping[str, Json], kind: str = "analyzers") -> frozenset[str]:
    """The analyzers that a field of the index may have, or another kind of what analyzers are made of."""
    own = frozenset(one["name"] for one in index.get(kind) or [])
    return own | {str(one.value) for one in _BUILT_IN[kind]}


def analyzer_problems(index: Mapping[str, Json]) -> Iterator[str]:
    """What the service would refuse in an index's own analyzers."""
    place = f"Index {index['name']!r}"
    for kind, built_in in _BUILT_IN.items():
        names = [one["name"] for one in index.get(kind) or []]
        taken = {str(one.value).lower() for one in built_in}
        yield from (f"{place}: {kind} has {name!r} twice; rename one." for name in twice(names))
        for name in names:
            if not _NAME.fullmatch(name) or name.lower() in taken:
                yield (
                    f"{place}: {kind} has {name!r}, which cannot be called so; it takes letters, digits, spaces, "
                    "dashes and underscores, and no name of the service's own."
                )
    for analyzer in index.get("analyzers") or []:
        for kind, named in _parts(analyzer):
            if named not in analyzer_names(index, kind):
                yield f"{place}, analyzer {analyzer['name']!r}: {named!r} is none of the {kind} that there are."


def _parts(analyzer: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """What a custom analyzer is made of, each with its kind."""
    if "tokenizer" in analyzer:
        yield "tokenizers", analyzer["tokenizer"]
    for kind in ("tokenFilters", "charFilters"):
        yield from ((kind, name) for name in analyzer.get(kind) or [])
