"""The local index: what is kept of a run, how words and vectors are searched, and what its vectorizer may not do."""

import json
import math
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.asking.local_index import (
    DOCUMENTS,
    INDEX,
    REPORT,
    LocalIndex,
    LocalIndexError,
    fused,
    open_index,
    search,
)
from infra.search.asking.new_index import keep_report, new_index
from infra.search.asking.querying import Query, QueryError
from infra.search.asking.vectorizing import VectorizerError, image_vector, own_headers
from infra.search.definitions import Definitions
from shared.contract import Json
from tests.infra.search.asking.small_app import KEY, SmallApp, small_app, turned
from tests.pictures import encoded, stripes

DOCUMENTS_OF_FOUR: list[dict[str, Any]] = [
    {"id": "a", "path": "pets/cat-1.jpg", "label": ["cat"], "tags": ["kind=cat", "colour=red"], "vector": turned(0)},
    {"id": "b", "path": "pets/cat-2.jpg", "label": ["cat"], "tags": ["kind=cat"], "vector": turned(30)},
    {"id": "c", "path": "pets/dog-1.jpg", "label": ["dog"], "tags": ["kind=dog"], "vector": turned(180)},
    {"id": "d", "path": None, "label": ["Élan", "red deer"], "tags": [], "vector": None, "cluster": 3},
]


@pytest.fixture(scope="module")
def running() -> Iterator[SmallApp]:
    with small_app() as app:
        yield app


@pytest.fixture
def app(running: SmallApp) -> SmallApp:
    running.clear()
    return running


@pytest.fixture
def definitions(app: SmallApp) -> Definitions:
    return app.definitions()


@pytest.fixture
def index(definitions: Definitions, tmp_path: Path) -> LocalIndex:
    save(tmp_path, definitions, DOCUMENTS_OF_FOUR, {})
    return open_index(tmp_path)


def save(folder: Path, definitions: Definitions, documents: Iterable[Mapping[str, Json]], report: Json) -> None:
    """Write an index as `try` does."""
    with new_index(folder, definitions) as keep:
        for document in documents:
            keep(document)
    keep_report(folder, report)


def found(index: LocalIndex, query: Query) -> str:
    return "".join(hit.document["id"] for hit in search(index, query, {}))


def answers(app: SmallApp, *vector: float) -> None:
    """From now on the vectorizer answers this."""
    app.answer = (200, json.dumps({"values": [{"recordId": "0", "data": {"vector": vector}}]}).encode())


