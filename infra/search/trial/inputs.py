"""What a skill, a shape or a projection is given: values by their paths, or objects made of such values."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from infra.search.trial.paths import PathError
from infra.search.trial.tree import ROOT, Found, Where, branches, nodes, values
from shared.contract import Json


class Shape(NamedTuple):
    """The inputs by name, without those that are absent; and of those that lack something: why."""

    members: dict[str, Json]
    missing: dict[str, tuple[str, ...]]


def input_value(tree: Mapping[str, Json], entry: Mapping[str, Json], under: Where = ROOT) -> Found:
    """What one entry stands for at a node.

    Args:
        tree: /document.
        entry: Either has a `source`, a path; or a `sourceContext` and `inputs`, entries again: an object for each node
            of that context. Skills' inputs and the mappings of projections are such entries.
        under: The node that is enriched or projected.
    """
    inputs = entry.get("inputs")
    if not inputs:
        return values(tree, entry.get("source") or "", under)
    context = entry.get("sourceContext") or "/".join(["/document", *under.pattern])
    try:
        places, reasons = nodes(tree, context, under)
    except PathError as error:
        return Found(None, (str(error),))
    shapes = [shape(tree, inputs, where) for where, _ in places]
    missing = reasons + tuple(reason for one in shapes for why in one.missing.values() for reason in why)
    if not shapes and missing:
        return Found(None, missing)
    objects = [one.members for one in shapes]
    return Found(objects if branches(context, under) else objects[0], missing)


def shape(tree: Mapping[str, Json], inputs: Sequence[Mapping[str, Json]], under: Where) -> Shape:
    """The values of all inputs at a node."""
    found = {entry["name"]: input_value(tree, entry, under) for entry in inputs}
    return Shape(
        members={name: one.value for name, one in found.items() if not one.absent},
        missing={name: one.missing for name, one in found.items() if one.missing},
    )
