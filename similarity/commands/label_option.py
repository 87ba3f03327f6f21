"""The option --labels: where the labels of images come from, or the table that holds them."""

import argparse
from pathlib import Path

from shared.terminal import printable
from similarity.ranking.labels import LabelError, LabelSource, label_source, labels_from_csv

MAX_BYTES = 100_000_000
"""Of a table of labels."""

METAVAR = "folder|tag:NAME|FILE.csv"


def add_labels(command: argparse.ArgumentParser) -> None:
    """Add the option."""
    command.add_argument(
        "--labels",
        default="folder",
        metavar=METAVAR,
        help="the label of an image is its folder's name, the value of a tag, or in a table of paths and labels; "
        "default: %(default)s",
    )


def read_labels(typed: str) -> LabelSource:
    """What --labels says: `folder`, `tag:NAME`, or the labels in a table, by path.

    Raises:
        LabelError: It is neither, or the file is no table of labels.
        OSError: The file cannot be read.
    """
    if typed == "folder" or typed.startswith("tag:"):
        try:
            return label_source(typed)
        except LabelError as error:  # it speaks of JSON
            raise LabelError(f"--labels takes {METAVAR}, not {printable(typed):.50}.") from error
    with Path(typed).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LabelError(f"{printable(typed)} is larger than {MAX_BYTES / 1e6:g} MB.")
    try:
        return labels_from_csv(data.decode())
    except UnicodeDecodeError as error:
        raise LabelError(f"{printable(typed)} is no text in UTF-8.") from error
