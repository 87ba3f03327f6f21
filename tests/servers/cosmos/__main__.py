"""`python -m tests.servers.cosmos [--port N] [-- COMMAND …]`: runs the server.

With a command, the command finds it in COSMOS_ENDPOINT and COSMOS_KEY, and the server ends with the command; without
one, it prints how it is reached and runs until it is interrupted.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading

from tests.servers.cosmos import CosmosServer, cosmos_server


def main() -> int:
    """Returns the exit code: the command's own, or 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.cosmos", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on loopback (default: a free one)")
    parser.add_argument("command", nargs="*", help="what to run with the server")
    options = parser.parse_args()
    with cosmos_server(options.port) as server:
        if options.command:
            return _run(options.command, server)
        print(f"endpoint {server.endpoint}\nkey {server.key}", flush=True)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()
    return 0


def _run(command: list[str], server: CosmosServer) -> int:
    # The SDK checks no certificate on loopback, and would say so at every connection.
    quiet = {"PYTHONWARNINGS": "ignore:Unverified HTTPS request"}
    env = os.environ | quiet | {"COSMOS_ENDPOINT": server.endpoint, "COSMOS_KEY": server.key}
    with subprocess.Popen(command, env=env) as process:
        # Ctrl-C reaches the command by itself; what is sent to this process alone is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
