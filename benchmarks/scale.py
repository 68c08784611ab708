"""Search, memory and disk as a library grows: ``python -m benchmarks scale``"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.figures import Row, milliseconds, percentile, seconds
from benchmarks.synthetic import DIMENSION, ClusteredEmbedder, articles, questions
from qa import store
from qa.exact import ExactIndex
from qa.library import Library
from qa.settings import Settings
from qa.types import Filters

SIZES = (10_000, 100_000, 500_000)
PASSAGES_AN_ARTICLE = 7.08
STEP = 1_000  # articles given to one add
ASKED = 200
FILTERS = {
    "of one publisher in 25": Filters(publishers=("Paper 7",)),
    "since 2013": Filters(after=date(2013, 1, 1)),
}


@dataclass(frozen=True)
class Measured:
    """At one size. Times in ms, sizes in bytes, rates a second."""

    passages: int
    adding_rate: float
    cold_open: float
    p50: float
    p95: float
    parts_p50: float
    parts_p95: float
    filtered_p50: dict[str, float]
    resident: int
    resident_filtered: int
    disk: int
    text: int
    recall: float


def rows(sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """Every figure; each size is measured in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found, rate, have = [], 0.0, 0
        for size in sizes:
            count = round(size / PASSAGES_AN_ARTICLE)
            rate = _grow(Path(folder), have, count) or rate
            have = count
            found.append(_measured(Path(folder), rate))
    return [row for measured in found for row in _search_rows(measured)] + _growth(found)


