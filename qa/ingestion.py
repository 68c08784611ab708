"""Adding: load -> chunk -> store -> embed; skips what is unchanged, reports what has vanished.

Everything is read and can be found by its words before the first passage is embedded, which takes
nearly all of the time. An add that was cut short leaves passages pending; the next one goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qa import chunking, loading
from qa.catalog import ArticleRecord, Catalog
from qa.protocols import Embedder
from qa.store import Store
from qa.types import Article, ArticleChange, Change, Failure, IngestReport, Progress

if TYPE_CHECKING:
    from qa.protocols import Vectors

EMBEDDING_BATCH = 128  # texts between two savings: what a kill costs at most
INDEX_PASSAGES = 512  # passages between two additions to the vector index
PUBLISH_PASSAGES = 512  # passages between two publications of whole articles, at most
PUBLISH_SECONDS = 0.5

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What the user named, and the files it stands for."""

    root: str
    paths: tuple[Path, ...]


def find_sources(names: Iterable[str]) -> list[Source]:
    """Resolves files and folders; raises InputError for the first that is none."""
    return [Source(str(Path(name).resolve()), tuple(loading.discover(name))) for name in names]


def ingest(
    store: Store,
    embedder: Embedder,
    sources: Sequence[Source],
    *,
    prune: bool = False,
    on_progress: OnProgress | None = None,
) -> IngestReport:
    """Adds every article of the sources. What it has published stays, whatever ends it."""
    total = sum(_expected(path) for source in sources for path in source.paths)
    run = _Run(store, embedder, total, on_progress or (lambda _: None))
    for source in sources:
        for path in source.paths:
            run.read(path, source.root)
    run.flush()
    return run.finish([source.root for source in sources], prune=prune)


def add_articles(store: Store, embedder: Embedder, articles: Iterable[Article]) -> IngestReport:
    """Adds articles that a program made itself; they belong to no folder."""
    run = _Run(store, embedder, 0, lambda _: None)
    for article in articles:
        run.take(article, "", "")
    run.flush()
    return run.finish([], prune=False)


def embedding_hash(fingerprint: str, text: str) -> bytes:
    """The key under which a text's vector is cached, for one model."""
    content = f"{fingerprint}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def prepare(
    article: Article, source: str, root: str, embedder: Embedder
) -> tuple[ArticleRecord, dict[bytes, str]]:
    """An article cut into passages, and the texts to embed by the hash of each."""
    passages = chunking.split_article(article, embedder)
    texts = [chunking.embedding_text(article.title, passage, embedder) for passage in passages]
    keys = tuple(embedding_hash(embedder.fingerprint, text) for text in texts)
    record = ArticleRecord(article, source, root, tuple(passages), keys)
    return record, dict(zip(keys, texts, strict=True))


def embed_missing(
    catalog: Catalog,
    embedder: Embedder,
    texts: dict[bytes, str],
    on_batch: Callable[[int], None] = lambda _: None,
) -> int:
    """Embeds and caches what is not cached yet, saving batch by batch; how many it embedded."""
    known = catalog.embeddings(list(texts))
    missing = sorted((key for key in texts if key not in known), key=lambda key: len(texts[key]))
    for at in range(0, len(missing), EMBEDDING_BATCH):
        keys = missing[at : at + EMBEDDING_BATCH]
        vectors = embedder.embed_passages([texts[key] for key in keys])
        batch: dict[bytes, Vectors] = dict(zip(keys, vectors, strict=True))
        catalog.put_embeddings(batch)
        on_batch(len(keys))
    return len(missing)


def embed_pending(store: Store, embedder: Embedder, on_progress: OnProgress) -> int:
    """Embeds what is found by its words only, also what an earlier add has left; how many."""
    total, settled, embedded = store.catalog.pending_count(), 0, 0
    while pending := store.catalog.pending(INDEX_PASSAGES):
        done = settled

        def on_batch(count: int) -> None:
            nonlocal done
            done += count
            on_progress(Progress("passages", done, total))

        texts = {
            key: chunking.embedding_text(article.title, passage, embedder)
            for passage, article, key in pending
        }
        embedded += embed_missing(store.catalog, embedder, texts, on_batch)
        store.index(pending)
        settled += len(pending)
        on_progress(Progress("passages", settled, max(total, settled)))
    return embedded


