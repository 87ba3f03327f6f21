"""The words that people give to clusters: kept in the state, and handed out with the images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from clustering.assignment import TRIES, Current, FitGoneError, belongs, known_fit
from clustering.edits import LabelError, UnknownClusterError, as_object, edited, set_words, visible
from clustering.fits import Fit
from clustering.state import State, StateTooLongError, change_state
from shared.contract import Json
from shared.features import Feature, FeatureStore, StoreBusy
from shared.fits import NOISE, FitStore
from shared.table import csv_line

BLOCK = 1000


class StaleFitError(Exception):
    """The labels are for a fit that is not in force any more."""


def edit_labels(collection: str, edit: Json, store: FeatureStore, *, fit: str | None) -> State:
    """Change the labels of a collection: all that is asked for, or nothing.

    Args:
        collection: Whose clusters are named.
        edit: `set`, `add` and `remove` take `{cluster: [words]}`; `rename` takes `{old word: new word}` and does so in
            all clusters; `merge` takes `{cluster: the one that its images count to from now on}`, which gets its words
            too. They are done in this order. Before all of them, `unmerge` takes `[clusters]`, which stand for
            themselves again; their words stay where they went. Words stay as they are but for space around them: HTML
            stays text.
        store: Where the state is.
        fit: The fit that people looked at; None for whichever is in force.

    Raises:
        LabelError: What is asked for cannot be used, or would be too much.
        UnknownClusterError: A cluster is not there, was merged into another one, or is to be unmerged and was not; or
            there was no fit yet.
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


def labelled_images(
    current: Current, features: FeatureStore, fits: FitStore, *, check: Callable[[], object] = lambda: None
) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """The path of every image that the collection holds now, its cluster as people see it, and that one's words.

    An image that the fit knows has the cluster that the fit gave it. One that came or changed since belongs to the
    cluster of its nearest core sample, if that is within reach, as the skill has it. Images of another model than the
    fit's are left out: they cannot be compared.

    Args:
        current: The clustering of the collection.
        features: Where the images' features are.
        fits: Where the fit's members are.
        check: Called before each block of images is read. It may raise, which ends the reading.

    Returns:
        In the order of `FeatureStore.scan`. They are read block by block; the fit's members, all before.

    Raises:
        FitGoneError: The fit was dropped meanwhile.
        StoreBusy: A store did not answer.
    """
    state, fit = current
    known = _fitted(fit, fits, check)
    check()
    for block in features.scan(fit.collection, block=BLOCK):
        images = [feature for feature in block if feature.model == fit.model]
        clusters = {image.path: known[image.path, image.etag] for image in images if (image.path, image.etag) in known}
        clusters |= _assigned([image for image in images if image.path not in clusters], fit, fits)
        for image in images:
            cluster = clusters[image.path]
            yield image.path, state.shown(cluster), state.words(cluster)
        check()


def as_csv(rows: Iterable[tuple[str, int, tuple[str, ...]]]) -> Iterator[str]:
    """Lines of a CSV file: a header, then path, cluster, and the words with "; " between them.

    A word that holds a semicolon itself, or begins with a quotation mark, is in quotation marks, those in it doubled:
    `csv.reader([cell], delimiter=";", skipinitialspace=True)` gives the words back. A text that a spreadsheet might run
    as a formula has an apostrophe in front, which makes it plain text there. The dictionary in JSON has all words as
    they are.
    """
    yield csv_line("path", "cluster", "labels")
    for path, cluster, words in rows:
        yield csv_line(path, cluster, "; ".join(map(_separable, words)))


def _fitted(fit: Fit, fits: FitStore, check: Callable[[], object]) -> dict[tuple[str, str], int]:
    """The cluster of each member of a fit, by path and ETag. Raises FitGoneError when there are fewer than it had."""
    found: dict[tuple[str, str], int] = {}
    after = ""
    while members := fits.members(fit.id, after=after, limit=BLOCK):
        check()
        found |= {(member.path, member.etag): member.cluster for member in members}
        after = members[-1].path
    if len(found) < fit.noise + sum(cluster.size for cluster in fit.clusters):
        raise FitGoneError(fit.id)
    return found


def _assigned(images: Sequence[Feature], fit: Fit, fits: FitStore) -> dict[str, int]:
    """The clusters of images that a fit does not know, by path. Raises FitGoneError."""
    if not images:
        return {}
    reach = {cluster.id: cluster.reach for cluster in fit.clusters}
    cores = fits.nearest(fit.id, np.stack([image.embedding for image in images]))
    if None in cores and any(cluster.cores for cluster in fit.clusters):
        raise FitGoneError(fit.id)
    return {
        image.path: core.cluster if core and belongs(core.distance, reach[core.cluster]) else NOISE
        for image, core in zip(images, cores, strict=True)
    }


def _separable(word: str) -> str:
    if ";" in word or word.startswith('"'):
        return '"' + word.replace('"', '""') + '"'
    return word


def _changed(collection: str, store: FeatureStore, fit: str | None, change: Callable[[State, Fit], State]) -> State:
    """Change a state of which a fit is in force, and no other than `fit` where that is given."""

    def checked(state: State) -> State:
        # In here, because a new fit may take over between any two steps out there.
        if state.fit is None:
            raise UnknownClusterError(f"The collection {collection!r} has no clusters yet: start a fit first.")
        if fit is not None and fit != state.fit:
            raise StaleFitError(f"The fit {fit:.50} is not in force (that is {state.fit}): look at the clusters again.")
        return change(state, known_fit(state.fit, store))

    for _ in range(TRIES):
        try:
            return change_state(collection, store, checked)
        except FitGoneError:
            continue
        except StateTooLongError as error:
            raise LabelError(str(error)) from error
    raise StoreBusy(f"The store does not hold the fit of {collection!r}. If this goes on, start a new fit.", 1)
