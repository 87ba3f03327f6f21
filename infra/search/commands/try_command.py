"""`python -m infra.search try`: index a folder on this machine as the search service would index the container."""

import argparse
import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx

from infra.search.asking.app import AppError, check_alive, connected, has_any, images_url
from infra.search.asking.local_index import FOLDER, REPORT
from infra.search.asking.new_index import keep_report, new_index
from infra.search.commands.adding import Add
from infra.search.commands.asked import definitions_for
from infra.search.definitions import Definitions
from infra.search.trial.documents import Issue
from infra.search.trial.folder import Listing, blobs
from infra.search.trial.indexer import Run, run
from infra.search.trial.nothing import why_nothing
from infra.search.trial.planning import WEB_API
from infra.search.trial.projections import keeps_parents
from infra.search.trial.telling import counted, first_fits, joined, left_out, table
from infra.search.trial.web_api import WebApi
from shared.command_line import CommandError, Options, Outcome
from shared.contract import Json
from shared.terminal import printable, progress_bar

ERRORS: tuple[type[Exception], ...] = (AppError,)

ASKED = 32
"""Images that the app is asked for, one by one, to see whether it has any of the folder's."""

UNKNOWN = (
    "The app has no image yet, so where its images are is not known: path and tags stay empty, unless --images-url "
    "says it."
)


NONE_OF_THESE = (
    "The app has none of these images under these paths ({path}): FOLDER must be the folder that the app was started "
    "on (--images). For samples/images/photos that is samples/images."
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
        type=_images_url,
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
    listing = _listing(options.folder, definitions)
    container = definitions.data_source["container"]["name"]
    started = monotonic()
    with closing(connected(definitions)) as app, progress_bar() as progress, WebApi() as call:
        known = options.images_url or images_url(app)
        url = (known or f"{str(app.base_url).rstrip('/')}/{container}").rstrip("/") + "/"
        doubts = [] if options.images_url else list(_doubts(app, known, listing, definitions))
        with new_index(options.out, definitions) as keep:
            found = run(definitions, listing, url, call, keep, progress, lambda: check_alive(app))
    took = monotonic() - started
    report = {"folder": str(listing.root.resolve()), "imagesUrl": url} | _report(found, listing, took)
    keep_report(options.out, report)
    issues = joined(found.issues, found.without_image)
    errors, warnings = ([one for one in issues if one.warning == warning] for warning in (False, True))
    everything = str(options.out / REPORT)
    lines = [
        _container(listing, container),
        *doubts,
        counted(found, listing, took, len(warnings)),
        *left_out(found, listing, definitions),
        *([found.stopped] if found.stopped else []),
        *table("Errors", errors, everything),
        *table("Warnings", warnings, everything),
        *first_fits(issues),
        *(_next(options.out) if found.documents else []),
    ]
    return Outcome(report, "\n".join(lines), failed=bool(found.failed or found.stopped))


def _listing(folder: Path, definitions: Definitions) -> Listing:
    """The blobs; at least one, or an earlier index would be lost to a slip."""
    if not folder.exists():
        raise CommandError(f"There is no folder {printable(str(folder))}.")
    configuration = definitions.indexer["parameters"]["configuration"]
    listing = blobs(folder, definitions.data_source, configuration)
    if not listing.blobs:
        raise CommandError(why_nothing(listing, definitions))
    return listing


def _doubts(app: httpx.Client, known: str, listing: Listing, definitions: Definitions) -> Iterator[str]:
    """Why the index may stay without paths, tags and look-alikes."""
    if not known:
        yield UNKNOWN
    elif keeps_parents(definitions) and not _names_a_collection(definitions):
        paths = [blob.path for blob in islice(listing.blobs, ASKED)]
        if not has_any(app, paths):
            yield NONE_OF_THESE.format(path=printable(paths[0]))


def _names_a_collection(definitions: Definitions) -> bool:
    """Whether images are compared with those of one collection: they need not be the app's own then."""
    skills: list[Mapping[str, Json]] = definitions.skillset["skills"]
    inputs = [entry for skill in skills if skill["@odata.type"] == WEB_API for entry in skill["inputs"]]
    return any(entry["name"] == "collection" for entry in inputs)


def _container(listing: Listing, name: str) -> str:
    """With why, where a folder of another name is taken."""
    why = "" if listing.root.resolve().name == name else f", which has no folder {name} in it"
    return f"Container: {printable(str(listing.root))}{why}."


def _next(out: Path) -> Iterator[str]:
    where = "" if out == FOLDER else f" --index {shlex.quote(str(out))}"
    yield f"Written to {out}. Next: python -m infra.search query WORD{where}, or query --image PHOTO{where}."


def _images_url(text: str) -> str:
    """The type of --images-url; what follows a ? may be a key, so the text is not shown."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or a broken address in brackets
        usable = False
    if not usable or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("takes https://… or http://… up to the end of the container, without ? and #")
    return text


def _report(found: Run, listing: Listing, took: float) -> dict[str, Json]:
    return {
        "blobs": found.blobs,
        "documents": found.documents,
        "failed": found.failed,
        "withoutImage": len(found.without_image),
        "stopped": found.stopped or None,
        "seconds": round(took, 2),
        "skillsLeftOut": found.skills_left_out,
        "filesLeftOut": listing.left_out,
        "foldersClosed": listing.closed,
        "errors": [_entry(one) for one in found.issues if not one.warning],
        "warnings": [_entry(one) for one in found.issues if one.warning],
    }


def _entry(issue: Issue) -> dict[str, str]:
    return {"key": issue.key, "name": issue.name, "message": issue.message, "details": issue.details}
