"""In which order the skills of a skillset run, and which the local indexer cannot run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from infra.search.trial.paths import PathError, Steps, escaped, steps
from shared.contract import Json

type Skill = Mapping[str, Json]

WEB_API = "#Microsoft.Skills.Custom.WebApiSkill"
SHAPER = "#Microsoft.Skills.Util.ShaperSkill"

_IN_EXPRESSION = re.compile(r"\$\(([^)]*)\)")


class Left(NamedTuple):
    """The skills that are not run here, and the paths that therefore lead nowhere."""

    skills: Mapping[str, str]
    """Their names, and their types such as `OcrSkill`."""
    paths: tuple[Steps, ...]

    def covers(self, source: str) -> bool:
        """Whether a path leads to what one of these skills would have given."""
        return any(_below(read, path) for read in _paths(source) for path in self.paths)

    def without(self, entries: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
        """Inputs or mappings without those that only these skills would feed, so that nobody is warned of each."""
        kept = []
        for entry in entries:
            if any(self.covers(entry.get(key) or "") for key in ("source", "sourceContext", "sourceFieldName")):
                continue
            inner = entry.get("inputs") or []
            inputs = self.without(inner)
            if inputs or not inner:
                kept.append({**entry, "inputs": inputs} if inner else entry)
        return kept


class Plan(NamedTuple):
    """The skills to run, in order, each with the inputs that it can have, and those left out."""

    skills: tuple[Skill, ...]
    left: Left


def kind(skill: Skill) -> str:
    """A skill's type without its namespace, such as `WebApiSkill`."""
    return str(skill.get("@odata.type")).rpartition(".")[2]


def plan(skillset: Mapping[str, Json]) -> Plan:
    """What is run of a skillset. A skill that would get nothing but what left out skills give is left out too.

    Raises:
        ValueError: The skills wait for each other in a circle.
    """
    run: list[Skill] = []
    left = Left({}, ())
    for skill in ordered(skillset.get("skills") or ()):
        inputs = left.without(skill.get("inputs") or ())
        can = skill.get("@odata.type") in {WEB_API, SHAPER} and inputs and not left.covers(context(skill))
        if can:
            run.append({**skill, "inputs": inputs})
            left = left._replace(paths=left.paths + tuple(_unshaped(skill, inputs)))
        else:
            left = Left({**left.skills, skill["name"]: kind(skill)}, left.paths + tuple(outputs(skill)))
    return Plan(tuple(run), left)


def left_out(skillset: Mapping[str, Json] | None) -> Left:
    """The skills of a skillset that are not run here."""
    return plan(skillset).left if skillset else Left({}, ())


def ordered(skills: Sequence[Skill]) -> list[Skill]:
    """The skills, each after those whose outputs it reads; one without a name is called by its position, as `#2`.

    Raises:
        ValueError: They wait for each other in a circle; the message names them.
    """
    named = [{**skill, "name": skill.get("name") or f"#{at}"} for at, skill in enumerate(skills, start=1)]
    given = [outputs(skill) for skill in named]
    before = {
        at: {other for other, paths in enumerate(given) if any(_below(read, path) for read in reads for path in paths)}
        for at, reads in enumerate(list(_reads(skill)) for skill in named)
    }
    try:
        return [named[at] for at in TopologicalSorter(before).static_order()]
    except CycleError as error:
        circle = " → ".join(str(named[at]["name"]) for at in error.args[1])
        raise ValueError(f"The skills wait for each other in a circle: {circle}.") from error


def context(skill: Skill) -> str:
    """A skill's context."""
    return str(skill.get("context") or "/document")


def outputs(skill: Skill) -> list[Steps]:
    """The paths of what a skill puts into the document."""
    return [(*around, escaped(target(output))) for around in _paths(context(skill)) for output in skill["outputs"]]


def target(output: Mapping[str, Json]) -> str:
    """What an output is called in the document."""
    return str(output.get("targetName") or output["name"])


def _unshaped(skill: Skill, inputs: Sequence[Mapping[str, Json]]) -> Iterator[Steps]:
    """The members of a shape that it will not have."""
    lost = {entry["name"] for entry in skill.get("inputs") or ()} - {entry["name"] for entry in inputs}
    if kind(skill) == "ShaperSkill":
        yield from ((*path, escaped(name)) for path in outputs(skill) for name in sorted(lost))


def _reads(skill: Skill) -> Iterator[Steps]:
    """The paths that a skill reads."""
    yield from _paths(context(skill))
    waiting = list(skill.get("inputs") or ())
    while waiting:
        entry = waiting.pop()
        waiting.extend(entry.get("inputs") or ())
        for key in ("source", "sourceContext"):
            yield from _paths(entry.get(key) or "")


def _paths(source: str) -> list[Steps]:
    """The paths in a source, which may be an expression."""
    paths = _IN_EXPRESSION.findall(source) if source.startswith("=") else [source]
    try:
        return [steps(path) for path in paths]
    except PathError:
        return []


def _below(read: Steps, path: Steps) -> bool:
    """Whether a path leads to another or below it; a position in an array is one of its items."""
    return len(read) >= len(path) and all(
        mine == other or (mine == "*" and other.isdecimal()) or (other == "*" and mine.isdecimal())
        for mine, other in zip(read, path, strict=False)
    )
