"""What the search service would refuse in definitions, or lose, is told before it is asked."""

import copy
import itertools
import re
from typing import Any

import pytest
from azure.search.documents.indexes import models
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from infra.search.validation import problems

_ENV = {
    "SKILLS_APP_URL": "https://skills.azurewebsites.net",
    "SKILLS_FUNCTION_KEY": "k3y",
    "IMAGES_STORAGE_ACCOUNT_ID": "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/photos",
    "AI_SERVICES_URL": "https://ai.cognitiveservices.azure.com",
}
_SWITCHES = ("imageAnalysis", "ocr", "knowledgeStore")
_REMOVED = object()


def _defined(shape: str = "images", env: dict[str, str] = _ENV, *, local: bool = False, **more: str) -> Definitions:
    return define(read_parameters({"shape": shape, **dict.fromkeys(_SWITCHES, "true"), **more}, None, env, local=local))


def _step(node: Any, name: str) -> Any:
    """A member, or the element of a list that is called so."""
    if isinstance(node, dict):
        return node[name]
    names = ("name", "targetFieldName", "tableName")
    named = [one for one in node if isinstance(one, dict) and name in [one.get(key) for key in names]]
    return named[0] if named else node[int(name)]


def _changed(definitions: Definitions, path: str, value: object) -> Definitions:
    """The definitions with one member of them changed; a last step `+` adds to a list."""
    changed = copy.deepcopy(definitions)
    first, *between, last = path.split("/")
    node = getattr(changed, first)
    for name in between:
        node = _step(node, name)
    if last == "+":
        node.append(value)
    elif value is _REMOVED and isinstance(node, list):
        node.remove(_step(node, last))
    elif value is _REMOVED:
        del node[last]
    else:
        node[last if isinstance(node, dict) else int(last)] = value
    return changed


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("shape", ["images", "documents"])
@pytest.mark.parametrize("switches", list(itertools.product(["false", "true"], repeat=3)))
def test_what_is_shipped_has_no_problems(shape: str, switches: tuple[str, ...], local: bool) -> None:
    env = {} if local else _ENV
    values = {"shape": shape, **dict(zip(_SWITCHES, switches, strict=True))}

    definitions = define(read_parameters(values, None, env, local=local))

    assert problems(definitions, local=local) == []
    for model, json in zip(_MODELS, definitions, strict=True):
        assert model(json).as_dict() == json


_MODELS: tuple[Any, ...] = (
    models.SearchIndexerDataSourceConnection,
    models.SearchIndex,
    models.SearchIndexerSkillset,
    models.SearchIndexer,
)
_IMAGES = _defined()
_DOCUMENTS = _defined("documents")
_SKILL = "skillset/skills/similarity"
_SKILL_SAID = "Skillset 'visual-skills-skills', skill 'similarity'"
_VECTORIZER = "index/vectorSearch/vectorizers/app"
_HNSW = "index/vectorSearch/algorithms/hnsw/hnswParameters"
_PARAMETERS = "indexer/parameters"
_SELECTOR = "skillset/indexProjections/selectors/0"
_ITEM = "/document/normalized_images/*"


