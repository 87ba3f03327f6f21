"""One word, looked for in our labels and in those of the built-in image analysis."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from infra.search.asking.querying import Hit, Query, searchable_fields
from shared.contract import Json

OURS = ("label", "tags")
THEIRS = ("imageTags", "imageCategories", "imageCaptions", "imageBrands")


class Comparison(NamedTuple):
    """What was found, by the fields of each side that the index has."""

    ours: list[Hit]
    theirs: list[Hit] | None
    """None: the index has no image analysis."""
    key: str
    """The field that tells documents apart."""

    def both(self) -> set[str]:
        """The keys of the documents that both sides found."""
        return self.keys(self.ours) & self.keys(self.theirs or [])

    def keys(self, hits: list[Hit]) -> set[str]:
        """The keys of some documents."""
        return {hit.document[self.key] for hit in hits}

    def counts(self) -> dict[str, int]:
        """How many documents only one side found, and how many both."""
        both = len(self.both())
        return {"both": both, "onlyOurs": len(self.ours) - both, "onlyTheirs": len(self.theirs or []) - both}


def compare(index: Mapping[str, Json], word: str, top: int, search: Callable[[Query], list[Hit]]) -> Comparison:
    """Look for words on both sides.

    Args:
        index: The index's definition.
        word: One or several.
        top: How many of each side.
        search: Asks the index; what it raises comes through.
    """
    known = searchable_fields(index)
    ours, theirs = (tuple(name for name in side if name in known) for side in (OURS, THEIRS))
    (key,) = (field["name"] for field in index["fields"] if field.get("key"))
    return Comparison(
        search(Query(words=word, top=top, fields=ours)) if ours else [],
        search(Query(words=word, top=top, fields=theirs)) if theirs else None,
        key,
    )
