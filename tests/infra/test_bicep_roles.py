"""Who may do what, held against what the code calls."""

import re
from typing import NamedTuple

import pytest

from infra.search.definitions import define
from infra.search.parameters import read_parameters
from tests.infra.bicep import files, read, resources
from tests.infra.functions import bindings

ROLES = read("modules/roles.bicep")

NAMES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "7ca78c08-252a-4471-8644-bb5ff32d4ba0": "Search Service Contributor",
    "8ebe5a00-799e-43f5-93ac-243d3dce84a7": "Search Index Data Contributor",
    "a97b65f3-24c7-4388-baec-2e87135dc908": "Cognitive Services User",
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
}


class Grant(NamedTuple):
    who: str
    role: str
    on: str
    when: str = ""


APP, SEARCH, TOPIC, PEOPLE = "appPrincipalId", "searchPrincipalId", "topicPrincipalId", "principalId"
LOCALLY = "people && localDevelopment"

TABLE = {
    Grant(APP, "Storage Blob Data Owner", "hostStorage"),
    Grant(APP, "Storage Queue Data Contributor", "hostStorage"),
    Grant(APP, "Storage Table Data Contributor", "hostStorage"),
    Grant(APP, "Storage Blob Data Owner", "images"),
    Grant(APP, "Storage Queue Data Contributor", "imagesStorage"),
    Grant(APP, "Cosmos DB Built-in Data Contributor", "cosmos"),
    Grant(APP, "Monitoring Metrics Publisher", "insights"),
    Grant(SEARCH, "Storage Blob Data Reader", "imagesStorage"),
    Grant(SEARCH, "Storage Blob Data Contributor", "imagesStorage", "knowledgeStore"),
    Grant(SEARCH, "Storage Table Data Contributor", "imagesStorage", "knowledgeStore"),
    Grant(SEARCH, "Cognitive Services User", "ai", "!empty(aiServicesName)"),
    Grant(TOPIC, "Storage Blob Data Contributor", "deadLetters"),
    Grant(PEOPLE, "Search Service Contributor", "search", "people"),
    Grant(PEOPLE, "Search Index Data Contributor", "search", "people"),
    Grant(PEOPLE, "Storage Blob Data Contributor", "images", "people"),
    Grant(PEOPLE, "Storage Queue Data Contributor", "imagesStorage", LOCALLY),
    Grant(PEOPLE, "Cosmos DB Built-in Data Contributor", "cosmos", LOCALLY),
}


def _granted() -> dict[str, Grant]:
    """What is assigned, by the name of the assignment in the file."""
    found = {}
    for name, one in resources(ROLES, "Microsoft.Authorization/roleAssignments").items():
        properties = one.value["properties"]
        (role,) = re.findall(
            r"^subscriptionResourceId\('Microsoft.Authorization/roleDefinitions', (\w+)\)$",
            properties["roleDefinitionId"],
        )
        found[name] = Grant(properties["principalId"], NAMES[ROLES[role].value], one.value["scope"], one.condition)
    for name, one in resources(ROLES, "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments").items():
        properties = one.value["properties"]
        (role,) = re.findall(r"^\$\{cosmos.id\}/sqlRoleDefinitions/\$\{(\w+)\}$", properties["roleDefinitionId"])
        assert properties["scope"] == f"{one.value['parent']}.id"
        found[name] = Grant(properties["principalId"], NAMES[ROLES[role].value], one.value["parent"], one.condition)
    return found


def test_these_roles_are_given_and_no_others() -> None:
    granted = _granted()

    assert len(set(granted.values())) == len(granted)
    assert set(granted.values()) == TABLE


def test_all_roles_are_given_in_this_file() -> None:
    elsewhere = [
        one.type
        for name, file in files().items()
        for one in file.values()
        if name != "modules/roles.bicep" and "roleassignments" in one.type.lower()
    ]
    assert elsewhere == []


def test_the_app_has_what_its_triggers_take() -> None:
    accounts = {"AzureWebJobsStorage": "hostStorage", "IMAGES_STORAGE": "imagesStorage"}
    takes = {"blobTrigger": "Storage Queue Data Contributor", "queue": "Storage Queue Data Contributor"}
    takes["queueTrigger"] = takes["queue"]

    needed = {
        Grant(APP, takes[one["type"]], accounts[one["connection"]]) for _, one in bindings() if "connection" in one
    }

    assert len(needed) == 2
    assert needed <= TABLE


def test_the_search_service_has_what_its_definitions_take() -> None:
    given = {
        "imageAnalysis": "true",
        "knowledgeStore": "true",
        "aiServicesUrl": "https://a.cognitiveservices.azure.com",
    }
    made = define(read_parameters(given, None, {}, local=True))
    as_text = str(made)

    assert "ResourceId=" in as_text  # data source and knowledge store by identity
    assert "AIServicesByIdentity" in as_text
    assert {one.role for one in TABLE if one.who == SEARCH and not one.when} == {"Storage Blob Data Reader"}
    assert {one.when for one in TABLE if one.who == SEARCH} == {"", "knowledgeStore", "!empty(aiServicesName)"}


@pytest.mark.parametrize(("name", "grant"), _granted().items())
def test_each_says_why_and_is_named_by_all_that_makes_it(name: str, grant: Grant) -> None:
    one = ROLES[name]
    role = next(
        key for key, value in ROLES.items() if value.kind == "var" and NAMES.get(str(value.value)) == grant.role
    )

    assert len(one.why) > 10
    # A name of anything less would be taken twice, and a deployment with another principal would be refused.
    assert one.value["name"] == f"guid({grant.on}.id, {grant.who}, {role})"


def test_identities_are_service_principals_and_people_what_they_say() -> None:
    for one in resources(ROLES, "Microsoft.Authorization/roleAssignments").values():
        properties = one.value["properties"]
        assert properties["principalType"] == (
            "principalType" if properties["principalId"] == PEOPLE else "ServicePrincipal"
        )


def test_nobody_gets_a_role_without_being_named() -> None:
    assert ROLES["people"].value == "!empty(principalId)"
    assert read("main.bicep")["principalId"].value == ""
    assert read("main.bicep")["localDevelopment"].value is False


def test_principals_come_from_the_right_modules() -> None:
    passed = read("main.bicep")["roles"].value["params"]

    assert {name: passed[name] for name in (APP, SEARCH, TOPIC, PEOPLE)} == {
        APP: "app.outputs.principalId",
        SEARCH: "search.outputs.principalId",
        TOPIC: "images.outputs.topicPrincipalId",
        PEOPLE: "principalId",
    }
    assert passed["hostStorageName"] == "app.outputs.hostStorageName"
    assert passed["imagesStorageName"] == "images.outputs.accountName"
