"""The parameters of the definitions: what `templates/parameters.json` declares, and where their values come from.

A value is taken from `--set`, else from a file of parameters, else from the environment, else from the declaration.

A declaration has `about` and `type`, and may have: `default` (one value, or one for each `shape`), `choices`, `pattern`
(the whole value must match), `trim` (characters that are taken off its end before), `least` and `most`, `env` (the
environment variable), `secret` (only from there), and for the local indexer `try` (stands for a missing value) and
`tryPattern` (instead of `pattern`).
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from infra.search.definitions import TEMPLATES, Value, holds, templates, uses
from shared.contract import Json
from shared.terminal import told

type Declaration = Mapping[str, Json]

_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "boolean": (bool, "true or false"),
}
"""The types of declarations: that of Python, and what they take in words."""


class ParameterError(ValueError):
    """Parameters cannot be used; the message has a line for each, with what it takes."""


@cache
def declarations() -> dict[str, Declaration]:
    """All parameters by name. Do not change them."""
    declared: dict[str, Declaration] = json.loads((TEMPLATES / "parameters.json").read_bytes())
    return declared


def read_parameters(
    given: Mapping[str, str], file: Path | None, env: Mapping[str, str], *, local: bool = False
) -> dict[str, Value]:
    """The values of all parameters.

    Args:
        given: From the command line, as text.
        file: A JSON object of some of them, or None.
        env: The environment variables.
        local: For the local indexer, which needs neither Azure nor a key.

    Raises:
        ParameterError: Some are missing, unknown, without effect, or cannot have their value. It names all of them.
    """
    in_file = _read(file) if file else {}
    trouble = list(_refused(given, "--set")) + list(_refused(in_file, str(file)))
    values: dict[str, Value] = {}
    # The shape comes first: defaults of others depend on it.
    for name in sorted(declarations(), key=lambda name: name != "shape"):
        try:
            values[name] = _value(name, given, in_file, env, values.get("shape"), local=local)
        except ParameterError as error:
            trouble.append(str(error))
    if not trouble:
        trouble += _unused({**given, **in_file}, values)
    if trouble:
        raise ParameterError("\n".join(trouble))
    return values


def _read(file: Path) -> dict[str, Json]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise ParameterError(told(error)) from error
    except ValueError as error:
        raise ParameterError(f"{file} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ParameterError(f'{file} is no JSON object such as {{"prefix": "photos"}}.')
    return content


def _refused(names: Mapping[str, Json], origin: str) -> Iterator[str]:
    """What can be said without looking at the values."""
    for name in names:
        if name not in declarations():
            likely = difflib.get_close_matches(name, declarations(), n=1)
            hint = f"did you mean {likely[0]}?" if likely else f"there are {', '.join(declarations())}."
            yield f"{name!r} ({origin}) is no parameter: {hint}"
        elif declarations()[name].get("secret"):
            yield f"{name} is a secret, which others could read in {origin}; it comes only from {_ways(name)}."


def _value(
    name: str,
    given: Mapping[str, str],
    in_file: Mapping[str, Json],
    env: Mapping[str, str],
    shape: Value | None,
    *,
    local: bool,
) -> Value:
    declaration = declarations()[name]
    variable = declaration.get("env", "")
    if name in given:
        return _checked(name, _parsed(declaration, given[name]), "--set", local=local)
    if name in in_file:
        return _checked(name, in_file[name], "the file", local=local)
    if env.get(variable):
        return _checked(name, _parsed(declaration, env[variable]), variable, local=local)
    default: Json = declaration.get("default")
    if isinstance(default, dict):
        # Without a shape that can be used there is trouble to tell already: any default will do.
        default = default.get(shape) or next(iter(default.values()))
    if default is None and local:
        default = declaration.get("try")
    if default is None:
        raise ParameterError(_missing(name))
    value: Value = default
    return value


def _missing(name: str) -> str:
    return f"{name} is missing; it comes from {_ways(name)}. {declarations()[name]['about']}"


def _ways(name: str) -> str:
    declaration = declarations()[name]
    ways = [] if declaration.get("secret") else [f"--set {name}=…", "a file of --parameters"]
    ways += [f"the environment variable {declaration['env']}"] if "env" in declaration else []
    return " or ".join(ways)


def _parsed(declaration: Declaration, text: str) -> Json:
    """A value from text; the text itself when it is not of the type, which `_checked` will say."""
    match declaration["type"]:
        case "integer" if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        case "boolean" if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case _:
            return text


def _checked(name: str, value: Json, origin: str, *, local: bool) -> Value:
    declaration = declarations()[name]
    trimmed = value.rstrip(declaration.get("trim", "")) if isinstance(value, str) else value
    takes = _takes(declaration, trimmed, local=local)
    if takes is None:
        checked: Value = trimmed
        return checked
    shown = "this value" if declaration.get("secret") else repr(value)
    raise ParameterError(f"{name} ({origin}) cannot be {shown:.100}{takes}. {declaration['about']}")


def _takes(declaration: Declaration, value: Json, *, local: bool) -> str | None:
    """What a parameter takes, to be added to what it got; None where the value is such."""
    pattern = (declaration.get("tryPattern") if local else None) or declaration.get("pattern")
    least, most = declaration.get("least"), declaration.get("most")
    python_type, in_words = _TYPES[declaration["type"]]
    if type(value) is not python_type:  # bool is an int to Python, and not to JSON
        return f": it takes {in_words}"
    if "choices" in declaration and value not in declaration["choices"]:
        return f": it takes {' or '.join(declaration['choices'])}"
    if isinstance(value, int) and least is not None and most is not None and not least <= value <= most:
        return f": it takes {least} to {most}"
    if isinstance(value, str) and pattern and not re.fullmatch(pattern, value):
        return ""  # a pattern says nothing to people; what the parameter is about does
    return None


def _unused(given: Mapping[str, Json], values: Mapping[str, Value]) -> Iterator[str]:
    """What was asked for and changes nothing: a switch was forgotten, or the parameter was taken for another."""
    places = list(uses(list(templates().values())))
    for name in given:
        wanting = [[one_of for one_of in use.under if not holds(one_of, values)] for use in places if use.name == name]
        if all(wanting):
            only_with = dict.fromkeys(" or ".join(map(_set, one_of)) for unmet in wanting for one_of in unmet)
            yield f"{name} is unused: it has an effect only with {', or '.join(only_with)}."


def _set(condition: str) -> str:
    return condition if "=" in condition else f"{condition}=true"
