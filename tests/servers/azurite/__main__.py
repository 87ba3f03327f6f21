"""`python -m tests.servers.azurite [-- COMMAND …]`: runs the server.

With a command, the command finds it in AzureWebJobsStorage and IMAGES_STORAGE, and the server ends with the command;
without one, it prints its connection string and runs until it is interrupted.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading

from tests.servers.azurite import AzuriteServer, azurite


def main() -> int:
    """Returns the exit code: the command's own, or 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.azurite", description=__doc__)
    parser.add_argument("command", nargs="*", help="what to run with the server")
    options = parser.parse_args()
    with azurite() as server:
        if options.command:
            return _run(options.command, server)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        print(server.connection_string, flush=True)
        stop.wait()
    return 0


def _run(command: list[str], server: AzuriteServer) -> int:
    env = os.environ | dict.fromkeys(("AzureWebJobsStorage", "IMAGES_STORAGE"), server.connection_string)
    with subprocess.Popen(command, env=env) as process:
        # Ctrl-C reaches the command by itself; what is sent to this process alone is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
