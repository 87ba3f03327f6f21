"""Edits of labels: each makes a new state of a state, or raises and so changes nothing."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice

from clustering.fits import Fit
from clustering.state import State
from shared.contract import Json
from shared.fits import NOISE

MAX_WORDS = 100
"""Words of a cluster."""

MAX_LENGTH = 200
"""Characters of a word."""

MAX_MERGES = 1000
"""Of one edit: each looks at those before it."""

ID = re.compile("0|[1-9][0-9]{0,14}")

NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}
"""Categories of Unicode that no word holds: control characters, halves of characters, line and paragraph breaks."""


class LabelError(ValueError):
    """The labels cannot be used as they are given; the message says why."""


class UnknownClusterError(LookupError):
    """There is no such cluster; the message says which there are."""


def visible(state: State, fit: Fit) -> list[int]:
    """The clusters that people see, ascending: those of the fit, merged ones as one."""
    return sorted({state.shown(cluster.id) for cluster in fit.clusters})


def edited(edit: Json, state: State, fit: Fit) -> State:
    """The state after an edit, which is what `labels.edit_labels` says.

    Raises:
        LabelError: What is asked for cannot be used, or would be too much.
        UnknownClusterError: A cluster is not there, or was merged into another one, or is to be unmerged and was not.
    """
    if isinstance(edit, dict) and "unmerge" in edit:
        # First, so that the same edit can name the cluster or merge it into another one.
        edit = dict(edit)
        state = _unmerge(edit.pop("unmerge"), state)
    operations = {"set": set_words, "add": _add, "remove": _remove, "rename": _rename, "merge": _merge}
    names = ", ".join([*operations, "unmerge"])
    if not isinstance(edit, dict):
        raise LabelError(f"An edit is an object with any of {names}, not {edit!r:.50}.")
    unknown = set(edit) - set(operations)
    if unknown:
        raise LabelError(f"{min(unknown)!r:.50} is no edit; there are {names}.")
    for name, operation in operations.items():
        if name in edit:
            state = operation(as_object(edit[name], name), state, fit)
    return state


def set_words(given: Mapping[str, Json], state: State, fit: Fit) -> State:
    """Give clusters these words in the place of those that they have. Raises as `edited`."""
    return _relabelled(given, state, fit, lambda _old, words: words)


def as_object(given: Json, name: str) -> Mapping[str, Json]:
    """What was given, if it is a JSON object. Raises LabelError."""
    if not isinstance(given, dict):
        raise LabelError(f"{name!r} takes an object, not {given!r:.50}.")
    return given


def _add(given: Mapping[str, Json], state: State, fit: Fit) -> State:
    return _relabelled(given, state, fit, lambda old, words: _distinct([*old, *words]))


def _remove(given: Mapping[str, Json], state: State, fit: Fit) -> State:
    return _relabelled(given, state, fit, lambda old, words: tuple(word for word in old if word not in words))


def _relabelled(
    given: Mapping[str, Json],
    state: State,
    fit: Fit,
    combine: Callable[[tuple[str, ...], tuple[str, ...]], tuple[str, ...]],
) -> State:
    labels = dict(state.labels)
    ids = {str(cluster): cluster for cluster in visible(state, fit)}
    for key, words in given.items():
        cluster = _known(key, ids, state.merged)
        labels[cluster] = _not_too_many(combine(labels.get(cluster, ()), _words(words, key)), key)
    return _with_labels(state, labels)


def _rename(given: Mapping[str, Json], state: State, _fit: Fit) -> State:
    names = {_word(old): _word(new) for old, new in given.items()}
    missing = set(names) - {word for words in state.labels.values() for word in words}
    if missing:
        raise LabelError(f"No cluster has the word {min(missing)!r:.50}.")
    labels = {id_: _distinct(names.get(word, word) for word in words) for id_, words in state.labels.items()}
    return _with_labels(state, labels)


def _merge(given: Mapping[str, Json], state: State, fit: Fit) -> State:
    if len(given) > MAX_MERGES:
        raise LabelError(f"An edit merges {MAX_MERGES} clusters at most, not {len(given)}.")
    labels, merged = dict(state.labels), dict(state.merged)
    ids = {str(cluster): cluster for cluster in visible(state, fit)}
    for key, target in given.items():
        cluster = _known(key, ids, merged)
        if key == str(target):
            raise LabelError("A cluster cannot be merged into itself.")
        into = _target(str(target), ids, merged)
        if cluster == into:
            raise LabelError(f"Cluster {cluster} cannot be merged into itself, not even by way of others.")
        merged[cluster] = into
        labels[into] = _not_too_many(_distinct([*labels.get(into, ()), *labels.pop(cluster, ())]), str(into))
        del ids[key]
    return replace(_with_labels(state, labels), merged={one: _end(one, merged) for one in merged})


def _target(key: str, ids: Mapping[str, int], merged: Mapping[int, int]) -> int:
    """The cluster that others are merged into for a key, which may be merged away itself."""
    end = _end(int(key), merged) if ID.fullmatch(key) else NOISE
    return end if str(end) in ids else _known(key, ids, merged)


def _end(cluster: int, merged: Mapping[int, int]) -> int:
    while cluster in merged:
        cluster = merged[cluster]
    return cluster


def _unmerge(given: Json, state: State) -> State:
    if not isinstance(given, list):
        raise LabelError(f"'unmerge' takes a list of clusters, not {given!r:.50}.")
    merged = dict(state.merged)
    for one in dict.fromkeys(map(str, given)):
        if not ID.fullmatch(one) or merged.pop(int(one), None) is None:
            raise UnknownClusterError(f"Cluster {one!r:.50} is not merged into another one.")
    return replace(state, merged=merged)


def _known(key: str, ids: Mapping[str, int], merged: Mapping[int, int]) -> int:
    """The cluster of a key, out of those that people see."""
    if key not in ids:
        into = {str(one): other for one, other in merged.items()}.get(key)
        if into is not None:
            raise UnknownClusterError(f"There is no cluster {key} any more. It was merged into {_end(into, merged)}.")
        few = ", ".join(islice(ids, 10)) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise UnknownClusterError(f"There is no cluster {key!r:.50}; there are {few or 'none'}.")
    return ids[key]


def _with_labels(state: State, labels: Mapping[int, tuple[str, ...]]) -> State:
    return replace(state, labels={cluster: words for cluster, words in sorted(labels.items()) if words})


def _words(given: Json, cluster: str) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise LabelError(f"The labels of cluster {cluster} are a list of words, not {given!r:.50}.")
    return _not_too_many(_distinct(_word(word) for word in given), cluster)


def _not_too_many(words: tuple[str, ...], cluster: str) -> tuple[str, ...]:
    if len(words) > MAX_WORDS:
        raise LabelError(f"A cluster takes at most {MAX_WORDS} words; cluster {cluster} would have {len(words)}.")
    return words


def _word(given: Json) -> str:
    if not isinstance(given, str):
        raise LabelError(f"A label is a text, not {given!r:.50}.")
    word = given.strip()
    if not word:
        raise LabelError("A label cannot be empty.")
    if len(word) > MAX_LENGTH:
        raise LabelError(f"A label has at most {MAX_LENGTH} characters; {word[:30]!r}… has {len(word)}.")
    if any(unicodedata.category(character) in NO_TEXT for character in word):
        raise LabelError(f"The label {word!r:.50} has a control character or a line break.")
    return word


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
