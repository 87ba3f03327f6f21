"""No secret leaves a deployment, nothing takes a key that an identity can do without, nothing is open by accident."""

import re
from typing import Any

import pytest

from infra.search.parameters import declarations
from tests.infra.bicep import INFRA, Expression, files, read, resolved, resources

FILES = files()
MAIN = read("main.bicep")
SECRET = re.compile(
    r"list\w*(Keys|Secrets|ConnectionStrings)|AccountKey|SharedAccess|sharedKey|password", re.IGNORECASE
)


def _accounts(kind: str) -> list[tuple[str, Any]]:
    return [
        (f"{name}: {one.name}", resolved(one.value["properties"], file))
        for name, file in FILES.items()
        for one in resources(file, kind).values()
    ]


STORAGE = _accounts("Microsoft.Storage/storageAccounts")


def test_host_and_images_have_accounts_of_their_own() -> None:
    assert [name for name, _ in STORAGE] == ["modules/app.bicep: hostStorage", "modules/images.bicep: account"]


@pytest.mark.parametrize(("name", "account"), STORAGE)
def test_storage_takes_identities_only_over_tls_and_nothing_is_public(name: str, account: dict[str, Any]) -> None:
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["supportsHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert account["networkAcls"]["defaultAction"] == "private ? 'Deny' : 'Allow'"


def test_no_container_is_public() -> None:
    containers = _accounts("Microsoft.Storage/storageAccounts/blobServices/containers")

    assert len(containers) == 3
    assert {properties["publicAccess"] for _, properties in containers} == {"None"}


@pytest.mark.parametrize(
    ("kind", "switch"),
    [
        ("Microsoft.DocumentDB/databaseAccounts", "disableLocalAuth"),
        ("Microsoft.Search/searchServices", "disableLocalAuth"),
        ("Microsoft.CognitiveServices/accounts", "disableLocalAuth"),
        ("Microsoft.Insights/components", "DisableLocalAuth"),
    ],
)
def test_services_take_no_keys(kind: str, switch: str) -> None:
    ((_, properties),) = _accounts(kind)

    assert properties[switch] is True
    assert "authOptions" not in properties  # of a search service; it excludes the switch


def test_the_database_speaks_tls_and_is_private_in_a_private_network() -> None:
    ((_, database),) = _accounts("Microsoft.DocumentDB/databaseAccounts")

    assert database["minimalTlsVersion"] == "Tls12"
    assert database["publicNetworkAccess"] == "private ? 'Disabled' : 'Enabled'"


def test_the_app_speaks_https_and_takes_no_passwords_for_deployments() -> None:
    app = FILES["modules/app.bicep"]
    properties = app["app"].value["properties"]

    assert properties["httpsOnly"] is True
    assert properties["siteConfig"] == {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled"}
    assert app["publishing"].value["properties"] == {"allow": False}
    assert properties["functionAppConfig"]["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"


def test_no_output_holds_a_secret() -> None:
    outputs = {
        f"{name}: {one.name}": str(one.value)
        for name, file in FILES.items()
        for one in file.values()
        if one.kind == "output"
    }

    assert [name for name, value in outputs.items() if SECRET.search(value)] == []
    # Where to log is no secret, as who logs needs a role; but nobody needs it outside.
    assert not any("insightsConnection" in str(one.value) for one in MAIN.values() if one.kind == "output")


def test_one_key_is_asked_for_and_goes_to_event_grid_only() -> None:
    asked = [
        (path.relative_to(INFRA).as_posix(), line.strip().partition(":")[0])
        for path in sorted(INFRA.rglob("*.bicep"))
        for line in path.read_text().splitlines()
        if SECRET.search(line) and "allowSharedKeyAccess" not in line
    ]

    assert asked == [("eventgrid.bicep", "endpointUrl")]


def test_outputs_are_named_as_the_environment_variables_that_they_become() -> None:
    outputs = {one.name for one in MAIN.values() if one.kind == "output"}
    searched = {one["env"] for one in declarations().values() if "env" in one and not one.get("secret")}

    assert searched | {"AZURE_SEARCH_ENDPOINT", "COSMOS_ENDPOINT", "FUNCTION_APP_NAME"} <= outputs
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", name) for name in outputs)


def test_the_second_pass_takes_outputs_of_the_first() -> None:
    outputs = {one.name for one in MAIN.values() if one.kind == "output"}
    parameters = [one for one in FILES["eventgrid.bicep"].values() if one.kind == "param"]

    assert len(parameters) == 5
    for one in parameters:
        assert re.findall(r"[A-Z]+(?:_[A-Z]+)+", one.decorators["description"][0])[0] in outputs


def test_names_end_in_a_hash_of_the_group_and_everything_is_tagged() -> None:
    assert MAIN["token"].value == "uniqueString(resourceGroup().id, environmentName, location)"
    assert MAIN["tags"].value == {"azd-env-name": "environmentName"}
    assert FILES["modules/app.bicep"]["app"].value["tags"] == "union(tags, { 'azd-service-name': 'app' })"
    untagged = [
        f"{name}: {one.name}"
        for name, file in FILES.items()
        for one in file.values()
        if one.kind == "resource"
        and isinstance(one.value, dict)
        and "location" in one.value
        and "tags" not in one.value
    ]
    assert untagged == []


def test_alerts_go_to_people_only_where_an_address_is_given() -> None:
    alerts = FILES["modules/alerts.bicep"]

    assert alerts["people"].condition == "!empty(email)"
    assert alerts["actionGroups"].value == Expression("empty(email) ? [] : [people!.id]")


def test_alerts_watch_failures_poison_throttling_and_undelivered_events() -> None:
    alerts = FILES["modules/alerts.bicep"]
    by_name = {one["name"]: one for one in alerts["logAlerts"].value + alerts["topicAlerts"].value}

    assert by_name.keys() == {"failures", "poison", "dead-letters", "dropped-events"}
    assert by_name["dead-letters"]["metric"] == "DeadLetteredCount"
    assert '"-poison/"' in by_name["poison"]["query"]
    (criterion,) = alerts["throttled"].value["properties"]["criteria"]["allOf"]
    assert criterion["dimensions"] == [{"name": "StatusCode", "operator": "Include", "values": ["429"]}]


@pytest.mark.parametrize("file", ["modules/app.bicep", "modules/images.bicep"])
def test_writes_to_queues_are_logged_where_the_alert_on_poison_looks(file: str) -> None:
    log = FILES[file]["queueLog"].value

    assert FILES[file][log["scope"]].type.startswith("Microsoft.Storage/storageAccounts/queueServices@")
    assert log["properties"]["logs"] == [{"category": "StorageWrite", "enabled": True}]
