"""The words that people give to clusters."""

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.assignment import Current, current
from clustering.edits import MAX_WORDS, LabelError, UnknownClusterError, edited
from clustering.labels import StaleFitError, as_csv, dictionary, edit_labels, replace_labels
from clustering.state import State, read_state
from shared.features import FeatureStore, StoreBusy
from shared.fits import NOISE
from tests.clustering.small_fits import fit_of, member, named, on_one_store, publish
from tests.conftest import Stores

TEN = fit_of("f", [member(f"c/{n}", n) for n in range(10)])
NAMED = State(fit="f", next_id=10, labels={3: ("dog", "pet"), 7: ("cat", "pet")})
MERGED = replace(NAMED, merged={7: 3}, labels={3: ("dog",)})


def edit(given: Any, state: State = NAMED) -> State:
    return edited(given, state, TEN)


def labels_after(given: Any, state: State = NAMED) -> Any:
    return edit(given, state).labels


def now(features: FeatureStore) -> Current:
    found = current("c", features)
    assert found
    return found


def test_words_are_set_added_and_removed() -> None:
    assert labels_after({"set": {"3": ["wolf"], "0": ["fox"]}}) == {0: ("fox",), 3: ("wolf",), 7: ("cat", "pet")}
    assert labels_after({"set": {"3": []}}) == {7: ("cat", "pet")}
    assert labels_after({"add": {"3": ["animal", "dog"], "1": ["bird"]}})[3] == ("dog", "pet", "animal")
    assert labels_after({"remove": {"3": ["dog", "never there"]}})[3] == ("pet",)
    assert labels_after({"remove": {"3": ["dog", "pet"]}}) == {7: ("cat", "pet")}
    assert labels_after({}) == NAMED.labels


def test_a_word_is_renamed_in_all_clusters() -> None:
    assert labels_after({"rename": {"pet": "animal"}}) == {3: ("dog", "animal"), 7: ("cat", "animal")}
    assert labels_after({"rename": {"pet": "dog"}}) == {3: ("dog",), 7: ("cat", "dog")}
    assert labels_after({"rename": {"dog": "cat", "cat": "dog"}}) == {3: ("cat", "pet"), 7: ("dog", "pet")}
    with pytest.raises(LabelError, match="No cluster has the word 'horse'"):
        edit({"rename": {"horse": "pony"}})


def test_of_two_merged_clusters_one_is_left_with_the_words_of_both() -> None:
    state = edit({"merge": {"7": 3}})
    assert state.merged == {7: 3}
    assert state.labels == {3: ("dog", "pet", "cat")}
    assert state.shown(7) == 3
    assert edit({"merge": {"7": "3"}}) == state


def test_merging_follows_what_was_merged_before() -> None:
    assert edit({"merge": {"5": 7}}, MERGED).merged == {7: 3, 5: 3}
    assert edit({"merge": {"3": 5}}, MERGED).merged == {7: 5, 3: 5}
    assert edit({"merge": {"3": 5}}, MERGED).labels == {5: ("dog",)}
    for order in ({"1": 2, "2": 3}, {"2": 3, "1": 2}):
        assert edit({"merge": order}).merged == {1: 3, 2: 3}


@pytest.mark.parametrize("circle", [{"3": 3}, {"3": 7, "7": 3}, {"1": 2, "2": 4, "4": 1}])
def test_a_merge_into_itself_or_in_a_circle_is_refused(circle: dict[str, int]) -> None:
    with pytest.raises(LabelError, match="into itself"):
        edit({"merge": circle})
    with pytest.raises(LabelError, match="into itself, not even by way of others"):
        edit({"merge": {"3": 7}}, MERGED)
    with pytest.raises(LabelError, match=r"A cluster cannot be merged into itself\."):
        edit({"merge": {"3": "3"}})


def test_a_cluster_that_was_merged_away_is_not_there_any_more() -> None:
    for given_ in ({"set": {"7": ["x"]}}, {"merge": {"7": 5}}):
        with pytest.raises(UnknownClusterError, match=r"There is no cluster 7 any more\. It was merged into 3\."):
            edit(given_, MERGED)
    for wrong in ({"set": {"11": ["x"]}}, {"merge": {"3": 11}}, {"merge": {"5": "x"}}):
        with pytest.raises(UnknownClusterError, match=r"there are 0, 1, 2, 3, 4, 5, 6, 8, 9\."):
            edit(wrong, MERGED)


