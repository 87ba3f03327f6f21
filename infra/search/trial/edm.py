"""The types of index fields, `Edm.…`: which JSON values each of them takes."""

import json
import math
import re
from collections.abc import Callable
from datetime import datetime

from shared.contract import Json

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:\d\d)")
_LARGEST_SINGLE = 3.4028234663852886e38


def type_of(value: Json) -> str:
    """The type of a JSON value by the names that fields have."""
    if isinstance(value, list):
        kinds = {type_of(item) for item in value} or {"Edm.String"}
        mixed = "Edm.Double" if kinds == {"Edm.Int64", "Edm.Double"} else "Edm.Untyped"
        return f"Collection({kinds.pop() if len(kinds) == 1 else mixed})"
    if isinstance(value, dict):
        return "Edm.ComplexType"
    for kind in ("Edm.String", "Edm.Boolean", "Edm.Int64", "Edm.Double"):
        if SUITS[kind](value):
            return kind
    return "null" if value is None else json.dumps(value)


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool)


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _is_date(value: Json) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_point(value: Json) -> bool:
    """GeoJSON (RFC 7946): longitude, then latitude."""
    if not isinstance(value, dict) or value.get("type") != "Point":
        return False
    at = value.get("coordinates")
    return isinstance(at, list) and len(at) >= 2 and all(map(_is_number, at)) and abs(at[0]) <= 180 and abs(at[1]) <= 90


SUITS: dict[str, Callable[[Json], bool]] = {
    "Edm.String": _is_string,
    "Edm.Boolean": _is_boolean,
    "Edm.Int64": _is_integer,
    "Edm.Int32": _is_integer,
    "Edm.Int16": _is_integer,
    "Edm.SByte": _is_integer,
    "Edm.Byte": _is_integer,
    "Edm.Double": _is_number,
    "Edm.Single": _is_number,
    "Edm.Half": _is_number,
    "Edm.DateTimeOffset": _is_date,
    "Edm.GeographyPoint": _is_point,
    "Edm.ComplexType": _is_object,
}
"""Whether a value is of a type, by the type's name."""

RANGES: dict[str, tuple[float, float]] = {
    "Edm.Int64": (-(2**63), 2**63 - 1),
    "Edm.Int32": (-(2**31), 2**31 - 1),
    "Edm.Int16": (-(2**15), 2**15 - 1),
    "Edm.SByte": (-128, 127),
    "Edm.Byte": (0, 255),
    "Edm.Single": (-_LARGEST_SINGLE, _LARGEST_SINGLE),
    "Edm.Half": (-65504, 65504),
}
"""The least and the greatest number that a type holds."""