def test_what_is_kept_is_there_again_without_a_key(definitions: Definitions, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "search"
    save(folder, definitions, DOCUMENTS_OF_FOUR, {"blobs": 4})
    index = open_index(folder)
    assert index.report == {"blobs": 4}
    assert index.documents == [
        {name: value for name, value in document.items() if name != "vector"} for document in DOCUMENTS_OF_FOUR
    ]
    assert index.vectors.dtype == np.float32
    np.testing.assert_allclose(index.vectors[:3], [turned(0), turned(30), turned(180)], atol=1e-6)
    assert not index.vectors[3].any()
    assert index.definition["fields"] == definitions.index["fields"]
    assert sorted(file.name for file in folder.iterdir()) == sorted([DOCUMENTS, INDEX, REPORT])
    assert KEY in json.dumps(definitions.index)
    assert not any(KEY in file.read_text() for file in folder.iterdir())


def test_a_new_run_takes_the_place_of_the_last_and_a_broken_one_does_not(
    definitions: Definitions, tmp_path: Path
) -> None:
    save(tmp_path, definitions, DOCUMENTS_OF_FOUR, {})
    with pytest.raises(TypeError):
        save(tmp_path, definitions, [{"id": object()}], {})
    assert len(open_index(tmp_path).documents) == 4
    with new_index(tmp_path, definitions) as keep:
        keep({"id": "e"})
        assert len(open_index(tmp_path).documents) == 4  # until all are there
    assert len(open_index(tmp_path).documents) == 1
    save(tmp_path, definitions, [], {})
    assert open_index(tmp_path).documents == []
    assert len(list(tmp_path.iterdir())) == 3


def test_any_of_the_words_in_any_case(index: LocalIndex) -> None:
    assert set(found(index, Query("CAT"))) == {"a", "b"}
    assert set(found(index, Query("dog red"))) == {"a", "c", "d"}
    assert found(index, Query("élan")) == "d"
    assert found(index, Query("elan")) == ""  # as the service's analyzer has it: an accent counts
    assert found(index, Query("rabbit")) == ""


def test_a_rare_word_counts_for_more(index: LocalIndex) -> None:
    assert found(index, Query("cat dog"))[0] == "c"


def test_words_in_some_fields_only(index: LocalIndex) -> None:
    assert set(found(index, Query("red", fields=("tags",)))) == {"a"}
    assert set(found(index, Query("red", fields=("tags", "label")))) == {"a", "d"}
    assert found(index, Query("1", fields=("label",))) == ""
    with pytest.raises(
        QueryError, match="Words cannot be looked for in vector, colour: the index has path, tags, label"
    ):
        search(index, Query("red", fields=("vector", "label", "colour")), {})


SYNTAX = [
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    ")",
    "*",
    "^cat",
    "label:",
    "{c0}",
    "-",
    "+",
    '"',
    "'",
    "\0",
    "\ud800",
    "",
    "cat",
    "ﬁ",
]


@given(st.lists(st.sampled_from(SYNTAX) | st.text(max_size=5), max_size=8))
def test_no_word_is_syntax(words: list[str]) -> None:
    definition = {
        "name": "x",
        "fields": [{"name": "id", "type": "Edm.String", "key": True}, {"name": "label", "type": "Edm.String"}],
    }
    texts = [["cat"], ["and or not near"], ["c0 label"]]
    index = LocalIndex(definition, [{"id": "abc"[n]} for n in range(3)], {}, np.zeros((3, 0), np.float32), texts)
    asked = " ".join(words)
    if not asked.strip():
        return
    tokens = set(re.findall(r"\w+", asked.lower()))
    for one in found(index, Query(asked)):
        assert tokens & set(texts["abc".index(one)][0].split())
    if "cat" in words:
        assert "a" in found(index, Query(asked))


def test_more_words_than_a_query_holds_are_left_out(index: LocalIndex) -> None:
    assert set(found(index, Query("cat " * 50_000))) == {"a", "b"}


def test_nearest_first_with_the_service_score_of_a_cosine(index: LocalIndex, app: SmallApp) -> None:
    answers(app, *(2 * number for number in turned(20)))  # of any length
    hits = search(index, Query(image=b"x"), {})
    assert [hit.document["id"] for hit in hits] == ["b", "a", "c"]  # d has no vector
    wanted = [1 / (2 - math.cos(math.radians(angle))) for angle in (10, 20, 160)]
    assert [hit.score for hit in hits] == pytest.approx(wanted, abs=1e-6)
    assert all("vector" not in hit.document for hit in hits)
    assert hits[0].document["label"] == ["cat"]
    assert found(index, Query(image=b"x", top=1)) == "b"


def test_the_real_vectorizer_is_asked_as_the_service_asks_it(definitions: Definitions, app: SmallApp) -> None:
    photo = encoded(stripes(0))
    vector = image_vector(photo, definitions.index, {"x-functions-key": KEY})
    near, far = (image_vector(encoded(stripes(angle)), definitions.index, {}) for angle in (5, 60))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
    assert vector @ near > vector @ far
    method, path, key, body = app.asked[0]
    assert (method, path, key) == ("POST", "/api/embedding", KEY)
    (record,) = json.loads(body)["values"]
    assert list(record["data"]) == ["imageBinary"]
    assert list(record["data"]["imageBinary"]) == ["data"]


def test_the_key_goes_to_the_app_of_the_parameters_only(index: LocalIndex, app: SmallApp) -> None:
    assert own_headers(index.definition, app.definitions().index) == {"x-functions-key": KEY}
    assert own_headers(index.definition, app.definitions(appUrl="http://localhost:1").index) == {}


def test_words_and_an_image_are_fused_by_rank(index: LocalIndex, app: SmallApp) -> None:
    answers(app, *turned(20))
    hits = search(index, Query("dog", image=b"x"), {})
    # Words: c. Image: b, a, c.
    assert [hit.document["id"] for hit in hits] == ["c", "b", "a"]
    assert [hit.score for hit in hits] == pytest.approx([1 / 61 + 1 / 63, 1 / 61, 1 / 62])


@given(st.lists(st.permutations(range(6)), min_size=1, max_size=3))
def test_fusion_agrees_with_rankings_that_agree(orders: list[list[int]]) -> None:
    result = fused([[(n, 0.0) for n in order] for order in orders])
    scores = dict(result)
    for one in range(6):
        for other in range(6):
            if all(order.index(one) < order.index(other) for order in orders):
                assert scores[one] > scores[other]
    assert [score for _, score in result] == sorted(scores.values(), reverse=True)


def test_no_answer_holds_vectors_even_where_they_can_be_retrieved(index: LocalIndex) -> None:
    for field in index.definition["fields"]:
        field["retrievable"] = True
    assert "vector" not in search(index, Query("dog"), {})[0].document


def test_an_empty_index_finds_nothing(definitions: Definitions, tmp_path: Path, app: SmallApp) -> None:
    save(tmp_path, definitions, [], {})
    answers(app, *turned(0))
    assert search(open_index(tmp_path), Query("cat", image=b"x"), {}) == []


def test_what_only_the_service_has_is_refused(index: LocalIndex) -> None:
    with pytest.raises(QueryError, match="has no filters"):
        search(index, Query("cat", filter="cluster eq 3"), {})
    for field in index.definition["fields"]:
        field.pop("vectorSearchProfile", None)
    with pytest.raises(QueryError, match="visual-skills has no vectors"):
        search(index, Query(image=b"x"), {})


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LocalIndexError, match=r"There is no local index in .*: 'python -m infra.search try FOLDER'"):
        open_index(tmp_path / "none")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (DOCUMENTS, '{"id": "a"'),
        (DOCUMENTS, "[]"),
        (DOCUMENTS, '{"id": "a", "vector": [1, 2]}'),
        (DOCUMENTS, '{"id": "a", "vector": "x"}'),
        (DOCUMENTS, '{"id": "a", "label": [1]}'),
        (INDEX, "{}"),
        (INDEX, "[]"),
        (REPORT, ""),
    ],
)
def test_a_damaged_index_says_so(definitions: Definitions, tmp_path: Path, file: str, content: str) -> None:
    save(tmp_path, definitions, DOCUMENTS_OF_FOUR, {})
    (tmp_path / file).write_text(content)
    with pytest.raises(LocalIndexError, match="is damaged"):
        open_index(tmp_path)


