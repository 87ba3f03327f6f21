"""Our own parameter type of blob functions, held against the one that the Functions SDK ships."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers.devhost import ROOT

# In a process of its own: one process can have one type for blob functions.
SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {root!r})
from devhost import worker

async def main():
    [function] = await worker.load(Path.cwd())
    from azurefunctions.extensions.base import Datum, get_binding_registry
    from function_app import Reference
    content = json.dumps({{"Connection": "IMAGES", "ContainerName": "images", "BlobName": "dogs/a b#%2F.jpg"}})
    data = SimpleNamespace(version="1.0", source="AzureStorageBlobs", content_type="application/json",
                           content=content.encode())
    converter = get_binding_registry().get("blobTrigger")
    blob = converter.decode(Datum(data, "model_binding_data"), trigger_metadata={{}}, pytype=Reference)
    print(json.dumps([[json.loads(raw) for raw in function.raw_bindings], {names}]))

asyncio.run(main())
worker.stop()
"""

APP = """
import azure.functions as func
{reference}
app = func.FunctionApp()

@app.blob_trigger("blob", path="images/{{name}}", connection="IMAGES", source=func.BlobSource.EVENT_GRID)
def embed(blob: Reference) -> None:
    pass
"""


def seen_by_the_worker(folder: Path, reference: str, names: str) -> Any:
    folder.mkdir()
    (folder / "function_app.py").write_text(APP.format(reference=reference))
    (folder / "script.py").write_text(SCRIPT.format(root=str(ROOT), names=names))
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "IMAGES": "BlobEndpoint=http://127.0.0.1:9;SharedAccessSignature=sv=1&sig=x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_host_is_told_and_the_function_given_the_same_as_with_the_sdk_s_own_type(tmp_path: Path) -> None:
    ours = seen_by_the_worker(
        tmp_path / "ours",
        "from shared.blob_reference import BlobReference as Reference",
        "[blob.container, blob.path]",
    )
    theirs = seen_by_the_worker(
        tmp_path / "theirs",
        "from azurefunctions.extensions.bindings.blob import BlobClient as Reference",
        "[blob.container_name, blob.blob_name]",
    )
    assert ours == theirs
    [[binding], names] = ours
    assert binding["properties"] == {"SupportsDeferredBinding": True}
    assert names == ["images", "dogs/a b#%2F.jpg"]
