"""Adding with workers beside adding without: ``python -m benchmarks workers`` and ``ray``.

``ray`` starts a cluster of two nodes of one core each on the loopback interface and kills one of
them (SIGKILL) when a third of the passages are embedded.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import synthetic
from benchmarks.figures import Row
from qa.library import Library
from qa.networks import workers
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Progress
from qa.workers import cut

LOOPBACK = "127.0.0.2"  # Ray takes 127.0.0.1 for a name of the machine's other addresses
OBJECTS = 100 << 20  # bytes of a node's object store
PASSAGE = 950  # characters of a passage, about
PLAIN = 1_000  # passages of the plain path beside it
SOON = {  # a node that does not answer for so long is dead
    "health_check_initial_delay_ms": 1_000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


def rows() -> list[Row]:
    """Without workers, with one a core, and again, so that a busy machine shows."""
    chosen = _articles(PLAIN)
    cores = workers()
    rates = [_rate(chosen, count) for count in (None, cores, None, cores)]
    plain, ours = sum(rates[::2]) / 2, sum(rates[1::2]) / 2
    return [
        Row(
            f"adding {len(chosen)} articles with {cores} workers, {cores} cores",
            f"{ours:.1f} passages/s",
            f"without workers: {plain:.1f} ({rates[0]:.1f} and {rates[2]:.1f})",
            f"{ours / plain:.2f} ×",
            "",
            None,
            ours / plain,
        )
    ]


def ray_rows(passages: int, *, fake: bool = False) -> list[Row]:
    """On a Ray cluster that loses one of its two workers, beside the plain path.

    With ``fake`` a test's embedder stands in for the model, and nothing is compared.
    """
    chosen = _articles(passages)
    plain = 0.0 if fake else _rate(_articles(min(passages, PLAIN)), None)
    with tempfile.TemporaryDirectory() as folder, two_nodes() as kill:
        source = Path(folder) / "articles.jsonl"
        source.write_text("\n".join(json.dumps(_line(each)) for each in chosen), "utf-8")
        embedder = WordEmbedder(max_tokens=256) if fake else None
        with Library(Settings(library=Path(folder) / "library"), embedder=embedder) as library:
            times = _Times(kill)
            report = library.add([source], workers=2, on_progress=times)
            bad = [check.detail for check in library.check() if not check.ok]
            texts = {key for each in chosen for key in cut(each, library.embedder).keys}
    once = report.passages_embedded == len(texts) and len(report.articles) == len(chosen)
    overall, before, after = times.rates()
    return [
        Row(
            f"{len(chosen):,} articles, {len(texts):,} passages on Ray, one node of two killed",
            f"{overall:.1f} passages/s; {before:.1f} until the kill, {after:.1f} from then on",
            f"without workers: {plain:.1f}" if plain else "",
            f"{overall / plain:.2f} ×" if plain else "",
            "; ".join(bad) or "each once, nothing lost",
            once and not bad and times.killed is not None,
        )
    ]


@contextmanager
def two_nodes() -> Iterator[Callable[[], None]]:
    """A Ray cluster at RAY_ADDRESS; what is given kills one of its two workers at once."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    one: dict[str, Any] = {"object_store_memory": OBJECTS, "node_ip_address": LOOPBACK}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": SOON}
    cluster: Any = Cluster(initialize_head=True, head_node_args=one | head)
    try:
        nodes = [cluster.add_node(num_cpus=1, **one) for _ in range(2)]
        os.environ["RAY_ADDRESS"] = cluster.address
        yield lambda: cluster.remove_node(nodes[0], allow_graceful=False)
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        cluster.shutdown()


class _Times:
    """When how many passages were embedded; kills a node when a third are."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._seen: list[tuple[float, int]] = []
        self.killed: tuple[float, int] | None = None

    def __call__(self, now: Progress) -> None:
        if now.stage == "articles":
            self._seen = [(time.perf_counter(), 0)]
            return
        self._seen.append((time.perf_counter(), now.done))
        if self.killed is None and now.total / 3 <= now.done < now.total:
            self.killed = self._seen[-1]
            self._kill()

    def rates(self) -> tuple[float, float, float]:
        """Passages a second in all, until the kill and after it."""
        first, last = self._seen[0], self._seen[-1]
        middle = self.killed or last
        pairs = ((first, last), (first, middle), (middle, last))
        return tuple((b[1] - a[1]) / max(b[0] - a[0], 1e-9) for a, b in pairs)  # type: ignore[return-value]


def _articles(passages: int) -> list[Article]:
    """About so many passages of synthetic articles."""
    found, characters = list[Article](), 0
    for article in synthetic.articles(passages):
        if characters >= passages * PASSAGE:
            break
        found.append(article)
        characters += len(article.text)
    return found


def _rate(chosen: Sequence[Article], count: int | None) -> float:
    """Passages a second end to end, the start of the workers included."""
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Settings(library=Path(folder) / "library"))
        library.embedder.embed_query("warm")
        started = time.perf_counter()
        report = library.add(chosen, workers=count)
        rate = report.passages_embedded / (time.perf_counter() - started)
        library.close()
        return rate


def _line(article: Article) -> dict[str, str | None]:
    return {
        "id": article.id,
        "title": article.title,
        "text": article.text,
        "published": article.published,
    }
