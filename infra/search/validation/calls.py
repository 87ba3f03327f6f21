"""How the service calls the app: custom skills and vectorizers. Source: the reference of the custom Web API skill."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from infra.search.definitions import Definitions
from infra.search.durations import seconds
from infra.search.this_machine import THIS_MACHINE
from infra.search.trial.planning import WEB_API
from shared.contract import Json

FORBIDDEN_HEADERS: Final = (
    *("accept", "accept-charset", "accept-encoding", "content-length", "content-type"),
    *("cookie", "host", "te", "upgrade", "via"),
)
LONGEST: Final = 230
"""Seconds that a call may take."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def call_problems(definitions: Definitions, *, local: bool) -> Iterator[str]:
    """Calls that the service would not make, or not so."""
    for place, call in _calls(definitions):
        yield from (f"{place}: {problem}" for problem in _problems(call, local=local))


def _calls(definitions: Definitions) -> Iterator[tuple[str, Mapping[str, Json]]]:
    skillset, index = definitions.skillset, definitions.index
    for skill in skillset["skills"]:
        if skill["@odata.type"] == WEB_API:
            yield f"Skillset {skillset['name']!r}, skill {skill.get('name')!r}", skill
    for vectorizer in (index.get("vectorSearch") or {}).get("vectorizers") or []:
        if vectorizer["kind"] == "customWebApi":
            place = f"Index {index['name']!r}, vectorizer {vectorizer['name']!r}"
            yield place, vectorizer.get("customWebApiParameters") or {}


def _problems(call: Mapping[str, Json], *, local: bool) -> Iterator[str]:
    yield from _address_problems(call.get("uri") or "", local=local)
    if (method := call.get("httpMethod") or "POST") not in {"POST", "PUT"}:
        yield f"httpMethod is {method!r}; it is POST or PUT."
    if not 1 <= seconds(call.get("timeout") or "PT30S") <= LONGEST:
        yield f"timeout is {call['timeout']!r}; it is PT1S to PT{LONGEST}S."
    for member, most in (("batchSize", None), ("degreeOfParallelism", 10)):
        number = call.get(member)
        if number is not None and (number < 1 or (most and number > most)):
            yield f"{member} is {number}; it is {f'1 to {most}' if most else 'at least 1'}."
    for name, value in (call.get("httpHeaders") or {}).items():
        if name.lower() in FORBIDDEN_HEADERS:
            yield f"the header {name!r} is the service's own; leave it out of httpHeaders."
        elif not _HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
            yield f"the header {name!r} cannot be sent; its name and value are printable ASCII without line breaks."


def _address_problems(uri: str, *, local: bool) -> Iterator[str]:
    try:
        address = urlsplit(uri)
        scheme, host, _ = address.scheme, address.hostname, address.port  # a port that cannot be is a ValueError
    except ValueError:
        scheme, host = "", None
    if scheme == "https" and host:
        return
    uri = uri.partition("?")[0]  # a function's key may follow
    if not local:
        yield f"uri is {uri!r}; the service calls https addresses only."
    elif scheme != "http" or host not in THIS_MACHINE:
        yield f"uri is {uri!r}; it is an https address, or http://localhost for the local indexer."
