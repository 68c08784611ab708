"""Figures beside a limit, as ratios: what a shared machine can tell."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("onnxruntime", "torch", "sentence-transformers", "chromadb", "tantivy", "gradio")


@dataclass(frozen=True)
class Row:
    """One line of a table; ``met`` is None where there is no goal, ``value`` is the main ratio."""

    what: str
    ours: str
    limit: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None
    value: float = math.nan


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| what | ours | limit or peer | ratio | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = {None: "", True: "met", False: "**missed**"}[row.met]
        lines.append(
            f"| {row.what} | {row.ours} | {row.limit} | {row.ratio} | {row.goal} | {met} |"
        )
    return "\n".join(lines)


def seconds(work: Callable[[], object]) -> float:
    """Of one run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process_seconds(arguments: Sequence[str], runs: int = 5) -> float:
    """The median of some runs of a Python process, after one that warms the disk's cache."""
    command = [sys.executable, *arguments]
    taken = [
        seconds(lambda: subprocess.run(command, check=True, capture_output=True))
        for _ in range(runs + 1)
    ]
    return statistics.median(taken[1:])


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the one at this share (0 to 1)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def milliseconds(work: Callable[[str], object], questions: Sequence[str]) -> list[float]:
    """Of each question but the first, which warms up."""
    taken = [seconds(lambda q=question: work(q)) * 1000 for question in questions]  # type: ignore[misc]
    return taken[1:]


def machine() -> str:
    """Processor, cores and versions, in a line."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    flags = info.read_text() if info.exists() else ""
    known = [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if name in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    processor = found[1].strip() if found else platform.processor()
    return (
        f"{platform.system()} {platform.machine()}, {processor}, {cores} cores "
        f"({', '.join(known) or 'no AVX2'}), Python {platform.python_version()}, {versions}"
    )


def write(document: Path, tables: dict[str, str]) -> None:
    """Puts each table between its two marks in the document."""
    text = document.read_text("utf-8")
    for name, content in tables.items():
        marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(marks[0])
        _, _, after = rest.partition(marks[1])
        text = f"{before}{marks[0]}\n{content}\n{marks[1]}{after}"
    document.write_text(text, "utf-8")
