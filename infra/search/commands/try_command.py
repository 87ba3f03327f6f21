"""`python -m infra.search try`: index a folder on this machine as the search service would index the container."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic

from infra.search.app import AppError, connected, images_url
from infra.search.commands.adding import Add
from infra.search.commands.asked import definitions_for
from infra.search.local_index import FOLDER
from infra.search.new_index import keep_report, new_index
from infra.search.trial.documents import Issue
from infra.search.trial.folder import container_in
from infra.search.trial.indexer import Run, run
from infra.search.trial.web_api import WebApi
from shared.command_line import Options, Outcome
from shared.contract import Json
from shared.markup import plural
from shared.terminal import aligned, printable, progress_bar

ERRORS: tuple[type[Exception], ...] = (AppError,)

SHOWN = 20
"""Lines of errors and warnings; the report has all."""

UNKNOWN = (
    "The app has no image yet, so where its images are is not known: path and tags stay empty, unless --images-url "
    "says it."
)


def add(add: Add) -> None:
    """Add the command."""
    parser = add(
        "try",
        _try,
        "index a folder on this machine by the same definitions: the running app is asked as the service would ask it",
        "samples",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="the container, or the folder in which it is one by its name (images)",
    )
    parser.add_argument(
        "--images-url",
        metavar="URL",
        help="what the blobs' urls begin with; default: as the app names its own images, so that it knows them again",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=FOLDER,
        metavar="DIR",
        help=f"where the documents are written; default: {FOLDER}",
    )


def _try(options: Options) -> Outcome:
    definitions = definitions_for(options, local=True)
    container = definitions.data_source["container"]["name"]
    started = monotonic()
    with closing(connected(definitions)) as app, progress_bar() as progress, WebApi() as call:
        known = options.images_url or images_url(app)
        url = (known or f"{str(app.base_url).rstrip('/')}/{container}").rstrip("/") + "/"
        with new_index(options.out, definitions) as keep:
            found = run(definitions, options.folder, url, call, keep, progress)
    took = monotonic() - started
    folder = container_in(options.folder, definitions.data_source).resolve()
    report = {"folder": str(folder), "imagesUrl": url} | _report(found, took)
    keep_report(options.out, report)
    lines = _lines(found, took, options.out)
    if not known:
        lines.insert(1, UNKNOWN)
    return Outcome(report, "\n".join(lines), failed=bool(found.failed or found.stopped))


def _report(found: Run, took: float) -> dict[str, Json]:
    return {
        "blobs": found.blobs,
        "documents": found.documents,
        "failed": found.failed,
        "stopped": found.stopped or None,
        "seconds": round(took, 2),
        "skillsLeftOut": found.skills_left_out,
        "filesLeftOut": found.files_left_out,
        "errors": [_entry(one) for one in found.issues if not one.warning],
        "warnings": [_entry(one) for one in found.issues if one.warning],
    }


def _entry(issue: Issue) -> dict[str, str]:
    return {"key": issue.key, "name": issue.name, "message": issue.message, "details": issue.details}


def _lines(found: Run, took: float, out: Path) -> list[str]:
    errors = [one for one in found.issues if not one.warning]
    warnings = [one for one in found.issues if one.warning]
    of = f" of {found.listed:,}" if found.stopped else ""
    rate = f", {found.blobs / took:,.1f} a second" if found.blobs else ""
    lines = [
        f"{plural(found.blobs, 'blob')}{of} in {took:.1f} s{rate}: {plural(found.documents, 'document')}, "
        f"{found.failed:,} failed, {plural(len(warnings), 'warning')}."
    ]
    if found.files_left_out:
        some = ", ".join(f"{count:,} {ending or 'without ending'}" for ending, count in found.files_left_out.items())
        lines.append(f"Not read, by their names: {printable(some)}.")
    lines += [
        f"Left out, because only the service can run it: {name} ({kind})."
        for name, kind in found.skills_left_out.items()
    ]
    lines += [found.stopped] if found.stopped else []
    lines += _table("Errors", errors, out) + _table("Warnings", warnings, out)
    if not found.blobs:
        lines.append("There is no blob to read here: --set extensions=.jpg,.png says which files are read.")
    elif found.documents:
        lines.append(f"Written to {out}. Next: python -m infra.search query WORD, or query --image PHOTO.")
    return lines


def _table(title: str, issues: Sequence[Issue], out: Path) -> list[str]:
    """Alike ones of many documents in one line: a skill that fails, fails for all of them."""
    if not issues:
        return []
    counts = Counter((one.name, one.message, one.details) for one in issues)
    some = counts.most_common(SHOWN)
    first = {text: _short(next(one.key for one in issues if _text(one) == text)) for text, _ in some}
    rows = [("blobs", "first", "where", "what")]
    rows += [(f"{count:,}", first[text], text[0], _joined(text[1:])) for text, count in some]
    more = [f"and {plural(len(counts) - SHOWN, 'more kind')}: {out / 'report.json'}"] if len(counts) > SHOWN else []
    return [f"{title}:", *(f"  {line}" for line in aligned(rows, texts=3)), *more]


def _text(issue: Issue) -> tuple[str, str, str]:
    return issue.name, issue.message, issue.details


def _joined(texts: Iterable[str]) -> str:
    return printable(" ".join(text for text in texts if text))


def _short(key: str) -> str:
    return printable(key if len(key) <= 60 else "…" + key[-59:])
