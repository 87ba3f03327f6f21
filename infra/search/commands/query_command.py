"""The command that asks the index: by words, by an image, or by both."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from infra.search.asking.origins import name_of
from infra.search.asking.querying import MOST, Hit, Query, about_nothing, about_scores
from infra.search.asking.result_page import html_file, listed, row, write_page
from infra.search.commands.adding import Add
from infra.search.commands.asked import definitions_for
from infra.search.commands.index_asked import INDEX_ERRORS, add_index_options, index_asked
from infra.search.definitions import Definitions
from shared.command_line import CommandError, Options, Outcome
from shared.images import ImageError, open_image
from shared.markup import text
from shared.settings import Settings
from shared.terminal import aligned, printable

ERRORS = INDEX_ERRORS


def add(add: Add) -> None:
    """Add the command."""
    about = "find images in the index by words, by a photo of this machine, or by both"
    command = add("query", query, about, "cat --image new.jpg --top 5")
    command.add_argument("words", nargs="*", metavar="WORD", help="any of them is found")
    command.add_argument("--image", type=Path, metavar="FILE", help="find what looks like this image")
    command.add_argument("--top", type=how_many, default=10, metavar="N", help=f"how many, 1 to {MOST}; default: 10")
    command.add_argument(
        "--filter",
        default="",
        metavar="ODATA",
        help="only documents of which this holds, as in: collection eq 'photos'",
    )
    command.add_argument(
        "--fields", default="", metavar="NAME,…", help="look for the words in these fields only, as in: label,tags"
    )
    command.add_argument("--html", type=html_file, metavar="FILE.html", help="write a page with the pictures")
    add_index_options(command)


def how_many(given: str) -> int:
    """The type of --top."""
    if not (given.isascii() and given.isdecimal() and 1 <= int(given[:9]) <= MOST):
        raise argparse.ArgumentTypeError(f"takes a number from 1 to {MOST}")
    return int(given)


def query(options: Options) -> Outcome:
    """What the index finds."""
    words = " ".join(options.words).strip()
    if not words and not options.image:
        raise CommandError("Say what to look for: words, or a photo with --image, or both.")
    if options.fields and not words:
        raise CommandError("--fields has no effect without words: it says where they are looked for.")
    definitions = definitions_for(options, local=True)
    asked = Query(
        words=words,
        image=_photo(options.image, definitions) if options.image else None,
        top=options.top,
        filter=options.filter,
        fields=tuple(name for one in options.fields.split(",") if (name := one.strip())),
    )
    with index_asked(options, definitions) as index:
        hits = index.search(asked)
    about = about_scores(asked) if hits else about_nothing(index.definition, asked)
    lines = [f"Asked: {printable(index.name)}", *(_table(hits) if hits else ["nothing found"]), printable(about)]
    if options.html:
        what = " and ".join([*([f"“{words}”"] if words else []), *([options.image.name] if options.image else [])])
        title = f"Found: {what}"
        lines += write_page(
            options.html,
            title,
            [],
            hits,
            index.pictures,
            lambda shown: [
                f'<p class="soft">In {text(index.name)}. {text(about)}</p>',
                row(hits, shown, _caption) if hits else "<p>Nothing.</p>",
            ],
        )
    content = {"asked": index.name, "scores": about_scores(asked), "results": [hit._asdict() for hit in hits]}
    return Outcome(content, "\n".join(lines))


def _photo(file: Path, definitions: Definitions) -> bytes:
    """A photo as the indexer would make it: the vectors in the index are of such images, and it is small to send."""
    settings = Settings()
    if file.stat().st_size > settings.max_image_bytes:
        raise CommandError(f"{printable(str(file))} is larger than {settings.max_image_bytes / 1e6:g} MB.")
    side = definitions.indexer["parameters"]["configuration"]["normalizedImageMaxWidth"]
    try:
        image = open_image(file.read_bytes(), max_pixels=settings.max_image_pixels, at_least=side)
    except ImageError as error:
        raise CommandError(f"{printable(str(file))}: {error}") from error
    image.thumbnail((side, side))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=95)
    return target.getvalue()


def _table(hits: Sequence[Hit]) -> list[str]:
    table = [["", "score", "image", "label", "tags"]]
    for n, hit in enumerate(hits, 1):
        texts = (name_of(hit.document), listed(hit.document.get("label")), listed(hit.document.get("tags")))
        table.append([str(n), _score(hit), *map(printable, texts)])
    return aligned(table, texts=3)


def _score(hit: Hit) -> str:
    return "<0.0001" if 0 < hit.score < 0.0001 else f"{hit.score:.4f}"


def _caption(hit: Hit) -> str:
    parts = [_score(hit), listed(hit.document.get("label")), listed(hit.document.get("tags"))]
    return f"<br>{text(' · '.join(part for part in parts if part))}"
