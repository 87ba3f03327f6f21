"""Changing a text that many processes change: as a whole, and only when nobody else has meanwhile."""

from collections.abc import Callable

from shared.features import FeatureStore


def change_text[T](name: str, store: FeatureStore, change: Callable[[str | None], tuple[str, T]]) -> T:
    """Change the text that a store keeps under a name, beginning anew until no one interferes.

    Args:
        name: Of the text.
        store: Where it is.
        change: Gets the present text, None when there is none, and gives the new one and what comes of it. It is called
            again when the text was changed meanwhile. What it raises goes through, and nothing is changed.

    Returns:
        What came of it.

    Raises:
        StoreBusy: The store did not answer. The change may have been made nevertheless.
    """
    while True:
        before = store.recall(name)
        after, result = change(before)
        if after == before or store.swap(name, before, after):
            return result
