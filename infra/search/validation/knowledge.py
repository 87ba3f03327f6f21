"""The knowledge store: whether its rows, objects and files can be made. Source: the service's projection overview."""

import re
from collections.abc import Iterator, Mapping

from infra.search.definitions import Definitions
from infra.search.validation.enrichment import Unproduced, entry_node
from infra.search.validation.names import twice
from infra.search.validation.shapes import ARRAY, OBJECT, Node
from shared.contract import Json

_IMAGES = "/document/normalized_images/*"
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:-?[a-z0-9])+")


def knowledge_problems(definitions: Definitions, tree: Node) -> Iterator[str]:
    """What would not arrive in the knowledge store."""
    store = definitions.skillset.get("knowledgeStore") or {}
    groups = store.get("projections") or []
    place = f"Skillset {definitions.skillset['name']!r}, knowledge store"
    tables = [one for group in groups for one in group.get("tables") or []]
    objects = [one for group in groups for one in group.get("objects") or []]
    files = [one for group in groups for one in group.get("files") or []]
    for name in twice([one["tableName"] for one in tables]):
        yield f"{place}: two projections write table {name!r}; rename one."
    for table in tables:
        if not _TABLE.fullmatch(table["tableName"]):
            yield f"{place}: tableName is {table['tableName']!r}; it is 3 to 63 letters and digits."
    for container in sorted({one["storageContainer"] for one in objects} & {one["storageContainer"] for one in files}):
        yield f"{place}: objects and files share the container {container!r}; give them two."
    for name in dict.fromkeys(one["storageContainer"] for one in (*objects, *files)):
        if not _CONTAINER.fullmatch(name):
            yield f"{place}: storageContainer is {name!r}; it is 3 to 63 lower-case letters, digits and single dashes."
    for one in files:
        if one.get("source") != _IMAGES:
            yield f"{place}: a file's source is {one.get('source')!r}; files are made of {_IMAGES} only."
    for one in (*tables, *objects):
        yield from (f"{place}: the projection of {one.get('source')!r} {problem}." for problem in _problems(one, tree))


def _problems(projection: Mapping[str, Json], tree: Node) -> Iterator[str]:
    try:
        node = entry_node(tree, {"name": "", **projection}, "/document")
    except Unproduced as error:
        yield str(error)
        return
    row = node.item if node.type == ARRAY and node.item else node
    if row.known and row.type != OBJECT:
        yield f"is of {row.type}s; a row or an object needs an object: make one with a Shaper skill"
