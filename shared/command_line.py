"""What the commands of the skills have in common: the stores they work with, and how they answer and end."""

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from shared import backbone
from shared.contract import Json
from shared.features import FeatureStore, StoreBusy, usable_collection
from shared.fits import FitStore
from shared.local_settings import command_settings
from shared.settings import Settings, SettingsError
from shared.stores import open_fit_store, open_store
from shared.terminal import printable, told

NAMED = 10
"""Collections that are named to who asked for one that is not there."""

type Options = argparse.Namespace
"""What was typed. `run` is what does the command with its stores, `json` and `data` are those of `common_options`; who
needs no store sets `work`, which is `with_stores` for all others."""


class CommandError(Exception):
    """A command cannot be done; the message says why."""


class Tools(NamedTuple):
    """What commands work with."""

    features: FeatureStore
    fits: FitStore
    settings: Settings


class Outcome(NamedTuple):
    """What a command answers."""

    content: Json
    """With --json."""
    text: str
    failed: bool = False
    """Whether some of what was asked for could not be done."""


def common_options() -> argparse.ArgumentParser:
    """The options of every command, as a parent of its parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder of the embedded store; default: DATA_DIR or .local"
    )
    parser.set_defaults(work=with_stores)
    return parser


def collection_name(text: str) -> str:
    """The type of a COLLECTION argument."""
    if not usable_collection(text):
        raise argparse.ArgumentTypeError("no collection can be called so")
    return text


def with_stores(options: Options) -> Outcome:
    """Run a command on the stores that it names, or that the settings do.

    Raises:
        SettingsError: There is no such store.
        StoreBusy: It does not answer.
    """
    settings = _settings(options.data)
    with closing(open_store(settings)) as features, closing(open_fit_store(settings)) as fits:
        outcome: Outcome = options.run(options, Tools(features, fits, settings))
    return outcome


def run(
    name: str,
    options: Options,
    errors: tuple[type[Exception], ...],
    *,
    said: Callable[[str], str] = str,
    stopped: str = "stopped",
) -> int:
    """Run a command on its stores and print what it answers.

    Args:
        name: Of the program, before what it says on the error stream.
        options: What was typed.
        errors: What ends a command with a line, besides what stores and files raise: each says what to do.
        said: What is put in the place of an error's text.
        stopped: What is said when it is interrupted.

    Returns:
        The exit code: 0, 1 when some of it could not be done, 2 when the command could not be done.
    """
    readable: tuple[type[Exception], ...] = (CommandError, OSError, SettingsError, StoreBusy, *errors)
    try:
        done: Outcome = options.work(options)
        if answer := json.dumps(done.content) if options.json and done.content else done.text:
            print(answer, flush=True)
    except BrokenPipeError:
        # Whoever reads has read enough. What Python would still write at its end has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"{name}: {stopped}", file=sys.stderr)
        return 2
    except readable as error:
        print(f"{name}: {said(told(error) if isinstance(error, OSError) else str(error))}", file=sys.stderr)
        return 2
    return 1 if done.failed else 0


def prepare_streams() -> None:
    """Quiet libraries, and streams that can print any text. To be called by a program, not by tests."""
    # Libraries warn of each try and of each connection; what matters comes as an error.
    logging.disable(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a word is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def elsewhere(collection: str, tools: Tools) -> str:
    """Of a collection without images: where it was looked for, and what there is. "" of one with images."""
    if tools.features.counts(collection).get(collection, {}).get(backbone.MODEL):
        return ""
    counts = tools.features.counts()
    some = sorted(name for name, models in counts.items() if models.get(backbone.MODEL))
    more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
    there = ", ".join(map(printable, some[:NAMED])) + more or "none"
    if tools.settings.cosmos_endpoint:
        return f" The store is that at COSMOS_ENDPOINT, {tools.settings.cosmos_endpoint}; collections there: {there}."
    where = printable(str(tools.settings.data_dir))
    return f" The store is in the folder {where} (--data names another one); collections there: {there}."


def _settings(data: Path | None) -> Settings:
    settings = command_settings()
    if data and settings.cosmos_endpoint:
        raise SettingsError("--data names the folder of the embedded store, but COSMOS_ENDPOINT is set.")
    settings = replace(settings, data_dir=data) if data else settings
    if not settings.cosmos_endpoint and not (settings.data_dir / "features.sqlite").is_file():
        # It would be made, empty, and every collection in it would be unknown.
        raise SettingsError(f"There is no feature store in {settings.data_dir}: name its folder with --data.")
    return settings
