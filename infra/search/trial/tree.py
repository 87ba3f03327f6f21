"""The enriched document: its nodes, and the paths that name them.

A path such as `/document/normalized_images/*/tags` names nodes by the names of members, by positions in arrays and by
`*`, every item of an array. What skills put under a node lies beside the node's value, not in it: a skill that is given
the whole image gets the image as it was cracked, whatever other skills have found out about it.
Source: the service's "Skill context and input annotation language"; the reasons are those of its warnings.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from infra.search.trial.paths import EACH, WHOLE, PathError, Place, Steps, steps, text
from shared.contract import Json

_INDEX = re.compile(r"\d{1,9}", re.ASCII)


class Collision(ValueError):  # noqa: N818 - the service's word would be "could not execute", which says less
    """A skill's output would replace a node that is there; the message is the node's path."""


class _Unavailable(ValueError):  # noqa: N818 - a reason, caught here
    """There is no such node; the message is the service's reason."""


class Tree(dict[str, Json]):
    """`/document`: the members of the cracked blob, and `added`, what skills have put where."""

    def __init__(self, members: Mapping[str, Json]) -> None:
        super().__init__(members)
        self.added: dict[Place, Json] = {}


class Where(NamedTuple):
    """One node that a context stands for: the context's path, and the node's place, as long as the path."""

    pattern: Steps
    place: Place


class Found(NamedTuple):
    """What a path leads to: the value, and why nodes of it are missing; None when all are."""

    value: Json
    missing: tuple[str, ...] = ()

    @property
    def absent(self) -> bool:
        """Whether nothing was found. A null that is there is something."""
        return self.value is None and bool(self.missing)


ROOT = Where((), ())


def values(tree: Mapping[str, Json], path: str, under: Where = ROOT) -> Found:
    """What a path or a literal (`='text'`) leads to, as it is given to a skill or a field.

    Args:
        tree: /document.
        path: The path. Stars that it shares with `under` stand for the items that `under` is at.
        under: The node that a skill is at.

    Returns:
        One node's value; or with more stars one flat list of the nodes' values. An array at the path's end is one value
        there, as with a last `#`; a last `*` gives its items.
    """
    if path.startswith("="):
        return _literal(path.removeprefix("="))
    try:
        found, missing = nodes(tree, path, under)
    except PathError as error:
        return Found(None, (str(error),))
    if not found and missing:
        return Found(None, missing)
    if not branches(path, under):
        return Found(found[0][1])
    return Found([value for _, value in found], missing)


def contexts(tree: Mapping[str, Json], path: str, under: Where = ROOT) -> list[Where]:
    """The nodes that a context stands for: none where its array is empty or missing.

    Raises:
        PathError: It is no path.
    """
    return [where for where, _ in nodes(tree, path, under)[0]]


def nodes(tree: Mapping[str, Json], path: str, under: Where = ROOT) -> tuple[list[tuple[Where, Json]], tuple[str, ...]]:
    """The nodes that a path leads to, with their values, and why there are not more.

    Raises:
        PathError: It is no path.
    """
    wanted = steps(path)
    shared = _shared(wanted, under)
    missing: list[str] = []
    start = under.place[:shared]
    found = list(_walk(tree, start, _at(tree, start), wanted[shared:], missing))
    return [(Where(wanted, place), value) for place, value in found], tuple(missing)


def branches(path: str, under: Where = ROOT) -> bool:
    """Whether a path leads to many nodes even where the node of its context is known."""
    wanted = steps(path)
    return EACH in wanted[_shared(wanted, under) :]


def put(tree: Tree, where: Where, name: str, value: Json) -> None:
    """Add a skill's output under a node.

    Raises:
        Collision: There is a node of that name already.
    """
    place = (*where.place, name)
    parent = _at(tree, where.place)
    if place in tree.added or (isinstance(parent, dict) and name in parent):
        raise Collision(text(place))
    tree.added[place] = value


def _shared(wanted: Steps, under: Where) -> int:
    """How many steps a path and a context have in common, from the root on."""
    for depth, (mine, other) in enumerate(zip(wanted, under.pattern, strict=False)):
        if mine != other:
            return depth
    return min(len(wanted), len(under.pattern))


def _at(tree: Mapping[str, Json], place: Place) -> Json:
    """The value of a node that is there."""
    value: Json = tree
    for depth, step in enumerate(place):
        here = place[: depth + 1]
        value = tree.added[here] if isinstance(tree, Tree) and here in tree.added else value[step]
    return value


def _walk(
    tree: Mapping[str, Json], place: Place, value: Json, wanted: Sequence[str], missing: list[str]
) -> Iterator[tuple[Place, Json]]:
    """The nodes that steps lead to from a node; reasons for what is not there go to `missing`."""
    if not wanted:
        yield place, value
        return
    try:
        children = _children(tree, place, value, wanted[0])
    except _Unavailable as reason:
        missing.append(str(reason))
        return
    for below, child in children:
        yield from _walk(tree, below, child, wanted[1:], missing)


def _children(tree: Mapping[str, Json], place: Place, value: Json, step: str) -> list[tuple[Place, Json]]:
    """The nodes one step further."""
    if step in {EACH, WHOLE}:
        if not isinstance(value, list):
            raise _Unavailable(f"Cannot iterate over non-array '{text(place)}'.")
        return [(place, value)] if step == WHOLE else [((*place, at), item) for at, item in enumerate(value)]
    name = step.replace("~1", "/").replace("~2", "#").replace("~0", "~")
    below = (*place, name)
    if isinstance(tree, Tree) and below in tree.added:
        return [(below, tree.added[below])]
    if isinstance(value, dict) and name in value:
        return [(below, value[name])]
    if not _INDEX.fullmatch(name):
        raise _Unavailable(f"Missing value '{text(below)}'.")
    if not isinstance(value, list):
        raise _Unavailable(f"Unable to select '{name}' in non-array '{text(place)}'.")
    if int(name) >= len(value):
        raise _Unavailable(f"Unable to select '{name}' in array '{text(place)}' of length {len(value)}.")
    return [((*place, int(name)), value[int(name)])]


def _literal(expression: str) -> Found:
    """A number, text, truth or array that stands in a definition itself. The service can calculate here, we do not."""
    quoted = re.fullmatch(r"\s*'([^']*)'\s*", expression)
    try:
        return Found(json.loads('"' + quoted[1].replace('"', r"\"") + '"' if quoted else expression))
    except (ValueError, RecursionError):
        return Found(None, (f"The local indexer does not evaluate expressions such as '={expression}'.",))
