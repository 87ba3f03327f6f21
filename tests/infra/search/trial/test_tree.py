"""The paths of the annotation language, first on the document that its article explains them with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.trial.paths import PathError, escaped, text
from infra.search.trial.tree import (
    ROOT,
    Collision,
    Found,
    Tree,
    Where,
    contexts,
    put,
    values,
)
from shared.contract import Json

WORDS = [["Study", "of", "BMN"], ["it", "is"]]


def _document() -> Tree:
    """Two pages with words; the content has key phrases and entities beneath a text."""
    tree = Tree(
        {
            "content": "Study of BMN 110",
            "nothing": None,
            "empty": [],
            "normalized_images": [
                {"data": "aa", "text": {"words": WORDS[0]}},
                {"data": "bb", "text": {"words": WORDS[1]}},
            ],
        }
    )
    content = Where(("content",), ("content",))
    put(tree, content, "keyphrases", ["Study of BMN", "Syndrome"])
    put(tree, content, "entities", [{"text": "BMN", "offset": 9}])
    return tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/document/content", "Study of BMN 110"),
        ("/document/nothing", None),
        ("/document/content/keyphrases/1", "Syndrome"),
        ("/document/content/entities/0/text", "BMN"),
        ("/document/normalized_images/0/text/words/*", WORDS[0]),
        ("/document/normalized_images/*/text/words/*", WORDS[0] + WORDS[1]),
        ("/document/normalized_images/*/text/words/#", WORDS),
        ("/document/normalized_images/*/text/words", WORDS),
        ("/document/normalized_images/1/text/words/#", WORDS[1]),
        ("/document/empty/*", []),
        ("/document/empty/*/name", []),
        ("=42", 42),
        ("=2.45E-4", 0.000245),
        ('="some string"', "some string"),
        ("='some \"other\" string'", 'some "other" string'),
        ("=false", False),
        ("=[1, 3, 5]", [1, 3, 5]),
    ],
)
def test_a_path_leads_to_what_the_article_says(path: str, value: Json) -> None:
    assert values(_document(), path) == Found(value)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/document/contents", "Missing value '/document/contents'."),
        ("/document/Content", "Missing value '/document/Content'."),
        ("/document/nothing/at/all", "Missing value '/document/nothing/at'."),
        ("/document/content/*", "Cannot iterate over non-array '/document/content'."),
        ("/document/nothing/*/name", "Cannot iterate over non-array '/document/nothing'."),
        ("/document/content/#", "Cannot iterate over non-array '/document/content'."),
        ("/document/content/0", "Unable to select '0' in non-array '/document/content'."),
        ("/document/empty/0", "Unable to select '0' in array '/document/empty' of length 0."),
        (
            "/document/normalized_images/2/data",
            "Unable to select '2' in array '/document/normalized_images' of length 2.",
        ),
        ("/documents/content", "'/documents/content' is not a path: it does not begin with /document."),
        ("content", "'content' is not a path: it does not begin with /document."),
        (
            "=$(/document/content) + 1",
            "The local indexer does not evaluate expressions such as '=$(/document/content) + 1'.",
        ),
    ],
)
def test_what_is_not_there_is_told_with_the_services_reason(path: str, reason: str) -> None:
    found = values(_document(), path)
    assert found == Found(None, (reason,))
    assert found.absent


def test_items_that_lack_a_member_are_told_and_the_others_are_given() -> None:
    tree = {"pages": [{"text": "a"}, {}, {"text": "c"}]}
    assert values(tree, "/document/pages/*/text") == Found(["a", "c"], ("Missing value '/document/pages/1/text'.",))
    assert values({"pages": [{}]}, "/document/pages/*/text").absent


def test_a_context_stands_for_each_item_and_binds_the_stars_it_shares() -> None:
    tree = _document()
    first, second = contexts(tree, "/document/normalized_images/*")
    assert text(second.place) == "/document/normalized_images/1"
    assert values(tree, "/document/normalized_images/*/text/words/*", second) == Found(WORDS[1])
    assert values(tree, "/document/normalized_images/*/text/words", second) == Found(WORDS[1])
    assert values(tree, "/document/content", second) == Found("Study of BMN 110")
    assert values(tree, "/document/normalized_images/0/data", second) == Found("aa")
    word = contexts(tree, "/document/normalized_images/*/text/words/*", first)[2]
    assert values(tree, "/document/normalized_images/*/text/words/*", word) == Found("BMN")
    assert values(tree, "/document/normalized_images/*/data", word) == Found("aa")


def test_stars_of_different_arrays_have_nothing_to_do_with_each_other() -> None:
    tree = {"here": [{"x": [1, 2]}], "there": [{"x": [3]}, {"x": [4]}]}
    at = contexts(tree, "/document/here/*/x/*")[1]
    assert values(tree, "/document/there/*/x/*", at) == Found([3, 4])
    assert values(tree, "/document/here/*/x/*", at) == Found(2)


def test_a_context_over_nothing_stands_for_nothing() -> None:
    assert contexts(_document(), "/document/empty/*") == []
    assert contexts(_document(), "/document/pages/*") == []
    assert contexts(_document(), "/document") == [ROOT]


def test_what_a_skill_adds_is_found_beside_a_node_and_is_no_part_of_it() -> None:
    tree = _document()
    image = contexts(tree, "/document/normalized_images/*")[0]
    before = dict(tree["normalized_images"][0])
    put(tree, image, "tags", ["house"])
    assert values(tree, "/document/normalized_images/*/tags/*") == Found(
        ["house"], ("Missing value '/document/normalized_images/1/tags'.",)
    )
    assert values(tree, "/document/normalized_images/*", image) == Found(before)


@pytest.mark.parametrize("name", ["data", "tags"])
def test_nothing_is_replaced(name: str) -> None:
    tree = _document()
    image = contexts(tree, "/document/normalized_images/*")[1]
    put(tree, image, "tags", ["house"])
    with pytest.raises(Collision, match=f"^/document/normalized_images/1/{name}$"):
        put(tree, image, name, "other")
    assert values(tree, "/document/normalized_images/*/tags", image) == Found(["house"])


NAMES = st.text(st.sampled_from("ab*#~/01 é"), min_size=1, max_size=4).filter(lambda name: name != "*")


@given(st.lists(st.one_of(NAMES, st.integers(0, 3)), min_size=1, max_size=6), st.integers())
def test_each_node_is_found_by_its_own_path(place: list[str | int], leaf: int) -> None:
    value: Json = leaf
    for step in reversed(place):
        value = {step: value} if isinstance(step, str) else [None] * step + [value]
    tree = {"root": value}
    path = text(("root", *place))
    assert values(tree, path) == Found(leaf)
    assert values(tree, path + "/x") == Found(None, (f"Missing value '{path}/x'.",))


@given(st.lists(st.lists(st.integers(), max_size=3), max_size=4))
def test_bound_stars_and_free_stars_give_the_same_items(rows: list[list[int]]) -> None:
    tree = {"rows": [{"cells": row} for row in rows]}
    free = values(tree, "/document/rows/*/cells/*").value
    bound = [values(tree, "/document/rows/*/cells/*", row).value for row in contexts(tree, "/document/rows/*")]
    cells = [
        values(tree, "/document/rows/*/cells/*", cell).value for cell in contexts(tree, "/document/rows/*/cells/*")
    ]
    assert bound == rows
    assert free == cells == [cell for row in rows for cell in row]


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_told_to_be_none(path: str) -> None:
    assert isinstance(values(_document(), path), Found)
    assert isinstance(values(_document(), f"/document/{path}"), Found)


def test_names_are_escaped_as_the_article_does() -> None:
    tree = {"~#~": {"/": {"a~1b": 1}}}
    assert escaped("~#~") == "~0~2~0"
    assert values(tree, "/document/~0~2~0/~1/a~01b") == Found(1)


def test_a_context_that_is_no_path_is_refused() -> None:
    with pytest.raises(PathError, match="does not begin with /document"):
        contexts({}, "/doc")
