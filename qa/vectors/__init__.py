"""Approximate nearest neighbours with Chroma, in a folder or on a server.

Derived from the catalog: what is lost is rebuilt. Chroma is given our vectors and ids and never a
text, so that it has nothing to embed and no model to load. Only this package knows it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qa.types import Article, Filters, Passage

if TYPE_CHECKING:
    from qa.protocols import Vectors


class VectorIndex(ABC):
    """What every vector index does. One writer; a reader is reopened after a write."""

    @abstractmethod
    def reopen(self) -> None:
        """Sees what another process has written since."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of files and connections."""

    @abstractmethod
    def upsert(self, rows: Iterable[tuple[Passage, Article, Vectors]]) -> None:
        """Adds vectors or replaces those of the same passage id."""

    @abstractmethod
    def delete(self, passage_ids: Sequence[str]) -> None:
        """Removes vectors; ids that are not there do not matter."""

    @abstractmethod
    def search(self, vector: Vectors, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, -1 to 1, nearest first."""

    @abstractmethod
    def stored(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of these passages as the index holds them; lost ones are left out."""

    @abstractmethod
    def ids(self) -> set[str]:
        """The ids of all passages in the index."""
