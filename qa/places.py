"""Where a library is: in one folder, or its catalog, its vectors or both on servers.

The catalog is PostgreSQL's where QA_DATABASE_URL is set, and the lexical index with it; the vectors
are a Chroma server's where QA_CHROMA_URL is set. The manifest says where the vectors were put, so
that they are never looked for where the last writer did not put them.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qa.catalog import Catalog
from qa.catalog.sqlite import SqliteCatalog
from qa.errors import LibraryError, LockedError
from qa.lexical import LexicalIndex
from qa.lexical.embedded import TantivyIndex
from qa.vectors import VectorIndex
from qa.vectors.embedded import EmbeddedIndex, probe
from qa.vectors.server import Server, ServerIndex

if TYPE_CHECKING:
    from qa.postgres import Database
    from qa.settings import Settings

VECTORS = "vectors"  # the key of the manifest under which it says where they are
FOLDER, MEMORY, CHROMA = "folder", "memory", "chroma:"


class VectorPlace(Protocol):
    """Where the vectors of a library are."""

    def create(self) -> str:
        """Makes an empty index aside; returns what the manifest is to say of it."""

    def open(self, catalog: Catalog) -> VectorIndex | None:
        """The index, or None where the catalog's own vectors are compared."""

    def aside(self, made: str) -> VectorIndex | None:
        """What ``create`` has made."""

    def adopt(self, made: str) -> None:
        """Puts what was made aside into its place."""

    def discard(self, noted: str) -> None:
        """Deletes what was made, where it is not in its place or is not wanted any more."""

    def claim(self, catalog: Catalog) -> None:
        """Raises LibraryError where the manifest says that the vectors are elsewhere."""

    def probe(self, catalog: Catalog) -> str:
        """What is wrong with the index, or ""."""

    def close(self) -> None:
        """Lets go of connections."""


class Place(ABC):
    """Where the stores of one library are: how they are made, opened, locked and rebuilt."""

    def __init__(self, folder: Path, vectors: VectorPlace) -> None:
        self.folder = folder
        self._vectors = vectors

    @property
    @abstractmethod
    def name(self) -> str:
        """What the library is called in messages."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a library."""

    @abstractmethod
    def create(self, fingerprint: str) -> None:
        """Makes an empty library for one embedding model."""

    @abstractmethod
    def catalog(self) -> Catalog:
        """Opens the catalog. Raises LibraryError where there is none."""

    @abstractmethod
    def lexical(self) -> LexicalIndex:
        """Opens the lexical index."""

    @abstractmethod
    def rebuild_lexical(self) -> AbstractContextManager[LexicalIndex]:
        """An index to fill anew; at the end it takes the place of the one that was there."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """Holds the one writer's lock, or raises LockedError that names who has it."""

    @abstractmethod
    def errors(self) -> AbstractContextManager[None]:
        """Says in one line what goes wrong with the stores inside."""

    def close(self) -> None:
        """Lets go of what is shared by all that was opened."""
        self._vectors.close()

    def vectors(self, catalog: Catalog) -> VectorIndex | None:
        """Opens the vectors; None where those of the catalog are compared one by one."""
        return self._vectors.open(catalog)

    def claim(self, catalog: Catalog) -> None:
        """Called by each writer before it writes: ends what another has left half done, and raises
        LibraryError where the vectors are elsewhere."""
        self._vectors.claim(catalog)

    @contextmanager
    def rebuild_vectors(self, catalog: Catalog) -> Iterator[VectorIndex | None]:
        """The same for the vectors."""
        before, made = catalog.noted(VECTORS), self._vectors.create()
        index = self._vectors.aside(made)
        try:
            yield index
        except BaseException:
            self._vectors.discard(made)
            raise
        finally:
            if index is not None:
                index.close()
        self._vectors.adopt(made)
        catalog.note(VECTORS, made)
        if before and before != made:
            self._vectors.discard(before)

    def probe(self, catalog: Catalog) -> str:
        """What is wrong with the vectors, or ""."""
        return self._vectors.probe(catalog)


def place(settings: Settings) -> Place:
    """Where the library of these settings is. Nothing is opened yet."""
    folder = settings.library
    chroma = None
    if settings.chroma_url:
        key, tenant = settings.chroma_api_key, settings.chroma_tenant
        chroma = OnServer(Server(settings.chroma_url, key, tenant, settings.chroma_database))
    if settings.database_url is None:
        return InFolder(folder, chroma or VectorsInFolder(folder))
    from qa import postgres

    database = postgres.connect(settings.database_url.get_secret_value())
    return InDatabase(folder, chroma or InMemory(), database)


