"""Ratios that must hold on every machine, with room for noise: ``python -m benchmarks guard``"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import adding, scale, startup
from benchmarks.figures import Row, table
from qa import loading
from qa.types import Article

CORPUS = Path("corpus/articles")
SIZE = 4_000
LEAST, MOST = "at least", "at most"


def main() -> int:
    """Prints what was measured; 1 where a ratio is out of its bounds."""
    found = _measured()
    print(table([row for row, _, _ in found]))
    bad = [
        f"{row.what}: {row.value:.2f} ×, must be {side} {bound} ×"
        for row, side, bound in found
        if not (row.value >= bound if side == LEAST else row.value <= bound)
    ]
    print("\n".join(bad) or "all ratios hold")
    return 1 if bad else 0


def _measured() -> list[tuple[Row, str, float]]:
    chosen = [
        loaded.article
        for path in loading.discover(str(CORPUS))
        for loaded in loading.load(path)
        if loaded.article
    ]
    with tempfile.TemporaryDirectory() as folder:
        embedded, *_ = adding.throughput(_plain(chosen), Path(folder), None)
        again, _ = adding.files(Path(folder) / "files")
    cold = [row for row in startup.rows() if "cold" in row.what]
    searched, *_ = scale.rows((SIZE,))
    return [
        (embedded, LEAST, 0.7),  # of what the model does alone
        (again, MOST, 15),  # times hashing the files
        *((row, MOST, 0.5) for row in cold),  # of importing sentence-transformers
        (searched, MOST, 5),  # times its parts called bare
    ]


def _plain(articles: list[Article]) -> list[Article]:
    return [Article(article.id, article.title, article.text) for article in articles]
