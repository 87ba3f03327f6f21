"""What all tests share: hypothesis without a clock, and the app on the sample photos as `make run` runs it."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.servers.devhost import ROOT, Devhost, running

# Slow is no failure: the machines that run this are shared.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

SAMPLES = ROOT / "samples" / "images"


@pytest.fixture(scope="session")
def sample_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devhost]:
    """The app with every sample embedded by the blob trigger."""
    env = {
        "IMAGES_CONTAINER": "images",
        # A host that is allowed but is not on the internet: the address of a cloud's own secrets.
        "ALLOWED_HOSTS": "169.254.169.254",
        "FETCH_TIMEOUT_SECONDS": "2",
    }
    data = str(tmp_path_factory.mktemp("data"))
    with running(ROOT, "--images", str(SAMPLES), "--data", data, env=env) as host:
        host.wait_for(f"Images: {sum(1 for _ in SAMPLES.rglob('*.jpg'))} processed, 0 failed", timeout=120)
        yield host


@pytest.fixture(scope="session")
def http(sample_app: Devhost) -> Iterator[httpx.Client]:
    """A client of the running app."""
    with httpx.Client(base_url=sample_app.url, timeout=60, trust_env=False) as client:
        yield client
