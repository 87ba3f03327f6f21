"""The templates and how they are filled."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.definitions import BUILT_IN, TEMPLATES, TemplateError, Value, define, fill, templates, uses
from infra.search.parameters import declarations, read_parameters
from shared.backbone import DIMENSIONS, MODEL

_VALUES: dict[str, Value] = {"name": "a", "side": 5, "on": True, "off": False, "none": "", "shape": "images"}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{name}}-x-{{side}}", "a-x-5"),
        ("{{side}}", 5),
        ("{{on}}", True),
        (["{{side}}", 1, None], [5, 1, None]),
        ({"$when": "on", "a": "{{side}}"}, {"a": 5}),
        ({"$when": "off", "a": "{{unknown}}"}, None),
        ({"a": {"$when": "off", "b": 1}, "c": 2}, {"c": 2}),
        ({"a": {"$when": "on", "$value": "{{name}}"}}, {"a": "a"}),
        ({"a": {"$when": "none", "$value": "x"}}, {}),
        ([{"$when": "off"}, {"$when": "shape=images", "x": 1}, {"$when": "shape=documents", "x": 2}], [{"x": 1}]),
        ([{"$when": ["off", "on"], "x": 1}, {"$when": ["off", "none"], "x": 2}], [{"x": 1}]),
        ({"a": {"$when": "on", "$value": {"$when": "off", "x": 1}}}, {}),
        ({"a": {"$when": "on", "$value": [{"$when": "off"}]}}, {"a": []}),
        ({"{{name}}": 1}, {"{{name}}": 1}),
    ],
)
def test_a_template_is_filled(template: object, filled: object) -> None:
    assert fill(template, _VALUES) == filled


@given(st.text())
def test_a_value_stays_text_whatever_is_in_it(value: str) -> None:
    assert fill({"a": "{{name}}", "b": "<{{name}}>"}, {"name": value, "side": 1}) == {"a": value, "b": f"<{value}>"}


@pytest.mark.parametrize("template", ["{{nmae}}", {"$when": "nmae", "a": 1}, ["x {{nmae}}"]])
def test_an_unknown_parameter_in_a_template_is_an_error(template: object) -> None:
    with pytest.raises(TemplateError, match="'nmae'"):
        fill(template, _VALUES)


def test_uses_are_found_with_what_is_around_them() -> None:
    template = {"$when": ["a", "b=c"], "$value": [{"$when": "d", "x": "{{e}}{{f}}"}]}

    assert [(use.name, use.under) for use in uses(template)] == [
        ("a", ()),
        ("b", ()),
        ("d", (("a", "b=c"),)),
        ("e", (("a", "b=c"), ("d",))),
        ("f", (("a", "b=c"), ("d",))),
    ]


def test_every_parameter_is_used_and_every_placeholder_is_declared() -> None:
    assert {use.name for use in uses(list(templates().values()))} == declarations().keys() | BUILT_IN.keys()


def test_there_is_no_template_that_nobody_reads() -> None:
    assert {file.stem for file in TEMPLATES.iterdir()} == {*templates(), "parameters"}


def test_declarations_have_what_their_readers_expect() -> None:
    for name, declaration in declarations().items():
        assert declaration["about"].endswith("."), name
        assert declaration["type"] in {"string", "integer", "boolean"}, name
        assert ("least" in declaration) == ("most" in declaration) == (declaration["type"] == "integer"), name
        assert "env" in declaration or not declaration.get("secret"), name


def test_the_objects_carry_the_values_and_the_model() -> None:
    given_values = {"prefix": "photos", "imageSide": "640", "folder": "2026/"}
    defined = define(read_parameters(given_values, None, {"SKILLS_FUNCTION_KEY": "k3y"}, local=True))

    assert [one["name"] for one in defined] == ["photos-blobs", "photos", "photos-skills", "photos-indexer"]
    assert defined.data_source["container"] == {"name": "images", "query": "2026/"}
    assert defined.indexer["parameters"]["configuration"]["normalizedImageMaxWidth"] == 640
    assert defined.skillset["description"].endswith(f"by the model {MODEL}.")
    assert all(skill["httpHeaders"] == {"x-functions-key": "k3y"} for skill in defined.skillset["skills"][:3])
    vector = next(field for field in defined.index["fields"] if field["name"] == "vector")
    assert vector["dimensions"] == DIMENSIONS


def test_without_a_key_no_header_and_without_a_schedule_no_schedule() -> None:
    defined = define(read_parameters({"schedule": "", "authResourceId": "api://x"}, None, {}, local=True))

    assert "schedule" not in defined.indexer
    assert "httpHeaders" not in defined.skillset["skills"][0]
    assert defined.skillset["skills"][0]["authResourceId"] == "api://x"
    assert "{{" not in json.dumps(defined)
    assert "$when" not in json.dumps(defined)
