"""Parameters have limits, so that a mistake fails before Azure is asked; and the files of parameters keep them."""

import json
import re
from typing import Any

import pytest

from tests.infra.bicep import INFRA, Declaration, read

MAIN = {name: one for name, one in read("main.bicep").items() if one.kind == "param"}
FILES = {path.name: json.loads(path.read_text())["parameters"] for path in sorted(INFRA.glob("*.parameters.json"))}
WHOLE = sorted(FILES.keys() - {"main.parameters.json"})
TYPES = {"string": str, "int": int, "bool": bool, "object": dict}

LIMITS = {
    "instanceMemoryMB": ([512, 2048, 4096], [0, 1024, 8192]),
    "maximumInstanceCount": ([40, 1000], [39, 1001, -1]),
    "alwaysReadyHttp": ([0, 40], [-1, 41]),
    "httpConcurrency": ([1, 1000], [0, 1001]),
    "cosmosThroughput": ([0, 1000, 100000], [400, 500, 1500, -1]),
    "cosmosVectorIndex": (["flat", "quantizedFlat", "diskANN"], ["", "diskann", "hnsw"]),
    "searchSku": (["basic", "standard"], ["free", "Basic", ""]),
    "principalType": (["User", "Group", "ServicePrincipal"], ["", "user"]),
    "logRetentionDays": ([30, 730], [29, 731]),
    "softDeleteDays": ([1, 365], [0, 366]),
    "environmentName": (["a", "x" * 64], ["", "x" * 65]),
    "principalId": (["", "0" * 36], ["0" * 37]),
    "authClientId": (["", "0" * 36], ["0" * 37]),
    "alertEmail": (["", "a@example.com"], ["x" * 255]),
}
"""What each parameter takes, at its edges, and what it refuses."""


def _takes(one: Declaration, value: Any) -> bool:
    """Whether Bicep would let a parameter have this value."""
    if type(value) is not TYPES[one.type]:
        return False
    limit = {name: arguments[0] for name, arguments in one.decorators.items()}
    if "allowed" in limit:
        return value in limit["allowed"]
    size = len(value) if isinstance(value, str) else value
    least, most = limit.get("minValue", limit.get("minLength")), limit.get("maxValue", limit.get("maxLength"))
    return (least is None or size >= least) and (most is None or size <= most)


@pytest.mark.parametrize(("name", "taken", "refused"), [(name, *values) for name, values in LIMITS.items()])
def test_a_value_out_of_range_fails_in_bicep(name: str, taken: list[Any], refused: list[Any]) -> None:
    assert [value for value in taken if not _takes(MAIN[name], value)] == []
    assert [value for value in refused if _takes(MAIN[name], value)] == []


def test_each_number_and_each_text_has_limits() -> None:
    free = {name for name, one in MAIN.items() if one.type in {"int", "string"}} - LIMITS.keys()

    assert free == {"location"}  # Azure knows its regions


@pytest.mark.parametrize("name", MAIN)
def test_each_says_what_it_is_for_and_its_default_is_within_its_limits(name: str) -> None:
    one = MAIN[name]

    assert len(one.decorators["description"][0]) > 20
    assert name in {"environmentName", "location"} or _takes(one, one.value)


def test_there_is_a_file_for_each_kind_of_deployment() -> None:
    assert WHOLE == ["main.private.parameters.json", "main.production.parameters.json", "main.small.parameters.json"]
    private = {name: FILES[name].get("vnetEnabled", {}).get("value", False) for name in WHOLE}
    assert private == {name: name == "main.private.parameters.json" for name in WHOLE}


@pytest.mark.parametrize("file", WHOLE)
def test_a_file_gives_what_is_needed_and_keeps_the_limits(file: str) -> None:
    given = FILES[file]

    assert given.keys() <= MAIN.keys()
    assert {name for name, one in MAIN.items() if one.value is None} <= given.keys()
    assert {name: one["value"] for name, one in given.items() if not _takes(MAIN[name], one["value"])} == {}
    assert (
        given.get("alwaysReadyHttp", {"value": 0})["value"] <= given.get("maximumInstanceCount", {"value": 40})["value"]
    )


def test_azd_can_set_all_of_them() -> None:
    given = FILES["main.parameters.json"]

    assert given.keys() == MAIN.keys()
    named = {}
    for name, one in given.items():
        if name == "extraSettings":
            assert one["value"] == {}  # an object does not fit into an environment variable
            continue
        variable, default = re.findall(r"^\$\{([A-Z_]+)(?:=(.*))?\}$", one["value"])[0]
        named[name] = variable
        # Of a text that is not set azd takes "", not Bicep's default; of a number or a switch it says nothing then.
        own = name not in {"environmentName", "location"} and MAIN[name].type == "string"
        assert default == (MAIN[name].value if own else "")
    assert len(set(named.values())) == len(named)
    assert (named["environmentName"], named["location"]) == ("AZURE_ENV_NAME", "AZURE_LOCATION")


def test_outputs_that_azd_writes_into_its_environment_do_not_change_parameters() -> None:
    outputs = {one.name: str(one.value) for one in read("main.bicep").values() if one.kind == "output"}
    variables = {
        re.findall(r"[A-Z_]+", str(one["value"]))[0]: name
        for name, one in FILES["main.parameters.json"].items()
        if isinstance(one["value"], str)
    }

    assert {variable: variables[variable] for variable in outputs.keys() & variables.keys()} == {
        variable: outputs[variable] for variable in outputs.keys() & variables.keys()
    }