def _analyzer(name: str, **parts: object) -> dict[str, object]:
    return {"@odata.type": "#Microsoft.Azure.Search.CustomAnalyzer", "name": name, "tokenizer": "letter", **parts}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # members and their types
        (
            f"{_SKILL}/batchsize",
            4,
            "skills[similarity].batchsize is no member of WebApiSkill; did you mean 'batchSize'?",
        ),
        (f"{_SKILL}/batchSize", "4", "skills[similarity].batchSize is '4'; it takes an integer."),
        (f"{_SKILL}/batchSize", True, "skills[similarity].batchSize is True; it takes an integer."),
        (f"{_SKILL}/uri", _REMOVED, "skills[similarity].uri is missing; WebApiSkill needs it."),
        (f"{_SKILL}/inputs", {}, "skills[similarity].inputs is {}; it takes a list."),
        (
            f"{_SKILL}/httpHeaders",
            ["x-functions-key"],
            "skills[similarity].httpHeaders is ['x-functions-key']; it takes an o",
        ),
        (f"{_SKILL}/inputs/0", "image", "skills[similarity].inputs[0] is 'image'; it takes an object"),
        (
            f"{_SKILL}/httpHeaders/x-functions-key",
            5,
            "skills[similarity].httpHeaders.x-functions-key is 5; it takes a string",
        ),
        (f"{_SKILL}/timeout", "60", "skills[similarity].timeout is '60'; it takes a duration such as PT60S"),
        (
            f"{_SKILL}/@odata.type",
            "#Microsoft.Skills.Custom.WebApiSkil",
            "is '#Microsoft.Skills.Custom.WebApiSkil'; did you mean '#Microsoft.Skills.Custom.WebApiSkill'?",
        ),
        (f"{_SKILL}/@odata.type", _REMOVED, "skills[similarity].@odata.type is missing; it takes "),
        ("index/vectorSearch/algorithms/0/kind", "hsnw", "kind is 'hsnw'; did you mean 'hnsw'?"),
        ("index/vectorSearch/algorithms/0/hnswParameters/metric", "cosinus", "is 'cosinus'; did you mean 'cosine'?"),
        (f"{_PARAMETERS}/configuration/imageAction", "normalize", "imageAction is 'normalize'; it takes generateN"),
        (f"{_PARAMETERS}/configuration/normalizedImageMaxWidth", "512", "Width is '512'; it takes an integer."),
        (f"{_PARAMETERS}/configuration/imageSize", 512, "imageSize is no member of IndexingParametersConfiguration;"),
        (
            "data_source/dataDeletionDetectionPolicy/@odata.type",
            "#Soft",
            "is '#Soft'; it takes #Microsoft.Azure.Search.",
        ),
        ("indexer/schedule/startTime", "soon", "schedule.startTime is 'soon'; it takes a time such as"),
        ("data_source/dataDeletionDetectionPolicy", _REMOVED, "documents of deleted blobs would stay in the index."),
        # names
        ("index/name", "Photos", "Index 'Photos' cannot be called so; it takes lower-case letters"),
        (
            "indexer/dataSourceName",
            "x",
            "Indexer 'visual-skills-indexer': dataSourceName is 'x'; the data source is called",
        ),
        ("indexer/skillsetName", "x", "skillsetName is 'x'; the skillset is called 'visual-skills-skills'."),
        ("indexer/skillsetName", _REMOVED, "skillsetName is None; the skillset is called 'visual-skills-skills'."),
        ("indexer/targetIndexName", "x", "targetIndexName is 'x'; the index is called 'visual-skills'."),
        ("skillset/skills/ocr/name", "similarity", "has two skills called 'similarity'; rename one."),
        # calls
        (
            f"{_SKILL}/uri",
            "http://skills/api/similarity",
            f"{_SKILL_SAID}: uri is 'http://skills/api/similarity'; the service",
        ),
        (f"{_SKILL}/uri", "https:///api/similarity", "the service calls https addresses only."),
        (f"{_SKILL}/uri", "https://[/api/similarity", "the service calls https addresses only."),
        (f"{_SKILL}/uri", "https://skills:70710/api/similarity", "the service calls https addresses only."),
        (f"{_SKILL}/httpMethod", "GET", "httpMethod is 'GET'; it is POST or PUT."),
        (f"{_SKILL}/timeout", "PT3M51S", "timeout is 'PT3M51S'; it is PT1S to PT230S."),
        (f"{_SKILL}/timeout", "PT0.5S", "timeout is 'PT0.5S'; it is PT1S to PT230S."),
        (f"{_SKILL}/batchSize", 0, "batchSize is 0; it is at least 1."),
        (f"{_SKILL}/degreeOfParallelism", 11, "degreeOfParallelism is 11; it is 1 to 10."),
        (f"{_SKILL}/degreeOfParallelism", 0, "degreeOfParallelism is 0; it is 1 to 10."),
        (f"{_SKILL}/httpHeaders/Content-TYPE", "x", "the header 'Content-TYPE' is the service's own; leave it out"),
        (f"{_SKILL}/httpHeaders/x-key", "a\nb", "the header 'x-key' cannot be sent;"),
        (
            f"{_VECTORIZER}/customWebApiParameters/uri",
            "http://x",
            "Index 'visual-skills', vectorizer 'app': uri is 'http://x'",
        ),
        (
            f"{_VECTORIZER}/customWebApiParameters/timeout",
            "PT5M",
            "vectorizer 'app': timeout is 'PT5M'; it is PT1S to PT230S.",
        ),
        (f"{_VECTORIZER}/customWebApiParameters", _REMOVED, "vectorizer 'app': uri is ''; the service calls https"),
        # the indexer
        ("indexer/schedule/interval", "PT4M", "schedule.interval is 'PT4M'; it is PT5M to P1D."),
        ("indexer/schedule/interval", "P2D", "schedule.interval is 'P2D'; it is PT5M to P1D."),
        (f"{_PARAMETERS}/batchSize", 0, "parameters.batchSize is 0; it is at least 1."),
        (f"{_PARAMETERS}/maxFailedItems", -2, "parameters.maxFailedItems is -2; it is at least -1."),
        (f"{_PARAMETERS}/configuration/imageAction", "none", "imageAction is 'none'; skills get images with"),
        (f"{_PARAMETERS}/configuration/dataToExtract", "allMetadata", "dataToExtract is 'allMetadata'; images need"),
        (f"{_PARAMETERS}/configuration/parsingMode", "json", "parsingMode is 'json'; images need 'default'."),
        (
            f"{_PARAMETERS}/configuration/normalizedImageMaxWidth",
            49,
            "normalizedImageMaxWidth is 49; it is 50 to 10000",
        ),
        # the index by itself
        ("index/fields/id/key", False, "Index 'visual-skills' has 0 key fields; exactly one field has key true."),
        ("index/fields/path/key", True, "Index 'visual-skills' has 2 key fields;"),
        ("index/fields/id/type", "Edm.Int32", "field 'id': key is true; the key is a retrievable Edm.String"),
        ("index/fields/path/type", "Edm.Text", "field 'path': type is 'Edm.Text'; it takes one of"),
        ("index/fields/path/name", "1path", "field '1path' cannot be called so; use a letter"),
        ("index/fields/url/name", "Path", "field 'path' is there twice; rename one."),
        ("index/fields/path/analyzer", "lucene", "field 'path': analyzer is 'lucene'; there is no such analyzer."),
        ("index/analyzers", _REMOVED, "field 'path': analyzer is 'letters-and-digits'; there is no such analyzer."),
        ("index/analyzers/0/name", "_x", "analyzers has '_x', which cannot be called so; it takes letters, digits"),
        ("index/analyzers/0/name", "Simple", "analyzers has 'Simple', which cannot be called so;"),
        ("index/analyzers/+", _analyzer("Letters-And-Digits"), "analyzers has 'letters-and-digits' twice; rename one."),
        ("index/analyzers/+", _analyzer("x", tokenizer="y"), "analyzer 'x': 'y' is none of the tokenizers that there"),
        ("index/analyzers/+", _analyzer("x", tokenFilters=["lower"]), "'lower' is none of the tokenFilters that there"),
        ("index/analyzers/+", _analyzer("x", charFilters=["y"]), "'y' is none of the charFilters that there are."),
        ("index/analyzers/0/patern", "x", "patern is no member of PatternAnalyzer; did you mean 'pattern'?"),
        ("index/fields/path/searchable", False, "analyzer is 'letters-and-digits'; it needs searchable true."),
        ("index/fields/size/searchable", True, "field 'size': searchable is true; Edm.Int64 cannot be"),
        ("index/fields/tags/sortable", True, "field 'tags': sortable is true; Collection(Edm.String) cannot be"),
        ("index/fields/matches/filterable", True, "field 'matches': filterable is True; a complex field has none"),
        ("index/fields/matches/sortable", False, "field 'matches': sortable is False; a complex field has none"),
        ("index/fields/imageFaces/facetable", True, "field 'imageFaces': facetable is True; a complex field has none"),
        ("index/fields/matches/searchable", True, "field 'matches': searchable is True; a complex field has none"),
        ("index/fields/vector/filterable", True, "field 'vector': filterable is true; a vector cannot be."),
        ("index/fields/vector/facetable", True, "field 'vector': facetable is true; a vector cannot be."),
        ("index/fields/vector/sortable", True, "field 'vector': sortable is true; Collection(Edm.Single) cannot be"),
        (f"{_HNSW}/m", 3, "vector algorithm 'hnsw': m is 3; it is 4 to 10."),
        (f"{_HNSW}/m", 11, "vector algorithm 'hnsw': m is 11; it is 4 to 10."),
        (f"{_HNSW}/efConstruction", 99, "efConstruction is 99; it is 100 to 1000."),
        (f"{_HNSW}/efSearch", 1001, "efSearch is 1001; it is 100 to 1000."),
        ("index/fields/matches/fields/score/sortable", True, "field 'matches': a field in it has sortable true;"),
        ("index/fields/matches/fields", [], "field 'matches': fields are those of a complex type;"),
        ("index/fields/matches/fields/url/name", "path", "field 'matches/path' is there twice; rename one."),
        ("index/fields/vector/dimensions", 512, "field 'vector': dimensions is 512; the app's vectors have 256."),
        ("index/fields/vector/dimensions", _REMOVED, "field 'vector': dimensions is None; the app's vectors have 256."),
        ("index/fields/vector/searchable", False, "field 'vector': searchable is not true;"),
        ("index/fields/vector/stored", True, "field 'vector': stored and retrievable are not both false;"),
        ("index/fields/vector/vectorSearchProfile", "x", "vectorSearchProfile is 'x'; there is 'images'."),
        ("index/vectorSearch/profiles/0/algorithm", "x", "vector profile 'images': algorithm is 'x'; there is 'hnsw'."),
        (
            "index/vectorSearch/profiles/0/vectorizer",
            "x",
            "vector profile 'images': vectorizer is 'x'; there is 'app'.",
        ),
        ("index/vectorSearch/profiles/0/vectorizer", _REMOVED, "vectorizer is missing; queries by image need one."),
        # skills
        (
            f"{_SKILL}/context",
            "/document/pages/*",
            f"{_SKILL_SAID}: context reads /document/pages, which neither a blob nor",
        ),
        (f"{_SKILL}/context", "normalized_images", "context 'normalized_images' is not a path: it does not begin with"),
        (
            f"{_SKILL}/inputs/url/source",
            "/document/url",
            "input 'url' reads /document/url, which neither a blob nor a skill",
        ),
        (
            f"{_SKILL}/inputs/url/source",
            "/document/metadata_storage_pat",
            "gives; perhaps 'metadata_storage_path' is meant.",
        ),
        (f"{_SKILL}/inputs/url/source", f"{_ITEM}/width/*", f"reads {_ITEM}/width/*, but {_ITEM}/width is no list."),
        (
            f"{_SKILL}/inputs/url/source",
            "/document/normalized_images/width",
            f"it is a list, perhaps {_ITEM}/width is meant.",
        ),
        (f"{_SKILL}/inputs/url/source", _REMOVED, "input 'url' has no source."),
        (f"{_SKILL}/inputs/url/source", f"{_ITEM}/most_similar", "wait for each other in a circle: "),
        (f"{_SKILL}/outputs/path/name", "pth", "output 'pth' is none of the skill's: path, tags, most_similar"),
        (f"{_SKILL}/outputs/path/targetName", "width", f"would replace {_ITEM}/width, which is there; give it another"),
        (f"{_SKILL}/outputs/path/targetName", "tags", f"would replace {_ITEM}/tags, which is there"),
        ("skillset/skills/ocr/outputs/text/name", "words", "skill 'ocr': output 'words' is none of the skill's: text"),
        ("skillset/skills/image-analysis/visualFeatures", ["tags"], "output 'faces' needs 'faces' in visualFeatures."),
        ("skillset/skills/shape-matches/outputs/0/name", "shape", "output 'shape' is none of the skill's: output."),
        (
            "skillset/skills/shape-matches/inputs/0/source",
            _ITEM,
            "'matches' has a source and inputs; it takes one of them",
        ),
        (
            "skillset/skills/shape-matches/inputs/0/inputs/url/source",
            f"{_ITEM}/lookAlikes/*/uri",
            "'matches' 'url' reads",
        ),
        # into the index
        (
            "indexer/fieldMappings/url/sourceFieldName",
            "metadata_path",
            "it reads /document/metadata_path, which neither",
        ),
        (
            "indexer/fieldMappings/url/targetFieldName",
            "uri",
            "Field mapping specifies target field 'uri' that doesn't exist",
        ),
        (
            "indexer/fieldMappings/url/targetFieldName",
            "matches",
            "field 'matches' is complex; map it in outputFieldMappings.",
        ),
        ("indexer/fieldMappings/url/targetFieldName", "size", "two mappings give 'size' its value; remove one."),
        (
            "indexer/fieldMappings/url/targetFieldName",
            "tags",
            "field 'tags' cannot have it, it is a string, but the field is",
        ),
        ("indexer/fieldMappings/url/mappingFunction", {"name": "md5"}, "there is no mapping function 'md5'."),
        ("indexer/fieldMappings/id/mappingFunction", _REMOVED, "give it the mappingFunction base64Encode."),
        (
            "indexer/outputFieldMappings/path/sourceFieldName",
            f"{_ITEM}/path",
            "'path' cannot have it, it is a list, but the",
        ),
        (
            "indexer/outputFieldMappings/tags/sourceFieldName",
            f"{_ITEM}/tags",
            "cannot have it, it has lists in its list: end its path with /*, but the field is Collection(Edm.String).",
        ),
        (
            "indexer/outputFieldMappings/label/targetFieldName",
            "matches/path",
            "doesn't exist in the index 'visual-skills'; map",
        ),
        (
            "indexer/outputFieldMappings/label/targetFieldName",
            "labels",
            "target field 'labels' that doesn't exist in the index",
        ),
        (
            "indexer/outputFieldMappings/label",
            _REMOVED,
            "Index 'visual-skills', field 'label' gets no value from anywhere",
        ),
        (
            "indexer/outputFieldMappings/matches/sourceFieldName",
            "/document/normalized_images/0/lookAlikes",
            "has a member 'id', which the field has not: leave it out with a Shaper skill.",
        ),
        ("index/fields/matches/fields/score", _REMOVED, "has a member 'score', which the field has not"),
        ("index/fields/matches/fields/score/name", "points", "has no member 'points', which the field has."),
        (
            "index/fields/matches/fields/score/type",
            "Edm.Int32",
            "has a member 'score' that is a number, but the field is Edm.I",
        ),
        (
            "index/fields/cluster/type",
            "Collection(Edm.Int32)",
            "is an integer, but the field is a Collection(Edm.Int32): it t",
        ),
        (
            "index/fields/label/type",
            "Edm.String",
            "field 'label' cannot have it, it is a list, but the field is Edm.String.",
        ),
        (
            "index/fields/time/type",
            "Edm.Int64",
            "field 'time' cannot have it, it is a string, but the field is Edm.Int64.",
        ),
        (
            "index/fields/+",
            {"name": "metadata_storage_name", "type": "Edm.Boolean"},
            "without a mapping: field 'metadata_storage_name' cannot have it, it is a string, but the field is",
        ),
        (
            "index/fields/+",
            {"name": "extra", "type": "Edm.String"},
            "field 'extra' gets no value from anywhere; map something",
        ),
        # the knowledge store
        (
            "skillset/knowledgeStore/projections/0/tables/0/tableName",
            "a-b",
            "tableName is 'a-b'; it is 3 to 63 letters",
        ),
        (
            "skillset/knowledgeStore/projections/0/tables/0/source",
            f"{_ITEM}/rows",
            f"projection of '{_ITEM}/rows' reads",
        ),
        (
            "skillset/knowledgeStore/projections/0/tables/0/source",
            f"{_ITEM}/path",
            "is of strings; a row or an object needs an",
        ),
        (
            "skillset/knowledgeStore/projections/0/tables/+",
            {"tableName": "VisualSkillsImages", "generatedKeyName": "k", "source": f"{_ITEM}/record"},
            "two projections write table 'visualskillsimages'; rename one.",
        ),
        (
            "skillset/knowledgeStore/projections/1/files/0/source",
            "/document",
            "files are made of /document/normalized_images/*",
        ),
        (
            "skillset/knowledgeStore/projections/1/files/0/storageContainer",
            "A",
            "storageContainer is 'A'; it is 3 to 63",
        ),
        (
            "skillset/knowledgeStore/projections/0/objects/+",
            {"storageContainer": "visual-skills-normalized", "source": f"{_ITEM}/record"},
            "objects and files share the container 'visual-skills-normalized'; give them two.",
        ),
    ],
)
def test_one_wrong_thing_is_told(path: str, value: object, said: str) -> None:
    found = problems(_changed(_IMAGES, path, value))

    assert any(said in one for one in found), found
    assert all(one.endswith((".", "?")) for one in found)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "index/fields/id/analyzer",
            "standard.lucene",
            "index projection: the key field 'id' needs the analyzer 'keyword'.",
        ),
        (
            "index/fields/parent_id/filterable",
            False,
            "parentKeyFieldName is 'parent_id'; that is a filterable Edm.String",
        ),
        (
            f"{_SELECTOR}/parentKeyFieldName",
            "id",
            "parentKeyFieldName is 'id'; that is a filterable Edm.String that is not",
        ),
        (
            f"{_SELECTOR}/parentKeyFieldName",
            "parent",
            "parentKeyFieldName is 'parent'; there is no such field in the index.",
        ),
        (
            f"{_SELECTOR}/targetIndexName",
            "x",
            "index projection: targetIndexName is 'x'; the index is called 'visual-skills'.",
        ),
        (
            f"{_SELECTOR}/mappings/url/name",
            "id",
            "mapping 'id' is of a key, which the service sets by itself; remove it.",
        ),
        (
            f"{_SELECTOR}/mappings/url/name",
            "parent_id",
            "mapping 'parent_id' is of a key, which the service sets by itself;",
        ),
        (f"{_SELECTOR}/mappings/url/name", "size", "index projection: two mappings give 'size' its value; remove one."),
        (
            f"{_SELECTOR}/mappings/url/name",
            "uri",
            "mapping 'uri': Field mapping specifies target field 'uri' that doesn't exist",
        ),
        (
            f"{_SELECTOR}/mappings/url/source",
            "/document/url",
            "mapping 'url': it reads /document/url, which neither a blob nor",
        ),
        (f"{_SELECTOR}/mappings/page", _REMOVED, "field 'page' gets no value from anywhere; map something to it."),
        (
            f"{_SELECTOR}/mappings/label/source",
            f"{_ITEM}/path",
            "field 'label' cannot have it, it is a string, but the field",
        ),
        (
            f"{_SELECTOR}/sourceContext",
            "/document",
            "field 'path' cannot have it, it is a list, but the field is Edm.String.",
        ),
    ],
)
def test_one_wrong_thing_in_projections_is_told(path: str, value: object, said: str) -> None:
    found = problems(_changed(_DOCUMENTS, path, value))

    assert any(said in one for one in found), found


