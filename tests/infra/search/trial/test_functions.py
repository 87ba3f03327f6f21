"""Mapping functions, on the values that the service's documentation gives."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.trial.fields import key_problem
from infra.search.trial.functions import FunctionError, NotPlayed, apply_function, url_token
from shared.contract import Json


def _apply(name: str, value: Json, **parameters: Json) -> Json:
    return apply_function({"name": name, "parameters": parameters or None}, value)


@pytest.mark.parametrize(
    ("name", "parameters", "value", "made"),
    [
        ("base64Encode", {}, "00>00?00", "MDA-MDA_MDA1"),
        ("BASE64ENCODE", {}, "00>00?00", "MDA-MDA_MDA1"),
        ("base64Encode", {"useHttpServerUtilityUrlTokenEncode": False}, "00>00?00", "MDA-MDA_MDA"),
        ("base64Encode", {}, "", ""),
        ("base64Decode", {}, "MDA-MDA_MDA1", "00>00?00"),
        ("base64Decode", {"useHttpServerUtilityUrlTokenDecode": False}, "MDA-MDA_MDA", "00>00?00"),
        ("base64Decode", {}, "", ""),
        ("extractTokenAtPosition", {"delimiter": " ", "position": 0}, "Jane Doe", "Jane"),
        ("extractTokenAtPosition", {"delimiter": " ", "position": 1}, "Jane Doe", "Doe"),
        ("jsonArrayToStringCollection", {}, '["red", "white", 3, true]', ["red", "white", "3", "true"]),
        ("urlEncode", {}, "<hello>", "%3chello%3e"),
        ("urlEncode", {}, "a b~é(1)!*-_.", "a+b%7e%c3%a9(1)!*-_."),
        ("urlDecode", {}, "%3chello%3e", "<hello>"),
        ("urlDecode", {}, "a+b", "a b"),
    ],
)
def test_a_function_gives_what_the_service_does(name: str, parameters: dict[str, Any], value: str, made: Json) -> None:
    assert _apply(name, value, **parameters) == made


@pytest.mark.parametrize(
    ("name", "parameters", "value", "reason"),
    [
        ("base64Encode", {}, None, "Array cannot be null. Parameter name: bytes"),
        ("base64Encode", {}, 5, "takes a string, not 5"),
        ("base64Encode", {}, "\ud800", "half a character"),
        ("urlEncode", {}, "\ud800", "half a character"),
        ("base64Decode", {}, "MDA-MDA_MDA", "URL token"),
        ("base64Decode", {}, "M1", "not the base64"),
        ("base64Decode", {}, "_w2", "not the base64 of a text"),
        ("extractTokenAtPosition", {"delimiter": " ", "position": 2}, "Jane Doe", "no token 2"),
        ("extractTokenAtPosition", {"delimiter": " ", "position": -1}, "Jane Doe", "no token -1"),
        ("extractTokenAtPosition", {"delimiter": "", "position": 0}, "Jane Doe", "parameters"),
        ("extractTokenAtPosition", {}, "Jane Doe", "parameters"),
        ("jsonArrayToStringCollection", {}, "red", "not JSON"),
        ("jsonArrayToStringCollection", {}, "[" * 100_000, "not JSON"),
        ("jsonArrayToStringCollection", {}, '{"a": 1}', "not a JSON array"),
        ("jsonArrayToStringCollection", {}, "[[1]]", "not a JSON array"),
    ],
)
def test_a_value_that_does_not_suit_is_refused(name: str, parameters: dict[str, Any], value: Json, reason: str) -> None:
    with pytest.raises(FunctionError, match=reason):
        _apply(name, value, **parameters)


@pytest.mark.parametrize("name", ["fixedLengthEncode", "toJson", "nonsense"])
def test_a_function_that_is_not_played_is_named(name: str) -> None:
    with pytest.raises(NotPlayed, match=name):
        _apply(name, "a")


def test_no_function_leaves_the_value() -> None:
    assert apply_function(None, [1]) == [1]


@given(st.text(min_size=1, max_size=200))
def test_any_text_becomes_a_key_and_comes_back(text: str) -> None:
    key = url_token(text)
    assert key_problem(key) == ""
    assert _apply("base64Decode", key) == text
    assert base64.urlsafe_b64decode(key[:-1] + "=" * int(key[-1])).decode() == text


@given(st.text(max_size=100))
def test_any_text_comes_back_from_a_url(text: str) -> None:
    assert _apply("urlDecode", _apply("urlEncode", text)) == text
