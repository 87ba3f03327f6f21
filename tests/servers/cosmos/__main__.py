"""`python -m tests.servers.cosmos [--port N]`: runs the server and prints how to reach it, until it is interrupted."""

import argparse
import signal
import threading

from tests.servers.cosmos import cosmos_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.cosmos", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on loopback (default: a free one)")
    port: int = parser.parse_args().port
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with cosmos_server(port) as server:
        print(f"endpoint {server.endpoint}\nkey {server.key}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