def _grow(folder: Path, have: int, count: int) -> float:
    """Adds articles; passages a second of the last tenth."""
    embedder = ClusteredEmbedder()
    coming = list(articles(count))[have:]
    taken: list[float] = []
    passages: list[int] = []
    with Library(Settings(library=folder), embedder=embedder) as library:
        for at in range(0, len(coming), STEP):
            some = coming[at : at + STEP]
            started = time.perf_counter()
            passages.append(library.add(some).passages_embedded)
            taken.append(time.perf_counter() - started)
    last = max(1, len(taken) // 10)
    return sum(passages[-last:]) / sum(taken[-last:])


def _measured(folder: Path, rate: float) -> Measured:
    command = [sys.executable, "-m", "benchmarks.scale", str(folder), str(rate)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


def _measure(folder: Path, rate: float) -> Measured:
    embedder = ClusteredEmbedder()
    library = Library(Settings(library=folder), embedder=embedder)
    embedder.embed_query("warm")
    asked = questions(ASKED)
    cold = seconds(lambda: library.search(asked[0])) * 1000
    hybrid = milliseconds(library.search, asked)
    resident = _resident()
    opened = library._store
    lexical = opened.lexical
    parts: list[Callable[[str], object]] = [
        embedder.embed_query,
        lambda q: lexical.search(q, 10, Filters()),
        _bare_chroma(opened, embedder),
    ]
    bare = [milliseconds(part, asked) for part in parts]
    filtered = {
        name: median(milliseconds(lambda q, f=wanted: library.search(q, 10, f), asked[:60]))  # type: ignore[misc]
        for name, wanted in FILTERS.items()
    }
    return Measured(
        passages=opened.catalog.passage_count(),
        adding_rate=rate,
        cold_open=cold,
        p50=median(hybrid),
        p95=percentile(hybrid, 0.95),
        parts_p50=sum(median(each) for each in bare),
        parts_p95=sum(percentile(each, 0.95) for each in bare),
        filtered_p50=filtered,
        resident=resident,
        resident_filtered=_resident(),
        disk=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        text=sum(listing.characters for listing in library.articles()),
        recall=_recall(opened, embedder, asked),
    )


def _bare_chroma(opened: store.Store, embedder: ClusteredEmbedder) -> Callable[[str], object]:
    assert opened.vectors is not None
    vectors = opened.vectors
    return lambda q: vectors.search(embedder.vector(q), 10, Filters())


def _recall(opened: store.Store, embedder: ClusteredEmbedder, asked: list[str]) -> float:
    """Of the ten nearest, the share that the index in use finds."""
    exact = ExactIndex(*opened.catalog.vectors_of())
    shares = []
    for question in asked:
        vector = embedder.vector(question)
        right = {key for key, _ in exact.search(vector, 10)}
        shares.append(len(right & {k for k, _ in opened.search(vector, 10, Filters())}) / 10)
    return float(np.mean(shares))


def _resident() -> int:
    """Bytes of memory that are this process's own; pages of files it maps come and go."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell RssAnon")


def _search_rows(measured: Measured) -> list[Row]:
    size = f"{measured.passages:,} passages"
    p50, p95 = measured.p50 / measured.parts_p50, measured.p95 / measured.parts_p95
    filtered = ", ".join(f"{name}: {ms:.1f} ms" for name, ms in measured.filtered_p50.items())
    worst = max(measured.filtered_p50.values()) / measured.p50
    return [
        Row(
            f"question to hits, {size}, p50 / p95",
            f"{measured.p50:.1f} / {measured.p95:.1f} ms",
            "embedding, Chroma and tantivy called bare: "
            f"{measured.parts_p50:.1f} / {measured.parts_p95:.1f} ms",
            f"{p50:.1f} × / {p95:.1f} ×",
            "1.3 × / 2 ×",
            p50 <= 1.3 and p95 <= 2,
            p50,
        ),
        Row(f"the same, filtered, {size}, p50", filtered, "", f"{worst:.2f} ×", "1 ×", worst <= 1),
    ]


def _growth(found: list[Measured]) -> list[Row]:
    first, last = found[0], found[-1]
    names = " / ".join(f"{each.passages:,}" for each in found)
    model = 90_868_376
    rates = [each.adding_rate for each in found]
    recall = min(each.recall for each in found)
    memory = [
        (each.resident / (each.passages * DIMENSION * 4 + model), each.resident) for each in found
    ]
    disk = [each.disk / (each.text + each.passages * DIMENSION * 4) for each in found]
    at = f"at {names} passages"
    return [
        Row(
            f"adding without embedding, passages/s, {at}",
            " / ".join(f"{rate:,.0f}" for rate in rates),
            "at the smallest",
            f"{rates[-1] / rates[0]:.2f} ×",
            "0.8 ×",
            rates[-1] >= 0.8 * rates[0],
        ),
        Row(
            f"search p50 {at}",
            " / ".join(f"{each.p50:.1f} ms" for each in found),
            "at the smallest",
            f"{last.p50 / first.p50:.2f} ×",
            "2 ×",
            last.p50 <= 2 * first.p50,
        ),
        Row(
            f"first search after opening {at}",
            " / ".join(f"{each.cold_open / 1000:.2f} s" for each in found),
        ),
        Row(
            f"recall@10 of the vector index against exact search {at}",
            " / ".join(f"{each.recall:.3f}" for each in found),
            "",
            "",
            "0.98",
            recall >= 0.98,
        ),
        Row(
            f"memory of its own while serving {at}",
            " / ".join(f"{size / 1e6:,.0f} MB" for _, size in memory),
            "vectors and model",
            " / ".join(f"{share:.2f} ×" for share, _ in memory),
            "1.5 × at 100,000",
            memory[min(1, len(memory) - 1)][0] <= 1.5,
        ),
        Row(
            f"the same after filtered searches {at}",
            " / ".join(f"{each.resident_filtered / 1e6:,.0f} MB" for each in found),
        ),
        Row(
            f"disk {at}",
            " / ".join(f"{each.disk / each.passages / 1000:.1f} kB a passage" for each in found),
            "text and vectors",
            " / ".join(f"{share:.1f} ×" for share in disk),
            "3 ×",
            max(disk) <= 3,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), float(sys.argv[2])))))
