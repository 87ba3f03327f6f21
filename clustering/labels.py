"""The words that people give to clusters: kept in the state, and handed out with the images."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from clustering.assignment import TRIES, Current, FitGoneError, known_fit
from clustering.edits import LabelError, UnknownClusterError, as_object, edited, set_words, visible
from clustering.fits import Fit
from clustering.state import State, StateTooLongError, change_state
from shared.contract import Json
from shared.features import FeatureStore, StoreBusy
from shared.fits import FitStore

__all__ = [
    "LabelError",
    "StaleFitError",
    "UnknownClusterError",
    "as_csv",
    "dictionary",
    "edit_labels",
    "labelled_images",
    "replace_labels",
]

BLOCK = 1000

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet may run a cell that begins so."""


class StaleFitError(Exception):
    """The labels are for a fit that is not in force any more."""


def edit_labels(collection: str, edit: Json, store: FeatureStore, *, fit: str | None) -> State:
    """Change the labels of a collection: all that is asked for, or nothing.

    Args:
        collection: Whose clusters are named.
        edit: `set`, `add` and `remove` take `{cluster: [words]}`; `rename` takes `{old word: new word}` and does so in
            all clusters; `merge` takes `{cluster: the one that its images count to from now on}`, which gets its words
            too. They are done in this order. Words stay as they are but for space around them: HTML stays text.
        store: Where the state is.
        fit: The fit that people looked at; None for whichever is in force.

    Raises:
        LabelError: What is asked for cannot be used, or would be too much.
        UnknownClusterError: A cluster is not there, was merged into another one, or there was no fit yet.
        StaleFitError: `fit` is not in force any more.
        StoreBusy: The store did not answer.
    """
    return _changed(collection, store, fit, lambda state, found: edited(edit, state, found))


def replace_labels(collection: str, given: Json, store: FeatureStore, *, fit: str | None) -> State:
    """Replace all labels of a collection by those of a dictionary such as `dictionary` gives.

    A cluster that is not in it has no labels afterwards. One word may stand for a list of one. Raises as `edit_labels`.
    """
    words = {key: [value] if isinstance(value, str) else value for key, value in as_object(given, "labels").items()}
    return _changed(collection, store, fit, lambda state, found: set_words(words, replace(state, labels={}), found))


def dictionary(current: Current) -> dict[str, list[str]]:
    """The words of every cluster that people see, by its id; of one without a name, none."""
    return {str(cluster): list(current.state.words(cluster)) for cluster in visible(*current)}


def labelled_images(current: Current, fits: FitStore) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """The path of every image of the fit in force, its cluster as people see it, and that one's words.

    They are read block by block, and come in the order of the paths.

    Raises:
        FitGoneError: The fit was dropped meanwhile, before all of it was read.
        StoreBusy: The store did not answer.
    """
    state, fit = current
    left = fit.noise + sum(cluster.size for cluster in fit.clusters)
    after = ""
    while members := fits.members(fit.id, after=after, limit=BLOCK):
        for member in members:
            yield member.path, state.shown(member.cluster), state.words(member.cluster)
        left -= len(members)
        after = members[-1].path
    if left > 0:
        raise FitGoneError(fit.id)


def as_csv(rows: Iterable[tuple[str, int, tuple[str, ...]]]) -> Iterator[str]:
    """Lines of a CSV file: a header, then path, cluster, and the words with "; " between them.

    A text that a spreadsheet might run as a formula has an apostrophe in front, which makes it plain text there. The
    dictionary in JSON has all words as they are.
    """
    yield _line("path", "cluster", "labels")
    for path, cluster, words in rows:
        yield _line(_harmless(path), cluster, _harmless("; ".join(words)))


def _line(*cells: str | int) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _changed(collection: str, store: FeatureStore, fit: str | None, change: Callable[[State, Fit], State]) -> State:
    """Change a state of which a fit is in force, and no other than `fit` where that is given."""

    def checked(state: State) -> State:
        # In here, because a new fit may take over between any two steps out there.
        if state.fit is None:
            raise UnknownClusterError(f"The collection {collection!r} has no clusters yet: start a fit first.")
        if fit is not None and fit != state.fit:
            raise StaleFitError("The clusters were fitted anew meanwhile; look at them again.")
        return change(state, known_fit(state.fit, store))

    for _ in range(TRIES):
        try:
            return change_state(collection, store, checked)
        except FitGoneError:
            continue
        except StateTooLongError as error:
            raise LabelError(str(error)) from error
    raise StoreBusy(f"The store does not hold the fit of {collection!r}. If this goes on, start a new fit.", 1)
