"""Writes the small apps that the tests run."""

from pathlib import Path
from textwrap import dedent

_HEAD = """
import asyncio, logging, os, threading
from pathlib import Path
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def write_app(folder: Path, code: str, **files: str) -> Path:
    """Returns the folder, which then holds function_app.py and the other files (`host_json=…` for host.json)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function_app.py").write_text(_HEAD + dedent(code), encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("_json", ".json").replace("local_settings", "local.settings")).write_text(content)
    return folder
