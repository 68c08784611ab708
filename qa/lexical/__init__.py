"""BM25 over title, heading and text of every passage, with tantivy or in PostgreSQL.

Derived from the catalog: what is lost is rebuilt.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from qa.lexical.analysis import analyzer, stemmed_stop_words
from qa.types import Article, Filters, Passage

FIELDS = ("title", "heading", "text")
WEIGHTS = {"title": 0.5, "heading": 0.3, "text": 1.0}
QUERY_TERMS = 48  # the rarest ones of a longer question; more only add noise and time
K1 = 1.2  # tantivy's own, for the largest score that a term can reach: idf * (k1 + 1)


class LexicalIndex(ABC):
    """What every lexical index does. One writer; any thread may search."""

    apart = True  # whether it has to be told what the catalog is told

    @abstractmethod
    def reopen(self) -> None:
        """Sees what another process has written since."""

    @abstractmethod
    def upsert(self, passages: Iterable[tuple[Passage, Article]]) -> None:
        """Adds passages or replaces those of the same id; durable when it returns."""

    @abstractmethod
    def delete(self, passage_ids: Sequence[str]) -> None:
        """Removes passages; ids that are not there do not matter."""

    @abstractmethod
    def search(self, query: str, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their BM25 scores, best first; empty where no word is known."""

    @abstractmethod
    def score(self, query: str, passage_ids: Sequence[str]) -> dict[str, float]:
        """The BM25 score of each of these passages, 0 where it holds no word of the query."""

    @abstractmethod
    def document_count(self) -> int:
        """Passages in the index."""

    @abstractmethod
    def frequency(self, term: str) -> int:
        """Passages whose title, or whose text, holds a term: the greater of both numbers."""

    @abstractmethod
    def ids(self, limit: int) -> set[str]:
        """The ids of all passages in the index, at most ``limit``."""

    def best_possible(self, query: str) -> float:
        """The score that a passage of endless matches in text alone would get, above 0."""
        return (K1 + 1) * sum(self.idf(term) for term in self.terms(query)) or 1.0

    def terms(self, query: str) -> list[str]:
        """The stems a query is searched by: no stop words unless it has nothing else."""
        words = dict.fromkeys(analyzer().analyze(query))
        stops = stemmed_stop_words()
        terms = [word for word in words if word not in stops] or list(words)
        return sorted(terms, key=self.frequency)[:QUERY_TERMS]

    def document_frequency(self, word: str) -> int:
        """Passages whose title or text holds a word of the same stem; the least of its parts."""
        stems = analyzer().analyze(word)
        return min((self.frequency(stem) for stem in stems), default=0)

    def idf(self, term: str) -> float:
        """BM25's inverse document frequency, as tantivy computes it."""
        return inverse_frequency(self.document_count(), self.frequency(term))


def inverse_frequency(count: int, frequency: int) -> float:
    """BM25's inverse document frequency of a term in ``frequency`` of ``count`` documents."""
    return math.log(1 + (count - min(frequency, count) + 0.5) / (frequency + 0.5))
