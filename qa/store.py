"""The catalog and its two derived indexes as one store: one writer, one order of writes.

Order: the coming passages are journaled; the lexical index takes them; one catalog transaction
makes the articles visible; the indexes forget what was replaced. Then vectors are made and cached,
Chroma takes them, and the journal is done with them. Killed at any point, the catalog is right, and
the journal tells the next writer what the indexes hold too much and what waits for vectors.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from qa.catalog import ArticleRecord, Catalog
from qa.errors import LibraryError
from qa.exact import ExactIndex
from qa.lexical import LexicalIndex
from qa.places import Place
from qa.types import Article, Check, Filters, Passage
from qa.vectors import VectorIndex

if TYPE_CHECKING:
    from qa.protocols import Vectors

REBUILD_BATCH = 2_000
STORED_SAMPLE = 2_000  # vectors that doctor reads back
SEARCHED_SAMPLE = 50  # vectors that doctor searches for
SAME = 0.999  # cosine of a vector with itself, less what rounding costs
# Up to so many passages each is compared with the query, in memory: as fast as Chroma's graph there
# (docs/performance.md), exact, and nothing has to be imported or opened for it.
EXACT_PASSAGES = 30_000
# Chroma's filters are slower than comparing with all. In larger libraries, so many passages that a
# filter leaves are read from the catalog; or all are held in memory, where that is not too much.
FILTERED_PASSAGES = 2_000
FILTERED_IN_MEMORY = 500_000
MEMORY_PASSAGES = 500_000  # without an index; more take too much of each replica
UNFOUND_SHARE = 0.1  # the index is approximate; more than this is damage


class Store:
    """The three stores of one library, opened together."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.catalog = place.catalog()
        self.seen = self.catalog.generation  # the generation that is searched
        self._readers = 0
        self._turn = threading.Condition()
        self._exact: tuple[int, ExactIndex] | None = None  # and the generation it is of
        self._loading = threading.Lock()

    @cached_property
    def lexical(self) -> LexicalIndex:
        """Opened when first needed, as are the vectors: a list of articles needs neither."""
        return self.place.lexical()

    @cached_property
    def vectors(self) -> VectorIndex | None:
        """None where the catalog's own vectors are compared, all of them."""
        return self.place.vectors(self.catalog)

    def search(self, vector: Vectors, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, -1 to 1, nearest first."""
        count = self.lexical.document_count()
        # Where they cannot all be held in memory, it only matters whether they are few.
        most = None if self._held(count) else FILTERED_PASSAGES + 1
        articles = self.catalog.matching(filters, most) if filters != Filters() else None
        if count <= EXACT_PASSAGES or self.vectors is None:
            return self._in_memory().search(vector, k, articles)
        if articles is None:
            return self.vectors.search(vector, k, filters)
        if self._few(articles):
            return ExactIndex(*self.catalog.vectors_of(articles)).search(vector, k)
        if self._held(count):
            return self._in_memory().search(vector, k, articles)
        return self.vectors.search(vector, k, filters)

    def close(self) -> None:
        vectors = self.__dict__.get("vectors")
        if vectors is not None:
            vectors.close()
        self.catalog.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Searches inside see one state; indexes are reopened first if another process wrote."""
        now = self.catalog.generation  # not while others wait: a database may take its time
        with self._turn:
            if now != self.seen:
                self._turn.wait_for(lambda: self._readers == 0)
                if self.catalog.generation != self.seen:  # no other thread has reopened them
                    self._reopen()
            self._readers += 1
        try:
            yield
        finally:
            with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    def publish(self, records: Sequence[ArticleRecord]) -> None:
        """Makes articles visible; they are found by their words, and pending until indexed."""
        articles = {p.id: record.article for record in records for p in record.passages}
        passages = [p for record in records for p in record.passages]
        self.catalog.expect(articles)
        if self.lexical.apart:
            self.lexical.upsert((p, articles[p.id]) for p in passages)
        self._forget(self.catalog.publish(records))

    def index(self, pending: Sequence[tuple[Passage, Article, bytes]]) -> None:
        """Gives pending passages, whose vectors are cached, to the vector index."""
        found = self.catalog.embeddings([key for _, _, key in pending])
        if self.vectors is not None:
            self.vectors.upsert((p, article, found[key]) for p, article, key in pending)
        self.catalog.settle([passage.id for passage, _, _ in pending])
        self.seen = self.catalog.generation

    def remove(self, article_ids: Sequence[str]) -> None:
        self._forget(self.catalog.remove(article_ids))

    def sweep(self) -> None:
        """Makes the indexes forget what is journaled and not visible."""
        self._forget(self.catalog.withdrawn())

    def _forget(self, gone: Sequence[str]) -> None:
        if gone:
            if self.lexical.apart:
                self.lexical.delete(gone)
            if self.vectors is not None:
                self.vectors.delete(gone)
            self.catalog.clear_journal(gone)
        self.seen = self.catalog.generation

    def _few(self, articles: Collection[str]) -> bool:
        if len(articles) > FILTERED_PASSAGES:  # an article has a passage, or is not found at all
            return False
        return self.catalog.passage_count(articles) <= FILTERED_PASSAGES

    def _held(self, count: int) -> bool:
        """Whether the vectors of so many passages are held in memory, to be filtered there."""
        return count <= FILTERED_IN_MEMORY or self.vectors is None

    def _in_memory(self) -> ExactIndex:
        """All vectors, as the catalog has them now; only new ones are read from it."""
        with self._loading:
            generation, known = self._exact or (-1, None)
            if known is None:
                generation = self.catalog.generation
                known = ExactIndex(*self.catalog.vectors_of())
            elif generation != self.catalog.generation:
                generation = self.catalog.generation
                owners = self.catalog.owners()
                known = known.renewed(owners, self.catalog.vectors(known.missing(owners)))
            self._exact = generation, known
            return known

    def _reopen(self) -> None:
        seen = self.catalog.generation  # what is written from here on is seen the next time
        for name in ("lexical", "vectors"):
            if self.__dict__.get(name) is not None:
                getattr(self, name).reopen()
        self.seen = seen


def rebuild(place: Place) -> int:
    """Builds both indexes anew from the catalog, aside, and swaps them in; passages done.

    The indexes need not open as they are.
    """
    catalog, count = place.catalog(), 0
    try:
        # Readers reopen what they hold when the second one, which ends last, is in its place.
        with place.rebuild_vectors(catalog) as vectors, place.rebuild_lexical() as lexical:
            for batch in catalog.every_passage(REBUILD_BATCH):
                lexical.upsert(batch)
                if vectors is not None:
                    found = catalog.vectors([passage.id for passage, _ in batch])
                    vectors.upsert((p, a, found[p.id]) for p, a in batch if p.id in found)
                count += len(batch)
        catalog.clear_journal(catalog.withdrawn())
        catalog.settle_embedded()
        return count
    finally:
        catalog.close()


def check(place: Place) -> list[Check]:
    """Compares the catalog with the indexes; opens embedded Chroma in another process first."""
    catalog = place.catalog()
    try:
        damage = catalog.damage()
        missing = 0 if damage else catalog.missing_embeddings()
        pending = 0 if damage else catalog.pending_count()
        counts = "" if damage else _counts(catalog)
        trouble = "" if damage else place.probe(catalog)
    finally:
        catalog.close()
    checks = [
        Check("catalog", not damage, damage or counts, "Restore it from a backup."),
        _check_embeddings(missing, pending),
    ]
    if damage or trouble:
        checks.append(Check("vectors", not trouble, trouble or "it opens", "Run: qa rebuild"))
        return checks
    store = Store(place)
    try:
        return [*checks, _check_lexical(store), _check_vectors(store)]
    except LibraryError as error:
        return [*checks, Check("indexes", False, str(error), "Run: qa rebuild")]
    finally:
        store.close()


def _check_embeddings(missing: int, pending: int) -> Check:
    if missing:
        detail = f"{missing} passages have no cached vector"
        return Check("embeddings", False, detail, "Run: qa rebuild --embed")
    if pending:
        detail = f"{pending} passages are found by their words only: they are not embedded yet"
        return Check("embeddings", False, detail, "Wait for the qa add that is at it, or run it.")
    return Check("embeddings", True, "every passage has one")


def _counts(catalog: Catalog) -> str:
    return f"{catalog.article_count()} articles, {catalog.passage_count()} passages"


def _check_lexical(store: Store) -> Check:
    wanted, limit = store.catalog.all_passage_ids(), store.lexical.document_count()
    return _compare("lexical index", wanted, store.lexical.ids(limit), set(store.catalog.journal()))


def _check_vectors(store: Store) -> Check:
    """Ids must agree, and sample vectors must find themselves."""
    index = store.vectors
    if index is None:
        count = store.catalog.passage_count()
        detail = f"those of the catalog are compared in memory, {count} of them"
        advice = "Set QA_CHROMA_URL to a Chroma server, then run: qa rebuild"
        return Check("vectors", count <= MEMORY_PASSAGES, detail, advice)
    journal = set(store.catalog.journal())
    wanted = store.catalog.all_passage_ids() - journal  # what is pending is not here yet
    compared = _compare("vectors", wanted, index.ids(), journal)
    if not compared.ok:
        return compared
    lost = _lost(store.catalog, index, _sample(wanted, STORED_SAMPLE))
    sample = _sample(wanted, SEARCHED_SAMPLE)
    unfound = sum(
        not _finds_itself(index, key, v) for key, v in store.catalog.vectors(sample).items()
    )
    if lost or unfound > len(sample) * UNFOUND_SHARE:
        detail = (
            f"{lost} vectors lost or changed, {unfound} of {len(sample)} do not find themselves"
        )
        return Check("vectors", False, detail, "Run: qa rebuild")
    found = len(sample) - unfound
    return Check("vectors", True, f"{compared.detail}; {found} of {len(sample)} find themselves")


def _lost(catalog: Catalog, index: VectorIndex, sample: Sequence[str]) -> int:
    """How many of these vectors the index has not got as the catalog has them."""
    right, stored = catalog.vectors(sample), index.stored(sample)
    return sum(key not in stored or float(stored[key] @ right[key]) < SAME for key in right)


def _finds_itself(index: VectorIndex, key: str, vector: Vectors) -> bool:
    found = index.search(vector, 10, Filters())
    same = [other for other, score in found if score > SAME]
    # Passages of the same words have the same vector and may fill all places.
    return key in same or len(same) == len(found) > 0


def _sample(ids: Iterable[str], size: int) -> list[str]:
    ordered = sorted(ids)
    return ordered[:: max(1, len(ordered) // size)][:size]


def _compare(name: str, wanted: set[str], found: set[str], journal: set[str]) -> Check:
    missing, extra = len(wanted - found), len(found - wanted - journal)
    if missing or extra:
        detail = f"{missing} passages missing, {extra} too many"
        return Check(name, False, detail, "Run: qa rebuild")
    return Check(name, True, f"all {len(wanted)} passages")
