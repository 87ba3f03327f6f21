"""The skills together: whether each finds its inputs, and the document that they make, as far as it can be known."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from infra.search.definitions import Definitions
from infra.search.trial.paths import EACH, WHOLE, PathError, steps
from infra.search.trial.planning import SHAPER, context, ordered, target
from infra.search.trial.tree import Where, branches
from infra.search.validation.shapes import ARRAY, OBJECT, Node, answered, cracked
from shared.contract import Json

ROOT = "/document"


class Unproduced(ValueError):  # noqa: N818 - a state of the definitions, told as one of many
    """A path leads to nothing that a blob or a skill gives; the message says where it ends, without a full stop."""


def enriched(definitions: Definitions) -> tuple[Node, list[str]]:
    """`/document` after the last skill, and what is wrong with the skills."""
    configuration = (definitions.indexer.get("parameters") or {}).get("configuration") or {}
    tree = cracked(configuration)
    place = f"Skillset {definitions.skillset['name']!r}"
    try:
        skills = ordered(definitions.skillset["skills"])
    except ValueError as error:
        return Node(), [f"{place}: {error}"]
    trouble = [f"{place}, skill {skill['name']!r}: {problem}" for skill in skills for problem in _run(tree, skill)]
    return tree, trouble


def found(tree: Node, path: str, under: str = ROOT) -> Node:
    """The node that a path leads to, or an array of such where it leads to many.

    Raises:
        Unproduced: There is none.
    """
    if path.startswith("="):
        return Node()
    try:
        many, wanted = branches(path, _where(under)), steps(path)
    except PathError as error:
        raise Unproduced(str(error).rstrip(".")) from error
    node = tree
    for depth, step in enumerate(wanted):
        node = _child(node, step, "/".join([ROOT, *wanted[:depth]]))
    return Node(ARRAY, item=node) if many else node


def shaped(tree: Node, entries: Sequence[Mapping[str, Json]], under: str) -> Iterator[tuple[str, Node | str]]:
    """Inputs or mappings by name, each with its node, or a sentence's end that says what is wrong with it."""
    for entry in entries:
        try:
            yield entry["name"], entry_node(tree, entry, under)
        except Unproduced as error:
            yield entry["name"], str(error)


def entry_node(tree: Node, entry: Mapping[str, Json], under: str) -> Node:
    """What an input or a mapping gives: its source, or the objects of its own inputs.

    Raises:
        Unproduced: It gives nothing.
    """
    inputs = entry.get("inputs")
    if not inputs:
        if not entry.get("source"):
            raise Unproduced("has no source")
        return found(tree, entry["source"], under)
    if entry.get("source"):
        raise Unproduced("has a source and inputs; it takes one of them")
    around = entry.get("sourceContext") or under
    found(tree, around, under)
    members: dict[str, Node] = {}
    for name, node in shaped(tree, inputs, around):
        if isinstance(node, str):
            raise Unproduced(f"{name!r} {node}")
        members[name] = node
    each = Node(OBJECT, members)
    return Node(ARRAY, item=each) if branches(around, _where(under)) else each


def _run(tree: Node, skill: Mapping[str, Json]) -> Iterator[str]:
    """What is wrong with a skill; its outputs are added to the tree."""
    under = context(skill)
    try:
        # A context is one node at a time, whatever stars it has.
        parent = found(tree, under, under)
    except Unproduced as error:
        yield f"context {error}."
        return
    inputs: dict[str, Node] = {}
    for name, node in shaped(tree, skill["inputs"], under):
        if isinstance(node, str):
            yield f"input {name!r} {node}."
        inputs[name] = node if isinstance(node, Node) else Node()
    shapes = answered(skill)
    features = skill.get("visualFeatures")  # of image analysis: what it looks for decides what it can tell
    for output in skill["outputs"]:
        name, called = output["name"], target(output)
        if shapes is not None and name not in shapes:
            yield f"output {name!r} is none of the skill's: {', '.join(shapes)}."
        elif features is not None and name not in features:
            yield f"output {name!r} needs {name!r} in visualFeatures."
        if called in parent.members:
            yield f"output {name!r} would replace {under}/{called}, which is there; give it another targetName."
        elif skill["@odata.type"] == SHAPER:
            parent.members[called] = Node(OBJECT, inputs)
        else:
            parent.members[called] = Node.of((shapes or {}).get(name))


def _child(node: Node, step: str, path: str) -> Node:
    """The node one step further from that at a path."""
    if step == WHOLE:
        return node
    if step == EACH or (step.isdecimal() and step not in node.members):
        if node.type == ARRAY and node.item is not None:
            return node.item
        if node.known:
            raise Unproduced(f"reads {path}/{step}, but {path} is no list")
        return Node()
    name = step.replace("~1", "/").replace("~2", "#").replace("~0", "~")
    if name in node.members:
        return node.members[name]
    if not node.known:
        return Node()
    close = difflib.get_close_matches(name, node.members, n=1)
    hint = f"; perhaps {close[0]!r} is meant" if close else ""
    if node.type == ARRAY:
        hint = f"; it is a list, perhaps {path}/*/{step} is meant"
    raise Unproduced(f"reads {path}/{step}, which neither a blob nor a skill gives{hint}")


def _where(under: str) -> Where:
    try:
        pattern = steps(under)
    except PathError as error:
        raise Unproduced(str(error).rstrip(".")) from error
    return Where(pattern, ())
