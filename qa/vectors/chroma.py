"""A Chroma collection as a vector index, wherever it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from qa.dates import day_number, day_range
from qa.types import Article, Filters, Passage
from qa.vectors import VectorIndex

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from qa.protocols import Vectors

T = TypeVar("T")
ROWS_A_CALL = 4_000  # Chroma takes at most 5,461
BYTES_A_CALL = 16_000_000  # of vectors; a server refuses requests of more than 40 MB
CONFIGURATION: Any = {"hnsw": {"space": "cosine"}}  # cannot be changed later


class ChromaIndex(VectorIndex):
    """Reads and writes one collection; where it is and what goes wrong there is a subclass's."""

    rows_a_call = ROWS_A_CALL

    @abstractmethod
    def call(self, action: Callable[[Collection], T]) -> T:
        """Does something with the collection. Raises LibraryError where that goes wrong."""

    def upsert(self, rows: Iterable[tuple[Passage, Article, Vectors]]) -> None:
        import numpy as np

        pending = list(rows)
        size = pending[0][2].nbytes if pending else 1
        for batch in self._batches(pending, BYTES_A_CALL // size):
            ids = [passage.id for passage, _, _ in batch]
            vectors = np.stack([vector for _, _, vector in batch])
            metadatas: Any = [_metadata(article) for _, article, _ in batch]
            self.call(
                lambda found, i=ids, v=vectors, m=metadatas: found.upsert(  # type: ignore[misc]
                    ids=i, embeddings=v, metadatas=m
                )
            )

    def delete(self, passage_ids: Sequence[str]) -> None:
        for batch in self._batches(passage_ids):
            self.call(lambda found, ids=list(batch): found.delete(ids=ids))  # type: ignore[misc]

    def search(self, vector: Vectors, k: int, filters: Filters) -> list[tuple[str, float]]:
        import numpy as np

        found = self.call(
            lambda collection: collection.query(
                query_embeddings=vector[np.newaxis],
                n_results=min(k, self.rows_a_call),  # fewer come where there are fewer
                where=_where(filters),
                include=["distances"],
            )
        )
        distances = (found["distances"] or [[]])[0]
        return [(key, 1.0 - float(d)) for key, d in zip(found["ids"][0], distances, strict=True)]

    def stored(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        import numpy as np

        known: dict[str, Vectors] = {}
        for batch in self._batches(passage_ids):
            found = self.call(
                lambda collection, ids=list(batch): collection.get(  # type: ignore[misc]
                    ids=ids, include=["embeddings"]
                )
            )
            rows = found["embeddings"]
            pairs = zip(found["ids"], [] if rows is None else list(rows), strict=False)
            known |= {key: np.asarray(row, np.float32) for key, row in pairs if row is not None}
        return known

    def ids(self) -> set[str]:
        known: set[str] = set()
        while True:
            page = self.call(
                lambda collection: collection.get(
                    include=[], limit=self.rows_a_call, offset=len(known)
                )
            )["ids"]
            known.update(page)
            if len(page) < self.rows_a_call:
                return known

    def _batches(self, rows: Sequence[T], most: int = ROWS_A_CALL) -> Iterator[Sequence[T]]:
        step = max(1, min(self.rows_a_call, most))
        for at in range(0, len(rows), step):
            yield rows[at : at + step]


def _metadata(article: Article) -> dict[str, str | int]:
    """What is filtered by; a field is left out where the article does not say."""
    fields = {"article": article.id, "publisher": article.publisher}
    known: dict[str, str | int] = {name: value for name, value in fields.items() if value}
    day = day_number(article.published)
    return known if day is None else {**known, "day": day}


def _where(filters: Filters) -> dict[str, Any] | None:
    first, last = day_range(filters)
    parts: list[dict[str, Any]] = []
    if filters.publishers:
        parts.append({"publisher": {"$in": list(filters.publishers)}})
    if filters.article_ids:
        parts.append({"article": {"$in": list(filters.article_ids)}})
    if first is not None:
        parts.append({"day": {"$gte": first}})
    if last is not None:
        parts.append({"day": {"$lte": last}})
    if len(parts) > 1:
        return {"$and": parts}
    return parts[0] if parts else None
