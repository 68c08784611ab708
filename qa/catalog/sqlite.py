"""The catalog in one SQLite file."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.catalog import ArticleRecord, Catalog, Kept
from qa.catalog.rows import (
    ARTICLE_COLUMNS,
    article_of,
    article_row,
    kept_files,
    passage_of,
    passage_rows,
    suggestion_rows,
)
from qa.dates import day_range
from qa.errors import LibraryError
from qa.exact import Owner
from qa.types import Article, Filters, Listing, Passage

if TYPE_CHECKING:
    from qa.protocols import Vectors
    from qa.suggesting import Suggestion

SCHEMA_VERSION = 1
MAPPED = 1 << 34  # bytes of the file at most that are read where they lie, without a copy
PAGE_BYTES = 8192  # holds five vectors of the default model, where 4096 hold two
VARIABLES = 900  # SQLite takes 999 variables a statement on old builds

_SCHEMA = """
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE articles (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, publisher TEXT,
    author TEXT, published TEXT, updated TEXT, language TEXT, metadata TEXT NOT NULL,
    content_hash TEXT NOT NULL, day INTEGER, source TEXT NOT NULL, root TEXT NOT NULL);
CREATE INDEX articles_by_root ON articles (root);
CREATE TABLE passages (
    id TEXT PRIMARY KEY, article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, heading TEXT NOT NULL,
    embedding_hash BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX passages_by_article ON passages (article_id, start);
CREATE INDEX passages_by_embedding ON passages (embedding_hash);
CREATE TABLE embeddings (hash BLOB PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE journal (passage_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_FILES = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT NOT NULL, article_id TEXT NOT NULL, digest BLOB NOT NULL, content_hash TEXT NOT NULL,
    PRIMARY KEY (path, article_id)) WITHOUT ROWID
"""
_SUGGESTIONS = """
CREATE TABLE IF NOT EXISTS suggestions (
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE, place INTEGER NOT NULL,
    question TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    PRIMARY KEY (article_id, place)) WITHOUT ROWID
"""
_LISTED = (
    "SELECT id, title, url, publisher, author, published, (SELECT count(*) FROM passages WHERE "
    "article_id = articles.id), source, length(text) FROM articles"
)
_NEWEST = "ORDER BY day IS NULL, day DESC, id"
_FOUND = "(title || ' ' || coalesce(publisher, '') LIKE ? ESCAPE '~')"
_ARTICLE_COLUMNS = ", ".join(ARTICLE_COLUMNS)


class SqliteCatalog(Catalog):
    """Opens ``catalog.db`` in a library folder. Reads may come from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            self.close()
            raise LibraryError(
                f"The library {path.parent} was made by another version of this program (catalog "
                f"version {version}, this one reads {SCHEMA_VERSION}). Add its articles anew to "
                "another library, or use the version that made it."
            )

    @classmethod
    def create(
        cls, path: Path, fingerprint: str, notes: Mapping[str, str] | None = None
    ) -> SqliteCatalog:
        """A new, empty catalog for one embedding model, with these notes in its manifest."""
        # Made aside and renamed, so that no reader ever finds a catalog without its tables.
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        connection = sqlite3.connect(aside)
        with connection:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            connection.execute(_FILES)
            connection.execute(_SUGGESTIONS)
            manifest = {"fingerprint": fingerprint, "generation": "0", **(notes or {})}
            connection.executemany("INSERT INTO manifest VALUES (?, ?)", manifest.items())
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.close()
        aside.rename(path)
        return cls(path)

    def close(self) -> None:
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def noted(self, key: str) -> str | None:
        rows = self._query("SELECT value FROM manifest WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def note(self, key: str, value: str) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO manifest VALUES (?, ?)", (key, value))
            _advance(connection)

    # Reading

    @property
    def generation(self) -> int:
        """Grows with every change that a reader can see."""
        return int(self.noted("generation") or 0)

    @property
    def fingerprint(self) -> str:
        """Of the embedding model whose vectors the library holds."""
        return self.noted("fingerprint") or ""

    def article_count(self) -> int:
        return int(self._query("SELECT count(*) FROM articles")[0][0])

    def passage_count(self, articles: Collection[str] | None = None) -> int:
        """Of these articles, or of all."""
        if articles is None:
            return int(self._query("SELECT count(*) FROM passages")[0][0])
        query = "SELECT count(*) FROM passages WHERE article_id IN"
        return sum(row[0] for row in self._select(query, list(articles)))

    def matching(self, filters: Filters, most: int | None = None) -> set[str]:
        """The ids of the articles that filters let through."""
        condition, values = _passing(filters)
        query = f"SELECT id FROM articles WHERE {condition} LIMIT ?"
        rows = self._query(query, [*values, -1 if most is None else most])
        return {row[0] for row in rows}

    def count(self, filters: Filters) -> int:
        condition, values = _passing(filters)
        return int(self._query(f"SELECT count(*) FROM articles WHERE {condition}", values)[0][0])

    def owners(self) -> list[Owner]:
        """Of all passages."""
        rows = self._query("SELECT id, article_id, embedding_hash FROM passages")
        return [Owner(*row) for row in rows]

    def articles(self, ids: Iterable[str]) -> dict[str, Article]:
        """The articles of these ids that exist, by id."""
        rows = self._select(f"SELECT {_ARTICLE_COLUMNS} FROM articles WHERE id IN", list(ids))
        return {row[0]: article_of(row) for row in rows}

    def listings(self) -> list[Listing]:
        """Every article, newest first, those of unknown date last."""
        return [Listing(*row) for row in self._query(f"{_LISTED} {_NEWEST}")]

    def find(self, words: str, most: int) -> tuple[list[Listing], int]:
        """The newest ``most`` articles with all of these words in title or publisher, and how many
        there are of them."""
        parts = [word for word in words.split() if word][:10]
        condition = " AND ".join(["1", *[_FOUND] * len(parts)])
        values: list[Any] = ["%" + re.sub("([%_~])", r"~\1", part) + "%" for part in parts]
        count = self._query(f"SELECT count(*) FROM articles WHERE {condition}", values)[0][0]
        rows = self._query(f"{_LISTED} WHERE {condition} {_NEWEST} LIMIT ?", [*values, most])
        return [Listing(*row) for row in rows], int(count)

    def span(self) -> tuple[int, str | None, str | None]:
        """How many articles, and the first and last date that one of them says."""
        first, last = (
            self._query(
                f"SELECT published FROM articles WHERE day IS NOT NULL ORDER BY day {way} LIMIT 1"
            )
            for way in ("ASC", "DESC")
        )
        known = bool(first and last)
        return self.article_count(), *((first[0][0], last[0][0]) if known else (None, None))

    def source_of(self, article_id: str) -> str:
        rows = self._query("SELECT source FROM articles WHERE id = ?", (article_id,))
        return str(rows[0][0]) if rows else ""

    def articles_from(self, file: str) -> int:
        """How many articles came from this file; of one with many, each has its own place."""
        places = (file, f"{file}:", f"{file};")
        query = "SELECT count(*) FROM articles WHERE source = ? OR (source >= ? AND source < ?)"
        return int(self._query(query, places)[0][0])

    def suggestions(
        self, article_ids: Sequence[str] | None, most: int
    ) -> list[tuple[str, Suggestion]]:
        """Questions made of these articles, or of the newest, the best of each article first.

        Libraries that are older than suggestions have none until their articles are added anew.
        """
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'suggestions'"):
            return []
        chosen, values = "1", list[Any]()
        if article_ids is not None:
            chosen = "article_id IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(list(article_ids)))
        from qa.suggesting import Suggestion

        rows = self._query(
            'SELECT article_id, question, suggestions.start, suggestions."end" FROM suggestions '
            f"JOIN articles ON id = article_id WHERE {chosen} "
            "ORDER BY place, day IS NULL, day DESC, id LIMIT ?",
            [*values, most],
        )
        return [(row[0], Suggestion(*row[1:])) for row in rows]

    def publishers(self) -> list[str]:
        rows = self._query("SELECT DISTINCT publisher FROM articles WHERE publisher IS NOT NULL")
        return sorted(row[0] for row in rows)

    def passages(self, ids: Sequence[str]) -> dict[str, tuple[Passage, Article]]:
        """The passages of these ids that are visible, each with its article, by id."""
        query = 'SELECT id, article_id, start, "end", heading FROM passages WHERE id IN'
        rows = self._select(query, ids)
        articles = self.articles({row[1] for row in rows})
        return {row[0]: passage_of(row, articles[row[1]]) for row in rows if row[1] in articles}

    def passages_of(self, article_id: str) -> list[Passage]:
        """An article's passages in reading order."""
        article = self.article(article_id)
        rows = self._query(
            'SELECT id, article_id, start, "end", heading FROM passages WHERE article_id = ? '
            "ORDER BY start",
            (article_id,),
        )
        return [passage_of(row, article)[0] for row in rows] if article else []

    def all_passage_ids(self) -> set[str]:
        return {row[0] for row in self._query("SELECT id FROM passages")}

    def content_hashes(self, ids: Sequence[str]) -> dict[str, str]:
        return dict(self._select("SELECT id, content_hash FROM articles WHERE id IN", ids))

    def read_before(self, files: Mapping[str, bytes]) -> dict[str, list[Kept]]:
        """The articles of those files that were read as they are, and have not changed since."""
        rows = self._select(
            "SELECT path, digest, files.content_hash, id, title, articles.content_hash, source "
            "FROM files LEFT JOIN articles ON id = article_id WHERE path IN",
            list(files),
        )
        return kept_files(files, rows)

    def from_root(self, root: str) -> dict[str, tuple[str, str]]:
        """Articles that came from a folder or file: id -> (title, source)."""
        rows = self._query("SELECT id, title, source FROM articles WHERE root = ?", (root,))
        return {row[0]: (row[1], row[2]) for row in rows}

    def embeddings(self, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Cached vectors by the hash of the text they embed; missing ones are left out."""
        import numpy as np

        rows = self._select("SELECT hash, vector FROM embeddings WHERE hash IN", hashes)
        return {row[0]: np.frombuffer(row[1], dtype=np.float32) for row in rows}

    def vectors(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        """Each visible passage's vector, by passage id."""
        import numpy as np

        rows = self._select(
            "SELECT passages.id, vector FROM passages JOIN embeddings "
            "ON embeddings.hash = embedding_hash WHERE passages.id IN",
            passage_ids,
        )
        return {row[0]: np.frombuffer(row[1], dtype=np.float32) for row in rows}

    def vectors_of(self, articles: Collection[str] | None = None) -> tuple[list[Owner], Vectors]:
        """The vectors of these articles' passages, or of all, and whose they are."""
        import numpy as np

        if articles is not None:
            joined = "passages JOIN embeddings ON embedding_hash = hash WHERE article_id IN"
            columns = "id, article_id, embedding_hash, vector"
            rows = self._select(f"SELECT {columns} FROM {joined}", list(articles))
            numbers = np.frombuffer(b"".join(row[3] for row in rows), dtype=np.float32)
            shape = len(rows), len(numbers) // max(1, len(rows))
            return [Owner(*row[:3]) for row in rows], numbers.reshape(shape)
        # Each table from end to end, and joined here: SQLite would look up one row after the other.
        stored = self._query("SELECT hash, vector FROM embeddings")
        places = {row[0]: place for place, row in enumerate(stored)}
        numbers = np.frombuffer(b"".join(row[1] for row in stored), dtype=np.float32)
        vectors = numbers.reshape(len(stored), len(numbers) // max(1, len(stored)))
        del stored
        known = [owner for owner in self.owners() if owner.embedded in places]
        return known, vectors[[places[owner.embedded] for owner in known]]

    def every_passage(self, batch: int) -> Iterator[list[tuple[Passage, Article]]]:
        """All passages, with their articles, article by article in reading order."""
        last: tuple[str, int] = ("", -1)
        while True:
            rows = self._query(
                "SELECT id, article_id, start FROM passages WHERE (article_id, start) > (?, ?) "
                "ORDER BY article_id, start LIMIT ?",
                (*last, batch),
            )
            if not rows:
                return
            last = rows[-1][1:]
            found = self.passages([row[0] for row in rows])
            yield [found[row[0]] for row in rows if row[0] in found]

    def missing_embeddings(self) -> int:
        """Visible passages without a cached vector that are not pending; more than 0 is damage."""
        return int(
            self._query(
                "SELECT count(*) FROM passages LEFT JOIN embeddings ON hash = embedding_hash "
                "WHERE hash IS NULL AND id NOT IN (SELECT passage_id FROM journal)"
            )[0][0]
        )

    def pending_count(self) -> int:
        """Visible passages that the vector index has not got yet."""
        query = "SELECT count(*) FROM journal JOIN passages ON id = passage_id"
        return int(self._query(query)[0][0])

    def pending(
        self, most: int, after: tuple[str, int] | None = None
    ) -> list[tuple[Passage, Article, bytes]]:
        """The first of them by article and start, each with the hash of what it embeds."""
        rows = self._query(
            "SELECT id, embedding_hash FROM passages WHERE (article_id, start) > (?, ?) "
            "AND id IN (SELECT passage_id FROM journal) ORDER BY article_id, start LIMIT ?",
            (*(after or ("", -1)), most),
        )
        found = self.passages([row[0] for row in rows])
        return [(*found[key], hashed) for key, hashed in rows if key in found]

    def damage(self) -> str:
        """What SQLite's own check finds wrong, empty where nothing is."""
        try:
            found = self._query("PRAGMA quick_check")[0][0]
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == "ok" else str(found)

    # Writing: one writer at a time, which the library's lock sees to.

    def upgrade(self) -> None:
        """Gives a library that is older than some of the tables those tables."""
        with self._transaction() as connection:
            connection.execute(_FILES)
            connection.execute(_SUGGESTIONS)

    def expect(self, passage_ids: Iterable[str]) -> None:
        """Journals passages that are about to enter the derived indexes."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO journal VALUES (?)", [(key,) for key in passage_ids]
            )

    def put_embeddings(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Caches vectors by the hash of the text they embed."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
                [(key, vector.astype("float32").tobytes()) for key, vector in vectors.items()],
            )

    def publish(self, records: Sequence[ArticleRecord]) -> list[str]:
        """Makes articles visible, replacing those of the same ids, in one transaction."""
        suggested = [row for record in records for row in suggestion_rows(record)]
        with self._transaction() as connection:
            before = self._withdraw(connection, [record.article.id for record in records])
            for record in records:
                connection.execute(
                    f"INSERT INTO articles VALUES ({', '.join('?' * 14)})", article_row(record)
                )
                connection.executemany(
                    "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)", passage_rows(record)
                )
            connection.executemany("INSERT INTO suggestions VALUES (?, ?, ?, ?, ?)", suggested)
            _drop_embeddings(connection, set(before.values()))
            _advance(connection)
        visible = {passage.id for record in records for passage in record.passages}
        return [key for key in before if key not in visible]

    def remove(self, ids: Sequence[str]) -> list[str]:
        """Takes articles out; returns their passages, as ``publish`` does."""
        with self._transaction() as connection:
            before = self._withdraw(connection, ids)
            _drop_embeddings(connection, set(before.values()))
            _advance(connection)
        return list(before)

    def note_files(self, read: Mapping[tuple[str, bytes], Mapping[str, str]]) -> None:
        """What files hold: (path, digest) -> article id -> content hash."""
        with self._transaction() as connection:
            for (path, digest), held in read.items():
                connection.execute("DELETE FROM files WHERE path = ?", (path,))
                connection.executemany(
                    "INSERT INTO files VALUES (?, ?, ?, ?)",
                    [(path, article, digest, content) for article, content in held.items()],
                )

    def move(self, sources: Mapping[str, tuple[str, str]]) -> None:
        """Notes where unchanged articles were found now: id -> (source, root)."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE articles SET source = ?, root = ? WHERE id = ? AND (source, root) "
                "IS NOT (?, ?)",
                [(*place, article, *place) for article, place in sources.items()],
            )

    def journal(self) -> list[str]:
        """Passages that the derived indexes may hold although they are not visible, or may lack."""
        return [row[0] for row in self._query("SELECT passage_id FROM journal")]

    def withdrawn(self) -> list[str]:
        """Journaled passages that are not visible."""
        query = "SELECT passage_id FROM journal WHERE passage_id NOT IN (SELECT id FROM passages)"
        return [row[0] for row in self._query(query)]

    def clear_journal(self, passage_ids: Sequence[str]) -> None:
        """Forgets journaled passages, once the derived indexes agree with the catalog on them."""
        with self._transaction() as connection:
            _forget(connection, passage_ids)

    def settle(self, passage_ids: Sequence[str]) -> None:
        """The same for pending passages, which readers find from now on."""
        with self._transaction() as connection:
            _forget(connection, passage_ids)
            _advance(connection)

    def settle_embedded(self) -> None:
        """The same for all whose vectors are cached: the derived indexes were built anew."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM journal WHERE passage_id IN (SELECT id FROM passages "
                "JOIN embeddings ON hash = embedding_hash)"
            )
            _advance(connection)

    def drop_unused_embeddings(self) -> None:
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM embeddings WHERE hash NOT IN (SELECT embedding_hash FROM passages)"
            )

    def reset_model(self, fingerprint: str, passages: Sequence[ArticleRecord]) -> None:
        """Replaces every passage by those of another model, whose vectors are cached already."""
        journaled = "INSERT OR IGNORE INTO journal SELECT id FROM passages"
        with self._transaction() as connection:
            connection.execute(journaled)
            connection.execute("DELETE FROM passages")
            for record in passages:
                connection.executemany(
                    "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)", passage_rows(record)
                )
            connection.execute(journaled)
            connection.execute(
                "UPDATE manifest SET value = ? WHERE key = 'fingerprint'", (fingerprint,)
            )
            _advance(connection)

    @staticmethod
    def _withdraw(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, bytes]:
        """Takes articles out; their passages and what these embed."""
        keys = [(article,) for article in ids]
        find = "SELECT id, embedding_hash FROM passages WHERE article_id = ?"
        before = dict(row for key in keys for row in connection.execute(find, key))
        connection.executemany(
            "INSERT OR IGNORE INTO journal VALUES (?)", [(key,) for key in before]
        )
        connection.executemany("DELETE FROM passages WHERE article_id = ?", keys)
        connection.executemany("DELETE FROM articles WHERE id = ?", keys)
        return before

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = _connect(self.path)
            with self._guard:
                self._connections.append(connection)
            self._local.connection = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def _select(self, sql: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for at in range(0, len(keys), VARIABLES):
            some = keys[at : at + VARIABLES]
            rows += self._query(f"{sql} ({', '.join('?' * len(some))})", some)
        return rows


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise LibraryError(
            f"There is no library in {path.parent}. Add articles first: qa add FOLDER"
        )
    # Closed from another thread at the end; used by one thread only until then.
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA mmap_size = {MAPPED}")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LibraryError(
            f"The catalog {path} cannot be read ({error}). Restore it from a backup, or add the "
            "articles anew to another library."
        ) from error
    return connection


def _passing(filters: Filters) -> tuple[str, list[Any]]:
    """The condition on articles, and its values."""
    first, last = day_range(filters)
    parts, values = ["1"], list[Any]()
    for column, wanted in (("publisher", filters.publishers), ("id", filters.article_ids)):
        if wanted:
            parts.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(wanted)))
    for comparison, day in ((">=", first), ("<=", last)):
        if day is not None:
            parts.append(f"day {comparison} ?")
            values.append(day)
    return " AND ".join(parts), values


def _drop_embeddings(connection: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """Those of these that no passage has any more."""
    connection.executemany(
        "DELETE FROM embeddings WHERE hash = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM passages WHERE embedding_hash = ?1)",
        [(key,) for key in hashes],
    )


def _forget(connection: sqlite3.Connection, passage_ids: Iterable[str]) -> None:
    connection.executemany(
        "DELETE FROM journal WHERE passage_id = ?", [(key,) for key in passage_ids]
    )


def _advance(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE manifest SET value = value + 1 WHERE key = 'generation'")