def test_an_unmerged_cluster_stands_for_itself_and_the_words_stay() -> None:
    state = edit({"unmerge": [7]}, MERGED)
    assert (state.merged, state.labels) == ({}, {3: ("dog",)})
    assert edit({"unmerge": ["7"], "set": {"7": ["cat"]}, "merge": {"7": 5}}, MERGED).labels[5] == ("cat",)
    chain = edit({"merge": {"7": 3, "3": 5}})
    assert edit({"unmerge": [3]}, chain).merged == {7: 5}
    for given_ in ([3], [7, 3], ["x"], [None], [True], [7.0]):
        with pytest.raises(UnknownClusterError, match="is not merged into another one"):
            edit({"unmerge": given_}, MERGED)


def test_a_cluster_whose_images_are_all_merged_ones_can_be_named() -> None:
    # A refit found no cluster 12 any more, but 7 was merged into it: people see 12.
    assert labels_after({"set": {"12": ["x"]}}, replace(NAMED, merged={7: 12}))[12] == ("x",)


def test_operations_are_done_in_one_order_however_they_come() -> None:
    everything = {
        "merge": {"1": 0},
        "rename": {"b": "z"},
        "remove": {"1": ["a"]},
        "add": {"1": ["b"]},
        "set": {"1": ["a", "c"]},
    }
    assert labels_after(everything)[0] == ("c", "z")


def test_words_keep_their_script_and_html_stays_text() -> None:
    words = [
        "книга",
        "本を閉じた",
        "كتاب",
        "कि\u200dताब",
        "<b>bold</b>",
        "<script>alert(1)</script>",
        "👩\u200d👩\u200d👧",
        "a; b",
    ]
    assert labels_after({"set": {"3": words}})[3] == tuple(words)


def test_space_around_words_and_repeated_words_are_dropped() -> None:
    assert labels_after({"set": {"3": [" book cover\n", "b", "book cover", "a", "b "]}})[3] == ("book cover", "b", "a")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("dog", "a list of words, not 'dog'"),
        (None, "a list of words, not None"),
        ({"dog": 1}, "a list of words"),
        ([3], "a text, not 3"),
        ([None], "a text, not None"),
        ([["dog"]], "a text"),
        ([""], "cannot be empty"),
        (["dog", "  \t"], "cannot be empty"),
        (["x" * 201], "at most 200 characters; 'x+'… has 201"),
        (["a\0b"], "a control character"),
        (["two\nlines"], "a control character"),
        (["two\u2028lines"], "a control character or a line break"),
        (["half \ud83d"], "a control character"),
        ([f"word {n}" for n in range(10_000)], "at most 100 words; cluster 3 would have 10000"),
    ],
)
@pytest.mark.parametrize("operation", ["set", "add", "remove"])
def test_words_that_cannot_be_used_say_why(operation: str, words: Any, why: str) -> None:
    with pytest.raises(LabelError, match=why) as caught:
        edit({operation: {"3": words}})
    assert len(str(caught.value)) < 200
    str(caught.value).encode()


def test_a_hundred_words_of_two_hundred_characters_are_the_most() -> None:
    most = [f"{n:0200}" for n in range(100)]
    state = edit({"set": {"3": most}})
    assert state.labels[3] == tuple(most)
    assert edit({"add": {"3": most[:5]}}, state) == state
    for more in ({"add": {"3": ["one more"]}}, {"merge": {"7": 3}}):
        with pytest.raises(LabelError, match="cluster 3 would have 10"):
            edit(more, state)


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        (None, "An edit is an object"),
        ([], "An edit is an object"),
        ("set", "An edit is an object"),
        ({"split": {"7": 3}}, "'split' is no edit; there are set, add, remove, rename, merge, unmerge"),
        ({"unmerge": {"7": 3}}, "'unmerge' takes a list"),
        ({"set": {"3": ["x"]}, "Set": {}}, "'Set' is no edit"),
        ({"set": ["dog"]}, "'set' takes an object"),
        ({"merge": 3}, "'merge' takes an object"),
        ({"rename": {"pet": ""}}, "cannot be empty"),
        ({"rename": {"pet": ["animal"]}}, "a text"),
    ],
)
def test_edits_of_another_shape_are_refused(given_: Any, why: str) -> None:
    with pytest.raises(LabelError, match=why):
        edit(given_)