def test_a_value_that_only_parents_get_is_no_value_where_parents_are_skipped() -> None:
    mapping = {"sourceFieldName": "metadata_storage_name", "targetFieldName": "page"}
    changed = _changed(_changed(_DOCUMENTS, f"{_SELECTOR}/mappings/page", _REMOVED), "indexer/fieldMappings", [mapping])

    assert any("field 'page' gets no value" in one for one in problems(changed))


def test_an_analyzer_may_have_parts_of_the_index_and_of_the_service() -> None:
    tokenizer = {"@odata.type": "#Microsoft.Azure.Search.PatternTokenizer", "name": "mine", "pattern": "/"}
    analyzer = _analyzer("parts", tokenizer="mine", tokenFilters=["lowercase"], charFilters=["html_strip"])

    changed = _changed(_changed(_IMAGES, "index/tokenizers", [tokenizer]), "index/analyzers/+", analyzer)

    assert problems(_changed(changed, "index/fields/path/analyzer", "parts")) == []


def test_there_may_be_another_vectorizer_but_not_instead_of_the_one_that_is_named() -> None:
    other = {**_IMAGES.index["vectorSearch"]["vectorizers"][0], "name": "other"}

    assert problems(_changed(_IMAGES, "index/vectorSearch/vectorizers/+", other)) == []
    assert "vectorizer is 'app'; there is 'other'." in problems(_changed(_IMAGES, f"{_VECTORIZER}/name", "other"))[0]


