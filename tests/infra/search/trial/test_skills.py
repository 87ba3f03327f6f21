"""Skillsets on documents, with real skills over HTTP that keep the contract or break it."""

from collections.abc import Iterator

import pytest

from infra.search.trial.answers import FAILED, INVALID, WARNED
from infra.search.trial.documents import Document, Issue
from infra.search.trial.planning import SHAPER, WEB_API
from infra.search.trial.skills import COLLIDED, INPUTS_MISSING, enrich
from infra.search.trial.tree import Found, values
from infra.search.trial.web_api import WebApi
from shared.contract import Json
from tests.servers.skills import Asked, Behaviour, Said, SkillServer, answered, skill_server
from tests.servers.skills import values as records

IMAGE = "/document/normalized_images/*"
PATH = {"name": "url", "source": "/document/path"}


@pytest.fixture(scope="module")
def server() -> Iterator[SkillServer]:
    with skill_server() as running:
        yield running


@pytest.fixture(scope="module")
def call() -> Iterator[WebApi]:
    async def pause(_: float) -> None:
        pass

    with WebApi(pause) as opened:
        yield opened


def _document(name: str, images: int = 1) -> Document:
    items = [{"$type": "file", "data": f"{name}{at}"} for at in range(images)]
    return Document(f"https://images/{name}", {"path": name, "normalized_images": items})


def _skill(server: SkillServer, behaviour: Behaviour = answered, **members: Json) -> Json:
    return {
        "@odata.type": WEB_API,
        "name": "similarity",
        "context": IMAGE,
        "uri": server.add(behaviour),
        "inputs": [{"name": "image", "source": IMAGE}],
        "outputs": [{"name": "got", "targetName": "seen"}],
    } | members


def _shaper(inputs: list[Json], name: str = "shape", context: str = IMAGE) -> Json:
    outputs = [{"name": "output", "targetName": "shaped"}]
    return {"@odata.type": SHAPER, "name": name, "context": context, "inputs": inputs, "outputs": outputs}


def _of(document: Document, path: str) -> Json:
    return values(document.tree, path).value


def test_every_image_of_every_document_is_a_record_and_gets_its_own_answer(server: SkillServer, call: WebApi) -> None:
    documents = [_document("a", 3), _document("b", 0), _document("c", 2)]
    skill = _skill(server, batchSize=2, inputs=[{"name": "image", "source": IMAGE}, PATH])
    assert enrich(documents, {"skills": [skill]}, call) == {}
    sizes = sorted(len(asked.records) for asked in server.asked[skill["uri"]])
    assert sizes == [1, 2, 2]
    for document in documents:
        images = document.tree["normalized_images"]
        path = document.tree["path"]
        assert _of(document, f"{IMAGE}/seen") == [{"image": image, "url": path} for image in images]
        assert document.issues == []


def test_a_skill_builds_on_another_and_never_sees_more_than_the_image(server: SkillServer, call: WebApi) -> None:
    first = _skill(server, name="first")
    second = _skill(
        server,
        name="second",
        inputs=[{"name": "image", "source": IMAGE}, {"name": "before", "source": f"{IMAGE}/seen/image/data"}],
        outputs=[{"name": "got", "targetName": "again"}],
    )
    document = _document("a")
    enrich([document], {"skills": [second, first]}, call)
    image = {"$type": "file", "data": "a0"}
    assert _of(document, f"{IMAGE}/again") == [{"image": image, "before": "a0"}]
    assert document.tree == {"path": "a", "normalized_images": [image]}


def test_outputs_that_are_not_named_are_not_taken_and_missing_ones_are_missing(
    server: SkillServer, call: WebApi
) -> None:
    skill = _skill(
        server,
        lambda asked: answered(asked, lambda _: {"label": [], "more": 1, "none": None}),
        outputs=[{"name": "label"}, {"name": "none"}, {"name": "vector", "targetName": "v"}],
    )
    document = _document("a")
    enrich([document], {"skills": [skill]}, call)
    assert _of(document, "/document/normalized_images/0/label") == []
    assert values(document.tree, "/document/normalized_images/0/none") == Found(None)
    assert values(document.tree, "/document/normalized_images/0/v").absent
    assert values(document.tree, "/document/normalized_images/0/more").absent
    assert document.issues == []


def test_a_record_with_an_error_fails_its_document_only(server: SkillServer, call: WebApi) -> None:
    def behave(asked: Asked) -> Said:
        said = answered(asked)
        bad = next(at for at, record in enumerate(asked.records) if record["data"]["image"]["data"] == "b0")
        said.body["values"][bad] |= {"data": None, "errors": [{"message": "no image"}]}
        return said

    documents = [_document("a"), _document("b", 2), _document("c")]
    later = _skill(server, name="later", outputs=[{"name": "got", "targetName": "later"}])
    enrich(documents, {"skills": [_skill(server, behave), later]}, call)
    details = "Web Api skill response contains errors: 'no image'"
    assert documents[1].issues == [Issue("https://images/b", "Enrichment.WebApiSkill.similarity", INVALID, details)]
    assert [document.failed for document in documents] == [False, True, False]
    asked_later = [record["data"]["image"]["data"] for asked in server.asked[later["uri"]] for record in asked.records]
    assert asked_later == ["a0", "c0"]


