"""What a deployment would change: what counts, what does not, and what is never shown."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.search.definitions import define
from infra.search.deployment.differences import HIDDEN, differences, unshown
from infra.search.parameters import read_parameters

SKILL: dict[str, Any] = {
    "@odata.type": "#Microsoft.Skills.Custom.WebApiSkill",
    "name": "similarity",
    "uri": "https://app/api/similarity",
    "httpHeaders": {"x-functions-key": "secret"},
    "timeout": "PT230S",
    "batchSize": 8,
    "inputs": [{"name": "image", "source": "/document/normalized_images/*"}],
}
SKILLSET: dict[str, Any] = {"name": "s", "description": "d", "skills": [SKILL]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc@.", min_size=1, max_size=3), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["name", "fields", "a", "b", "key"]), json_values, max_size=5)


def skillset(**members: Any) -> dict[str, Any]:
    changed = deepcopy(SKILLSET)
    changed["skills"][0] |= members
    return changed


@pytest.mark.parametrize(
    "existing",
    [
        SKILLSET | {"@odata.etag": '"1"', "@odata.context": "https://…"},
        SKILLSET | {"knowledgeStore": None, "encryptionKey": None},
        skillset(authIdentity=None, details=[], flag=False),
        skillset(timeout="PT3M50S"),
    ],
)
def test_what_the_service_adds_by_itself_is_no_difference(existing: dict[str, Any]) -> None:
    assert differences(existing, SKILLSET) == []


@pytest.mark.parametrize(
    ("kind", "added"),
    [
        ("index", {"similarity": {"@odata.type": "#Microsoft.Azure.Search.BM25Similarity", "k1": None, "b": None}}),
        ("field", {"stored": True, "synonymMaps": [], "searchAnalyzer": None}),
        ("schedule", {"startTime": "0001-01-01T00:00:00Z"}),
        ("store", {"parameters": {"synthesizeGeneratedKeyName": True}}),
    ],
)
def test_the_defaults_of_the_service_are_no_difference(kind: str, added: dict[str, Any]) -> None:
    assert differences({"name": kind, "inside": {"x": 1} | added} | added, {"name": kind, "inside": {"x": 1}}) == []


@pytest.mark.parametrize(
    ("existing", "path", "old", "new"),
    [
        (skillset(batchSize=16), "skills.similarity.batchSize", 16, 8),
        (skillset(timeout="PT231S"), "skills.similarity.timeout", "PT231S", "PT230S"),
        (skillset(extra="more"), "skills.similarity.extra", "more", None),
        (SKILLSET | {"defaultScoringProfile": "x"}, "defaultScoringProfile", "x", None),
        (SKILLSET | {"description": None}, "description", None, "d"),
        (skillset(**{"@odata.type": "#Other"}), "skills.similarity.@odata.type", "#Other", SKILL["@odata.type"]),
        (SKILLSET | {"similarity": {"@odata.type": "#Classic"}}, "similarity", {"@odata.type": "#Classic"}, None),
    ],
)
def test_a_difference_says_where_and_what(existing: dict[str, Any], path: str, old: Any, new: Any) -> None:
    assert differences(existing, SKILLSET) == [(path, old, new)]


def test_true_is_not_one() -> None:
    assert differences({"a": True}, {"a": 1}) == [("a", True, 1)]


def test_items_go_by_their_names_whatever_their_order() -> None:
    one, two, three = ({"name": name, "size": size} for name, size in (("one", 1), ("two", 2), ("three", 3)))
    assert differences({"f": [two, one]}, {"f": [one, two]}) == []
    assert differences({"f": [three, one]}, {"f": [one, two]}) == [("f.two", None, two), ("f.three", three, None)]
    mapped = [{"sourceFieldName": "x", "targetFieldName": name} for name in ("a", "b")]
    assert differences({"m": mapped}, {"m": mapped[::-1]}) == []


def test_lists_of_plain_values_are_compared_as_they_are() -> None:
    assert differences({"features": ["a", "b"]}, {"features": ["b", "a"]}) == [("features", ["a", "b"], ["b", "a"])]


@pytest.mark.parametrize("shown", [None, "<redacted>", "<unchanged>"])
def test_a_secret_that_the_service_does_not_show_is_neither_the_same_nor_different(shown: str | None) -> None:
    existing = skillset(httpHeaders={"x-functions-key": shown})
    assert differences(existing, SKILLSET) == []
    assert unshown(existing, SKILLSET) == ["skills.similarity.httpHeaders.x-functions-key"]


@pytest.mark.parametrize("shown", [None, "<redacted>"])
def test_headers_that_are_hidden_as_a_whole_are_not_shown(shown: str | None) -> None:
    existing = skillset(httpHeaders=shown)
    assert differences(existing, SKILLSET) == []
    assert unshown(existing, SKILLSET) == ["skills.similarity.httpHeaders"]


@pytest.mark.parametrize(("old", "new", "differs"), [("Space", "space", False), ("LineFeed", "space", True)])
def test_known_values_are_the_same_in_capitals(old: str, new: str, differs: bool) -> None:
    assert bool(differences({"lineEnding": old}, {"lineEnding": new})) is differs
    assert differences({"description": "Space"}, {"description": "space"})


def test_a_secret_that_the_service_shows_is_compared_and_not_told() -> None:
    assert unshown(SKILLSET, SKILLSET) == []
    told = differences(skillset(httpHeaders={"x-functions-key": "old"}), SKILLSET)
    assert told == [("skills.similarity.httpHeaders.x-functions-key", HIDDEN, HIDDEN)]
    added = differences(skillset(httpHeaders={}), SKILLSET)
    assert added == [("skills.similarity.httpHeaders.x-functions-key", None, HIDDEN)]


@pytest.mark.parametrize(
    "wanted",
    [
        {"credentials": {"connectionString": "DefaultEndpointsProtocol=https;AccountKey=hush"}},
        {"cognitiveServices": {"@odata.type": "#ByKey", "key": "hush"}},
        {"skills": [{"name": "x", "uri": "https://app/api/x?code=hush"}]},
        {"skills": [skillset(httpHeaders={"x-functions-key": "hush"})]},
    ],
)
def test_no_secret_is_in_a_difference(wanted: dict[str, Any]) -> None:
    for before, after in (({}, wanted), (wanted, {}), ({"skills": [{"name": "x", "uri": "https://b"}]}, wanted)):
        assert "hush" not in repr(differences(before, after))
        assert differences(before, after)


def test_a_field_that_is_called_key_is_no_secret() -> None:
    field = {"name": "key", "type": "Edm.String"}
    found = differences({"fields": [field]}, {"fields": [field | {"type": "Edm.Int32"}]})
    assert found == [("fields.key.type", "Edm.String", "Edm.Int32")]


def test_a_resource_id_is_no_secret() -> None:
    found = differences({"connectionString": "ResourceId=/a;"}, {"connectionString": "ResourceId=/b;"})
    assert found == [("connectionString", "ResourceId=/a;", "ResourceId=/b;")]


@settings(max_examples=50)
@given(objects)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert differences(value, deepcopy(value)) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from leaves(inner, (*path, name))
        case list() if value:
            for number, inner in enumerate(value):
                yield from leaves(inner, (*path, number))
        case _:
            yield path


def test_each_change_of_the_shipped_definitions_is_seen() -> None:
    switches = {"shape": "documents", "imageAnalysis": "true", "ocr": "true", "knowledgeStore": "true"}
    for definition in define(read_parameters(switches, None, {}, local=True)):
        for *above, last in leaves(definition):
            changed = deepcopy(definition)
            inside: Any = changed
            for step in above:
                inside = inside[step]
            inside[last] = "something else"
            assert differences(definition, changed), (definition["name"], *above, last)