@pytest.mark.parametrize("key", ["10", "-1", "03", " 3", "3.0", "dog", "", "٣", "9" * 10_000])
def test_a_cluster_that_is_not_there_names_those_that_are(key: str) -> None:
    for given_ in ({"set": {key: ["x"]}}, {"merge": {key: 3}}, {"merge": {"3": key}}):
        with pytest.raises(UnknownClusterError, match=r"there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\.") as caught:
            edit(given_)
        assert len(str(caught.value)) < 200
    for target in (True, None, [3], {"3": 3}, 3.5):
        with pytest.raises(UnknownClusterError):
            edit({"merge": {"7": target}})
    many = fit_of("f", [member(f"c/{n}", n) for n in range(1000)])
    with pytest.raises(UnknownClusterError, match="8, 9 and 990 more"):
        edited({"set": {"-1": ["x"]}}, NAMED, many)


keys = st.sampled_from([str(n) for n in range(11)])
some_words = st.lists(st.text(max_size=3), max_size=3)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "set": st.dictionaries(keys, some_words, max_size=3),
                "add": st.dictionaries(keys, some_words, max_size=3),
                "remove": st.dictionaries(keys, some_words, max_size=3),
                "rename": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1),
                "merge": st.dictionaries(keys, st.integers(0, 10), max_size=4),
            },
        ),
        max_size=5,
    )
)
def test_whatever_is_edited_the_state_stays_sound(edits: list[Any]) -> None:
    state = NAMED
    for given_ in edits:
        try:
            state = edit(given_, state)
        except (LabelError, UnknownClusterError):
            continue
        assert not set(state.merged) & set(state.merged.values())
        assert not set(state.merged) & set(state.labels)
        for words in state.labels.values():
            assert 0 < len(words) <= MAX_WORDS
            assert len(set(words)) == len(words)
            assert all(word == word.strip() != "" for word in words)


def test_an_edit_is_kept_and_one_that_fails_changes_nothing(stores: Stores) -> None:
    named(stores.features, 4)
    before = edit_labels("c", {"set": {"0": ["книга"]}}, stores.features, fit="f")
    assert read_state("c", stores.features) == before
    assert before.labels == {0: ("книга",)}
    with pytest.raises(UnknownClusterError):
        edit_labels("c", {"set": {"0": ["x"], "9": ["y"]}}, stores.features, fit=None)
    with pytest.raises(LabelError):
        edit_labels("c", {"set": {"0": ["x"]}, "merge": {"1": 1}}, stores.features, fit="f")
    assert read_state("c", stores.features) == before


@on_one_store
def test_before_any_fit_there_is_nothing_to_name(stores: Stores) -> None:
    with pytest.raises(UnknownClusterError, match="start a fit first"):
        edit_labels("c", {"set": {"0": ["x"]}}, stores.features, fit=None)
    with pytest.raises(UnknownClusterError, match="start a fit first"):
        replace_labels("c", {}, stores.features, fit="f")


def test_labels_for_a_fit_that_was_replaced_are_refused(stores: Stores) -> None:
    named(stores.features, 4, "old")
    named(stores.features, 4, "new")
    with pytest.raises(StaleFitError, match="The fit old is not in force"):
        edit_labels("c", {"set": {"0": ["x"]}}, stores.features, fit="old")
    with pytest.raises(StaleFitError):
        replace_labels("c", {"0": ["x"]}, stores.features, fit="old")
    assert read_state("c", stores.features).labels == {}


def test_a_fit_that_takes_over_in_the_last_moment_is_noticed(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    named(stores.features, 4, "old")
    swap = stores.features.swap

    def late(name: str, before: str | None, after: str) -> bool:
        monkeypatch.undo()
        named(stores.features, 2, "new")
        return swap(name, before, after)

    monkeypatch.setattr(stores.features, "swap", late)
    with pytest.raises(StaleFitError):
        edit_labels("c", {"set": {"3": ["x"]}}, stores.features, fit="old")
    monkeypatch.setattr(stores.features, "swap", late)
    with pytest.raises(UnknownClusterError, match="there are 0, 1"):
        edit_labels("c", {"set": {"3": ["x"]}}, stores.features, fit=None)
    assert read_state("c", stores.features).labels == {}


def test_two_who_name_clusters_at_the_same_time_lose_nothing(stores: Stores) -> None:
    named(stores.features, 2)
    words = [f"word {n}" for n in range(15)]

    def name(cluster: str) -> None:
        for word in words:
            edit_labels("c", {"add": {cluster: [word]}}, stores.features, fit="f")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(name, ["0", "1"]))
    assert read_state("c", stores.features).labels == {0: tuple(words), 1: tuple(words)}