# A folder


class InFolder(Place):
    """The catalog and the lexical index are in a folder."""

    @property
    def name(self) -> str:
        return str(self.folder)

    def exists(self) -> bool:
        return (self.folder / "catalog.db").exists()

    def create(self, fingerprint: str) -> None:
        """The folder can be read by its owner only. The catalog is made last."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        shutil.rmtree(self.folder / "lexical", ignore_errors=True)  # of a creation cut short
        TantivyIndex.create(self.folder / "lexical")
        made = self._vectors.create()
        self._vectors.adopt(made)
        SqliteCatalog.create(self.folder / "catalog.db", fingerprint, {VECTORS: made}).close()

    def catalog(self) -> Catalog:
        return SqliteCatalog(self.folder / "catalog.db")

    def claim(self, catalog: Catalog) -> None:
        super().claim(catalog)
        _adopt(self.folder / "lexical")

    def lexical(self) -> LexicalIndex:
        _mend(self.folder / "lexical")
        return TantivyIndex(self.folder / "lexical")

    @contextmanager
    def rebuild_lexical(self) -> Iterator[LexicalIndex]:
        yield TantivyIndex.create(_emptied(self.folder / "lexical"))
        _whole(self.folder / "lexical").touch()
        _adopt(self.folder / "lexical")

    def writing(self) -> AbstractContextManager[None]:
        return writing(self.folder)

    def errors(self) -> AbstractContextManager[None]:
        return storage_errors(self.folder)


class VectorsInFolder:
    """The vectors are embedded Chroma's, in the library's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "chroma"

    def create(self) -> str:
        EmbeddedIndex.create(_emptied(self._path)).close()
        return FOLDER

    def open(self, catalog: Catalog) -> VectorIndex:
        self._must_be_here(catalog)
        _mend(self._path)
        return EmbeddedIndex(self._path)

    def aside(self, made: str) -> VectorIndex:
        del made
        return EmbeddedIndex(_aside(self._path))

    def adopt(self, made: str) -> None:
        del made
        _whole(self._path).touch()
        _adopt(self._path)

    def discard(self, noted: str) -> None:
        del noted
        shutil.rmtree(_aside(self._path), ignore_errors=True)

    def claim(self, catalog: Catalog) -> None:
        self._must_be_here(catalog)
        _adopt(self._path)

    def probe(self, catalog: Catalog) -> str:
        try:
            self._must_be_here(catalog)
        except LibraryError as error:
            return str(error)
        _mend(self._path)
        return probe(self._path)

    def close(self) -> None:
        """Each index has its own files, and closes them."""

    @staticmethod
    def _must_be_here(catalog: Catalog) -> None:
        if catalog.noted(VECTORS) not in (None, FOLDER):
            raise _elsewhere("are not in its folder: the last writer had other settings")


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _whole(path: Path) -> Path:
    """There while an index that was built aside is whole and not in its place yet."""
    return path.with_name(f"{path.name}.whole")


def _emptied(path: Path) -> Path:
    """Where an index is built aside; what was left there was not whole, or is not wanted."""
    _whole(path).unlink(missing_ok=True)  # first, or what comes would count as whole
    shutil.rmtree(_aside(path), ignore_errors=True)
    return _aside(path)


def _adopt(path: Path) -> None:
    """Swaps in an index that was built aside and is marked as whole; under the writer's lock."""
    if not _whole(path).exists():
        return
    if _aside(path).exists():
        before = path.with_name(f"{path.name}.old")
        shutil.rmtree(before, ignore_errors=True)
        if path.exists():
            path.rename(before)
        _aside(path).rename(path)
        shutil.rmtree(before, ignore_errors=True)
    _whole(path).unlink(missing_ok=True)


def _mend(path: Path) -> None:
    """The same where a writer died in the middle of it; one that lives does it itself."""
    if _whole(path).exists():
        with suppress(LockedError), writing(path.parent):
            _adopt(path)


# Servers


