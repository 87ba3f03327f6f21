"""Starting and ending the server."""

import contextlib
import signal
import subprocess
import sys

import psutil
import pytest
from azure.cosmos import CosmosClient

from tests.servers.cosmos import CosmosServer, cosmos_server
from tests.servers.devhost import ROOT

DIES_AT_ONCE = """
import os, psutil, signal
from tests.servers.cosmos import cosmos_server
with cosmos_server():
    print(psutil.Process().children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_that_does_not_start_says_why(server: CosmosServer) -> None:
    taken = int(server.endpoint.rstrip("/").rpartition(":")[2])
    with pytest.raises(AssertionError, match="EADDRINUSE"), cosmos_server(taken):
        pass


def test_the_server_ends_with_the_process_that_started_it() -> None:
    command = [sys.executable, "-c", DIES_AT_ONCE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=30)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=10)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # by hand, nobody has the server's certificate
def test_by_hand() -> None:
    command = [sys.executable, "-m", "tests.servers.cosmos", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        (_, endpoint), (_, key) = (process.stdout.readline().split() for _ in range(2))
        server = psutil.Process(process.pid).children()[0]
        with CosmosClient(endpoint, key) as client:
            assert list(client.list_databases()) == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert not server.is_running()
