"""An upgrade of the worker library that needs a message we do not have must fail here, not in an odd request."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from devhost import protos

_NAMES = re.compile(r"""\bprotos\.((?:\w+\.)*\w+)|getattr\(\s*protos(?:\.([\w.]+))?,\s*["'](\w+)["']""")


def _names_used() -> set[str]:
    found: set[str] = set()
    package = Path(str(distribution("azure-functions-runtime").locate_file("azure_functions_runtime")))
    for file in package.rglob("*.py"):
        for dotted, owner, looked_up in _NAMES.findall(file.read_text(encoding="utf-8")):
            found.add(dotted or ".".join(part for part in (owner, looked_up) if part))
    return found


def test_every_name_the_library_uses_exists() -> None:
    used = _names_used()
    assert len(used) > 15, "the search finds next to nothing: has the library been rebuilt another way?"
    missing = []
    for dotted in sorted(used):
        at: object = protos
        for name in dotted.split("."):
            if not hasattr(at, name):
                missing.append(dotted)
                break
            at = getattr(at, name)
    assert not missing


def test_search_sees_names_looked_up_by_text() -> None:
    assert {"Timestamp", "RpcHttpCookie.SameSite.None", "StatusResult.Success"} <= _names_used()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (protos.TypedData(), None),
        (protos.TypedData(bytes=b""), "bytes"),
        (protos.TypedData(string=""), "string"),
        (protos.TypedData(int=0), "int"),
        (protos.TypedData(json="{}"), "json"),
        (protos.TypedData(model_binding_data=protos.ModelBindingData("1.0", "s", "t", b"")), "model_binding_data"),
    ],
)
def test_typed_data_names_its_kind(value: protos.TypedData, kind: str | None) -> None:
    assert value.WhichOneof("data") == kind
