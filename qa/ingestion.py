"""Adding: load -> chunk -> store -> embed; skips what is unchanged, reports what has vanished.

Everything is read and can be found by its words before the first passage is embedded, which takes
nearly all of the time. An add that was cut short leaves passages pending; the next one goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qa import chunking, loading, workers
from qa.catalog import ArticleRecord, Catalog
from qa.errors import WorkerError
from qa.protocols import Embedder
from qa.store import Store
from qa.types import Article, ArticleChange, Change, Failure, IngestReport, Passage, Progress
from qa.workers import Cut, InProcess, Workers

if TYPE_CHECKING:
    from qa.protocols import Vectors

T = TypeVar("T")
Pending = tuple[Passage, Article, bytes]

INDEX_PASSAGES = 512  # passages between two additions to the vector index
PUBLISH_PASSAGES = 512  # passages between two publications of whole articles, at most
PUBLISH_SECONDS = 0.5
TOGETHER = 100  # files, or articles of one, that are looked up at a time
NOTED = 2_000  # unchanged articles, or files, between two notes of where they were found
ID_BYTES = 2_000  # of an article of a program's own; an index of PostgreSQL takes 2,704

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
    crew: Workers,
    sources: Sequence[Source],
    *,
    prune: bool = False,
    on_progress: OnProgress | None = None,
) -> IngestReport:
    """Adds every article of the sources. What it has published stays, whatever ends it."""
    total = sum(_expected(path) for source in sources for path in source.paths)
    run = _Run(store, crew, total, on_progress or (lambda _: None))
    run.cut(article for source in sources for article in run.read_all(source.paths, source.root))
    return run.finish([source.root for source in sources], prune=prune)


def add_articles(store: Store, crew: Workers, articles: Iterable[Article]) -> IngestReport:
    """Adds articles that a program made itself; they belong to no folder."""
    run = _Run(store, crew, 0, lambda _: None)
    run.cut(run.own(articles))
    return run.finish([], prune=False)


def prepare(
    article: Article, source: str, root: str, embedder: Embedder
) -> tuple[ArticleRecord, dict[bytes, str]]:
    """An article cut into passages, and the texts to embed by the hash of each."""
    cut = workers.cut(article, embedder)
    texts = [chunking.embedding_text(article.title, each, embedder) for each in cut.passages]
    record = ArticleRecord(article, source, root, cut.passages, cut.keys)
    return record, dict(zip(cut.keys, texts, strict=True))


def embed_missing(catalog: Catalog, embedder: Embedder, texts: Mapping[bytes, str]) -> int:
    """Embeds and caches what is not cached yet, saving batch by batch; how many it embedded."""
    missing = _missing(catalog, texts)
    for batch in InProcess(embedder).embed(missing):
        catalog.put_embeddings(batch)
    return len(missing)


def embed_pending(store: Store, crew: Workers, on_progress: OnProgress) -> int:
    """Embeds what is found by its words only, also what an earlier add has left; how many."""
    total, settled, embedded = store.catalog.pending_count(), 0, 0
    after: tuple[str, int] | None = None
    while total and (pending := store.catalog.pending(crew.window, after)):
        after = pending[-1][0].article_id, pending[-1][0].start
        window = _Window(store, crew, pending)
        for done in window.embed():
            on_progress(Progress("passages", settled + done, total))
        embedded += window.embedded
        settled += len(pending)
        on_progress(Progress("passages", settled, max(total, settled)))
    return embedded


def _missing(catalog: Catalog, texts: Mapping[bytes, str]) -> dict[bytes, str]:
    known = catalog.embeddings(list(texts))
    return {key: text for key, text in texts.items() if key not in known}


class _Window:
    """Some of the pending passages, from texts to vectors that are found."""

    def __init__(self, store: Store, crew: Workers, pending: Sequence[Pending]) -> None:
        self.store = store
        self.crew = crew
        self.embedded = 0
        texts = {
            key: chunking.embedding_text(article.title, passage, crew.embedder)
            for passage, article, key in pending
        }
        self.missing = _missing(store.catalog, texts)
        self.waiting: dict[bytes, list[Pending]] = {}
        self.ready: list[Pending] = []
        for each in pending:
            place = self.waiting.setdefault(each[2], []) if each[2] in self.missing else self.ready
            place.append(each)

    def embed(self) -> Iterator[int]:
        """Saves vectors as they come, and indexes what has got one; tells how many are saved."""
        batch: dict[bytes, Vectors] = {}
        for some in self.crew.embed(self.missing):
            # Whatever was tried twice: each is taken once.
            batch |= {key: vector for key, vector in some.items() if key in self.waiting}
            if len(batch) >= workers.BATCH:
                self._save(batch)
                yield self.embedded
                batch = {}
        if batch:
            self._save(batch)
            yield self.embedded
        if self.waiting:
            raise WorkerError(
                f"{len(self.waiting)} passages did not come back from the workers. They are found "
                "by their words; run this again to go on."
            )
        self._index(1)

    def _save(self, batch: Mapping[bytes, Vectors]) -> None:
        self.store.catalog.put_embeddings(batch)
        self.embedded += len(batch)
        for key in batch:
            self.ready += self.waiting.pop(key)
        self._index(INDEX_PASSAGES)

    def _index(self, least: int) -> None:
        """Workers go on meanwhile."""
        while len(self.ready) >= least:
            self.store.index(self.ready[:INDEX_PASSAGES])
            del self.ready[:INDEX_PASSAGES]


@dataclass
class _Run:
    """One add: what is seen so far, and the articles that wait to be published."""

    store: Store
    crew: Workers
    total: int
    on_progress: OnProgress
    changes: dict[str, ArticleChange] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: dict[tuple[str, bytes], dict[str, str]] = field(default_factory=dict)
    cutting: dict[str, tuple[Article, str, str]] = field(default_factory=dict)
    records: list[ArticleRecord] = field(default_factory=list)
    waiting: int = 0  # passages of the records
    published: float = field(default_factory=time.monotonic)
    done: int = 0

    def read_all(self, paths: Iterable[Path], root: str) -> Iterator[Article]:
        """The new articles of files, which are not opened if they were read before as they are."""
        for some in _runs(paths, TOGETHER):
            digests = {path: loading.digest(path) for path in some}
            known = {str(path): digest for path, digest in digests.items() if digest}
            found = self.store.catalog.read_before(known)
            for path, digest in digests.items():
                before = found.get(str(path), [])
                if before and not any(kept.id in self.hashes for kept in before):
                    for kept in before:
                        self.hashes[kept.id] = kept.content_hash
                        self._unchanged(kept.id, kept.title, kept.source, root)
                else:
                    yield from self._read(path, digest, root)

    def _read(self, path: Path, digest: bytes | None, root: str) -> Iterator[Article]:
        """The new articles of one file."""
        held, failures = dict[str, str](), len(self.failed)
        for some in _runs(loading.load(path), TOGETHER):
            stored = self._stored(each.article for each in some if each.article is not None)
            for loaded in some:
                if loaded.article is not None:
                    held[loaded.article.id] = loaded.article.content_hash
                    if self._wants(loaded.article, (loaded.source, root), stored):
                        yield loaded.article
                elif loaded.failure is not None:
                    self.fail(loaded.failure, path)
        if digest and held and len(self.failed) == failures:
            self.files[str(path), digest] = held
            if len(self.files) >= NOTED:
                self.flush()

    def own(self, articles: Iterable[Article]) -> Iterator[Article]:
        """The new ones of articles that belong to no file."""
        for some in _runs(filter(self._can_keep, articles), TOGETHER):
            stored = self._stored(some)
            yield from (each for each in some if self._wants(each, ("", ""), stored))

    def _stored(self, articles: Iterable[Article]) -> dict[str, str]:
        """The content hashes of those that are in the catalog."""
        return self.store.catalog.content_hashes([article.id for article in articles])

    def _can_keep(self, article: Article) -> bool:
        """Whether it is text throughout, and its id not too long; reading files sees to theirs."""
        plain = [getattr(article, name) for name in Article.__slots__ if name != "metadata"]
        try:
            words = [*plain, dict(article.metadata)]
            json.dumps(words, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            named = article.id.encode("utf-8", "replace").decode()
            reason = "it has half of a surrogate pair, which is no character and cannot be stored"
            self.failed.append(Failure(named, reason))
            return False
        length = len(article.id.encode()) + 4 * sum(map(article.id.count, "\0\x1a"))  # as stored
        if length > ID_BYTES:
            named = f"{article.id[:60]}…"
            reason = f"its id has {length:,} bytes, and at most {ID_BYTES:,} can be kept"
            self.failed.append(Failure(named, reason))
        return length <= ID_BYTES

    def _wants(self, article: Article, place: tuple[str, str], stored: Mapping[str, str]) -> bool:
        """Whether an article from a source and root is new or changed; then it is to be cut."""
        source, root = place
        content_hash = article.content_hash
        if article.id in self.hashes:
            if self.hashes[article.id] != content_hash:
                reason = (
                    f"another article of this add has the same id, {article.id}; give it its own"
                )
                self.failed.append(Failure(source or article.id, reason))
            return False
        self.hashes[article.id] = content_hash
        before = stored.get(article.id)
        if before == content_hash:
            self._unchanged(article.id, article.title, source, root)
            return False
        status: Change = "added" if before is None else "updated"
        self.changes[article.id] = ArticleChange(article.id, article.title, status)
        self.cutting[article.id] = article, source, root
        return True

    def cut(self, articles: Iterable[Article]) -> None:
        """Has them cut and publishes them."""
        for cut in self.crew.cut(articles):
            self._queue(cut)
        self.flush()
        if self.cutting:
            raise WorkerError(
                f"{len(self.cutting)} articles did not come back from the workers. The others are "
                "added; run this again to go on."
            )

    def _queue(self, cut: Cut) -> None:
        """Queues one article to be published; again where it was cut twice is once."""
        if cut.article_id not in self.cutting:
            return
        article, source, root = self.cutting.pop(cut.article_id)
        self.records.append(ArticleRecord(article, source, root, cut.passages, cut.keys))
        self.waiting += len(cut.passages)
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
        if len(self.moved) >= NOTED:
            self.flush()

    def fail(self, failure: Failure, path: Path) -> None:
        self.failed.append(failure)
        self.broken.add(str(path))
        self.done += 1

    def flush(self) -> None:
        """Publishes what is queued, and notes where the rest was found."""
        if self.records:
            self.store.publish(self.records)
            self.records, self.waiting = [], 0
        places = {key: place for key, place in self.moved.items() if place[1]}
        if places:
            self.store.catalog.move(places)
        self.moved = {}
        # Those whose articles are published, or were there.
        whole = {
            file: held for file, held in self.files.items() if self.cutting.keys().isdisjoint(held)
        }
        if whole:
            self.store.catalog.note_files(whole)
            self.files = {file: held for file, held in self.files.items() if file not in whole}
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
        embedded = embed_pending(self.store, self.crew, self.on_progress)
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


def _runs(items: Iterable[T], size: int) -> Iterator[list[T]]:
    coming = iter(items)
    while run := list(islice(coming, size)):
        yield run


def _expected(path: Path) -> int:
    """About how many articles a file holds, to show the time left."""
    if path.suffix.lower() not in {".jsonl", ".csv"}:
        return 1
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1
    except OSError:
        return 1
