"""The command that puts results by our labels beside results by the built-in image analysis."""

from itertools import zip_longest

from infra.search.asking.comparing import OURS, THEIRS, Comparison, compare
from infra.search.asking.comparison_page import STYLE, comparison_page
from infra.search.asking.origins import name_of
from infra.search.asking.querying import MOST, Hit, Query, about_nothing, about_scores, searchable_fields
from infra.search.asking.result_page import html_file, write_page
from infra.search.commands.adding import Add
from infra.search.commands.asked import definitions_for
from infra.search.commands.index_asked import INDEX_ERRORS, add_index_options, index_asked
from infra.search.commands.query_command import how_many
from shared.command_line import CommandError, Options, Outcome
from shared.terminal import aligned, printable

ERRORS = INDEX_ERRORS

NO_ANALYSIS = (
    "This index has no image analysis: 'python -m infra.search deploy --set imageAnalysis=true' and a reset with a run "
    "add it."
)
NO_ANALYSIS_HERE = "The image analysis runs in the search service only: the local indexer leaves it out."
NO_LABELS = (
    "No document has a label: groups have to be labelled first, as in 'python -m clustering label photos 3 flower', "
    "and the images indexed again after that, here by 'try' and in the service by 'reset --run'."
)


def add(add: Add) -> None:
    """Add the command."""
    about = "put results by our labels beside results by the built-in image analysis"
    command = add("compare", compare_sides, about, "cat --html cat.html")
    command.add_argument("word", metavar="WORD", help="what to look for in both")
    command.add_argument(
        "--top", type=how_many, default=50, metavar="N", help=f"how many of each side, 1 to {MOST}; default: 50"
    )
    command.add_argument("--html", type=html_file, metavar="FILE.html", help="write a page with the pictures")
    add_index_options(command)


def compare_sides(options: Options) -> Outcome:
    """What each side finds."""
    word = options.word.strip()
    if not word:
        raise CommandError("Say what to look for: WORD is empty.")
    definitions = definitions_for(options, local=True)
    with index_asked(options, definitions) as index:
        found = compare(index.definition, word, options.top, index.search)
        notes = [] if found.ours or index.labelled() else [NO_LABELS]
    if index.local:  # its documents have no such values, whatever fields they have
        found = found._replace(theirs=None)
        notes.append(NO_ANALYSIS_HERE)
    elif found.theirs is None:
        notes.append(NO_ANALYSIS)
    if NO_LABELS not in notes and not (found.ours or found.theirs):
        sides = OURS if found.theirs is None else (*OURS, *THEIRS)
        fields = tuple(name for name in sides if name in searchable_fields(index.definition))
        notes.append(about_nothing(index.definition, Query(words=word, fields=fields)))
    lines = [f"Asked: {printable(index.name)}", *_table(found), "", *notes, *_foot(found, options.top)]
    if options.html:
        lines += write_page(
            options.html,
            f"“{word}”, by our labels and by the image analysis",
            notes,
            [*found.ours, *(found.theirs or [])],
            index.pictures,
            lambda shown: comparison_page(found, shown),
            STYLE,
        )
    content = {
        "asked": index.name,
        "word": word,
        "scores": about_scores(Query(words=word)),
        "ours": [hit._asdict() for hit in found.ours],
        "theirs": None if found.theirs is None else [hit._asdict() for hit in found.theirs],
        "counts": found.counts(),
    }
    return Outcome(content, "\n".join(lines))


def _table(found: Comparison) -> list[str]:
    """Both sides beside each other; an asterisk is at what both found."""
    if not found.ours and not found.theirs:
        return ["nothing found"]
    both = found.both()

    def cell(hit: Hit | None) -> str:
        return f"{'* ' if hit.document[found.key] in both else '  '}{printable(name_of(hit.document))}" if hit else ""

    sides = [("  our labels", "  image analysis")] if found.theirs is not None else [("  our labels", "")]
    sides += [(cell(ours), cell(theirs)) for ours, theirs in zip_longest(found.ours, found.theirs or [])]
    return aligned([["" if n == 0 else str(n), *cells] for n, cells in enumerate(sides)], texts=2)


def _foot(found: Comparison, top: int) -> list[str]:
    counts = found.counts()
    lines = []
    if found.theirs is not None:
        lines.append(
            f"{counts['both']} found by both (*), {counts['onlyOurs']} only by our labels, "
            f"{counts['onlyTheirs']} only by the image analysis"
        )
    if top in {len(found.ours), len(found.theirs or [])}:
        lines.append(f"Only the first {top} of each side were compared: --top takes more.")
    return lines