def test_the_words_of_a_path_are_its_letters_and_digits() -> None:
    (analyzer,) = _IMAGES.index["analyzers"]

    # What Java's classes of letters, marks and digits are to Python.
    separators = analyzer["pattern"].replace(r"\p{L}\p{M}\p{N}", r"a-z0-9à-ÿ花")

    assert re.split(separators, "dogs/img_0042-b (2).jpg") == ["dogs", "img", "0042", "b", "2", "jpg"]
    assert re.split(separators, "déjà 花") == ["déjà", "花"]
    assert analyzer["lowercase"] is True


def test_http_is_for_the_local_indexer_and_this_machine() -> None:
    here = define(read_parameters({}, None, {}, local=True))
    elsewhere = define(read_parameters({"appUrl": "http://skills.example"}, None, {}, local=True))

    assert problems(here, local=True) == []
    assert len(problems(here)) == 4  # three skills and the vectorizer
    assert all("or http://localhost for the local indexer" in one for one in problems(elsewhere, local=True))
    assert len(problems(elsewhere, local=True)) == 4


def test_a_skill_gets_the_file_where_the_indexer_lets_it() -> None:
    changed = _changed(_IMAGES, f"{_SKILL}/inputs/url/source", "/document/file_data/url")

    assert "reads /document/file_data, which neither" in problems(changed)[0]
    assert problems(_changed(changed, f"{_PARAMETERS}/configuration/allowSkillsetToReadFileData", True)) == []