class InDatabase(Place):
    """The catalog and the lexical index are in a PostgreSQL database."""

    def __init__(self, folder: Path, vectors: VectorPlace, database: Database) -> None:
        super().__init__(folder, vectors)
        self._database = database

    @property
    def name(self) -> str:
        return self._database.name

    def exists(self) -> bool:
        return self._database.exists()

    def create(self, fingerprint: str) -> None:
        made = self._vectors.create()
        self._vectors.adopt(made)
        self._database.create(fingerprint, {VECTORS: made})

    def catalog(self) -> Catalog:
        from qa.catalog.postgres import PostgresCatalog

        return PostgresCatalog(self._database)

    def lexical(self) -> LexicalIndex:
        from qa.lexical.postgres import PostgresLexical

        return PostgresLexical(self._database)

    @contextmanager
    def rebuild_lexical(self) -> Iterator[LexicalIndex]:
        from qa.lexical.postgres import PostgresLexical

        index = PostgresLexical(self._database)
        yield index
        index.recount()

    def writing(self) -> AbstractContextManager[None]:
        return self._database.writing()

    def errors(self) -> AbstractContextManager[None]:
        return self._database.errors()

    def close(self) -> None:
        super().close()
        self._database.close()


class OnServer:
    """The vectors are a collection on a Chroma server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create(self) -> str:
        return CHROMA + self._server.create()

    def open(self, catalog: Catalog) -> VectorIndex:
        return ServerIndex(self._server, lambda: self._collection(catalog))

    def aside(self, made: str) -> VectorIndex:
        return ServerIndex(self._server, lambda: made.removeprefix(CHROMA))

    def adopt(self, made: str) -> None:
        """Its name in the manifest is all that it takes."""

    def discard(self, noted: str) -> None:
        if noted.startswith(CHROMA):
            self._server.drop(noted.removeprefix(CHROMA))

    def claim(self, catalog: Catalog) -> None:
        self._collection(catalog)

    def probe(self, catalog: Catalog) -> str:
        try:
            self._server.collection(self._collection(catalog))
        except LibraryError as error:
            return str(error)
        return ""

    def close(self) -> None:
        self._server.close()

    @staticmethod
    def _collection(catalog: Catalog) -> str:
        noted = catalog.noted(VECTORS) or FOLDER
        if not noted.startswith(CHROMA):
            raise _elsewhere("are not on the Chroma server yet")
        return noted.removeprefix(CHROMA)


class InMemory:
    """There is no index: the vectors that the catalog holds are compared in memory."""

    def create(self) -> str:
        return MEMORY

    def open(self, catalog: Catalog) -> None:
        del catalog

    def aside(self, made: str) -> None:
        del made

    def adopt(self, made: str) -> None:
        del made

    def discard(self, noted: str) -> None:
        del noted

    def claim(self, catalog: Catalog) -> None:
        if (catalog.noted(VECTORS) or MEMORY) != MEMORY:  # that index would lack what is added now
            raise _elsewhere("are on a Chroma server")

    def probe(self, catalog: Catalog) -> str:
        del catalog
        return ""

    def close(self) -> None:
        """Nothing is open."""


def _elsewhere(what: str) -> LibraryError:
    return LibraryError(
        f"The vectors of the library {what}. Set QA_CHROMA_URL as it was, or build them where they "
        "are looked for now, without embedding anything again: qa rebuild"
    )


# The lock and the errors of a folder


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Holds the one writer's lock of a folder, or raises LockedError that names who has it."""
    from filelock import FileLock, Timeout

    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    holder = path / "writer.json"
    lock = FileLock(path / "writer.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LockedError(
            f"The library {path} is being written by {_holder(holder)}. "
            "Wait until it is done, then run this again."
        ) from error
    try:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        started = datetime.now().strftime("%H:%M")
        known = {"pid": os.getpid(), "command": _name(command), "since": started}
        holder.write_text(json.dumps(known), "utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Says in one line what a full disk, a read-only folder or a damaged database means."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(
            f"The library {path} cannot be used: {error}. Articles reported as added are safe; "
            "check free space and permissions, run qa doctor, then run this again."
        ) from error


def _holder(path: Path) -> str:
    try:
        known = json.loads(path.read_text("utf-8"))
        return f"process {known['pid']} ({_name(str(known['command']))}, since {known['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def _name(command: str) -> str:
    """The program and its command word; what follows, a password say, is private."""
    program, word, *_ = [*command.split(), "", ""]
    return f"{program} {word}"[:60] if word.isalpha() else program[:60]
