"""From an enriched document to what goes into the index: mappings, projections, checks."""

import hashlib
from collections.abc import Mapping, Sequence

import pytest

from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from infra.search.trial.documents import Document, Issue
from infra.search.trial.fields import NOT_PARSED, NOT_VALID, check
from infra.search.trial.functions import url_token
from infra.search.trial.outputs import index_documents
from infra.search.trial.planning import left_out
from infra.search.trial.tree import Tree, Where, contexts, put
from shared.contract import Json

URL = "https://account.blob.core.windows.net/images/a%20b.jpg"
KEY = url_token(URL)
METADATA: dict[str, Json] = {
    "metadata_storage_name": "a b.jpg",
    "metadata_storage_path": URL,
    "metadata_storage_size": 5,
    "metadata_storage_last_modified": "2026-11-22T10:57:00Z",
    "content": "text",
}

type Mappings = Sequence[Mapping[str, Json]]


def _field(name: str, kind: str = "Edm.String", **more: Json) -> dict[str, Json]:
    return {"name": name, "type": kind, **more}


def _definitions(
    *fields: dict[str, Json],
    field_mappings: Mappings = (),
    output_mappings: Mappings = (),
    projections: Json = None,
    skills: Mappings = (),
) -> Definitions:
    return Definitions(
        data_source={"container": {"name": "images"}},
        index={"name": "photos", "fields": [_field("id", key=True), *fields]},
        skillset={"skills": list(skills), "indexProjections": projections},
        indexer={"fieldMappings": list(field_mappings), "outputFieldMappings": list(output_mappings)},
    )


def _document(**more: Json) -> Document:
    return Document(URL, Tree(METADATA | {"normalized_images": []} | more))


def _mapping(source: str, target: str = "", function: str = "", **parameters: Json) -> dict[str, Json]:
    mapping: dict[str, Json] = {"sourceFieldName": source}
    if target:
        mapping["targetFieldName"] = target
    if function:
        mapping["mappingFunction"] = {"name": function, "parameters": parameters}
    return mapping


def _indexed(document: Document, definitions: Definitions) -> list[dict[str, Json]]:
    return index_documents(document, definitions, left_out(definitions.skillset))


def _one(document: Document, definitions: Definitions) -> dict[str, Json]:
    (indexed,) = _indexed(document, definitions)
    return indexed


def test_what_nothing_maps_goes_to_the_field_of_its_name_and_the_encoded_url_to_the_key() -> None:
    document = _document(other="not of the blob")
    definitions = _definitions(_field("Metadata_Storage_Name"), _field("content"), _field("other"))
    assert _one(document, definitions) == {"id": KEY, "Metadata_Storage_Name": "a b.jpg", "content": "text"}
    assert document.issues == []


def test_a_mapping_takes_its_source_and_its_target_from_the_implicit_ones() -> None:
    definitions = _definitions(
        _field("metadata_storage_path"),
        _field("content"),
        _field("size", "Edm.Int64"),
        field_mappings=[
            _mapping("METADATA_storage_PATH", "ID", "base64Encode", useHttpServerUtilityUrlTokenEncode=False),
            _mapping("metadata_storage_name", "Content"),
            _mapping("metadata_storage_size", "size"),
        ],
    )
    assert _one(_document(), definitions) == {"id": KEY[:-1], "content": "a b.jpg", "size": 5}


def test_one_source_may_go_to_many_fields_and_a_blob_without_it_leaves_them_empty() -> None:
    definitions = _definitions(
        _field("metadata_author"),
        _field("url"),
        field_mappings=[
            _mapping("metadata_author"),
            _mapping("metadata_storage_path", "url"),
            _mapping("metadata_storage_path", "id", "base64Encode"),
        ],
    )
    assert _one(_document(), definitions) == {"id": KEY, "url": URL, "metadata_author": None}
    assert _one(_document(metadata_author="me"), definitions)["metadata_author"] == "me"


@pytest.mark.parametrize(
    ("mapping", "details"),
    [
        (_mapping("metadata_author", "id", "base64Encode"), "Array cannot be null. Parameter name: bytes"),
        (
            _mapping("metadata_storage_name", "id", "extractTokenAtPosition", delimiter="-", position=3),
            "There is no token",
        ),
    ],
)
def test_a_function_that_cannot_be_applied_fails_the_document(mapping: dict[str, Json], details: str) -> None:
    document = _document()
    assert _indexed(document, _definitions(field_mappings=[mapping])) == []
    first = document.issues[0]
    assert (first.name, first.message) == ("DocumentExtraction.azureblob.images", NOT_PARSED)
    function = mapping["mappingFunction"]["name"]
    assert first.details.startswith(f"Could not apply mapping function '{function}' to field 'id'. {details}")


