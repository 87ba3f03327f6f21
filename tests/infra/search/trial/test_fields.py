"""Whether a document fits into the index, and what values are made of first."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.trial.fields import NOT_MERGED, NOT_PARSED, NOT_VALID, check
from infra.search.trial.fitting import fitted
from shared.contract import Json

POINT = {"type": "Point", "coordinates": [-122.13, 47.64]}
MATCHES: dict[str, Json] = {
    "name": "field",
    "type": "Collection(Edm.ComplexType)",
    "fields": [
        {"name": "path", "type": "Edm.String", "filterable": True},
        {"name": "score", "type": "Edm.Double"},
        {"name": "place", "type": "Edm.ComplexType", "fields": [{"name": "page", "type": "Edm.Int32"}]},
    ],
}


def _problems(value: Json, field: dict[str, Json]) -> list[tuple[str, str]]:
    index = {"name": "x", "fields": [{"name": "id", "type": "Edm.String", "key": True}, field]}
    return check({"id": "888", "field": value}, index)


def _field(kind: str, **more: Json) -> dict[str, Json]:
    return {"name": "field", "type": kind, **more}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Edm.String", ""),
        ("Edm.Boolean", False),
        ("Edm.Int32", 2**31 - 1),
        ("Edm.Int32", -(2**31)),
        ("Edm.Int64", 2**63 - 1),
        ("Edm.Double", 1),
        ("Edm.Double", 1e300),
        ("Edm.DateTimeOffset", "2026-11-22T10:57:00Z"),
        ("Edm.DateTimeOffset", "2026-11-22T10:57:00.1234567+01:00"),
        ("Edm.GeographyPoint", POINT),
        ("Collection(Edm.String)", []),
        ("Collection(Edm.String)", ["a", ""]),
        ("Collection(Edm.Single)", [1, 0.5, -3e38]),
        ("Collection(Edm.SByte)", [-128, 127]),
        ("Collection(Edm.GeographyPoint)", [POINT]),
    ],
)
def test_values_of_the_type_and_null_fit(kind: str, value: Json) -> None:
    assert _problems(value, _field(kind)) == []
    assert _problems(None, _field(kind)) == []


@pytest.mark.parametrize(
    ("kind", "value", "its_type"),
    [
        ("Edm.String", ["a"], "Collection(Edm.String)"),
        ("Edm.String", {"a": 1}, "Edm.ComplexType"),
        ("Edm.Boolean", 1, "Edm.Int64"),
        ("Edm.Int32", True, "Edm.Boolean"),
        ("Edm.Int32", "5", "Edm.String"),
        ("Edm.Int64", 5.0, "Edm.Double"),
        ("Edm.Double", "5", "Edm.String"),
        ("Edm.Double", math.nan, "NaN"),
        ("Edm.DateTimeOffset", "yesterday", "Edm.String"),
        ("Edm.DateTimeOffset", "2026-11-22T10:57:00", "Edm.String"),
        ("Edm.DateTimeOffset", "2026-13-22T10:57:00Z", "Edm.String"),
        ("Edm.GeographyPoint", {"type": "Point", "coordinates": [0, 91]}, "Edm.ComplexType"),
        ("Collection(Edm.String)", "a", "Edm.String"),
        ("Collection(Edm.String)", [1], "Collection(Edm.Int64)"),
        ("Collection(Edm.Single)", [1, 0.5, "a"], "Collection(Edm.Untyped)"),
        ("Collection(Edm.Int32)", [1, 0.5], "Collection(Edm.Double)"),
        ("Collection(Edm.ComplexType)", {"a": 1}, "Edm.ComplexType"),
    ],
)
def test_a_value_of_another_type_is_told_as_the_service_tells_it(kind: str, value: Json, its_type: str) -> None:
    details = (
        f"The data field 'field' in the document with key '888' has an invalid value 'of type '{its_type}''. "
        f"The expected type was '{kind}'."
    )
    assert _problems(value, _field(kind, fields=[])) == [(NOT_VALID, details)]


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("Edm.Int32", 2**31, "2147483648, which is out of the range of 'Edm.Int32'"),
        ("Edm.Int64", -(2**63) - 1, "out of the range of 'Edm.Int64'"),
        ("Collection(Edm.Single)", [3.5e38], "out of the range of 'Edm.Single'"),
        ("Collection(Edm.String)", ["a", None], "'field' in the document with key '888' has a null among its values"),
        ("Edm.GeographyPoint", "POINT(1 2)", "WKT POINT string literals are not supported."),
        ("Edm.Unknown", 1, "Unknown type 'Edm.Unknown' cannot be indexed"),
    ],
)
def test_other_misfits_are_told(kind: str, value: Json, told: str) -> None:
    ((message, details),) = _problems(value, _field(kind))
    assert message == NOT_VALID
    assert told in details


def test_a_vector_of_another_length_is_told_by_the_services_sentence() -> None:
    field = _field("Collection(Edm.Single)", dimensions=3)
    assert _problems([0.0, 1.0, 2.0], field) == []
    ((message, details),) = _problems([0.0, 1.0], field)
    assert message == NOT_VALID
    assert details == (
        "There's a mismatch in vector dimensions. The vector field 'field', with dimension of '3', expects a length of "
        "'3'. However, the provided vector has a length of '2'. Please ensure that the vector length matches the "
        "expected length of the vector field. Read the following documentation for more details: "
        "https://go.microsoft.com/fwlink/?linkid=2113719."
    )


def test_members_of_a_complex_value_are_checked_by_their_paths() -> None:
    assert _problems([{"path": "a", "score": 1, "place": {"page": None}}, {}], MATCHES) == []
    ((_, details),) = _problems([{"path": "a", "place": {"page": "one"}}], MATCHES)
    assert "'field/place/page'" in details
    assert "'Edm.Int32'" in details
    ((_, details),) = _problems([{"path": "a", "distance": 1}], MATCHES)
    assert "The property 'distance' does not exist on type 'field'." in details


def test_a_field_that_the_index_does_not_have_is_told() -> None:
    index = {"name": "x", "fields": [{"name": "id", "type": "Edm.String", "key": True}]}
    ((message, details),) = check({"id": "1", "nosuch": None}, index)
    assert message == NOT_VALID
    assert details.startswith("The property 'nosuch' does not exist on type 'search.documentFields'.")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "Document key cannot be missing or empty"),
        ("", "Document key cannot be missing or empty"),
        (5, "Invalid document key."),
        ("a/b", "Invalid document key. Keys can only contain letters, digits,"),
        ("größe", "Invalid document key."),
        ("a\n", "Invalid document key."),
        ("a" * 1025, "Document key cannot be longer than 1024 characters"),
    ],
)
def test_a_key_has_its_own_rules(key: Json, told: str) -> None:
    index = {"name": "x", "fields": [{"name": "id", "type": "Edm.String", "key": True}]}
    ((message, details),) = check({"id": key}, index)
    assert message == NOT_PARSED
    assert details.startswith(told)
    assert check({"id": "aZ09_-=" + "a" * 1017}, index) == []


def test_a_long_string_is_refused_only_where_it_is_one_term() -> None:
    longest = "é" * 16383  # 32,766 bytes
    for use in ("filterable", "sortable", "facetable"):
        assert _problems(longest, _field("Edm.String", **{use: True})) == []
        ((message, details),) = _problems(longest + "a", _field("Edm.String", **{use: True}))
        assert message == NOT_MERGED
        assert details.startswith("Field 'field' contains a term that is too large to process.")
    assert _problems(longest + "a", _field("Edm.String", searchable=True)) == []
    ((_, details),) = _problems([{"path": longest + "a"}], MATCHES)
    assert details.startswith("Field 'field/path' ")


def test_a_document_has_3000_objects_in_its_collections_at_most() -> None:
    assert _problems([{}] * 3000, MATCHES) == []
    ((message, details),) = _problems([{}] * 3001, MATCHES)
    assert message == NOT_MERGED
    assert details.startswith("The document with key '888' has '3001' objects in collections (JSON arrays).")


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("Edm.String", 5, "5"),
        ("Edm.String", 0.25, "0.25"),
        ("Edm.String", True, "true"),
        ("Edm.String", {"é": [1, "a"]}, '{"é":[1,"a"]}'),
        ("Edm.String", None, None),
        ("Edm.String", ["a"], ["a"]),
        ("Collection(Edm.String)", ["a", 1, {"b": 2}, None], ["a", "1", '{"b":2}', None]),
        ("Collection(Edm.String)", [["acrylic", "oil"], []], ['["acrylic","oil"]', "[]"]),
        ("Collection(Edm.String)", "a", "a"),
        ("Edm.Int32", "5", "5"),
    ],
)
def test_only_towards_strings_is_anything_changed(kind: str, value: Json, made: Json) -> None:
    assert fitted(value, _field(kind)) == made


def test_members_of_complex_values_are_made_fit_too() -> None:
    value = [{"path": 5, "place": {"page": 1}, "more": {}}, None]
    assert fitted(value, MATCHES) == [{"path": "5", "place": {"page": 1}, "more": {}}, None]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "score", "place"]), inner),
    max_leaves=8,
)


@given(_JSON, st.sampled_from(["Edm.String", "Collection(Edm.String)", "Edm.Int32", "Collection(Edm.ComplexType)"]))
def test_any_value_fits_or_is_told_and_what_was_made_fit_stays_so(value: Json, kind: str) -> None:
    field = MATCHES | {"type": kind}
    made = fitted(value, field)
    assert json.dumps(fitted(made, field)) == json.dumps(made)
    for message, details in _problems(made, field):
        assert message == NOT_VALID
        assert details
