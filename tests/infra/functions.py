"""The functions of the app, as its host would index them."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from azure.functions import AuthLevel
from azure.functions.decorators.http import HttpTrigger

_FILE = Path(__file__).parents[2] / "function_app.py"


@cache
def _functions() -> list[Any]:
    # A module of its own: an app tells its functions only once, and other tests ask the one that they import.
    spec = importlib.util.spec_from_file_location("function_app_indexed", _FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    functions: list[Any] = module.app.get_functions()
    return functions


def bindings() -> list[tuple[str, dict[str, Any]]]:
    """Every trigger and output that is not HTTP: its function's name and what the host is told of it."""
    return [
        (function.get_function_name(), told)
        for function in _functions()
        for binding in function.get_bindings()
        if not (told := binding.get_dict_repr())["type"].lower().startswith("http")
    ]


def routes() -> dict[str, AuthLevel | None]:
    """Every path of HTTP functions and who may call it."""
    triggers = [function.get_trigger() for function in _functions()]
    return {f"/api/{one.route}": one.auth_level for one in triggers if isinstance(one, HttpTrigger)}
