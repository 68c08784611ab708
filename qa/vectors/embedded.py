"""The vectors in a folder, by embedded Chroma."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from qa.errors import LibraryError
from qa.vectors.chroma import CONFIGURATION, ChromaIndex

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")
COLLECTION = "passages"


class EmbeddedIndex(ChromaIndex):
    """The vectors in one folder. A reader opened before a write must be reopened."""

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
    def create(cls, path: Path) -> EmbeddedIndex:
        """A new, empty index in a folder that does not exist yet or is empty."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        client = _open_client(path)
        client.create_collection(COLLECTION, embedding_function=None, configuration=CONFIGURATION)
        client.close()
        return cls(path)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def call(self, action: Callable[[Collection], T]) -> T:
        from chromadb.errors import ChromaError

        try:
            return action(self._collection)
        except ChromaError as error:
            raise LibraryError(
                f"The vectors in {self.path} cannot be used ({error}). Check free space and "
                "permissions, then run this again; if it goes on, run: qa rebuild"
            ) from error


def probe(path: Path) -> str:
    """Opens the index and searches it in a process of its own; says what is wrong, or "".

    A damaged index can take the whole process down, so it is never opened here first.
    """
    code = (
        "import sys; from pathlib import Path; from qa.types import Filters; "
        "from qa.vectors.embedded import EmbeddedIndex; index = EmbeddedIndex(Path(sys.argv[1])); "
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


def _open_client(path: Path) -> Client:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False, allow_reset=False)
    return cast("Client", chromadb.PersistentClient(path=str(path), settings=settings))
