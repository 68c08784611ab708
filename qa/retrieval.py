"""Retrievers: lexical, dense, and compositions of retrievers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from qa import fusion, tracing
from qa.catalog import Catalog
from qa.fusion import Shingles
from qa.lexical import LexicalIndex
from qa.protocols import Embedder, Retriever
from qa.types import Filters, Hit

if TYPE_CHECKING:
    from qa.protocols import Vectors

POOL = 50  # candidates that each leg gives to a fusion
SPARE = 10  # asked for beyond k, since an index may hold passages that are not visible any more
COPY_CONTAINMENT = 0.8  # of a passage's shingles found in another article make it a copy
COPY_SUSPICION = 0.15  # of them found in a passage are enough to look at the whole article
_WORD = re.compile(r"\w+")


class LexicalRetriever:
    """Passages that share words with the query, by BM25."""

    def __init__(self, catalog: Catalog, index: LexicalIndex) -> None:
        self._catalog = catalog
        self.index = index

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        found = self.index.search(query, k + SPARE, filters)
        return _hits(self._catalog, dict(found), {"lexical": dict(found)})[:k]


class VectorSearch(Protocol):
    """Finds nearest passages."""

    def search(self, vector: Vectors, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, -1 to 1, nearest first."""


class DenseRetriever:
    """Passages whose embedding is near that of the query, by cosine."""

    def __init__(self, catalog: Catalog, index: VectorSearch, embedder: Embedder) -> None:
        self._catalog = catalog
        self.index = index
        self.embedder = embedder

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        found = self.index.search(self.embedder.embed_query(query), k + SPARE, filters)
        return _hits(self._catalog, dict(found), {"dense": dict(found)})[:k]


class HybridRetriever:
    """Both legs: every candidate of either is scored exactly by both, and the scores are fused."""

    def __init__(self, catalog: Catalog, lexical: LexicalRetriever, dense: DenseRetriever) -> None:
        self._catalog = catalog
        self._lexical = lexical.index
        self._dense = dense

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        pool = max(POOL, k) + SPARE
        embedder = self._dense.embedder
        with tracing.span("embed", tracing.EMBEDDING) as span:
            vector = embedder.embed_query(query)
            span.embedded(embedder.fingerprint, query)
        with tracing.span("lexical", tracing.RETRIEVER, query):
            lexical = dict(self._lexical.search(query, pool, filters))
        with tracing.span("dense", tracing.RETRIEVER, query):
            dense = dict(self._dense.index.search(vector, pool, filters))
        lexical |= self._lexical.score(query, [key for key in dense if key not in lexical])
        missing = self._catalog.vectors([key for key in lexical if key not in dense])
        dense |= {key: float(stored @ vector) for key, stored in missing.items()}
        scores = fusion.fuse(lexical, dense, self._lexical.best_possible(query))
        return _hits(self._catalog, scores, {"lexical": lexical, "dense": dense}, k)


class CollapsingRetriever:
    """Folds near-identical passages of different articles into the best hit among them."""

    def __init__(self, inner: Retriever) -> None:
        self._inner = inner

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        kept: list[tuple[Hit, Shingles]] = []
        for hit in self._inner.retrieve(query, k + SPARE, filters):
            own = fusion.shingles(_words(hit.passage.text))
            original = next((n for n, (h, s) in enumerate(kept) if _is_copy(hit, own, h, s)), None)
            if original is None:
                kept.append((hit, own))
                continue
            first, shingles = kept[original]
            copies = dict.fromkeys((*first.copies, hit.article.id))
            kept[original] = replace(first, copies=tuple(copies)), shingles
        return [hit for hit, _ in kept[:k]]


def _is_copy(hit: Hit, own: Shingles, other: Hit, others: Shingles) -> bool:
    """Whether another article that is already shown carries nearly all words of this passage."""
    if hit.article.id == other.article.id:
        return False
    shared = fusion.containment(own, others)
    if shared >= COPY_CONTAINMENT or shared < COPY_SUSPICION:
        return shared >= COPY_CONTAINMENT
    # Copies are often cut differently: what looks alike is compared with the whole article.
    whole = fusion.shingles(_words(other.article.text))
    return fusion.containment(own, whole) >= COPY_CONTAINMENT


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _hits(
    catalog: Catalog,
    scores: Mapping[str, float],
    legs: Mapping[str, Mapping[str, float]],
    k: int | None = None,
) -> list[Hit]:
    """Hits for the best ids; an id that is not visible in the catalog is left out."""
    order = fusion.ranking(scores)
    known = catalog.passages(order if k is None else order[: k + SPARE])
    places = {
        leg: {key: rank for rank, key in enumerate(fusion.ranking(found), start=1)}
        for leg, found in legs.items()
    }
    hits = []
    for key in (key for key in order if key in known):
        passage, article = known[key]
        ranks = {leg: place[key] for leg, place in places.items() if key in place}
        raw = {leg: found[key] for leg, found in legs.items() if key in found}
        hits.append(Hit(passage, article, scores[key], ranks, raw))
    return hits[:k]
