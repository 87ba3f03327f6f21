"""How figures are taken: alternately with their baseline, because these machines change speed while one measures."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the report.

    Attributes:
        section: What kind of figure it is.
        name: What was measured.
        unit: Of all numbers here.
        ours: The median.
        low: The smallest of ours.
        high: The largest of ours.
        baseline_name: What it is held against.
        baseline: Its median, or None when there is nothing to hold it against.
    """

    section: str
    name: str
    unit: str
    ours: float
    low: float
    high: float
    baseline_name: str = ""
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours in parts of the baseline: below 1 is less time or memory."""
        return self.ours / self.baseline if self.baseline else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(
    section: str,
    name: str,
    ours: Callable[[], float],
    baseline: Callable[[], float],
    *,
    baseline_name: str,
    rounds: int,
    unit: str = "ms",
    scale: float = 1000,
) -> Figure:
    """Measure two things in turn, `rounds` times after one that does not count; each gives its own number."""
    ours()
    baseline()
    pairs = [(ours() * scale, baseline() * scale) for _ in range(rounds)]
    mine, other = (sorted(values) for values in zip(*pairs, strict=True))
    return Figure(
        section=section,
        name=name,
        unit=unit,
        ours=statistics.median(mine),
        low=mine[0],
        high=mine[-1],
        baseline_name=baseline_name,
        baseline=statistics.median(other),
    )


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    vnni = [flag for flag in ("avx512_vnni", "avx_vnni", "avx512f", "avx2") if flag in flags]
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "cores": str(os.process_cpu_count()),
        "vector instructions": ", ".join(vnni) or "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnxruntime", "numpy", "pillow", "faiss-cpu")},
    }
