"""Whether a node of the document fits a field of the index. Source: the service's data type map for indexers."""

from collections.abc import Iterator, Mapping
from typing import Final

from infra.search.validation.index_fields import Field, element_type, is_list
from infra.search.validation.shapes import ARRAY, OBJECT, Node

_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "Edm.String": frozenset({"string", "integer", "number", "boolean", OBJECT}),  # an object becomes its JSON text
    "Edm.DateTimeOffset": frozenset({"string"}),
    "Edm.Boolean": frozenset({"boolean"}),
    "Edm.Double": frozenset({"number", "integer"}),
    "Edm.Single": frozenset({"number", "integer"}),
    "Edm.Half": frozenset({"number", "integer"}),
    "Edm.GeographyPoint": frozenset({OBJECT}),
    "Edm.ComplexType": frozenset({OBJECT}),
}
_INTEGER: Final = frozenset({"integer"})


def unfit(node: Node, field: Field) -> Iterator[str]:
    """Why a node cannot be a field's value, as the end of a sentence; nothing where it can, or where who knows."""
    if not node.known:
        return
    if not is_list(field):
        yield from _unfit_element(node, field)
    elif node.type != ARRAY:
        yield f"is {_called(node)}, but the field is a {field['type']}: it takes a list"
    elif node.item is not None and node.item.known:
        yield from _unfit_element(node.item, field)


def _unfit_element(node: Node, field: Field) -> Iterator[str]:
    simple = element_type(field)
    if node.type == ARRAY:
        inside = "has lists in its list: end its path with /*" if is_list(field) else "is a list"
        yield f"{inside}, but the field is {field['type']}"
    elif node.type not in _TAKES.get(simple, _INTEGER):
        yield f"is {_called(node)}, but the field is {field['type']}"
    elif simple == "Edm.ComplexType":
        yield from _unfit_members(node, field)


def _unfit_members(node: Node, field: Field) -> Iterator[str]:
    """A complex value has the members of its field and no others."""
    fields = {member["name"]: member for member in field.get("fields") or []}
    for name in node.members.keys() - fields.keys():
        yield f"has a member {name!r}, which the field has not: leave it out with a Shaper skill"
    for name in fields.keys() - node.members.keys():
        yield f"has no member {name!r}, which the field has"
    for name in fields.keys() & node.members.keys():
        for problem in unfit(node.members[name], fields[name]):
            yield f"has a member {name!r} that {problem}"


def _called(node: Node) -> str:
    return f"{'an' if node.type[0] in 'aeio' else 'a'} {node.type}"
