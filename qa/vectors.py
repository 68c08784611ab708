"""Approximate nearest neighbours with embedded Chroma; the only file that knows it.

Derived from the catalog: the folder can be deleted and rebuilt. Chroma is given our vectors and ids
and never a text, so that it has nothing to embed and no model to load.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qa.dates import day_number, day_range
from qa.errors import LibraryError
from qa.types import Article, Filters, Passage

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

    from qa.protocols import Vectors

COLLECTION = "passages"
ROWS_A_CALL = 4_000  # Chroma takes at most 5,461


class VectorIndex:
    """The vectors in one folder. One writer; a reader opened before a write must be reopened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._client: Client | None = None
        self.reopen()

    def reopen(self) -> None:
        """Sees what another process has written since; Chroma itself would not notice."""
        self.close()
        try:
            if not (self.path / "chroma.sqlite3").exists():  # a client would create it, empty
                raise FileNotFoundError("the database is gone")
            self._client = _open_client(self.path)
            # Not get_or_create, which would quietly start empty where the collection is gone.
            self._collection: Collection = self._client.get_collection(
                COLLECTION, embedding_function=None
            )
        except Exception as error:
            self.close()
            raise LibraryError(
                f"The vectors in {self.path} cannot be opened ({error}). Run: qa rebuild"
            ) from error

    @classmethod
    def create(cls, path: Path) -> VectorIndex:
        """A new, empty index in a folder that does not exist yet or is empty."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        client = _open_client(path)
        client.create_collection(
            COLLECTION,
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine"}},
        )
        client.close()
        return cls(path)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def upsert(self, rows: Iterable[tuple[Passage, Article, Vectors]]) -> None:
        """Adds vectors or replaces those of the same passage id."""
        import numpy as np

        pending = list(rows)
        for at in range(0, len(pending), ROWS_A_CALL):
            batch = pending[at : at + ROWS_A_CALL]
            with _index_errors(self.path):
                self._collection.upsert(
                    ids=[passage.id for passage, _, _ in batch],
                    embeddings=np.stack([vector for _, _, vector in batch]),
                    metadatas=[_metadata(article) for _, article, _ in batch],
                )

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Removes vectors; ids that are not there do not matter."""
        for at in range(0, len(passage_ids), ROWS_A_CALL):
            with _index_errors(self.path):
                self._collection.delete(ids=list(passage_ids[at : at + ROWS_A_CALL]))

    def search(self, vector: Vectors, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, -1 to 1, nearest first."""
        import numpy as np

        with _index_errors(self.path):
            found = self._collection.query(
                query_embeddings=vector[np.newaxis],
                n_results=k,  # fewer come where there are fewer
                where=_where(filters),
                include=["distances"],
            )
        distances = (found["distances"] or [[]])[0]
        return [(key, 1.0 - float(d)) for key, d in zip(found["ids"][0], distances, strict=True)]

    def stored(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of these passages as the index holds them; lost ones are left out."""
        import numpy as np

        if not passage_ids:
            return {}
        found = self._collection.get(ids=list(passage_ids), include=["embeddings"])
        rows = found["embeddings"]
        vectors = [] if rows is None else list(rows)
        pairs = zip(found["ids"], vectors, strict=False)
        return {key: np.asarray(row, dtype=np.float32) for key, row in pairs if row is not None}

    def ids(self) -> set[str]:
        """The ids of all passages in the index."""
        return set(self._collection.get(include=[])["ids"])


def probe(path: Path) -> str:
    """Opens the index and searches it in a process of its own; says what is wrong, or "".

    A damaged index can take the whole process down, so it is never opened here first.
    """
    code = (
        "import sys; from pathlib import Path; from qa.types import Filters; "
        "from qa.vectors import VectorIndex; index = VectorIndex(Path(sys.argv[1])); "
        "rows = index._collection.get(limit=1, include=['embeddings'])['embeddings']; "
        "[index.search(row, 5, Filters()) for row in rows]"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        return "it does not open within five minutes"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"opening it ends the process (code {done.returncode})"


@contextmanager
def _index_errors(path: Path) -> Iterator[None]:
    from chromadb.errors import ChromaError

    try:
        yield
    except ChromaError as error:
        raise LibraryError(
            f"The vectors in {path} cannot be used ({error}). Check free space and permissions, "
            "then run this again; if it goes on, run: qa rebuild"
        ) from error


def _open_client(path: Path) -> Client:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False, allow_reset=False)
    return cast("Client", chromadb.PersistentClient(path=str(path), settings=settings))


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
