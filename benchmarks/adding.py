"""How fast articles are added: ``python -m benchmarks adding``"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Row, seconds
from qa import chunking
from qa.embedding import SentenceTransformerEmbedder
from qa.library import Library
from qa.settings import Settings
from qa.types import Article

TRIED = 192  # passages on which the model's best settings are looked for
FILES = 1_000
MARK = "zyxomatic quinterberry"


def rows(articles: Path, count: int, peers: Path | None) -> list[Row]:
    """Every figure, on the first ``count`` articles of a JSON Lines file."""
    lines = [json.loads(line) for line in articles.read_text("utf-8").split("\n") if line]
    chosen = [
        Article(str(line["id"]), str(line.get("title") or ""), str(line["text"]))
        for line in lines[:count]
    ]
    with tempfile.TemporaryDirectory() as folder:
        return [*throughput(chosen, Path(folder), peers), *files(Path(folder) / "files")]


def throughput(chosen: Sequence[Article], folder: Path, peers: Path | None) -> list[Row]:
    """Embedding end to end beside the model alone, and peers where there are any."""
    library = Library(Settings(library=folder / "library"))
    library.embedder.embed_query("warm")
    delay = _Delay(folder / "library")
    last = Article("mark", "Mark", f"The {MARK} opens in May.")
    started = time.perf_counter()
    with delay:
        report = library.add([*chosen, last])
    ours = report.passages_embedded / (time.perf_counter() - started)
    texts = [
        chunking.embedding_text(article.title, passage, library.embedder)
        for article in chosen
        for passage in library.passages(article.id)
    ]
    library.close()
    limit, how = _best_of_the_model(texts)
    found = [
        Row(
            f"adding {len(chosen)} articles, {len(texts):,} passages",
            f"{ours:.1f} passages/s",
            f"`SentenceTransformer.encode` of the same texts, {how}: {limit:.1f}",
            f"{ours / limit:.2f} ×",
            "0.92 ×",
            ours >= 0.92 * limit,
            ours / limit,
        ),
        Row(
            "found by its words, after it was read, while others are embedded",
            f"{delay.seconds:.2f} s",
            "",
            "",
            "1 s",
            delay.seconds <= 1,
        ),
    ]
    if peers:
        characters = sum(len(article.text) for article in chosen)
        rate = characters * ours / len(texts)
        found += [_peer(name, peers, chosen, rate, folder) for name in ("llamaindex", "txtai")]
    return found


def _best_of_the_model(texts: list[str]) -> tuple[float, str]:
    """Passages a second of the model itself, with its best batch and threads; and which."""
    import torch

    model = SentenceTransformerEmbedder().model
    some = texts[:: max(1, len(texts) // TRIED)][:TRIED]
    cores = torch.get_num_threads()
    tried = []
    for threads in sorted({1, cores}):
        for batch in (1, 8, 32, 128):
            torch.set_num_threads(threads)
            taken = seconds(lambda b=batch: model.encode(some, batch_size=b))  # type: ignore[misc]
            tried.append((taken, threads, batch))
    _, threads, batch = min(tried)
    torch.set_num_threads(threads)
    taken = seconds(lambda: model.encode(texts, batch_size=batch))  # sorts by length itself
    torch.set_num_threads(cores)
    return len(texts) / taken, f"batch {batch}, {threads} threads"


class _Delay:
    """How long after its being read the last article is found by another reader."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seconds = float("nan")

    def __enter__(self) -> _Delay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        library = Library(Settings(library=self._path))
        read: float | None = None
        while not self._done.wait(0.1):
            if not (self._path / "catalog.db").exists():
                continue
            if library._store.lexical.document_frequency(MARK.split(maxsplit=1)[0]):
                break
            with library._store.reading():
                pending = library._store.catalog.pending_count()
            # From the last look at which it was not there: so it is at most so long.
            read = time.perf_counter() if pending else read
        self.seconds = time.perf_counter() - read if read else float("nan")


def _peer(name: str, peers: Path, chosen: Sequence[Article], ours: float, folder: Path) -> Row:
    """Characters a second of a peer, in the Python that has it."""
    texts = folder / "texts"
    texts.mkdir(exist_ok=True)
    for number, article in enumerate(chosen):
        (texts / f"{number}.txt").write_text(f"{article.title}\n\n{article.text}", "utf-8")
    script = Path(__file__).with_name("peers.py")
    command = [str(peers), str(script), name, str(texts), str(folder / name)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.strip().split("\n")[-1])
    rate = told["characters"] / told["seconds"]
    goal = name == "llamaindex"
    return Row(
        f"the same beside {told['peer']}",
        f"{ours:,.0f} characters/s, every one of them embedded",
        f"{rate:,.0f} ({told['embedded']:.0%} embedded)",
        f"{ours / rate:.2f} ×",
        "1.3 ×" if goal else "",
        ours >= 1.3 * rate if goal else None,
    )


def files(folder: Path) -> list[Row]:
    """Re-adding files that have not changed, and one that has."""
    from benchmarks.synthetic import ClusteredEmbedder, articles

    folder.mkdir()
    made = list(articles(FILES))
    for article in made:
        (folder / f"{article.id}.txt").write_text(
            "\n\n".join(article.text[at : at + 500] for at in range(0, len(article.text), 500)),
            "utf-8",
        )
    paths = sorted(folder.iterdir())
    with Library(Settings(library=folder.parent / "f"), embedder=ClusteredEmbedder()) as library:
        library.add([folder])
        hashing = min(
            seconds(lambda: [hashlib.sha256(path.read_bytes()).digest() for path in paths])
            for _ in range(3)
        )
        again = min(seconds(lambda: library.add([folder])) for _ in range(3))
        paragraphs = paths[FILES // 2].read_text("utf-8").split("\n\n")
        paragraphs[len(paragraphs) // 2] = "This paragraph was written anew. It has other words."
        paths[FILES // 2].write_text("\n\n".join(paragraphs), "utf-8")
        embedded = library.add([folder]).passages_embedded
    return [
        Row(
            f"re-adding {FILES:,} unchanged files",
            f"{again:.2f} s",
            f"reading and hashing them: {hashing:.2f} s",
            f"{again / hashing:.1f} ×",
            "3 ×",
            again <= 3 * hashing,
            again / hashing,
        ),
        Row(
            f"one paragraph edited in one of {FILES:,} files",
            f"{embedded} passages embedded",
            "",
            "",
            "3",
            embedded <= 3,
        ),
    ]