def test_a_key_must_be_one() -> None:
    document = _document()
    assert _indexed(document, _definitions(field_mappings=[_mapping("metadata_storage_name", "id")])) == []
    (issue,) = document.issues
    assert (issue.name, issue.message) == ("DocumentExtraction.azureblob.images", NOT_PARSED)
    assert issue.details.startswith("Invalid document key.")


def test_a_function_that_is_not_played_leaves_its_field_empty_with_a_warning() -> None:
    document = _document()
    definitions = _definitions(
        _field("author"),
        _field("shape", "Edm.ComplexType"),
        field_mappings=[_mapping("metadata_storage_name", "author", "fixedLengthEncode")],
        output_mappings=[_mapping("/document/content", "shape", "toJson")],
    )
    assert _one(document, definitions) == {"id": KEY}
    assert [(issue.warning, issue.details) for issue in document.issues] == [
        (True, "The local indexer does not play the mapping function 'fixedLengthEncode'."),
        (True, "The local indexer does not play the mapping function 'toJson'."),
    ]


PAINTINGS = [{"name": "blue", "medium": ["acrylic", "oil"]}, {"name": "", "medium": ["pastel"]}, {"name": "blue"}]


@pytest.mark.parametrize(
    ("source", "kind", "value"),
    [
        ("/document/colors/*/name", "Collection(Edm.String)", ["blue", "", "blue"]),
        ("/document/colors/0/name", "Edm.String", "blue"),
        ("/document/colors/*/medium", "Collection(Edm.String)", ['["acrylic","oil"]', '["pastel"]']),
        ("/document/colors/*/medium/*", "Collection(Edm.String)", ["acrylic", "oil", "pastel"]),
        ("/document/colors/1", "Edm.String", '{"name":"","medium":["pastel"]}'),
        ("/document/normalized_images/*/text", "Collection(Edm.String)", []),
        ("/document/metadata_storage_size", "Edm.String", "5"),
        ("/document/none", "Edm.String", None),
        ("='constant'", "Edm.String", "constant"),
    ],
)
def test_output_mappings_take_values_by_their_paths(source: str, kind: str, value: Json) -> None:
    document = _document(colors=PAINTINGS, none=None)
    definitions = _definitions(_field("Out", kind), output_mappings=[_mapping(source, "out")])
    assert _one(document, definitions) == {"id": KEY, "Out": value}
    assert document.issues == []


def test_the_target_of_an_output_mapping_is_the_sources_last_name_unless_it_is_said() -> None:
    definitions = _definitions(_field("words"), output_mappings=[_mapping("/document/words")])
    assert _one(_document(words="x"), definitions) == {"id": KEY, "words": "x"}


@pytest.mark.parametrize(
    ("source", "details"),
    [
        (
            "/document/normalized_images/0/label",
            "Unable to select '0' in array '/document/normalized_images' of length 0.",
        ),
        ("/document/label", "Missing value '/document/label'."),
        ("/document/content/*", "Cannot iterate over non-array '/document/content'."),
        ("label", "'label' is not a path: it does not begin with /document."),
    ],
)
def test_a_missing_value_is_a_warning_in_the_services_words(source: str, details: str) -> None:
    document = _document()
    definitions = _definitions(_field("label"), output_mappings=[_mapping(source, "label")])
    assert _one(document, definitions) == {"id": KEY}
    assert document.issues == [
        Issue(
            URL,
            "Projection.SearchIndex.OutputFieldMapping.label",
            "Could not map output field 'label' to search index. "
            "Check the 'outputFieldMappings' property of your indexer.",
            details,
            warning=True,
        )
    ]


def test_a_mapping_function_may_fail_on_an_output() -> None:
    document = _document()
    mapping = _mapping("/document/content", "words", "jsonArrayToStringCollection")
    definitions = _definitions(_field("words", "Collection(Edm.String)"), output_mappings=[mapping])
    assert _indexed(document, definitions) == []
    (issue,) = document.issues
    assert issue.message == (
        "Could not map output field 'words' to search index due to deserialization problem while applying mapping "
        "function 'jsonArrayToStringCollection'."
    )
    document = _document(list='["a"]')
    definitions.indexer["outputFieldMappings"][0]["sourceFieldName"] = "/document/list"
    assert _one(document, definitions)["words"] == ["a"]


