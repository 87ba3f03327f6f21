"""Route templates: `users/{id:int}`, `files/{*rest}`, `page/{number?}`.

Rules as in ASP.NET, which the real host uses: letters match whatever their case, a trailing slash is ignored, and of
several matching routes the most literal wins.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_PARAMETER = re.compile(r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?P<limits>(?::\w+(?:\(\d+\))?)*)(?P<optional>\??)\}")
_LIMIT = re.compile(r":(\w+)(?:\((\d+)\))?")

_KINDS = {
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
    "float": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "decimal": r"[+-]?(\d+\.?\d*|\.\d+)",
    "bool": r"(?i:true|false)",
    "alpha": r"[a-zA-Z]*",
    "guid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
_LENGTHS = {"length": ".{%s}", "minlength": ".{%s,}", "maxlength": ".{0,%s}"}


class RouteError(Exception):
    """A route template that is not understood here; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Route:
    """A compiled template. `rank` sorts routes: the lower is the more literal."""

    template: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    limits: tuple[tuple[re.Pattern[str], ...], ...]
    rank: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Returns the parameters of the path (see `decode`), or None when the route is not its."""
        found = self.pattern.fullmatch(path)
        if not found:
            return None
        values: dict[str, str] = {}
        for name, limits, value in zip(self.names, self.limits, found.groups(), strict=True):
            if value and not all(limit.fullmatch(value) for limit in limits):
                return None
            if value:
                values[name] = value
        return values


def compile_route(template: str) -> Route:
    """Returns the route of a template; raises RouteError when the template is not understood."""
    pattern = ""
    names: list[str] = []
    limits: list[tuple[re.Pattern[str], ...]] = []
    rank: list[int] = []
    segments = [segment for segment in template.split("/") if segment]
    for at, segment in enumerate(segments):
        whole = _PARAMETER.fullmatch(segment)
        if whole and (whole["stars"] or whole["optional"]):
            if at < len(segments) - 1:
                raise RouteError(f"the route '{template}': {segment} must be its last segment")
            pattern += "(?:/(.*))?" if whole["stars"] else "(?:/([^/]+))?"
        else:
            pattern += "/" + _segment(template, segment)
        found = list(_PARAMETER.finditer(segment))
        names += [one["name"] for one in found]
        limits += [_limits(template, one["limits"]) for one in found]
        # ASP.NET's order: literal, partly literal or constrained, plain parameter, then the catch-all ones.
        free = 3 if whole else 1 + bool(found)
        rank.append(free + (2 if whole and whole["stars"] else 0) - (1 if whole and whole["limits"] else 0))
    if len(set(names)) < len(names):
        raise RouteError(f"the route '{template}' names a parameter twice")
    return Route(template, re.compile(pattern, re.IGNORECASE | re.DOTALL), tuple(names), tuple(limits), tuple(rank))


def decode(raw_path: str) -> str:
    """Returns the path of a request with its escapes decoded, except `%2F`, and without a trailing slash."""
    parts = (re.split("(?i:%2f)", segment) for segment in raw_path.rstrip("/").split("/"))
    return "/".join("%2F".join(unquote(part) for part in segment) for segment in parts)


def _segment(template: str, segment: str) -> str:
    pattern, end = "", 0
    for one in _PARAMETER.finditer(segment):
        pattern += _literal(template, segment[end : one.start()]) + "([^/]+?)"
        end = one.end()
    return pattern + _literal(template, segment[end:])


def _literal(template: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise RouteError(f"the route '{template}': '{text}' is not understood here")
    return re.escape(text)


def _limits(template: str, text: str) -> tuple[re.Pattern[str], ...]:
    patterns = []
    for name, number in _LIMIT.findall(text):
        if number and name in _LENGTHS:
            patterns.append(re.compile(_LENGTHS[name] % number, re.DOTALL))
        elif not number and name in _KINDS:
            patterns.append(re.compile(_KINDS[name], re.ASCII))
        else:
            raise RouteError(f"the route '{template}': the constraint '{name}' is not imitated here")
    return tuple(patterns)