def test_a_key_in_an_address_is_not_told() -> None:
    found = problems(_changed(_IMAGES, f"{_SKILL}/uri", "http://skills/api/similarity?code=hush"))

    assert "http://skills/api/similarity" in found[0]
    assert "hush" not in str(found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("index/fields/label", _REMOVED),
        ("indexer/fieldMappings/url/sourceFieldName", "metadata_path"),
        (f"{_SKILL}/batchsize", 4),
        (f"{_SKILL}/timeout", "PT5M"),
        (f"{_PARAMETERS}/configuration/imageAction", "none"),
    ],
)
def test_one_problem_is_told_once_and_no_others_for_it(path: str, value: object) -> None:
    assert len(problems(_changed(_IMAGES, path, value))) == 1


def test_a_skill_of_somebody_else_may_answer_anything() -> None:
    skill = {
        "@odata.type": "#Microsoft.Skills.Custom.WebApiSkill",
        "context": "/document",
        "uri": "https://example.com/api/unknown",
        "inputs": [{"name": "text", "source": "='photos'"}],
        "outputs": [{"name": "anything"}],
    }
    field = {"name": "extra", "type": "Collection(Edm.Int32)"}
    mapping = {"sourceFieldName": "/document/anything/0/deep/*", "targetFieldName": "extra"}

    changed = _changed(_changed(_IMAGES, "skillset/skills/+", skill), "index/fields/+", field)

    assert problems(_changed(changed, "indexer/outputFieldMappings/+", mapping)) == []


