from pathlib import Path

import pytest

from shared.settings import Settings, SettingsError, in_azure, read_settings


def test_without_an_environment_the_defaults_hold() -> None:
    assert read_settings({}) == Settings()
    assert Settings().images_url == ""


def test_what_is_set_is_read() -> None:
    got = read_settings(
        {
            "TOPN": "7",
            "IMAGES_CONTAINER": "photos",
            "IMAGES_STORAGE__blobServiceUri": "https://Account.blob.core.windows.net/",
            "DATA_DIR": "/data",
            "MAX_IMAGE_MB": "0.5",
            "MAX_IMAGE_MEGAPIXELS": "1.5",
            "TIME_BUDGET_SECONDS": "200",
            "FETCH_TIMEOUT_SECONDS": "2.5",
            "SUBSCRIPTION_KEY": "sixteen letters.",
        }
    )
    assert got == Settings(
        top=7,
        images_container="photos",
        images_account="https://Account.blob.core.windows.net",
        allowed_hosts=frozenset({"account.blob.core.windows.net"}),
        data_dir=Path("/data"),
        max_image_bytes=500_000,
        max_image_pixels=1_500_000,
        time_budget=200,
        fetch_timeout=2.5,
        subscription_key="sixteen letters.",
    )
    assert "sixteen" not in repr(got)
    assert got.images_url == "https://Account.blob.core.windows.net/photos/"


def test_allowed_hosts_replace_the_default() -> None:
    env = {"IMAGES_STORAGE__blobServiceUri": "https://a.example", "ALLOWED_HOSTS": " B.example, c.example ,"}
    assert read_settings(env).allowed_hosts == {"b.example", "c.example"}


@pytest.mark.parametrize("value", ["0", "-1", "1001", "three", "1.5", "nan", "1e9"])
def test_a_number_that_cannot_be_used_is_named(value: str) -> None:
    with pytest.raises(SettingsError, match="TOPN takes a number from 1 to 1000"):
        read_settings({"TOPN": value})


@pytest.mark.parametrize("value", ["nan", "inf", "0"])
def test_a_budget_is_finite(value: str) -> None:
    with pytest.raises(SettingsError, match="TIME_BUDGET_SECONDS"):
        read_settings({"TIME_BUDGET_SECONDS": value})


def test_a_key_that_is_too_short_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="SUBSCRIPTION_KEY takes at least 16 characters") as refused:
        read_settings({"SUBSCRIPTION_KEY": "sixteen letters"})
    assert "sixteen" not in str(refused.value)
    assert read_settings({"SUBSCRIPTION_KEY": ""}) == Settings()


def test_azure_is_told_by_what_it_sets() -> None:
    assert in_azure({"WEBSITE_INSTANCE_ID": "x"})
    assert in_azure({"WEBSITE_POD_NAME": "x"})
    assert not in_azure({"WEBSITE_HOSTNAME": "localhost:7071", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"})


@pytest.mark.parametrize(
    ("connection", "account"),
    [
        ("DefaultEndpointsProtocol=https;AccountName=pics;AccountKey=a2V5;EndpointSuffix=core.windows.net",
         "https://pics.blob.core.windows.net"),
        ("AccountName=pics;AccountKey=a2V5", "https://pics.blob.core.windows.net"),
        ("BlobEndpoint=http://127.0.0.1:7071;SharedAccessSignature=sv=1&sig=x", "http://127.0.0.1:7071"),
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1"),
        ("nonsense", ""),
    ],
)  # fmt: skip
def test_a_connection_string_tells_where_the_images_are(connection: str, account: str) -> None:
    got = read_settings({"IMAGES_STORAGE": connection})
    assert (got.images_account, got.images_connection) == (account, connection)
    assert "a2V5" not in repr(got)


def test_an_identity_of_several_is_named() -> None:
    env = {"IMAGES_STORAGE__blobServiceUri": "https://a.example", "IMAGES_STORAGE__clientId": "id"}
    assert read_settings(env).images_client_id == "id"
