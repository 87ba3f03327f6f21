"""What people are told of a run; the report has all of it."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from infra.search.definitions import Definitions
from infra.search.trial.answers import WARNED
from infra.search.trial.documents import Issue
from infra.search.trial.folder import Listing
from infra.search.trial.indexer import Run
from infra.search.trial.nothing import endings
from infra.search.trial.planning import SHAPER, WEB_API
from shared.markup import plural
from shared.terminal import aligned, printable

SHOWN = 20
"""Kinds of errors and of warnings; and folders."""

KNOWLEDGE_STORE = "The knowledge store is left out: only the service writes it."

_PIPELINE = ("DocumentExtraction", "Enrichment", "Projection")
_MAPPING = "Projection.SearchIndex.OutputFieldMapping"
_PLAYED = frozenset(one.rpartition(".")[2] for one in (WEB_API, SHAPER))
_NO_CLUSTERS = re.compile(r"The collection '([^']+)' has no clusters yet: ")


def counted(found: Run, listing: Listing, took: float, warnings: int) -> str:
    """The first line: how many of everything."""
    of = f" of {len(listing.blobs):,}" if found.stopped else ""
    without = f" ({len(found.without_image):,} without an image)" if found.without_image else ""
    rate = f", {found.blobs / took:,.1f} a second" if found.blobs else ""
    return (
        f"{plural(found.blobs, 'blob')}{of}{without} in {took:.1f} s{rate}: {plural(found.documents, 'document')}, "
        f"{found.failed:,} failed, {plural(warnings, 'warning')}."
    )


def left_out(found: Run, listing: Listing, definitions: Definitions) -> Iterator[str]:
    """What was not looked at, and what only the service can do."""
    if listing.left_out:
        yield f"Not read, by their names: {printable(endings(listing.left_out))}."
    if listing.closed:
        more = " …" if len(listing.closed) > SHOWN else ""
        some = printable(", ".join(listing.closed[:SHOWN]))
        yield f"{plural(len(listing.closed), 'folder')} cannot be opened: {some}{more}."
    if found.skills_left_out:
        built_in, depending = list[str](), list[str]()
        for name, kind in found.skills_left_out.items():
            (depending if kind in _PLAYED else built_in).append(f"{name} ({kind})")
        follows = f"; and what depends on it: {', '.join(depending)}" if depending else ""
        yield printable(f"Left out, because only the service can run it: {', '.join(built_in)}{follows}.")
    if definitions.skillset.get("knowledgeStore"):
        yield KNOWLEDGE_STORE


def joined(issues: Iterable[Issue], without_image: frozenset[str]) -> list[Issue]:
    """The issues; but of a document without an image, one for all the fields that its image would have filled."""
    kept, empty = list[Issue](), Counter[str]()
    for one in issues:
        if one.warning and one.key in without_image and one.name.startswith(_MAPPING):
            empty[one.key] += 1
        else:
            kept.append(one)
    return kept + [
        Issue(
            key,
            _MAPPING,
            f"{plural(count, 'field')} {'stays' if count == 1 else 'stay'} empty: there is no image.",
            warning=True,
        )
        for key, count in empty.items()
    ]


def table(title: str, issues: Sequence[Issue], report: str) -> list[str]:
    """Alike ones of many documents in one line: a skill that fails, fails for all of them.

    Args:
        title: Above it.
        issues: All of one title.
        report: Where the rest is, when there are too many kinds.
    """
    if not issues:
        return []
    counts = Counter((one.name, one.message, one.details) for one in issues)
    # What goes wrong early is what causes the rest. The sort keeps the order by count.
    some = sorted(counts.most_common(SHOWN), key=lambda kind: _stage(kind[0][0]))
    first = {text: _short(next(one.key for one in issues if _text(one) == text)) for text, _ in some}
    rows = [("blobs", "first", "where", "what")]
    rows += [(f"{count:,}", first[text], text[0], _in_one(text[1:])) for text, count in some]
    more = [f"and {plural(len(counts) - SHOWN, 'more kind')}: {report}"] if len(counts) > SHOWN else []
    return [f"{title}:", *(f"  {line}" for line in aligned(rows, texts=3)), *more]


def first_fits(issues: Sequence[Issue]) -> list[str]:
    """What to do where nothing is wrong but that collections have no clusters."""
    asked = dict.fromkeys(_unfitted(one) for one in issues)
    return [f"Group them: python -m clustering fit {shlex.quote(name)}" for name in asked] if all(asked) else []


def _unfitted(issue: Issue) -> str:
    found = _NO_CLUSTERS.match(issue.details) if issue.message == WARNED else None
    return printable(found[1]) if found else ""


def _stage(name: str) -> int:
    start = name.partition(".")[0]
    return _PIPELINE.index(start) if start in _PIPELINE else len(_PIPELINE)


def _text(issue: Issue) -> tuple[str, str, str]:
    return issue.name, issue.message, issue.details


def _in_one(texts: Iterable[str]) -> str:
    return printable(" ".join(text for text in texts if text))


def _short(key: str) -> str:
    return printable(key if len(key) <= 60 else "…" + key[-59:])
