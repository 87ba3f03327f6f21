"""Lines of CSV files that spreadsheets may open."""

import csv
import io

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet may run a cell that begins so."""


def csv_line(*cells: str | float) -> str:
    """A line of a CSV file with its end.

    A text that a spreadsheet might run as a formula has an apostrophe in front, which makes it plain text there.
    """
    line = io.StringIO()
    csv.writer(line).writerow(
        [f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in cells]
    )
    return line.getvalue()
