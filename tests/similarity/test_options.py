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
    ],
)
def test_options_are_read(given: dict[str, Any], expected: Options) -> None:
    assert read_options(given, DEFAULT) == expected


def test_a_record_goes_before_its_call() -> None:
    call = read_options({"collection": "dogs", "top": "9", "includeSelf": "true"}, DEFAULT)
    assert read_options({"top": 2}, call) == Options(collection="dogs", top=2, include_self=True)


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