def test_more_labels_than_a_store_keeps_are_refused(stores: Stores) -> None:
    named(stores.features, 100)
    # 1.2 MB of text, and then more.
    half = {str(n): [f"{word:0200}" for word in range(100)] for n in range(60)}
    edit_labels("c", {"set": half}, stores.features, fit=None)
    with pytest.raises(LabelError, match="more labels than a collection can keep"):
        edit_labels("c", {"set": {str(n): half["0"] for n in range(60, 80)}}, stores.features, fit=None)
    assert len(read_state("c", stores.features).labels) == 60


@on_one_store
def test_a_fit_that_the_store_lost_is_told(stores: Stores) -> None:
    publish(stores, [], fit_of("f", []))
    stores.features.remember("fit f", None)
    with pytest.raises(StoreBusy, match="start a new fit"):
        edit_labels("c", {"set": {"0": ["x"]}}, stores.features, fit=None)


def test_the_dictionary_has_every_cluster_and_comes_back_as_it_was(stores: Stores) -> None:
    named(stores.features, 4)
    edit_labels(
        "c", {"set": {"0": ["book cover", "closed book"], "3": ["<i>"]}, "merge": {"2": 3}}, stores.features, fit=None
    )
    exported = dictionary(now(stores.features))
    assert exported == {"0": ["book cover", "closed book"], "1": [], "3": ["<i>"]}
    before = read_state("c", stores.features)
    edit_labels("c", {"set": {"0": [], "1": ["x"], "3": ["y"]}}, stores.features, fit=None)
    assert replace_labels("c", exported, stores.features, fit="f") == before
    assert replace_labels("c", {"1": "one word"}, stores.features, fit="f").labels == {1: ("one word",)}
    assert replace_labels("c", {}, stores.features, fit=None).labels == {}


@on_one_store
def test_a_dictionary_of_another_shape_replaces_nothing(stores: Stores) -> None:
    named(stores.features, 1)
    before = edit_labels("c", {"set": {"0": ["dog"]}}, stores.features, fit=None)
    wrong: list[Any] = [None, ["dog"], "dog", {"0": [1]}, {"0": 1}, {"0": ""}, {"0": ["x", ""]}]
    for given_ in wrong:
        with pytest.raises(LabelError):
            replace_labels("c", given_, stores.features, fit=None)
    with pytest.raises(UnknownClusterError):
        replace_labels("c", {"0": ["x"], "1": ["x"]}, stores.features, fit=None)
    assert read_state("c", stores.features) == before


def test_csv_reads_back_whatever_the_words_are() -> None:
    rows = [
        ("c/a.jpg", 0, ("dog", "pet")),
        ('c/a, "b".jpg', 12, ('say "x"', "<b>, c", "книга")),
        ("c/two\nlines", NOISE, ()),
    ]
    text = "".join(as_csv(rows))
    assert text.startswith("path,cluster,labels\r\nc/a.jpg,0,dog; pet\r\n")
    assert list(csv.reader(text.splitlines(keepends=True))) == [
        ["path", "cluster", "labels"],
        *([path, str(cluster), "; ".join(words)] for path, cluster, words in rows),
    ]
    assert "".join(as_csv([])) == "path,cluster,labels\r\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formula(start: str) -> None:
    evil = f'{start}HYPERLINK("http://x")'
    text = "".join(as_csv([(f"{evil}/a.jpg", NOISE, (evil, "b"))]))
    _, row = csv.reader(text.splitlines(keepends=True))
    assert row == [f"'{evil}/a.jpg", "-1", f"'{evil}; b"]


def test_more_merges_than_are_quickly_done_are_refused(stores: Stores) -> None:
    named(stores.features, 1100)
    with pytest.raises(LabelError, match="1000 clusters at most"):
        edit_labels("c", {"merge": {str(n): n + 1 for n in range(1001)}}, stores.features, fit=None)
    state = edit_labels("c", {"merge": {str(n): n + 1 for n in range(1000)}}, stores.features, fit=None)
    assert set(state.merged.values()) == {1000}
