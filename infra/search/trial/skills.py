"""Runs a skillset on documents: custom skills over HTTP, and shapes; the other built-in skills only the service has."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import NamedTuple

from infra.search.trial.answers import SLACK, WARNED
from infra.search.trial.documents import Document
from infra.search.trial.inputs import shape
from infra.search.trial.planning import SHAPER, Skill, context, kind, plan, target
from infra.search.trial.tree import Collision, Tree, Where, contexts, put
from infra.search.trial.web_api import DEFAULT_BATCH_SIZE, WebApi
from shared.contract import Json

COLLIDED = "Could not execute skill."
INPUTS_MISSING = "Skill executed but may have unexpected results because one or more skill inputs were invalid."

SHOWN = 3
"""Reasons that are told of one input; a document of 1,000 images would have as many."""


class _Record(NamedTuple):
    """One node that a skill runs on."""

    document: Document
    tree: Tree
    where: Where
    data: dict[str, Json]


def enrich(
    documents: Sequence[Document], skillset: Mapping[str, Json] | None, call: WebApi, slack: set[str] | None = None
) -> dict[str, str]:
    """Run the skills on a batch of documents, each after those that it builds on.

    Their trees become `Tree`s that hold what the skills gave; errors and warnings go to the documents. A document that
    has failed takes no further part.

    Args:
        documents: The batch.
        skillset: Its definition.
        call: Asks custom skills.
        slack: The skills of which a run has said already that they keep the contract only in part: once is enough.

    Returns:
        The skills that were left out, names and types. What only they would give is missing without a word.

    Raises:
        ValueError: The skills wait for each other in a circle, or a context is no path.
    """
    planned = plan(skillset or {})
    trees = [document.tree if isinstance(document.tree, Tree) else Tree(document.tree) for document in documents]
    for document, tree in zip(documents, trees, strict=True):
        document.tree = tree
    for skill in planned.skills:
        records = [
            record
            for document, tree in zip(documents, trees, strict=True)
            if not document.failed
            for record in _records(skill, document, tree)
        ]
        if skill["@odata.type"] == SHAPER:
            for record in records:
                _merge(skill, record, {"output": record.data})
        else:
            _call(skill, records, call, set() if slack is None else slack)
    return dict(planned.left.skills)


def _records(skill: Skill, document: Document, tree: Tree) -> Iterator[_Record]:
    """The nodes of a document that a skill runs on, and what it is given of each; what it lacks is told once."""
    missing: dict[str, list[str]] = {}
    for where in contexts(tree, context(skill)):
        given = shape(tree, skill["inputs"], where)
        for name, reasons in given.missing.items():
            missing.setdefault(name, []).extend(reasons)
        yield _Record(document, tree, where, given.members)
    if missing:
        sources = {entry["name"]: entry.get("source") or entry.get("sourceContext") for entry in skill["inputs"]}
        told = [
            f"Optional skill input is missing. Name: '{name}', Source: '{sources[name]}'. "
            f"Expression language parsing issues: {_some(reasons)}"
            for name, reasons in missing.items()
        ]
        document.warn(_name(skill), INPUTS_MISSING, "\n".join(told))


def _call(skill: Skill, records: Sequence[_Record], call: WebApi, slack: set[str]) -> None:
    """Ask a custom skill about all records, and take in what it answers."""
    batches = list(batched(records, skill.get("batchSize") or DEFAULT_BATCH_SIZE, strict=False))
    answers = call(skill, [[record.data for record in batch] for batch in batches])
    told: set[tuple[int, str, str]] = set()
    for batch, verdicts in zip(batches, answers, strict=True):
        for record, verdict in zip(batch, verdicts, strict=True):
            document = record.document
            if verdict.warnings:
                document.warn(_name(skill), WARNED, ";".join(verdict.warnings))
            if verdict.slack and skill["name"] not in slack:
                slack.add(skill["name"])
                document.warn(_name(skill), SLACK, verdict.slack)
            # A call that failed is told once for each of its documents, not for each image.
            issue = (id(document), verdict.error, verdict.details)
            if verdict.error and issue not in told:
                told.add(issue)
                document.error(_name(skill), verdict.error, verdict.details)
            _merge(skill, record, verdict.data)


def _merge(skill: Skill, record: _Record, data: Mapping[str, Json]) -> None:
    """Put a skill's outputs under the node that it ran on."""
    for output in skill["outputs"]:
        if output["name"] not in data:
            continue
        try:
            put(record.tree, record.where, target(output), data[output["name"]])
        except Collision as taken:
            details = f"The output '{output['name']}' would replace '{taken}': give it another targetName."
            record.document.error(_name(skill), COLLIDED, details)


def _name(skill: Skill) -> str:
    """Where an issue happened."""
    return f"Enrichment.{kind(skill)}.{skill['name']}"


def _some(reasons: Sequence[str]) -> str:
    """The first reasons, and how many more there are."""
    different = list(dict.fromkeys(reasons))
    more = f" And {len(different) - SHOWN} more." if len(different) > SHOWN else ""
    return " ".join(different[:SHOWN]) + more
