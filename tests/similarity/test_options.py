from typing import Any

import pytest

from similarity.options import OptionError, Options, read_options

DEFAULT = Options(top=3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, DEFAULT),
        ({"collection": None, "top": None, "minScore": None, "includeSelf": None}, DEFAULT),
        ({"collection": ""}, DEFAULT),
        (
            {"collection": "dogs", "top": 5, "minScore": 0.5, "includeSelf": True},
            Options(collection="dogs", top=5, min_score=0.5, include_self=True),
        ),
        (
            {"collection": "dogs", "top": "5", "minScore": "0.5", "includeSelf": "True"},
            Options(collection="dogs", top=5, min_score=0.5, include_self=True),
        ),
        ({"top": 10**9}, Options(top=10**9)),
        ({"minScore": -1, "includeSelf": "0"}, Options(top=3, min_score=-1)),
        ({"minScore": 1, "includeSelf": "1"}, Options(top=3, min_score=1, include_self=True)),
        ({"offset": None, "filter": None, "groupBy": None, "rerank": None}, DEFAULT),
        ({"groupBy": "", "rerank": "", "filter": {}}, DEFAULT),
        (
            {"offset": 7, "filter": {"kind": "dog", "": ""}, "groupBy": "tag:a:b", "rerank": "svm"},
            Options(top=3, offset=7, tags={"kind": "dog", "": ""}, group_by="tag:a:b", rerank="svm"),
        ),
        (
            {"offset": "0", "filter": '{"kind": "dog"}', "groupBy": "folder", "rerank": "True"},
            Options(top=3, tags={"kind": "dog"}, group_by="folder", rerank=True),
        ),
        ({"offset": 1000, "rerank": "0"}, Options(top=3, offset=1000)),
    ],
)
def test_options_are_read(given: dict[str, Any], expected: Options) -> None:
    assert read_options(given, DEFAULT) == expected


def test_a_record_goes_before_its_call() -> None:
    call = read_options({"collection": "dogs", "top": "9", "includeSelf": "true"}, DEFAULT)
    assert read_options({"top": 2}, call) == Options(collection="dogs", top=2, include_self=True)
    call = read_options({"filter": '{"a": "b"}', "offset": "4", "groupBy": "folder", "rerank": "svm"}, DEFAULT)
    assert read_options({}, call) == call
    own = {"filter": {}, "offset": 0, "groupBy": "tag:x", "rerank": "false"}
    assert read_options(own, call) == Options(top=3, group_by="tag:x")


@pytest.mark.parametrize("top", [0, -1, "three", "", 1.5, True, [], float("inf"), "1e999", "nan", "-0"])
def test_top_that_is_no_count(top: Any) -> None:
    with pytest.raises(OptionError, match="'top' takes a whole number from 1 to 1000, not"):
        read_options({"top": top}, DEFAULT)


@pytest.mark.parametrize("score", [1.01, -1.01, "high", float("nan"), False, {}])
def test_a_score_that_is_none(score: Any) -> None:
    with pytest.raises(OptionError, match="'minScore' takes a number from -1 to 1"):
        read_options({"minScore": score}, DEFAULT)


@pytest.mark.parametrize(("name", "value"), [("includeSelf", "yes"), ("includeSelf", 2), ("collection", 5)])
def test_other_options_that_cannot_be_used(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        read_options({name: value}, DEFAULT)


@pytest.mark.parametrize("offset", [-1, 1001, "x", 0.5, True, [], float("nan")])
def test_an_offset_that_is_none(offset: Any) -> None:
    with pytest.raises(OptionError, match="'offset' takes a whole number from 0 to 1000, not"):
        read_options({"offset": offset}, DEFAULT)


@pytest.mark.parametrize(
    "value",
    [
        "kind=dog",
        "[]",
        "3",
        "[" * 100_000,
        ["kind"],
        5,
        {"kind": 5},
        {"kind": None},
        {"kind": "\ud800"},
        {"a" * 1025: "b"},
    ],
)
def test_a_filter_that_is_none(value: Any) -> None:
    with pytest.raises(OptionError, match="'filter' takes tags with their values, such as"):
        read_options({"filter": value}, DEFAULT)


def test_a_filter_has_an_end() -> None:
    tags = {str(n): "x" for n in range(20)}
    assert read_options({"filter": tags}, DEFAULT).tags == tags
    with pytest.raises(OptionError, match="up to 20 tags, not 21"):
        read_options({"filter": tags | {"one more": "x"}}, DEFAULT)


@pytest.mark.parametrize("value", ["kind", "tag:", "Folder", 5, ["folder"], {}, "tag:\ud800", True])
def test_a_grouping_that_is_none(value: Any) -> None:
    with pytest.raises(OptionError, match="'groupBy' takes 'folder', or 'tag:' and the name of a tag"):
        read_options({"groupBy": value}, DEFAULT)


@pytest.mark.parametrize("value", [2, 1.5, [], {}, "x" * 1025])
def test_a_ranker_that_is_none(value: Any) -> None:
    with pytest.raises(OptionError, match="'rerank' takes true, false or the name of a ranker"):
        read_options({"rerank": value}, DEFAULT)
