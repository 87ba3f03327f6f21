"""Rebuild the backbone: `python -m shared.backbone.recipe`. About a minute on two cores."""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from shared.backbone import CARD_FILE, ONNX_FILE

from .build import build_int8
from .photos import FOLDER
from .weights import WeightsError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.backbone.recipe", description=__doc__)
    parser.add_argument("--photos", type=Path, default=FOLDER, metavar="DIR", help="photos to measure on (%(default)s)")
    parser.add_argument("--output", type=Path, default=ONNX_FILE, metavar="FILE", help="the model (%(default)s)")
    arguments = parser.parse_args()

    started = time.monotonic()
    try:
        model = build_int8(arguments.photos, lambda step: print(f"{time.monotonic() - started:6.1f} s  {step}"))
    except (FileNotFoundError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    data = model.SerializeToString(deterministic=True)
    arguments.output.write_bytes(data)
    card = arguments.output.with_suffix(".json")
    # What the card says besides the digest is written by hand; a change of the numbers deserves a new version there.
    described = json.loads(CARD_FILE.read_bytes()) | {"sha256": hashlib.sha256(data).hexdigest()}
    card.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - started:6.1f} s  wrote {arguments.output} ({len(data) / 1e6:.2f} MB) and {card.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
