"""What the environment of a command says when it is about the stand-in."""

import pytest

from infra.search.deployment import running, service
from tests.servers.search.server import SearchServer

FUNCTION_KEY = "key-of-the-functions"
APP = "https://app.azurewebsites.net"
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/photos"


def settle(search: SearchServer, patch: pytest.MonkeyPatch) -> None:
    """Let commands find the stand-in and all that deployments need, and wait for nothing."""
    search.clear()
    patch.setenv("AZURE_SEARCH_ENDPOINT", search.url)
    patch.setenv("AZURE_SEARCH_KEY", search.key)
    patch.setenv("SKILLS_APP_URL", APP)
    patch.setenv("SKILLS_FUNCTION_KEY", FUNCTION_KEY)
    patch.setenv("IMAGES_STORAGE_ACCOUNT_ID", ACCOUNT)
    for name in ("SKILLS_AUTH_RESOURCE_ID", "IMAGES_CONTAINER", "AI_SERVICES_URL"):
        patch.delenv(name, raising=False)
    patch.setitem(service.TRIES, "retry_backoff_factor", 0)
    patch.setattr(running, "SECONDS", 0)
