"""The paths of an enriched document, such as `/document/normalized_images/*/tags`: how they are cut and written."""

from functools import lru_cache

type Steps = tuple[str, ...]
"""A path below /document, cut at its slashes and still escaped."""
type Place = tuple[str | int, ...]
"""Where a single node is: names of members and positions in arrays below /document."""

EACH = "*"
WHOLE = "#"
"""At the end of a path: the array there is one value, not so many items."""

_ROOT = "/document"


class PathError(ValueError):
    """A text is no path; the message says so."""


@lru_cache(1_000)
def steps(path: str) -> Steps:
    """A path cut into its steps, without /document.

    Raises:
        PathError: It does not begin with /document.
    """
    root, *rest = path.removeprefix("/").split("/")
    if not path.startswith("/") or root != "document":
        raise PathError(f"'{path}' is not a path: it does not begin with {_ROOT}.")
    return tuple(rest)


def text(place: Place) -> str:
    """The path of one node."""
    return "".join([_ROOT, *(f"/{escaped(str(step))}" for step in place)])


def escaped(name: str) -> str:
    """A member's name as it stands in a path."""
    return name.replace("~", "~0").replace("/", "~1").replace("#", "~2")
