"""The app settings that Bicep gives are those that the code and its host read."""

import pytest

from shared.settings import Settings, SettingsError, read_settings
from tests.infra.bicep import Expression, read
from tests.infra.functions import bindings

APP = read("modules/app.bicep")
GIVEN = APP["settings"].value

LEFT = {
    "ALLOWED_HOSTS": "the default is the images account",
    "COSMOS_CLUSTERS_CONTAINER": "data.bicep names the container as the code does",
    "COSMOS_COLLECTIONS_CONTAINER": "data.bicep names the container as the code does",
    "COSMOS_DATABASE": "data.bicep names the database as the code does",
    "COSMOS_FEATURES_CONTAINER": "data.bicep names the container as the code does",
    "COSMOS_KEY": "a key: the app signs in with its identity",
    "DATA_DIR": "the embedded stores refuse to run in Azure",
    "FETCH_TIMEOUT_SECONDS": "the default fits the time budget",
    "IMAGES_STORAGE": "a connection string: the app signs in with its identity",
    "MAX_IMAGE_MB": "a matter of taste: extraSettings",
    "MAX_IMAGE_MEGAPIXELS": "a matter of taste: extraSettings",
    "RERANK_OVERFETCH": "a matter of taste: extraSettings",
    "SUBSCRIPTION_KEY": "a secret, for older clients only: extraSettings, from a Key Vault",
    "TOPN": "a matter of taste: extraSettings",
}
"""What the code reads and Bicep leaves to its default, each with the reason."""

OF_OTHERS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "the host, to log with its identity",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "the host, where to log",
    "AZURE_CLIENT_ID": "DefaultAzureCredential, which identity it is",
    "AzureWebJobsStorage__blobServiceUri": "the host",
    "AzureWebJobsStorage__clientId": "the host",
    "AzureWebJobsStorage__credential": "the host",
    "AzureWebJobsStorage__queueServiceUri": "the host and the triggers of fits",
    "AzureWebJobsStorage__tableServiceUri": "the host",
    "IMAGES_STORAGE__credential": "the host, for its triggers",
    "IMAGES_STORAGE__queueServiceUri": "the host, for its triggers",
}


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, key: str, default: str = "", /) -> str:  # type: ignore[override]
        self.names.add(key)
        return default


def _read_by_the_code() -> set[str]:
    env = Asked()
    read_settings(env)
    return env.names


def test_each_setting_that_the_code_reads_is_given_or_left_on_purpose() -> None:
    assert GIVEN.keys() & LEFT.keys() == set()
    assert _read_by_the_code() - GIVEN.keys() == LEFT.keys()


def test_each_setting_that_is_given_is_read_by_the_code_or_by_others() -> None:
    assert GIVEN.keys() - _read_by_the_code() == OF_OTHERS.keys()


def test_the_code_takes_what_is_given() -> None:
    deployed = {
        "IMAGES_STORAGE__blobServiceUri": "https://stimages.blob.core.windows.net/",  # with its slash, as Azure says it
        "IMAGES_CONTAINER": "images",
        "COSMOS_ENDPOINT": "https://cosmos.documents.azure.com:443/",
        "COSMOS_VECTOR_INDEX": "diskANN",
    }
    written = {name: str(value) for name, value in GIVEN.items() if not isinstance(value, Expression)}

    settings = read_settings({**written, **deployed})

    assert settings.images_url == "https://stimages.blob.core.windows.net/images/"
    assert settings.allowed_hosts == {"stimages.blob.core.windows.net"}
    # A query by image is given up after 60 seconds by the search service, and fetching has to fit in.
    assert settings.fetch_timeout < settings.time_budget < 60


def test_all_of_the_app_signs_in_as_its_one_identity() -> None:
    identity = "identity.properties.clientId"
    clients = {name: value for name, value in GIVEN.items() if name.endswith("clientId") or "CLIENT_ID" in name}

    assert set(clients) == {"AZURE_CLIENT_ID", "AzureWebJobsStorage__clientId", "IMAGES_STORAGE__clientId"}
    assert set(clients.values()) == {identity}
    assert GIVEN["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId=${{{identity}}};Authorization=AAD"
    assert all(value == "managedidentity" for name, value in GIVEN.items() if name.endswith("__credential"))


def test_each_connection_of_a_trigger_has_its_services_and_its_identity() -> None:
    needed = {"AzureWebJobsStorage": {"blob", "queue", "table"}, "IMAGES_STORAGE": {"blob", "queue"}}

    assert {told["connection"] for _, told in bindings() if "connection" in told} == needed.keys()
    for connection, services in needed.items():
        given = {name.partition("__")[2] for name in GIVEN if name.startswith(f"{connection}__")}
        assert given == {f"{service}ServiceUri" for service in services} | {"credential", "clientId"}
    assert GIVEN["AzureWebJobsStorage__blobServiceUri"] == "hostStorage.properties.primaryEndpoints.blob"
    assert GIVEN["IMAGES_STORAGE__queueServiceUri"] == "imagesQueueUrl"


def test_what_is_given_reaches_the_app_from_the_right_module() -> None:
    passed = read("main.bicep")["app"].value["params"]

    assert {
        name: passed[name] for name in ("imagesBlobUrl", "imagesQueueUrl", "imagesContainer", "cosmosEndpoint")
    } == {
        "imagesBlobUrl": "images.outputs.blobUrl",
        "imagesQueueUrl": "images.outputs.queueUrl",
        "imagesContainer": "images.outputs.container",
        "cosmosEndpoint": "data.outputs.endpoint",
    }
    assert APP["appSettings"].value["properties"] == "union(settings, extraSettings)"


def test_the_app_runs_the_python_that_it_was_tested_with() -> None:
    config = APP["app"].value["properties"]["functionAppConfig"]

    assert config["runtime"] == {"name": "python", "version": "3.13"}


@pytest.mark.parametrize("kind", [*read("main.bicep")["cosmosVectorIndex"].decorators["allowed"][0], "none"])
def test_the_kinds_of_vector_index_are_those_of_the_code(kind: str) -> None:
    if kind == "none":
        with pytest.raises(SettingsError, match="flat, quantizedFlat, diskANN"):
            read_settings({"COSMOS_VECTOR_INDEX": kind})
    else:
        assert read_settings({"COSMOS_VECTOR_INDEX": kind}).cosmos_vector_index == kind
    assert read("main.bicep")["cosmosVectorIndex"].value == Settings().cosmos_vector_index
