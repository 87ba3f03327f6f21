"""Reads our Bicep files as far as tests need it. Not a checker: what is no Bicep may pass."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[2] / "infra"


class Expression(str):
    """What has to be computed, as it is written: `searchSku`, `a ? b : c`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A parameter, resource and so on. Of a loop, the value is that of each item; `why` is the comment above."""

    kind: str
    name: str
    type: str = ""
    value: Any = None
    existing: bool = False
    condition: str = ""
    decorators: dict[str, list[Any]] = field(default_factory=dict)
    why: str = ""


type File = dict[str, Declaration]


def read(name: str) -> File:
    """The declarations of a file below infra/, by name; outputs as `output NAME`. ValueError: not understood."""
    text = (INFRA / name).read_text(encoding="utf-8")
    return {f"output {one.name}" if one.kind == "output" else one.name: one for one in _declarations(text)}


def files() -> dict[str, File]:
    """All files, by their path below infra/."""
    return {name: read(name) for name in sorted(path.relative_to(INFRA).as_posix() for path in INFRA.rglob("*.bicep"))}


def resources(file: File, kind: str) -> File:
    """The resources of a type that a file deploys."""
    found = {name: one for name, one in file.items() if one.kind == "resource" and not one.existing}
    return {name: one for name, one in found.items() if one.type.partition("@")[0] == kind}


def resolved(value: Any, file: File) -> Any:
    """A value with the variables of its file filled in."""
    match value:
        case Expression() if value in file and file[value].kind == "var":
            return resolved(file[value].value, file)
        case dict():
            return {key: resolved(inner, file) for key, inner in value.items()}
        case list():
            return [resolved(inner, file) for inner in value]
    return value


_BETWEEN = re.compile(r"(?:[\s,]|//[^\n]*|#[^\n]*)*")
_HEAD = re.compile(r"([a-zA-Z]+)((?: +(?:'[^'\n]*'|[^\s'={]+))*)( = |(?=\n|$))")
_IF = re.compile(r"if (?=\()")
_FOR = re.compile(r"\[for .+? in .+?: (?=\{)")
_KEY = re.compile(r"(\w+|'[^'\n]*'): ")
_PLAIN = {"true": True, "false": False, "null": None}


def _declarations(text: str) -> Iterator[Declaration]:
    ended, at = 0, _after(_BETWEEN, text, 0)
    while at < len(text):
        above = text[ended:at].rpartition("\n\n")[2]
        why = " ".join(re.findall(r"^// ?(.*)$", above, re.MULTILINE))
        decorators = {}
        while text[at] == "@":
            opened = text.index("(", at)
            decorators[text[at + 1 : opened]], at = _items(text, opened + 1, ")")
            at = _after(_BETWEEN, text, at)
        one, ended = _declaration(text, at)
        yield replace(one, decorators=decorators, why=why)
        at = _after(_BETWEEN, text, ended)


def _declaration(text: str, at: int) -> tuple[Declaration, int]:
    head = _HEAD.match(text, at)
    if not head:
        raise ValueError(f"no declaration: {text[at : at + 60]!r}")
    words = [head[1], *(word.strip("'") for word in re.findall(r"'[^']*'|\S+", head[2])), ""]
    kind, name, of_type = [*words, ""][:3] if words[1] else (head[1], head[1], "")
    one, at = Declaration(kind=kind, name=name, type=of_type, existing="existing" in words), head.end()
    if not head[3]:
        return one, at
    if (opened := _after(_IF, text, at)) > at:
        at = _closed(text, opened) + 1
        one = replace(one, condition=text[opened + 1 : at - 2])
    inner = _after(_FOR, text, at)
    value, end = _value(text, inner)
    return replace(one, value=value), end + (inner > at)  # the bracket that closes a loop


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins here, and where it ends; so do the next two."""
    if text[at] == "{":
        return _object(text, at + 1)
    if text[at] == "[":
        return _items(text, at + 1, "]")
    end = at
    while end < len(text) and text[end] not in "\n,)]}":
        end = _closed(text, end) if text[end] in "'([{" else end + 1
    written = text[at:end].rstrip()
    if written[0] == "'" and _closed(text, at) == at + len(written):
        return written[1:-1].replace("\\'", "'"), end
    return int(written) if re.fullmatch(r"-?\d+", written) else _PLAIN.get(written, Expression(written)), end


def _object(text: str, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while text[at := _after(_BETWEEN, text, at)] != "}":
        if not (key := _KEY.match(text, at)):
            raise ValueError(f"no property: {text[at : at + 60]!r}")
        found[key[1].strip("'")], at = _value(text, key.end())
    return found, at + 1


def _items(text: str, at: int, closing: str) -> tuple[list[Any], int]:
    found = []
    while text[at := _after(_BETWEEN, text, at)] != closing:
        item, at = _value(text, at)
        found.append(item)
    return found, at + 1


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    return found.end() if (found := pattern.match(text, at)) else at


def _closed(text: str, at: int) -> int:
    """Where the string or the bracket that opens here is closed."""
    closing = {"'": "'", "(": ")", "[": "]", "{": "}"}[text[at]]
    in_string, at = closing == "'", at + 1
    while text[at] != closing:
        if in_string and text[at] == "\\":
            at += 2
        elif (in_string and text.startswith("${", at)) or (not in_string and text[at] in "'([{"):
            at = _closed(text, at + in_string)
        else:
            at += 1
    return at + 1