def test_a_document_that_does_not_fit_the_index_gives_nothing() -> None:
    document = _document(label="castle")
    definitions = _definitions(
        _field("label", "Collection(Edm.String)"), output_mappings=[_mapping("/document/label", "label")]
    )
    assert _indexed(document, definitions) == []
    (issue,) = document.issues
    assert (issue.name, issue.message) == ("Projection.SearchIndex.MergeOrUpload.photos", NOT_VALID)
    assert "invalid value 'of type 'Edm.String''. The expected type was 'Collection(Edm.String)'." in issue.details


def test_a_document_that_failed_before_gives_nothing_and_is_not_looked_at() -> None:
    document = _document()
    document.error("Enrichment.WebApiSkill.x", "broken")
    assert _indexed(document, _definitions(output_mappings=[_mapping("/document/a", "a")])) == []
    assert len(document.issues) == 1


OCR = {
    "@odata.type": "#Microsoft.Skills.Vision.OcrSkill",
    "name": "ocr",
    "context": "/document",
    "inputs": [{"name": "image", "source": "/document/normalized_images/*"}],
    "outputs": [{"name": "text", "targetName": "words"}],
}


def test_nobody_is_warned_of_what_only_a_skill_that_was_left_out_would_give() -> None:
    document = _document(normalized_images=[{}])
    definitions = _definitions(
        _field("words"),
        _field("parent"),
        output_mappings=[_mapping("/document/words", "words")],
        skills=[OCR],
        projections=_projections({"name": "words", "source": "/document/words"}),
    )
    assert _indexed(document, definitions) == [{"id": KEY}, {"id": _child_key(0), "parent": KEY}]
    assert document.issues == []


def _projections(*mappings: dict[str, Json], **parameters: Json) -> dict[str, Json]:
    selector = {
        "targetIndexName": "photos",
        "parentKeyFieldName": "parent",
        "sourceContext": "/document/normalized_images/*",
        "mappings": list(mappings),
    }
    return {"selectors": [selector, selector | {"targetIndexName": "another"}], "parameters": parameters}


def _with_pages() -> Document:
    document = _document(normalized_images=[{"pageNumber": 1}, {"pageNumber": 2}])
    assert isinstance(document.tree, Tree)
    for at, where in enumerate(contexts(document.tree, "/document/normalized_images/*")):
        put(document.tree, where, "label", [f"group {at}"])
        put(document.tree, where, "matches", [{"path": f"{at}-{n}", "score": n, "etag": "x"} for n in range(at + 1)])
    return document


def _child_key(at: int) -> str:
    version = hashlib.sha256(f"{KEY} 2026-11-22T10:57:00Z".encode()).hexdigest()[:12]
    return f"{version}_{KEY}_normalized_images_{at}"


CHILD_FIELDS = (
    _field("parent"),
    _field("page", "Edm.Int32"),
    _field("label", "Collection(Edm.String)"),
    _field("url"),
    _field("bytes"),
    _field("content"),
    _field(
        "matches",
        "Collection(Edm.ComplexType)",
        fields=[_field("path"), _field("score", "Edm.Double")],
    ),
)
PAGE = {"name": "page", "source": "/document/normalized_images/*/pageNumber"}
LABEL = {"name": "label", "source": "/document/normalized_images/*/label"}
MATCHES = {
    "name": "matches",
    "sourceContext": "/document/normalized_images/*/matches/*",
    "inputs": [
        {"name": "path", "source": "/document/normalized_images/*/matches/*/path"},
        {"name": "score", "source": "/document/normalized_images/*/matches/*/score"},
    ],
}


def test_each_node_of_the_context_is_a_document_with_the_values_of_its_own() -> None:
    projections = _projections(
        PAGE, LABEL, MATCHES, {"name": "url", "source": "/document/metadata_storage_path"},
        {"name": "bytes", "source": "/document/metadata_storage_size"},
        projectionMode="skipIndexingParentDocuments",
    )  # fmt: skip
    document = _with_pages()
    indexed = _indexed(document, _definitions(*CHILD_FIELDS, projections=projections))
    assert document.issues == []
    assert indexed == [
        {
            "id": _child_key(at),
            "parent": KEY,
            "page": at + 1,
            "label": [f"group {at}"],
            "matches": [{"path": f"{at}-{n}", "score": n} for n in range(at + 1)],
            "url": URL,
            "bytes": "5",
        }
        for at in range(2)
    ]