@dataclass
class _Run:
    """One add: what is seen so far, and the articles that wait to be published."""

    store: Store
    embedder: Embedder
    total: int
    on_progress: OnProgress
    changes: dict[str, ArticleChange] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: dict[tuple[str, bytes], dict[str, str]] = field(default_factory=dict)
    records: list[ArticleRecord] = field(default_factory=list)
    waiting: int = 0  # passages of the records
    published: float = field(default_factory=time.monotonic)
    done: int = 0

    def read(self, path: Path, root: str) -> None:
        """Takes the articles of a file, without opening them if it was read before as it is."""
        digest = loading.digest(path)
        before = self.store.catalog.read_before(str(path), digest) if digest else []
        if before and not any(kept.id in self.hashes for kept in before):
            for kept in before:
                self.hashes[kept.id] = kept.content_hash
                self._unchanged(kept.id, kept.title, kept.source, root)
            return
        held, failures = dict[str, str](), len(self.failed)
        for loaded in loading.load(path):
            if loaded.article is not None:
                held[loaded.article.id] = loaded.article.content_hash
                self.take(loaded.article, loaded.source, root)
            elif loaded.failure is not None:
                self.fail(loaded.failure, path)
        if digest and held and len(self.failed) == failures:
            self.files[str(path), digest] = held

    def take(self, article: Article, source: str, root: str) -> None:
        """Queues one article if it is new or changed."""
        content_hash = article.content_hash
        if article.id in self.hashes:
            if self.hashes[article.id] != content_hash:
                reason = (
                    f"another article of this add has the same id, {article.id}; give it its own"
                )
                self.failed.append(Failure(source or article.id, reason))
            return
        self.hashes[article.id] = content_hash
        stored = self.store.catalog.content_hashes([article.id]).get(article.id)
        if stored == content_hash:
            self._unchanged(article.id, article.title, source, root)
            return
        status: Change = "added" if stored is None else "updated"
        record, _ = prepare(article, source, root, self.embedder)
        self.records.append(record)
        self.waiting += len(record.passages)
        self.changes[article.id] = ArticleChange(article.id, article.title, status)
        self.done += 1
        self._tell()
        late = time.monotonic() - self.published > PUBLISH_SECONDS
        if self.waiting >= PUBLISH_PASSAGES or late:
            self.flush()

    def _unchanged(self, article_id: str, title: str, source: str, root: str) -> None:
        self.moved[article_id] = (source, root)
        self.changes[article_id] = ArticleChange(article_id, title, "unchanged")
        self.done += 1
        self._tell()

    def fail(self, failure: Failure, path: Path) -> None:
        self.failed.append(failure)
        self.broken.add(str(path))
        self.done += 1

    def flush(self) -> None:
        """Publishes what is queued."""
        if self.moved:
            places = {key: place for key, place in self.moved.items() if place[1]}
            self.store.catalog.move(places)
            self.moved = {}
        if self.records:
            self.store.publish(self.records)
            self.records, self.waiting = [], 0
        if self.files:  # their articles are published, or were there
            self.store.catalog.note_files(self.files)
            self.files = {}
        self.published = time.monotonic()

    def finish(self, roots: Sequence[str], *, prune: bool) -> IngestReport:
        """Looks for articles whose source is gone; removes them if asked to."""
        vanished = [
            ArticleChange(key, title, "removed")
            for root in roots
            for key, (title, source) in self.store.catalog.from_root(root).items()
            if key not in self.hashes and not self._came_from_broken(source)
        ]
        if prune and vanished:
            self.store.remove([change.id for change in vanished])
        embedded = embed_pending(self.store, self.embedder, self.on_progress)
        if any(change.status == "updated" for change in self.changes.values()):
            self.store.catalog.drop_unused_embeddings()
        removed = tuple(vanished) if prune else ()
        return IngestReport(
            articles=(*self.changes.values(), *removed),
            failed=tuple(self.failed),
            vanished=() if prune else tuple(vanished),
            passages_embedded=embedded,
        )

    def _came_from_broken(self, source: str) -> bool:
        """Whether a source lies in a file that could not be read whole this time."""
        return source in self.broken or source.rpartition(":")[0] in self.broken

    def _tell(self) -> None:
        self.on_progress(Progress("articles", self.done, max(self.total, self.done)))


def _expected(path: Path) -> int:
    """About how many articles a file holds, to show the time left."""
    if path.suffix.lower() not in {".jsonl", ".csv"}:
        return 1
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1
    except OSError:
        return 1