def test_a_call_that_fails_fails_each_of_its_documents_once(server: SkillServer, call: WebApi) -> None:
    documents = [_document("a", 3), _document("b", 1), _document("c", 2)]
    skill = _skill(server, lambda asked: Said(b"no", 500) if len(asked.records) == 4 else answered(asked), batchSize=4)
    enrich(documents, {"skills": [skill]}, call)
    details = "Web Api response status: 'InternalServerError', Web Api response details: 'no'"
    name = "Enrichment.WebApiSkill.similarity"
    assert [document.issues for document in documents] == [
        [Issue("https://images/a", name, FAILED, details)],
        [Issue("https://images/b", name, FAILED, details)],
        [],
    ]


def test_warnings_are_told_and_the_data_is_kept(server: SkillServer, call: WebApi) -> None:
    def behave(asked: Asked) -> Said:
        return records([{"recordId": "0", "data": {"got": 1}, "errors": None, "warnings": [{"message": "small"}]}])

    document = _document("a")
    enrich([document], {"skills": [_skill(server, behave, name=None)]}, call)
    assert document.issues == [Issue(document.key, "Enrichment.WebApiSkill.#1", WARNED, "small", warning=True)]
    assert _of(document, f"{IMAGE}/seen") == [1]


def test_an_output_that_would_replace_a_node_fails_the_document(server: SkillServer, call: WebApi) -> None:
    document = _document("a")
    skill = _skill(server, outputs=[{"name": "got", "targetName": "data"}])
    enrich([document], {"skills": [skill]}, call)
    (issue,) = document.issues
    assert (issue.message, issue.warning) == (COLLIDED, False)
    assert "'/document/normalized_images/0/data'" in issue.details


def test_a_missing_input_is_warned_of_once_and_the_skill_runs_without_it(server: SkillServer, call: WebApi) -> None:
    document = _document("a", 5)
    skill = _skill(server, inputs=[{"name": "image", "source": IMAGE}, {"name": "text", "source": f"{IMAGE}/text"}])
    enrich([document], {"skills": [skill]}, call)
    reasons = " ".join(f"Missing value '/document/normalized_images/{at}/text'." for at in range(3))
    details = (
        f"Optional skill input is missing. Name: 'text', Source: '{IMAGE}/text'. "
        f"Expression language parsing issues: {reasons} And 2 more."
    )
    name = "Enrichment.WebApiSkill.similarity"
    assert document.issues == [Issue(document.key, name, INPUTS_MISSING, details, warning=True)]
    assert [list(seen) for seen in _of(document, f"{IMAGE}/seen")] == [["image"]] * 5


def test_a_shape_is_made_of_what_other_skills_gave(server: SkillServer, call: WebApi) -> None:
    matches = [{"path": "x", "score": 1.0, "vector": [0]}, {"path": "y", "score": 0.5, "vector": [1]}]
    similarity = _skill(server, lambda asked: answered(asked, lambda _: {"got": matches}))
    nested = [{"name": name, "source": f"{IMAGE}/seen/*/{name}"} for name in ("path", "score")]
    shape = _shaper([{"name": "matches", "sourceContext": f"{IMAGE}/seen/*", "inputs": nested}, PATH])
    document = _document("a", 2)
    enrich([document], {"skills": [shape, similarity]}, call)
    kept = [{"path": "x", "score": 1.0}, {"path": "y", "score": 0.5}]
    assert _of(document, f"{IMAGE}/shaped") == [{"matches": kept, "url": "a"}] * 2
    assert document.issues == []


def test_skills_that_only_the_service_has_are_named_and_missed_in_silence(server: SkillServer, call: WebApi) -> None:
    ocr = {
        "@odata.type": "#Microsoft.Skills.Vision.OcrSkill",
        "name": "ocr",
        "context": IMAGE,
        "inputs": [{"name": "image", "source": IMAGE}],
        "outputs": [{"name": "text", "targetName": "imageText"}],
    }
    shape = _shaper([{"name": "text", "source": f"{IMAGE}/imageText"}, PATH])
    words = _shaper([{"name": "text", "source": f"{IMAGE}/imageText"}], name="words")
    document = _document("a")
    left = enrich([document], {"skills": [ocr, shape, words, _skill(server)]}, call)
    assert left == {"ocr": "OcrSkill", "words": "ShaperSkill"}
    assert _of(document, f"{IMAGE}/shaped") == [{"url": "a"}]
    assert document.issues == []


def test_a_document_that_has_failed_takes_no_part(server: SkillServer, call: WebApi) -> None:
    document = _document("a")
    document.error("DocumentExtraction", "unreadable")
    skill = _skill(server)
    enrich([document], {"skills": [skill]}, call)
    assert server.asked[skill["uri"]] == []


def test_without_skills_nothing_is_added(call: WebApi) -> None:
    document = _document("a")
    assert enrich([document], None, call) == {}
    assert document.tree == _document("a").tree


def test_the_whole_document_can_be_a_context(server: SkillServer, call: WebApi) -> None:
    document = _document("a", 2)
    skill = _skill(server, context=None, inputs=[{"name": "images", "source": f"{IMAGE}/data"}])
    enrich([document], {"skills": [skill]}, call)
    assert _of(document, "/document/seen/images") == ["a0", "a1"]
