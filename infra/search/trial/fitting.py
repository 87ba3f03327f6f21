"""What the service makes of a value so that it fits the field: only towards strings is anything changed."""

import json
from collections.abc import Mapping

from shared.contract import Json

STRING = "Edm.String"
STRINGS = "Collection(Edm.String)"
COMPLEX = "Edm.ComplexType"
COMPLEXES = "Collection(Edm.ComplexType)"


def fitted(value: Json, field: Mapping[str, Json]) -> Json:
    """The value as it goes into a field: numbers, truths and objects become text where text is wanted.

    An array does not become one string, but arrays within an array do. What fits nowhere is left as it is, for
    `fields.check` to tell.
    """
    kind = field["type"]
    if kind == STRING:
        return value if isinstance(value, list) else _text(value)
    if kind == STRINGS and isinstance(value, list):
        return [_text(item) for item in value]
    if kind == COMPLEX and isinstance(value, dict):
        return _members(value, field)
    if kind == COMPLEXES and isinstance(value, list):
        return [_members(item, field) if isinstance(item, dict) else item for item in value]
    return value


def _members(value: Mapping[str, Json], field: Mapping[str, Json]) -> dict[str, Json]:
    members = {member["name"]: member for member in field.get("fields") or ()}
    return {name: fitted(one, members[name]) if name in members else one for name, one in value.items()}


def _text(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
