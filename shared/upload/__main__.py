"""`python -m shared.upload`: images from a folder, or from a list of labels and urls, into a collection."""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from shared.features import StoreBusy
from shared.local_settings import command_settings
from shared.settings import SettingsError
from shared.upload.metadata import MAX_METADATA, encoded, length, writable
from shared.upload.run import Report, upload
from shared.upload.storage import can_be_path

SHOWN = 50
"""Failures that are printed; --json has all of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when some images could not be uploaded, 2 when the command could not be done."""
    options = _arguments(arguments)
    try:
        report = upload(
            options.source, options.collection, command_settings(), metadata=options.metadata, at_once=options.at_once
        )
    except (SettingsError, StoreBusy, OSError) as error:
        print(f"upload: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("upload: stopped; run it again to go on", file=sys.stderr)
        return 2
    print(json.dumps(asdict(report)) if options.json else _text(report))
    return 1 if report.failed else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shared.upload",
        description="Upload images into a collection of the images container, which the environment names "
        "(IMAGES_STORAGE or IMAGES_STORAGE__blobServiceUri, IMAGES_CONTAINER) or else local.settings.json in this "
        "folder. It can be stopped and run again: what is there with the same content is passed over, whatever its "
        "metadata. Nothing is ever deleted.",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a folder: every image below it; or a text file with lines of a label, a tab and a url: each url is "
        "fetched, and the label kept as metadata",
    )
    parser.add_argument("--collection", type=_collection, required=True, metavar="NAME", help="where the images go")
    parser.add_argument(
        "--metadata",
        type=_metadata,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what each image is given as metadata, which become tags; may be said several times",
    )
    parser.add_argument(
        "--at-once", type=_at_once, default=16, metavar="N", help="images under way at a time, 1 to 100 (default 16)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON, with all failures")
    options = parser.parse_args(arguments)
    names = Counter(name.lower() for name, _ in options.metadata)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        parser.error(f"the metadata {twice[0]} is given twice (capital letters make no difference)")
    if {"label", "source"} & names.keys() and not options.source.is_dir():
        parser.error("the metadata label and source are given by the list")
    options.metadata = dict(options.metadata)
    if length(encoded(options.metadata)) > MAX_METADATA:
        parser.error(f"the metadata are longer than the {MAX_METADATA} characters that Blob storage takes")
    return options


def _metadata(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    # Blob storage takes C# identifiers, and of those an HTTP header takes ASCII.
    if not (name.isascii() and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"the name {name!r} is not letters, digits and underscores, no digit first")
    value = value.strip()
    if not value or not writable(value):
        raise argparse.ArgumentTypeError(f"the value of {name} is empty, or has a line break or control character")
    return name, value


def _collection(text: str) -> str:
    if not text or "/" in text or text.endswith(".") or not can_be_path(text):
        raise argparse.ArgumentTypeError("a collection is one folder's name, without slashes and no dot at its end")
    return text


def _at_once(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("it takes a number from 1 to 100")
    return int(text)


def _text(report: Report) -> str:
    lines = [
        f"collection: {report.collection}",
        f"uploaded: {report.uploaded} ({report.bytes / 1e6:.1f} MB)",
        f"unchanged: {report.unchanged}",
        f"left out: {report.left_out}",
        f"failed: {len(report.failed)}",
    ]
    lines += [f"  {_printable(failure.what)}: {_printable(failure.why)}" for failure in report.failed[:SHOWN]]
    if len(report.failed) > SHOWN:
        lines.append(f"  and {len(report.failed) - SHOWN} more: --json lists all")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Text that cannot steer a terminal: names come from files and servers."""
    return text if text.isprintable() else ascii(text)


if __name__ == "__main__":
    # Libraries warn of each try and of each connection; what matters comes as an error.
    logging.disable(logging.WARNING)
    sys.exit(main())
