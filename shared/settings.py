"""The app's settings: environment variables, read once and checked.

Every setting has a default that works on a laptop. `local.settings.sample.json` lists those that have a plain value.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit


class SettingsError(ValueError):
    """A setting cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, each with the name of its environment variable.

    Attributes:
        top: TOPN. Look-alikes in an answer when the caller does not say, 1 to 1000.
        rerank_overfetch: RERANK_OVERFETCH. How many times as many images as it shows a ranker is given, 1 to 100.
        images_container: IMAGES_CONTAINER. The blob container that holds the images.
        images_connection: IMAGES_STORAGE. The connection string of its storage account, where no identity may sign in.
        images_account: IMAGES_STORAGE__blobServiceUri, or of the connection string: the account's blob endpoint, or "".
        images_client_id: IMAGES_STORAGE__clientId. Which identity signs in there, when the app has several.
        allowed_hosts: ALLOWED_HOSTS. Host names, separated by commas, that image urls may name; default: the host of
            `images_account`.
        data_dir: DATA_DIR. The folder of the embedded stores.
        cosmos_endpoint: COSMOS_ENDPOINT. The Cosmos DB account; when it is set, the features are there.
        cosmos_key: COSMOS_KEY. Its key; without one, the app signs in with its identity.
        cosmos_database: COSMOS_DATABASE. The database's name.
        cosmos_features: COSMOS_FEATURES_CONTAINER. The container of features.
        cosmos_collections: COSMOS_COLLECTIONS_CONTAINER. The container of collections.
        cosmos_clusters: COSMOS_CLUSTERS_CONTAINER. The container of what clustering found.
        cosmos_vector_index: COSMOS_VECTOR_INDEX. The kind of vector index of a container that the app makes: `flat`
            (exact), `quantizedFlat` or `diskANN`.
        max_image_bytes: MAX_IMAGE_MB. The largest encoded image, in megabytes of 10^6 bytes.
        max_image_pixels: MAX_IMAGE_MEGAPIXELS. The largest image, width times height, in millions.
        time_budget: TIME_BUDGET_SECONDS. After this long a call answers with what it has; keep it below the skill's
            `timeout`, whose default is 30 s.
        fetch_timeout: FETCH_TIMEOUT_SECONDS. The longest that fetching one image url may take.
        subscription_key: SUBSCRIPTION_KEY. The key that older clients send to `/api/extraction/…`, at least 16
            characters; without one, that route is closed.
    """

    top: int = 3
    rerank_overfetch: int = 10
    images_container: str = "images"
    images_connection: str = field(default="", repr=False)
    images_account: str = ""
    images_client_id: str = ""
    allowed_hosts: frozenset[str] = frozenset()
    data_dir: Path = Path(".local")
    cosmos_endpoint: str = ""
    cosmos_key: str = field(default="", repr=False)
    cosmos_database: str = "visual-skills"
    cosmos_features: str = "features"
    cosmos_collections: str = "collections"
    cosmos_clusters: str = "clusters"
    cosmos_vector_index: str = "flat"
    max_image_bytes: int = 32_000_000
    max_image_pixels: int = 64_000_000
    time_budget: float = 25.0
    fetch_timeout: float = 10.0
    subscription_key: str = field(default="", repr=False)

    @property
    def images_url(self) -> str:
        """The url of the images container with a slash at its end, or "" when the account is unknown."""
        return f"{self.images_account}/{self.images_container}/" if self.images_account else ""

    def url_of(self, path: str) -> str | None:
        """The url of an image, or None when the account is unknown."""
        return self.images_url + quote(path) if self.images_url else None


def read_settings(env: Mapping[str, str]) -> Settings:
    """Settings from environment variables.

    Raises:
        SettingsError: A value cannot be used.
    """
    default = Settings()
    connection = env.get("IMAGES_STORAGE", "")
    account = (env.get("IMAGES_STORAGE__blobServiceUri") or _blob_endpoint(connection)).rstrip("/")
    hosts = env.get("ALLOWED_HOSTS", "").lower().split(",") if env.get("ALLOWED_HOSTS") else [_host(account)]
    return Settings(
        top=_number(env, "TOPN", default.top, int, 1, 1000),
        rerank_overfetch=_number(env, "RERANK_OVERFETCH", default.rerank_overfetch, int, 1, 100),
        images_container=env.get("IMAGES_CONTAINER") or default.images_container,
        images_connection=connection,
        images_account=account,
        images_client_id=env.get("IMAGES_STORAGE__clientId", ""),
        allowed_hosts=frozenset(host.strip() for host in hosts if host.strip()),
        data_dir=Path(env.get("DATA_DIR") or default.data_dir),
        cosmos_endpoint=env.get("COSMOS_ENDPOINT", ""),
        cosmos_key=env.get("COSMOS_KEY", ""),
        cosmos_database=env.get("COSMOS_DATABASE") or default.cosmos_database,
        cosmos_features=env.get("COSMOS_FEATURES_CONTAINER") or default.cosmos_features,
        cosmos_collections=env.get("COSMOS_COLLECTIONS_CONTAINER") or default.cosmos_collections,
        cosmos_clusters=env.get("COSMOS_CLUSTERS_CONTAINER") or default.cosmos_clusters,
        cosmos_vector_index=_choice(env, "COSMOS_VECTOR_INDEX", ("flat", "quantizedFlat", "diskANN")),
        max_image_bytes=int(_number(env, "MAX_IMAGE_MB", default.max_image_bytes / 1e6, float, 0.001, 1000) * 1e6),
        max_image_pixels=int(
            _number(env, "MAX_IMAGE_MEGAPIXELS", default.max_image_pixels / 1e6, float, 0.1, 500) * 1e6
        ),
        time_budget=_number(env, "TIME_BUDGET_SECONDS", default.time_budget, float, 0.1, 230),
        fetch_timeout=_number(env, "FETCH_TIMEOUT_SECONDS", default.fetch_timeout, float, 0.1, 230),
        subscription_key=_secret(env, "SUBSCRIPTION_KEY", 16),
    )


@cache
def settings() -> Settings:
    """The settings of this process. Read at the first use, not at import: the host sets the environment first."""
    return read_settings(os.environ)


def in_azure(env: Mapping[str, str]) -> bool:
    """Whether this process runs in Azure rather than under `func start` or a test."""
    return "WEBSITE_INSTANCE_ID" in env or "WEBSITE_POD_NAME" in env


def _number[N: (int, float)](
    env: Mapping[str, str], name: str, default: N, kind: Callable[[str], N], low: float, high: float
) -> N:
    text = env.get(name)
    if not text:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    # A NaN is in no range, so it is refused here too.
    if value is None or not low <= value <= high:
        raise SettingsError(f"The setting {name} takes a number from {low:g} to {high:g}, not {text!r}.")
    return value


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The value of a setting that has a few; the first is its default."""
    text = env.get(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"The setting {name} takes {', '.join(choices)}, not {text!r}.")
    return text


def _secret(env: Mapping[str, str], name: str, least: int) -> str:
    text = env.get(name, "")
    if 0 < len(text) < least:
        raise SettingsError(f"The setting {name} takes at least {least} characters: a short key can be guessed.")
    return text


def _blob_endpoint(connection: str) -> str:
    """The blob endpoint that a connection string names, or "" when it is none."""
    if connection.strip().lower() == "usedevelopmentstorage=true":
        return "http://127.0.0.1:10000/devstoreaccount1"
    parts = {name.strip().lower(): value for name, _, value in (part.partition("=") for part in connection.split(";"))}
    if parts.get("blobendpoint") or not parts.get("accountname"):
        return parts.get("blobendpoint", "")
    protocol, suffix = parts.get("defaultendpointsprotocol", "https"), parts.get("endpointsuffix", "core.windows.net")
    return f"{protocol}://{parts['accountname']}.blob.{suffix}"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()