def test_what_a_blob_has_needs_no_mapping_and_what_a_skill_found_does() -> None:
    skill = {
        "@odata.type": "#Microsoft.Skills.Custom.WebApiSkill",
        "uri": "https://example.com/api/unknown",
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "summary"}],
    }
    changed = _changed(_IMAGES, "skillset/skills/+", skill)

    own = problems(_changed(changed, "index/fields/+", {"name": "content", "type": "Edm.String"}))
    enriched = problems(_changed(changed, "index/fields/+", {"name": "summary", "type": "Edm.String"}))

    assert own == []
    assert len(enriched) == 1
    assert "field 'summary' gets no value" in enriched[0]


def _member_paths(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All members of all objects, but for the names that people may choose: headers."""
    if isinstance(node, dict):
        own = [] if path[-1:] == ("httpHeaders",) else [(*path, name) for name in node]
        return own + [deeper for name, member in node.items() for deeper in _member_paths(member, (*path, name))]
    if isinstance(node, list):
        return [deeper for at, element in enumerate(node) for deeper in _member_paths(element, (*path, at))]
    return []


_ALL_MEMBERS = [(kind, path) for kind in Definitions._fields for path in _member_paths(getattr(_IMAGES, kind))]


@settings(max_examples=30)
@given(st.sampled_from(_ALL_MEMBERS), st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_a_member_of_another_name_is_a_problem(member: tuple[str, tuple[str | int, ...]], ending: str) -> None:
    kind, (*between, last) = member
    changed = copy.deepcopy(_IMAGES)
    node = getattr(changed, kind)
    for step in between:
        node = node[step]
    node[f"{last}{ending}"] = node.pop(last)

    # The member that names an object's kind is missed before others are looked at.
    assert any(f"{last}{ending} is no member of" in one or f"{last} is missing" in one for one in problems(changed))


@settings(max_examples=30)
@given(
    st.sampled_from(_ALL_MEMBERS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)
def test_no_value_of_a_member_stops_the_validation(member: tuple[str, tuple[str | int, ...]], value: object) -> None:
    kind, (*between, last) = member
    changed = copy.deepcopy(_IMAGES)
    node = getattr(changed, kind)
    for step in between:
        node = node[step]
    node[last] = value

    assert all(isinstance(one, str) for one in problems(changed))
