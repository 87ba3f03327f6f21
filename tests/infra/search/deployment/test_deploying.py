"""`deploy` against the stand-in: the order, what is written and when, and what is refused before anything is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.search import definitions
from infra.search.__main__ import main
from infra.search.deployment import deploying
from shared import backbone
from tests.servers.search import Fault, SearchServer, search_service
from tests.servers.search.environment import FUNCTION_KEY, settle
from tests.servers.search.runs import execution

PUTS = [
    "PUT /datasources('visual-skills-blobs')",
    "PUT /indexes('visual-skills')",
    "PUT /skillsets('visual-skills-skills')",
    "PUT /indexers('visual-skills-indexer')",
]
RESET = "POST /indexers('visual-skills-indexer')/search.reset"
RUN = "POST /indexers('visual-skills-indexer')/search.run"


@pytest.fixture(scope="module")
def running() -> Iterator[SearchServer]:
    with search_service() as server:
        yield server


@pytest.fixture
def search(running: SearchServer, monkeypatch: pytest.MonkeyPatch) -> SearchServer:
    settle(running, monkeypatch)
    return running


@pytest.fixture
def deployed(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> SearchServer:
    assert main(["deploy"]) == 0
    capsys.readouterr()
    search.asked.clear()
    return search


def test_all_is_created_in_the_order_of_need_and_only_where_nothing_is(
    search: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy"]) == 0
    assert search.written() == PUTS
    puts = [one for one in search.asked if one.method == "PUT"]
    assert {one.headers.get("if-none-match") for one in puts} == {"*"}
    assert {one.headers["api-key"] for one in search.asked} == {search.key}
    said = capsys.readouterr().out
    assert "index visual-skills: new\n" in said
    assert "has begun its first run" in said


@pytest.mark.parametrize("shape", ["images", "documents"])
def test_what_is_written_is_what_the_definitions_say(
    search: SearchServer, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    switches = [f"shape={shape}", "imageAnalysis=true", "ocr=true", "knowledgeStore=true"]
    command = ["deploy", *(part for one in switches for part in ("--set", one))]
    assert main(command) == 0
    skillset = search.objects["skillsets"]["visual-skills-skills"]
    assert skillset["skills"][0]["httpHeaders"] == {"x-functions-key": FUNCTION_KEY}
    assert ("indexProjections" in skillset) == (shape == "documents")
    assert search.objects["indexes"]["visual-skills"]["fields"][0]["name"] == "id"
    capsys.readouterr()
    assert main([*command, "--dry-run", "--json"]) == 0
    assert [one["differences"] for one in json.loads(capsys.readouterr().out)["objects"]] == [[]] * 4


def test_a_dry_run_writes_nothing(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--dry-run", "--wait"]) == 0
    assert search.written() == []
    assert not any(search.objects.values())
    assert "Nothing was written" in capsys.readouterr().out


def test_a_second_deployment_writes_only_what_cannot_be_compared(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy"]) == 0
    said = capsys.readouterr().out
    assert "skillset visual-skills-skills: unchanged\n" in said
    assert "unchanged; written again, as the service does not show its connectionString\n" in said
    assert deployed.written() == PUTS[:1]


@pytest.mark.parametrize("headers", ["redacted", "null"])
def test_a_key_that_the_service_does_not_show_is_written_again(
    deployed: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], headers: str
) -> None:
    deployed.headers = headers
    monkeypatch.setenv("SKILLS_FUNCTION_KEY", "the-next-key-of-the-functions")
    assert main(["deploy"]) == 0
    assert deployed.written() == PUTS[:3]
    skill = deployed.objects["skillsets"]["visual-skills-skills"]["skills"][0]
    assert skill["httpHeaders"] == {"x-functions-key": "the-next-key-of-the-functions"}
    said = "".join(capsys.readouterr())
    assert "skillset visual-skills-skills: unchanged; written again, as the service does not show its " in said
    assert "→" not in said
    assert "the-next-key" not in said


def test_only_what_differs_is_written_and_only_over_what_was_shown(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--set", "batchSize=4"]) == 0
    assert deployed.written() == [PUTS[0], PUTS[2]]
    puts = [one for one in deployed.asked if one.method == "PUT"]
    assert all(one.headers["if-match"].startswith('"0x8DE') for one in puts)
    said = capsys.readouterr().out
    assert "  skills.similarity.batchSize: 8 → 4\n" in said
    assert "reset --run" in said, "what is indexed keeps what the old skillset said"


AGAIN = "`python -m infra.search reset --run` reads all of them again."
RUN_NOW = "`python -m infra.search run` runs the indexer now."


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("imageSide=1024", AGAIN),
        ("extensions=.jpg", AGAIN),
        ("imageAnalysis=true", AGAIN),
        ("schedule=PT1H", RUN_NOW),
        ("maxFailedItems=3", RUN_NOW),
        ("documentsAtOnce=8", RUN_NOW),
    ],
)
def test_the_next_step_is_a_reset_where_documents_would_hold_something_else(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str], setting: str, advice: str
) -> None:
    assert main(["deploy", "--set", setting]) == 0
    assert capsys.readouterr().out.rstrip().endswith(advice)


def test_a_new_index_behind_an_indexer_that_has_read_everything_needs_a_reset(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    del deployed.objects["indexes"]["visual-skills"]
    assert main(["deploy"]) == 0
    assert AGAIN in capsys.readouterr().out


@pytest.mark.parametrize(("setting", "told"), [("imageSide=1024", True), ("schedule=PT1H", False)])
def test_a_run_that_was_waited_for_does_not_stand_for_a_reset(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str], setting: str, told: bool
) -> None:
    deployed.runs("visual-skills-indexer").status("x")  # the first run ends
    assert main(["deploy", "--wait", "--set", setting]) == 0
    assert (AGAIN in capsys.readouterr().out) == told


def test_a_change_by_somebody_else_is_never_written_over(
    deployed: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(*arguments: Any) -> Any:
        deployed.touch("skillsets", "visual-skills-skills", description="theirs")
        return deploying.write(*arguments)

    monkeypatch.setattr("infra.search.commands.deploy_command.write", slow)
    assert main(["deploy", "--set", "batchSize=4"]) == 2
    assert deployed.objects["skillsets"]["visual-skills-skills"]["description"] == "theirs"
    told = capsys.readouterr().err
    assert "Somebody changed it meanwhile: run deploy again." in told
    assert "Written before that: data source visual-skills-blobs." in told


def test_what_somebody_makes_meanwhile_is_not_written_over(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search.faults = [Fault("GET", r"/\w+\('", 404, "not there")]
    search.objects["datasources"]["visual-skills-blobs"] = {"name": "visual-skills-blobs"}
    search.touch("datasources", "visual-skills-blobs")
    assert main(["deploy"]) == 2
    assert "Somebody changed it meanwhile" in capsys.readouterr().err
    assert search.objects["datasources"]["visual-skills-blobs"] == {"name": "visual-skills-blobs"}


def test_another_vector_length_is_refused_before_anything_is_written(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = deployed.objects["indexes"]["visual-skills"]["fields"]
    other = [field | ({"dimensions": 128} if field["name"] == "vector" else {}) for field in fields]
    deployed.touch("indexes", "visual-skills", fields=other)
    assert main(["deploy", "--set", "batchSize=4"]) == 2
    told = capsys.readouterr().err
    assert "The field vector would change (dimensions 128 → 256); the service cannot do that." in told
    assert "Nothing was written. Deploy beside it under another name (--set prefix=…)" in told
    assert deployed.written() == []


def test_a_field_that_would_go_is_refused_and_one_that_comes_is_not(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--set", "imageAnalysis=true"]) == 0
    assert "  fields.imageTags: new\n" in capsys.readouterr().out
    deployed.asked.clear()
    assert main(["deploy"]) == 2
    told = capsys.readouterr().err
    assert "imageTags, imageCategories, imageCaptions, imageBrands, imageFaces." in told
    assert deployed.written() == []


def test_fields_inside_a_complex_one_may_come_but_neither_change_nor_go(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def inside(change: Any) -> list[Any]:
        fields = deployed.objects["indexes"]["visual-skills"]["fields"]
        return [field | ({"fields": change(field["fields"])} if field["name"] == "matches" else {}) for field in fields]

    deployed.touch("indexes", "visual-skills", fields=inside(lambda fields: fields[:-1]))
    assert main(["deploy"]) == 0
    deployed.touch(
        "indexes",
        "visual-skills",
        fields=inside(
            lambda fields: [{"name": "rank", "type": "Edm.Int32"}, *fields[1:], fields[0] | {"type": "Edm.Int32"}]
        ),
    )
    assert main(["deploy"]) == 2
    told = capsys.readouterr().err
    assert "matches/rank" in told
    assert "The field matches/path would change (type Edm.Int32 → Edm.String)" in told


OTHER_ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/others"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("shape=documents", "The shape would change (images → documents);"),
        ("container=others", "The container would change (images → others);"),
        ("folder=dogs/", "The folder would change (none → dogs/);"),
        (f"storageAccountId={OTHER_ACCOUNT}", "The storage account would change (photos → others);"),
    ],
)
def test_documents_are_not_left_behind_by_a_change_of_where_they_come_from(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str], setting: str, told: str
) -> None:
    assert main(["deploy", "--set", setting]) == 2
    said = capsys.readouterr().err
    assert f"{told} the documents that are in the index by the old one would stay there" in said
    assert (
        "Nothing was written. Deploy beside it under another name (--set prefix=…), or remove it with `delete`" in said
    )
    assert deployed.written() == []
    assert main(["deploy", "--set", setting, "--set", "prefix=beside"]) == 0


def test_an_account_in_another_resource_group_is_the_same_one(deployed: SearchServer) -> None:
    moved = "/subscriptions/t/resourceGroups/h/providers/Microsoft.Storage/storageAccounts/photos"
    assert main(["deploy", "--set", f"storageAccountId={moved}"]) == 0


def test_keys_made_of_something_else_are_refused(deployed: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    mappings = deployed.objects["indexers"]["visual-skills-indexer"]["fieldMappings"]
    other = [mappings[0] | {"sourceFieldName": "metadata_storage_name"}, *mappings[1:]]
    deployed.touch("indexers", "visual-skills-indexer", fieldMappings=other)
    assert main(["deploy"]) == 2
    told = capsys.readouterr().err
    assert "fieldMappings.id.sourceFieldName: metadata_storage_name → metadata_storage_path); the documents" in told
    assert deployed.written() == []


def test_where_there_is_no_index_nothing_is_left_behind(deployed: SearchServer) -> None:
    del deployed.objects["indexes"]["visual-skills"]
    assert main(["deploy", "--set", "container=others"]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"analyzers": []},
            "analyzers.letters-and-digits of the index would change (new); the service changes no analyzer, and adds "
            "one only while the index is closed.",
        ),
        (
            {"algorithms": {"hnswParameters": {"m": 8, "efConstruction": 400, "efSearch": 500, "metric": "cosine"}}},
            "vectorSearch.algorithms.hnsw.hnswParameters.m of the index would change (8 → 4); the service cannot do",
        ),
        ({"profiles": {"compression": "c"}}, "vectorSearch.profiles.images.compression of the index would change"),
    ],
)
def test_what_fields_are_made_by_is_not_changed(
    deployed: SearchServer, capsys: pytest.CaptureFixture[str], change: dict[str, Any], told: str
) -> None:
    search = deployed.objects["indexes"]["visual-skills"]["vectorSearch"]
    for kind in change.keys() & search.keys():
        change = {"vectorSearch": search | {kind: [search[kind][0] | change[kind]]}}
    deployed.touch("indexes", "visual-skills", **change)
    assert main(["deploy"]) == 2
    assert told in capsys.readouterr().err
    assert deployed.written() == []


def test_a_vectorizer_and_what_no_field_uses_may_change(deployed: SearchServer) -> None:
    search = deployed.objects["indexes"]["visual-skills"]["vectorSearch"]
    unused = {"name": "unused", "kind": "hnsw", "hnswParameters": {"m": 8}}
    profile = search["profiles"][0] | {"vectorizer": None}
    deployed.touch(
        "indexes",
        "visual-skills",
        vectorSearch=search | {"algorithms": [*search["algorithms"], unused], "profiles": [profile]},
    )
    assert main(["deploy"]) == 0
    assert PUTS[1] in deployed.written()


def test_what_the_service_refuses_is_told_with_what_is_written_already(
    search: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    search.faults = [Fault("PUT", "/skillsets", 400, "One or more skills are invalid. Details: …")]
    assert main(["deploy"]) == 2
    told = capsys.readouterr().err
    assert "The skillset visual-skills-skills is not written. The service refuses it (400): One or more skills" in told
    assert "Written before that: data source visual-skills-blobs, index visual-skills." in told


def test_another_model_resets_the_indexer_before_anything_is_written(
    deployed: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(definitions, "BUILT_IN", {**definitions.BUILT_IN, "model": "other/2"})
    assert main(["deploy", "--dry-run"]) == 0
    assert deployed.written() == []
    assert main(["deploy"]) == 2, "the first run is going on"
    told = capsys.readouterr().err
    assert "The indexer visual-skills-indexer is not reset, which another model needs." in told
    assert "Nothing was written. When a run is going, wait for its end" in told
    assert deployed.written() == [RESET]
    deployed.runs("visual-skills-indexer").status("x")
    deployed.asked.clear()
    deployed.faults = [Fault("PUT", "/skillsets", 400, "No.", times=1)]
    assert main(["deploy"]) == 2
    assert "Written before that: indexer visual-skills-indexer (reset), data source" in capsys.readouterr().err
    deployed.asked.clear()
    assert main(["deploy"]) == 0, "the skillset still has the old model, so the indexer is reset again"
    assert deployed.written() == [RESET, PUTS[0], PUTS[2]]
    assert f"The model changes from {backbone.MODEL} to other/2." in capsys.readouterr().out
    deployed.asked.clear()
    assert main(["deploy"]) == 0
    assert RESET not in deployed.written()


def test_waiting_shows_the_run_and_fails_with_it(deployed: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"key": "https://a.blob.core.windows.net/images/b.jpg", "errorMessage": "bad", "statusCode": 400}
    deployed.runs("visual-skills-indexer").status("x")  # the first run ends
    deployed.runs("visual-skills-indexer").next = [
        [execution("inProgress"), execution("success", items=2, failed=1, errors=[error])]
    ]
    assert main(["deploy", "--wait", "--set", "batchSize=4"]) == 1
    assert deployed.written()[-1] == RUN
    assert "2 documents, 1 failed: success.\nErrors:\n  b.jpg: bad" in capsys.readouterr().out


def test_json_has_all_of_it_and_no_secret(deployed: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--json", "--set", "batchSize=4"]) == 0
    said = capsys.readouterr().out
    answer = json.loads(said)
    assert [one["state"] for one in answer["objects"]] == ["unchanged", "unchanged", "changed", "unchanged"]
    assert answer["objects"][2]["differences"][0] == {"path": "skills.similarity.batchSize", "old": 8, "new": 4}
    assert answer["written"] == ["data source visual-skills-blobs: updated", "skillset visual-skills-skills: updated"]
    assert FUNCTION_KEY not in said


def test_missing_parameters_are_named_before_the_service_is_asked(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SKILLS_APP_URL")
    monkeypatch.delenv("IMAGES_STORAGE_ACCOUNT_ID")
    assert main(["deploy"]) == 2
    told = capsys.readouterr().err
    assert "SKILLS_APP_URL" in told
    assert "IMAGES_STORAGE_ACCOUNT_ID" in told
    assert search.asked == []
