"""`python -m shared.migrate`: features from another store, to another number of shards, from an older system's file."""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shared.blobs import Blob
from shared.bulk import upsert_many
from shared.features import FeatureStore, StoreBusy
from shared.images import ImageError
from shared.ingest import feature_of
from shared.migrate.pickles import PickleError, image_paths
from shared.settings import Settings, SettingsError, read_settings
from shared.stores import open_store

STORES = ("embedded", "cosmos")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when something was left out, 2 when nothing could be done."""
    options = _arguments(arguments)
    try:
        report = options.run(options, read_settings(os.environ))
    except (SettingsError, StoreBusy, PickleError, OSError, ValueError) as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("migrate: stopped; run it again to go on", file=sys.stderr)
        return 2
    print(json.dumps(report) if options.json else "\n".join(f"{name}: {value}" for name, value in report.items()))
    return 1 if report.get("missing") or report.get("skipped") else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shared.migrate",
        description="The stores are what the environment says (DATA_DIR, COSMOS_ENDPOINT, COSMOS_KEY, …). Every "
        "command can be stopped and run again: it goes on where it was.",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    copy = commands.add_parser("copy", help="copy a collection from one store to the other")
    copy.add_argument("collection")
    copy.add_argument("--from", dest="source", choices=STORES, required=True)
    copy.add_argument("--to", dest="target", choices=STORES, required=True)
    copy.set_defaults(run=_copy)
    shards = commands.add_parser("shards", help="spread a collection in Cosmos DB over N partitions while it is used")
    shards.add_argument("collection")
    shards.add_argument("count", type=int, metavar="N", help="1 to 100; a partition holds 20 GB, some 5 million images")
    shards.set_defaults(run=_shards)
    old = commands.add_parser("import", help="embed the images that an older system's feature file names")
    old.add_argument("file", type=Path, help="a pickle of the older similarity or clustering service; never executed")
    old.add_argument("--images", type=Path, required=True, metavar="DIR", help="where the images are")
    old.add_argument("--collection", required=True, help="the collection that they go to")
    old.add_argument("--to", dest="target", choices=STORES, default=None, help="default: what the app uses")
    old.set_defaults(run=_import)
    return parser.parse_args(arguments)


def _store(kind: str | None, settings: Settings) -> FeatureStore:
    if kind == "cosmos" and not settings.cosmos_endpoint:
        raise SettingsError("Set COSMOS_ENDPOINT, and COSMOS_KEY where no identity may sign in.")
    return open_store(replace(settings, cosmos_endpoint="") if kind == "embedded" else settings)


def _copy(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    if options.source == options.target:
        raise SettingsError("--from and --to name the same store.")
    with closing(_store(options.source, settings)) as source, closing(_store(options.target, settings)) as target:
        total = sum(source.counts(options.collection).get(options.collection, {}).values())
        features = (feature for block in source.scan(options.collection) for feature in block)
        with _bar(options.collection, total) as bar:
            written = upsert_many(target, features, progress=bar.update)
    return {"collection": options.collection, "features": total, "written": written}


def _shards(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    # Only here: the SDK is not needed for the other commands.
    from shared.cosmos.move import move  # noqa: PLC0415
    from shared.cosmos.store import CosmosFeatureStore  # noqa: PLC0415

    with closing(_store("cosmos", settings)) as store:
        if not isinstance(store, CosmosFeatureStore):
            raise SettingsError("Shards are Cosmos DB's.")
        total = sum(store.counts(options.collection).get(options.collection, {}).values())
        print("First waiting, twice for about a minute, until every process knows of the move", file=sys.stderr)
        with _bar(options.collection, total) as bar:
            moved = move(store, options.collection, options.count, progress=bar.update)
    return {"collection": options.collection, "shards": options.count, "moved": moved}


def _import(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    wanted = image_paths(options.file.read_bytes())
    found, missing = _locate(wanted, options.images)
    written = skipped = 0
    with closing(_store(options.target, settings)) as store, _bar(options.collection, len(found)) as bar:
        for name, file in found.items():
            path = f"{options.collection}/{name}"
            try:
                written += store.upsert(feature_of(_blob(path, file), settings))
            except ImageError as error:
                tqdm.write(f"skipped {path}: {error}", file=sys.stderr)
                skipped += 1
            bar.update(1)
    return {
        "collection": options.collection,
        "paths": len(wanted),
        "written": written,
        "skipped": skipped,
        "missing": missing,
    }


def _locate(wanted: list[str], folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The file of each path, by the longest end of it that is in the folder: the path is of another machine."""
    found, missing = {}, []
    for path in wanted:
        parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
        names = ("/".join(parts[start:]) for start in range(len(parts)))
        name = next((name for name in names if (folder / name).is_file()), None)
        if name:
            found[name] = folder / name
        else:
            missing.append(path)
    return found, missing


def _blob(path: str, file: Path) -> Blob:
    data = file.read_bytes()
    modified = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
    return Blob(path=path, etag=hashlib.sha256(data).hexdigest()[:32], modified=modified, tags={}, data=data)


def _bar(name: str, total: int) -> "tqdm[Any]":
    return tqdm(total=total, desc=name, unit=" images", disable=None)


if __name__ == "__main__":
    sys.exit(main())
