"""Answers: stages, many at once, a whole eval set: ``python -m benchmarks answering``"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Row, percentile, seconds
from qa.library import Library
from qa.networks import workers
from qa.settings import Settings

GAZETTE = Path("eval/sets/gazette.jsonl")
CORPUS = Path("corpus/articles")
ASKED = 80
AT_ONCE = 10


def rows(data: Path) -> list[Row]:
    """Every figure; the eval set is ``tsqa-wiki`` in the folder ``data``."""
    lines = GAZETTE.read_text("utf-8").split("\n")
    questions = [json.loads(line)["question"] for line in lines if line][:ASKED]
    with tempfile.TemporaryDirectory() as folder:
        with Library(Settings(library=Path(folder))) as library:
            library.add([CORPUS])
            library.ask(questions[0])
            generated = [library.ask(q).timings_ms["generate"] for q in questions]
        return [
            Row(
                "extractive answer after the hits, p50 / p95",
                f"{percentile(generated, 0.5):.0f} / {percentile(generated, 0.95):.0f} ms",
                "",
                "",
                "25 ms",
                percentile(generated, 0.5) <= 25,
            ),
            _at_once(Path(folder), questions),
            _eval_set(data / "tsqa-wiki", Path(folder)),
        ]


def _at_once(folder: Path, questions: Sequence[str]) -> Row:
    cores = len(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "benchmarks.answering", str(folder)]
    # One core's throughput: a process that may use no other.
    pinned = {min(os.sched_getaffinity(0))}
    alone = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, pinned),
    )
    one = float(alone.stdout)
    with Library(Settings(library=folder)) as library:
        library.ask(questions[0])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            taken = seconds(lambda: list(pool.map(library.ask, questions)))
    many = len(questions) / taken
    return Row(
        f"{AT_ONCE} questions at once",
        f"{many:.1f} answers/s",
        f"{cores} cores times the {one:.1f} of one",
        f"{many / (one * cores):.2f} ×",
        "0.8 ×",
        many >= 0.8 * one * cores,
    )


def _eval_set(data: Path, folder: Path) -> Row:
    library = folder / "eval"
    with Library(Settings(library=library)) as opened:
        opened.add([data / "articles.jsonl"])
    run = [sys.executable, "-m", "eval", "run", str(data / "questions.jsonl")]
    taken = []
    for jobs in ("1", str(workers())):
        out = folder / f"run-{jobs}"
        command = [*run, "--library", str(library), "--out", str(out), "--jobs", jobs]
        taken.append(seconds(lambda c=command: subprocess.run(c, check=True, capture_output=True)))  # type: ignore[misc]
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    return Row(
        f"eval of {summary['cases']:,} questions (`tsqa-wiki`), articles added before",
        f"{taken[0] / 60:.1f} min; with `--jobs {workers()}` {taken[1] / 60:.1f} min",
        "",
        "",
        "2 min",
        min(taken) <= 120,
    )


def _throughput(folder: Path) -> float:
    """Answers a second, one after another."""
    lines = GAZETTE.read_text("utf-8").split("\n")
    questions = [json.loads(line)["question"] for line in lines if line][: ASKED // 2]
    with Library(Settings(library=folder)) as library:
        library.ask(questions[0])
        return len(questions) / seconds(lambda: [library.ask(q) for q in questions])


if __name__ == "__main__":
    print(_throughput(Path(sys.argv[1])))
