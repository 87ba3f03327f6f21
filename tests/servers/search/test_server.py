"""The stand-in is as strict as the service is, asked by the SDK."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from azure.core import MatchConditions
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.search.documents.indexes import SearchIndexClient, SearchIndexerClient

from tests.servers.search import SearchServer, search_service
from tests.servers.search.answers import completed

SOURCE = {
    "name": "d",
    "type": "azureblob",
    "credentials": {"connectionString": "AccountKey=hush"},
    "container": {"name": "c"},
}
INDEX: dict[str, Any] = {
    "name": "i",
    "fields": [
        {"name": "id", "type": "Edm.String", "key": True},
        {"name": "inside", "type": "Edm.ComplexType", "fields": [{"name": "size", "type": "Edm.Int32"}]},
    ],
    "vectorSearch": {},
}
SKILL = {
    "@odata.type": "#Microsoft.Skills.Custom.WebApiSkill",
    "name": "similarity",
    "uri": "https://app/api/similarity",
    "timeout": "PT230S",
    "inputs": [],
    "outputs": [],
}
SKILLSET: dict[str, Any] = {"name": "s", "skills": [SKILL]}
ANALYZER = {"@odata.type": "#Microsoft.Azure.Search.PatternAnalyzer", "name": "a", "pattern": "-"}
INDEXER = {"name": "x", "dataSourceName": "d", "targetIndexName": "i", "skillsetName": "s"}


@pytest.fixture(scope="module")
def running() -> Iterator[SearchServer]:
    with search_service() as server:
        yield server


@pytest.fixture
def search(running: SearchServer) -> SearchServer:
    running.clear()
    return running


@pytest.fixture
def indexes(search: SearchServer) -> Iterator[SearchIndexClient]:
    with SearchIndexClient(search.url, AzureKeyCredential(search.key), retry_total=0) as client:
        yield client


@pytest.fixture
def indexers(search: SearchServer) -> Iterator[SearchIndexerClient]:
    with SearchIndexerClient(search.url, AzureKeyCredential(search.key), retry_total=0) as client:
        yield client


def refusal(error: pytest.ExceptionInfo[HttpResponseError]) -> str:
    return str(error.value.response.json()["error"]["message"])  # type: ignore[union-attr]


def test_what_is_written_is_answered_as_the_service_would(
    indexes: SearchIndexClient, indexers: SearchIndexerClient
) -> None:
    source = indexers.create_or_update_data_source_connection(SOURCE)
    assert source["credentials"] == {"connectionString": None}
    key, inside = indexes.create_or_update_index(INDEX).fields
    assert [key[name] for name in ("searchable", "filterable", "sortable", "facetable", "retrievable")] == [True] * 5
    assert inside["filterable"] is None
    assert inside["fields"][0]["searchable"] is False
    skillset = indexers.create_or_update_skillset(SKILLSET)
    assert skillset["skills"][0]["timeout"] == "PT3M50S"
    indexer = indexers.create_or_update_indexer(INDEXER | {"schedule": {"interval": "PT120M"}})
    assert indexer["schedule"] == {"interval": "PT2H", "startTime": "0001-01-01T00:00:00Z"}


@pytest.mark.parametrize("missing", ["data source 'd'", "index 'i'", "skillset 's'"])
def test_an_indexer_comes_after_what_it_names(
    indexes: SearchIndexClient, indexers: SearchIndexerClient, missing: str
) -> None:
    if not missing.startswith("data"):
        indexers.create_or_update_data_source_connection(SOURCE)
    if not missing.startswith("index"):
        indexes.create_or_update_index(INDEX)
    if not missing.startswith("skillset"):
        indexers.create_or_update_skillset(SKILLSET)
    with pytest.raises(HttpResponseError) as error:
        indexers.create_or_update_indexer(INDEXER)
    assert refusal(error).endswith(f"{missing} that doesn't exist")


def test_a_projection_comes_after_its_index(indexers: SearchIndexerClient) -> None:
    selector = {"targetIndexName": "i", "parentKeyFieldName": "p", "sourceContext": "/document", "mappings": []}
    with pytest.raises(HttpResponseError) as error:
        indexers.create_or_update_skillset(SKILLSET | {"indexProjections": {"selectors": [selector]}})
    assert "an index 'i'" in refusal(error)


@pytest.mark.parametrize(
    "skillset",
    [
        SKILLSET | {"extra": 1},
        SKILLSET | {"skills": [SKILL | {"batchsize": 8}]},
        SKILLSET | {"skills": [SKILL | {"inputs": [{"name": "image", "src": "/document"}]}]},
        SKILLSET | {"skills": [SKILL | {"@odata.type": "#Microsoft.Skills.Custom.WebSkill"}]},
    ],
)
def test_a_member_that_the_api_has_not_is_refused(indexers: SearchIndexerClient, skillset: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError) as error:
        indexers.create_or_update_skillset(skillset)
    assert refusal(error).startswith("The request is invalid. Details: skillsets : ")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (INDEX["fields"][:1], "Existing field(s) 'inside' cannot be deleted."),
        ([INDEX["fields"][0] | {"filterable": False}, INDEX["fields"][1]], "Existing field 'id' cannot be changed."),
        ([INDEX["fields"][0], INDEX["fields"][1] | {"fields": []}], "Existing field(s) 'size' cannot be deleted."),
    ],
)
def test_fields_of_an_index_neither_change_nor_go(indexes: SearchIndexClient, fields: list[Any], told: str) -> None:
    indexes.create_or_update_index(INDEX)
    with pytest.raises(HttpResponseError) as error:
        indexes.create_or_update_index(INDEX | {"fields": fields})
    assert refusal(error) == told


def test_fields_may_come(indexes: SearchIndexClient) -> None:
    indexes.create_or_update_index(INDEX)
    inside = INDEX["fields"][1]
    more = [INDEX["fields"][0], inside | {"fields": [*inside["fields"], {"name": "a", "type": "Edm.String"}]}]
    assert indexes.create_or_update_index(INDEX | {"fields": more})


def test_a_single_value_in_a_list_cannot_be_sorted_by() -> None:
    listed = {"name": "l", "type": "Collection(Edm.ComplexType)", "fields": [{"name": "size", "type": "Edm.Int32"}]}
    assert completed(listed)["fields"][0]["sortable"] is False
    assert completed({"name": "one", "type": "Edm.Int32"})["sortable"] is True
    assert completed({"name": "many", "type": "Collection(Edm.Int32)"})["sortable"] is False


def test_a_default_that_is_written_out_is_no_change(indexes: SearchIndexClient) -> None:
    indexes.create_or_update_index(INDEX)
    key = INDEX["fields"][0] | {"filterable": True, "sortable": True, "retrievable": False}
    assert indexes.create_or_update_index(INDEX | {"fields": [key, INDEX["fields"][1]]})


@pytest.mark.parametrize("analyzers", [[], [ANALYZER | {"pattern": "x"}], [ANALYZER, ANALYZER | {"name": "b"}]])
def test_analyzers_neither_come_nor_change_nor_go(indexes: SearchIndexClient, analyzers: list[Any]) -> None:
    indexes.create_or_update_index(INDEX | {"analyzers": [ANALYZER]})
    assert indexes.create_or_update_index(INDEX | {"analyzers": [ANALYZER], "description": "new"})
    with pytest.raises(HttpResponseError) as error:
        indexes.create_or_update_index(INDEX | {"analyzers": analyzers})
    assert "would cause downtime" in refusal(error)


def test_an_algorithm_that_is_in_use_cannot_change(indexes: SearchIndexClient) -> None:
    vector = {"name": "v", "type": "Collection(Edm.Single)", "dimensions": 2, "vectorSearchProfile": "p"}

    def index(m: int, unused: int) -> dict[str, Any]:
        algorithms = [{"name": n, "kind": "hnsw", "hnswParameters": {"m": k}} for n, k in (("a", m), ("b", unused))]
        search = {"algorithms": algorithms, "profiles": [{"name": "p", "algorithm": "a"}]}
        return INDEX | {"fields": [*INDEX["fields"], vector], "vectorSearch": search}

    indexes.create_or_update_index(index(4, 4))
    assert indexes.create_or_update_index(index(4, 8))
    with pytest.raises(HttpResponseError) as error:
        indexes.create_or_update_index(index(8, 8))
    assert refusal(error) == "Algorithm name cannot be updated. Parameters: definition"


def test_an_etag_is_for_one_version(indexers: SearchIndexerClient) -> None:
    first = indexers.create_or_update_data_source_connection(SOURCE)
    changed = SOURCE | {"description": "new", "@odata.etag": first.e_tag}
    second = indexers.create_or_update_data_source_connection(changed, match_condition=MatchConditions.IfNotModified)
    assert second.e_tag != first.e_tag
    with pytest.raises(ResourceModifiedError):
        indexers.create_or_update_data_source_connection(changed, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceExistsError):
        indexers.create_or_update_data_source_connection(SOURCE, match_condition=MatchConditions.IfMissing)


def test_one_run_at_a_time(indexes: SearchIndexClient, indexers: SearchIndexerClient) -> None:
    indexers.create_or_update_data_source_connection(SOURCE)
    indexes.create_or_update_index(INDEX)
    indexers.create_or_update_indexer({name: INDEXER[name] for name in INDEXER if name != "skillsetName"})
    with pytest.raises(ResourceExistsError) as error:  # a new indexer runs at once
        indexers.run_indexer("x")
    assert refusal(error).startswith("Another indexer invocation is currently in progress")
    assert indexers.get_indexer_status("x").last_result is not None
    indexers.run_indexer("x")
    with pytest.raises(HttpResponseError):
        indexers.reset_indexer("x")
    indexers.get_indexer_status("x")
    indexers.reset_indexer("x")
    assert [run.status for run in indexers.get_indexer_status("x").execution_history] == ["reset", "success", "success"]


def test_what_is_deleted_is_unknown(indexers: SearchIndexerClient) -> None:
    indexers.create_or_update_skillset(SKILLSET)
    indexers.delete_skillset("s")
    with pytest.raises(ResourceNotFoundError):
        indexers.get_skillset("s")


@pytest.mark.parametrize(
    "request_of",
    [
        {"url": "/indexes('i')?api-version=2024-07-01"},
        {"url": "/indexes('i')"},
        {"url": "/indexes/i?api-version=2026-04-01"},
        {"url": "/things('i')?api-version=2026-04-01"},
        {"url": "/indexes('i')?api-version=2026-04-01", "method": "POST"},
        {"url": "/indexes('i')?api-version=2026-04-01", "method": "PUT", "content": "{}"},
    ],
)
def test_what_the_api_does_not_have_fails_the_test(search: SearchServer, request_of: dict[str, str]) -> None:
    search.objects["indexes"]["i"] = INDEX
    search.touch("indexes", "i")
    wanted = {"method": "GET"} | request_of | {"url": search.url + request_of["url"]}
    assert httpx.request(**wanted, headers={"api-key": search.key}).status_code == 418  # type: ignore[arg-type]


def test_a_wrong_key_is_refused(search: SearchServer) -> None:
    url = f"{search.url}/indexes('i')?api-version=2026-04-01"
    assert httpx.get(url, headers={"api-key": "wrong"}).status_code == 403
    assert httpx.get(url, headers={"api-key": search.key}).status_code == 404