VALID = json.dumps({"values": [{"recordId": "0", "data": {"vector": turned(0)}}]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": "The image is damaged."}', "answered 400: .*The image is damaged"),
        (401, b"", "answered 401: set SKILLS_FUNCTION_KEY"),
        (500, b"oh\nno", "answered 500: oh no$"),
        (500, b"\x1b[2J", r"answered 500: '\\x1b\[2J'$"),
        (302, b"", "answered 302"),
        (200, b"no JSON", "something else than one vector"),
        (200, b"[" * 100_000, "something else than one vector"),
        (200, b'{"values": []}', "something else than one vector"),
        (200, b'{"values": [{"data": {}}]}', "something else than one vector"),
        (200, b'{"values": [{"data": {"vector": "x"}}]}', "something else than one vector"),
        (200, b'{"values": [{"data": {"vector": null}}]}', "something else than 256 numbers"),
        (200, b'{"values": [{"data": {"vector": [1, 2]}}]}', "something else than 256 numbers, which the field vector"),
        (200, json.dumps({"values": [{"data": {"vector": [math.nan] * 256}}]}).encode(), "something else than 256"),
        (200, b" " * 5_000_000 + VALID, "something else than one vector"),
    ],
)
def test_a_vectorizer_that_does_not_do_is_told(
    definitions: Definitions, app: SmallApp, status: int, body: bytes, said: str
) -> None:
    app.answer = status, body
    with pytest.raises(VectorizerError, match=said) as told:
        image_vector(b"x", definitions.index, {"x-functions-key": KEY})
    assert KEY not in str(told.value)


def test_a_vectorizer_that_is_not_there_or_too_slow_or_in_the_open(definitions: Definitions, app: SmallApp) -> None:
    (vectorizer,) = definitions.index["vectorSearch"]["vectorizers"]
    parameters = vectorizer["customWebApiParameters"]
    app.hangs = True
    parameters["timeout"] = "PT0.2S"
    with pytest.raises(VectorizerError, match=r"did not answer within 0\.2 seconds"):
        image_vector(b"x", definitions.index, {})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        parameters["uri"] = f"http://127.0.0.1:{closed.getsockname()[1]}/api/embedding"
        with pytest.raises(VectorizerError, match="does not answer: is the app running"):
            image_vector(b"x", definitions.index, {})
    for uri in (
        "http://example.com/api/embedding",
        "file:///etc/passwd",
        "http://localhost@example.com/x",
        "http://localhost:70710/x",
        "https://[x/y",
        "https:///x",
    ):
        parameters["uri"] = uri
        with pytest.raises(VectorizerError, match="takes https, or http on this machine"):
            image_vector(b"x", definitions.index, {})
    definitions.index["vectorSearch"]["profiles"][0].pop("vectorizer")
    with pytest.raises(VectorizerError, match="names no custom vectorizer"):
        image_vector(b"x", definitions.index, {})
