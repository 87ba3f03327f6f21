"""Inputs with a source, and objects made of such inputs; the first test is the Shaper article's third scenario."""

from infra.search.trial.inputs import Shape, input_value, shape
from infra.search.trial.tree import ROOT, Found, contexts
from shared.contract import Json

BOOK: Json = {
    "title": "How to be happy",
    "pages": [
        {
            "chapters": [
                {"title": "Start young", "number": 1, "notes": ["a", "b"]},
                {"title": "Laugh often", "number": 2},
            ]
        },
        {"chapters": [{"title": "Eat, sleep and exercise", "number": 3, "notes": ["c"]}]},
    ],
}
CHAPTERS = "/document/pages/*/chapters/*"


def _nested(*names: str) -> Json:
    inputs = [{"name": name, "source": f"{CHAPTERS}/{name}"} for name in names]
    return {"name": "chapters", "sourceContext": CHAPTERS, "inputs": inputs}


def test_nested_inputs_give_an_object_for_each_node_of_their_context() -> None:
    inputs = [{"name": "title", "source": "/document/title"}, _nested("title", "number")]
    assert shape(BOOK, inputs, ROOT) == Shape(
        members={
            "title": "How to be happy",
            "chapters": [
                {"title": "Start young", "number": 1},
                {"title": "Laugh often", "number": 2},
                {"title": "Eat, sleep and exercise", "number": 3},
            ],
        },
        missing={},
    )


def test_at_a_node_only_what_is_below_it_is_given() -> None:
    second = contexts(BOOK, "/document/pages/*")[1]
    assert input_value(BOOK, _nested("number"), second) == Found([{"number": 3}])
    chapter = contexts(BOOK, CHAPTERS)[1]
    assert input_value(BOOK, _nested("number"), chapter) == Found({"number": 2})


def test_an_input_that_is_missing_is_no_member_and_is_told() -> None:
    found = input_value(BOOK, _nested("title", "notes"))
    assert found.value == [
        {"title": "Start young", "notes": ["a", "b"]},
        {"title": "Laugh often"},
        {"title": "Eat, sleep and exercise", "notes": ["c"]},
    ]
    assert found.missing == ("Missing value '/document/pages/0/chapters/1/notes'.",)
    missing = "Missing value '/document/author'."
    assert shape(BOOK, [{"name": "author", "source": "/document/author"}], ROOT) == Shape({}, {"author": (missing,)})


def test_null_is_a_value() -> None:
    assert shape({"path": None}, [{"name": "path", "source": "/document/path"}], ROOT) == Shape({"path": None}, {})


def test_a_context_over_an_empty_array_gives_an_empty_list_and_over_a_missing_one_nothing() -> None:
    assert input_value({"pages": []}, _nested("title")) == Found([])
    assert input_value({}, _nested("title")) == Found(None, ("Missing value '/document/pages'.",))


def test_members_that_the_sdk_writes_as_null_or_empty_do_not_matter() -> None:
    assert input_value(BOOK, {"name": "t", "source": "/document/title", "sourceContext": None, "inputs": []}) == Found(
        "How to be happy"
    )
    assert input_value(
        BOOK, {"name": "t", "sourceContext": "nowhere", "inputs": [{"name": "x", "source": "='1'"}]}
    ).absent