@pytest.mark.parametrize("mode", [{}, {"projectionMode": "includeIndexingParentDocuments"}])
def test_parents_are_indexed_as_well_unless_they_are_to_be_skipped(mode: dict[str, Json]) -> None:
    definitions = _definitions(*CHILD_FIELDS, projections=_projections(PAGE, **mode))
    parent, *children = _indexed(_with_pages(), definitions)
    assert parent == {"id": KEY, "content": "text"}
    assert [child["page"] for child in children] == [1, 2]


def test_what_a_projection_misses_is_a_warning_and_what_does_not_fit_an_error() -> None:
    missing = {"name": "url", "source": "/document/normalized_images/*/nowhere"}
    document = _with_pages()
    indexed = _indexed(document, _definitions(*CHILD_FIELDS, projections=_projections(PAGE, missing)))
    assert len(indexed) == 3
    assert [(issue.warning, issue.details) for issue in document.issues] == [
        (True, f"Missing value '/document/normalized_images/{at}/nowhere'.") for at in range(2)
    ]
    assert "'indexProjections' property of your skillset" in document.issues[0].message
    document = _with_pages()
    wrong = {"name": "page", "source": "/document/normalized_images/*/label"}
    assert _indexed(document, _definitions(*CHILD_FIELDS, projections=_projections(wrong))) == []
    assert [issue.warning for issue in document.issues] == [False, False]
    assert _child_key(1) in document.issues[1].details


def test_a_blob_without_pictures_has_no_children() -> None:
    projections = _projections(PAGE, projectionMode="skipIndexingParentDocuments")
    document = _document()
    assert _indexed(document, _definitions(*CHILD_FIELDS, projections=projections)) == []
    assert document.issues == []


def _enriched(pages: int) -> Document:
    """As our three skills and the shapes of the shipped skillset leave it."""
    document = _document(normalized_images=[{"pageNumber": at} for at in range(pages)])
    assert isinstance(document.tree, Tree)
    look_alike = {"path": "b.jpg", "url": URL, "score": 0.9}
    found: dict[str, Json] = {
        "path": "a b.jpg",
        "collection": "default",
        "tags": ["kind=castle"],
        "most_similar": ["b.jpg"],
        "label": ["castle"],
        "cluster": 3,
        "model": "m",
        "vector": [0.0625] * 256,
        "shaped": {"matches": [look_alike]},
    }
    for at in range(pages):
        for name, value in found.items():
            put(document.tree, Where(("normalized_images", "*"), ("normalized_images", at)), name, value)
    return document


@pytest.mark.parametrize("switches", [{}, {"imageAnalysis": "true", "ocr": "true"}])
@pytest.mark.parametrize(("shape", "pages", "count"), [("images", 1, 1), ("documents", 3, 3)])
def test_the_shipped_definitions_fill_every_field_that_our_skills_can_fill(
    shape: str, pages: int, count: int, switches: dict[str, str]
) -> None:
    given = {"shape": shape, **switches}
    if switches:
        given["aiServicesUrl"] = "https://ai.cognitiveservices.azure.com"
    definitions = define(read_parameters(given, None, {}, local=True))
    document = _enriched(pages)
    indexed = _indexed(document, definitions)
    assert document.issues == []
    assert len(indexed) == count
    built_in = {"imageTags", "imageCategories", "imageCaptions", "imageBrands", "imageFaces", "imageText"}
    names = {field["name"] for field in definitions.index["fields"]} - built_in
    for one in indexed:
        assert set(one) == names
        assert None not in one.values()
        assert check(one, definitions.index) == []
    if shape == "images":
        assert indexed[0]["id"] == KEY
        assert indexed[0]["url"] == URL


def test_a_file_without_pictures_warns_once_a_field_and_is_indexed_with_its_metadata() -> None:
    definitions = define(read_parameters({}, None, {}, local=True))
    document = _document()
    (indexed,) = _indexed(document, definitions)
    assert set(indexed) == {"id", "url", "size", "time"}
    assert len(document.issues) == len(definitions.indexer["outputFieldMappings"])
    assert all(issue.warning for issue in document.issues)
