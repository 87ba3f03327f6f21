"""Lengths of time as the search service writes them."""

import re

_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6}(?:\.\d{1,7})?)S)?)?",
    re.ASCII,
)
_UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def seconds(text: str) -> float:
    """How long an ISO 8601 duration such as `PT1M30S` is: days and smaller only, as in skills and schedules.

    Raises:
        ValueError: It is not such a duration.
    """
    found = _DURATION.fullmatch(text)
    given = {unit: float(amount) for unit, amount in found.groupdict().items() if amount} if found else {}
    if not given:
        raise ValueError(f"{text!r} is not a duration such as PT30S or PT1M30S.")
    return sum(_UNITS[unit] * amount for unit, amount in given.items())


def clock(length: float) -> str:
    """A length in seconds as `00:01:30`."""
    minutes, rest = divmod(int(length), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
