"""The OpenAPI document of the app. A test holds it against what the app has and answers."""

from pathlib import Path

from shared.contract import Reply

FILE = Path(__file__).with_name("openapi.json")


def document() -> Reply:
    """The document as it is in its file."""
    return Reply(200, FILE.read_bytes())
