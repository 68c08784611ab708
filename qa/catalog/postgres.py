"""The catalog in PostgreSQL, which several programs on several machines can read at once.

A passage's words are written with it, in the same transaction: PostgreSQL searches them itself
(``qa.lexical.postgres``), and nothing of them can be missing or too much.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Integer,
    Select,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

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
from qa.lexical.analysis import analyzer
from qa.postgres import words
from qa.postgres.database import Database
from qa.postgres.rows import Rows, advance, copy, copy_vectors, fetched, fetched_vectors
from qa.postgres.tables import (
    AnyText,
    among,
    among_long,
    articles,
    embeddings,
    files,
    journal,
    manifest,
    metadata,
    passages,
    passing,
    suggestions,
)
from qa.postgres.trouble import damaged
from qa.types import Article, Filters, Listing, Passage

if TYPE_CHECKING:
    from qa.protocols import Vectors
    from qa.suggesting import Suggestion

_ARTICLE = [articles.c[name] for name in ARTICLE_COLUMNS]
_PASSAGE = [passages.c[name] for name in ("id", "article_id", "start", "end", "heading")]
_READING = (passages.c.article_id, passages.c.start)  # in which a passage stands once
_NEWEST = (articles.c.day.desc().nulls_last(), articles.c.id)
_COUNTED = select(func.count()).where(passages.c.article_id == articles.c.id).scalar_subquery()
_LISTED = select(
    *(articles.c[name] for name in ("id", "title", "url", "publisher", "author", "published")),
    _COUNTED,
    articles.c.source,
    articles.c.characters,
)
_TITLE = articles.c.title + " " + func.coalesce(articles.c.publisher, "", type_=AnyText)
_EMBEDDED = passages.join(embeddings, embeddings.c.hash == passages.c.embedding_hash)


class PostgresCatalog(Catalog):
    """The catalog in a database that ``qa.postgres`` has connected to.

    Tables that are older than this program are brought up to date, newer ones are refused.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        if not database.exists():
            raise LibraryError(
                f"There is no library in {database.name}. Add articles first: qa add FOLDER"
            )
        database.upgrade()

    def close(self) -> None:
        """The connections are the database's, which others use, and who opened it closes it."""

    def noted(self, key: str) -> str | None:
        rows = self._rows(select(manifest.c.value).where(manifest.c.key == key))
        return str(rows[0][0]) if rows else None

    def note(self, key: str, value: str) -> None:
        with self.database.transaction() as connection:
            _note(connection, key, value)
            advance(connection)

    # Reading

    @property
    def generation(self) -> int:
        return int(self.noted("generation") or 0)

    @property
    def fingerprint(self) -> str:
        return self.noted("fingerprint") or ""

    def article_count(self) -> int:
        return self._count(select(func.count()).select_from(articles))

    def passage_count(self, articles: Collection[str] | None = None) -> int:
        query = select(func.count()).select_from(passages)
        if articles is not None:
            query = query.where(among(passages.c.article_id, articles))
        return self._count(query)

    def matching(self, filters: Filters, most: int | None = None) -> set[str]:
        query = select(articles.c.id).where(*_passing(filters)).limit(most)
        return {row[0] for row in self._rows(query)}

    def count(self, filters: Filters) -> int:
        return self._count(select(func.count()).select_from(articles).where(*_passing(filters)))

    def owners(self) -> list[Owner]:
        return self.database.patiently(_owners)

    def articles(self, ids: Iterable[str]) -> dict[str, Article]:
        return self.database.read(lambda connection: _articles(connection, list(ids)))

    def listings(self) -> list[Listing]:
        return [Listing(*row) for row in self._rows(_LISTED.order_by(*_NEWEST))]

    def find(self, words: str, most: int) -> tuple[list[Listing], int]:
        patterns = ["%" + re.sub("([%_~])", r"~\1", part) + "%" for part in words.split()[:10]]
        # In the collation "C" ILIKE folds the letters A to Z alone, as LIKE of SQLite does.
        found = [_TITLE.ilike(literal(each, AnyText), escape="~") for each in patterns]

        def work(connection: Connection) -> tuple[Rows, int]:
            count = connection.scalar(select(func.count()).select_from(articles).where(*found))
            query = _LISTED.where(*found).order_by(*_NEWEST).limit(most)
            return fetched(connection, query), int(count or 0)

        rows, count = self.database.snapshot(work)
        return [Listing(*row) for row in rows], count

    def span(self) -> tuple[int, str | None, str | None]:
        def work(connection: Connection) -> tuple[int, str | None, str | None]:
            known = select(articles.c.published).where(articles.c.day.is_not(None)).limit(1)
            first = connection.scalar(known.order_by(articles.c.day))
            last = connection.scalar(known.order_by(articles.c.day.desc().nulls_last()))
            count = connection.scalar(select(func.count()).select_from(articles))
            return int(count or 0), first, last

        return self.database.snapshot(work)

    def source_of(self, article_id: str) -> str:
        rows = self._rows(select(articles.c.source).where(articles.c.id == article_id))
        return str(rows[0][0]) if rows else ""

    def articles_from(self, file: str) -> int:
        source = articles.c.source
        within = (source >= f"{file}:") & (source < f"{file};")
        return self._count(
            select(func.count()).select_from(articles).where(or_(source == file, within))
        )

    def suggestions(
        self, article_ids: Sequence[str] | None, most: int
    ) -> list[tuple[str, Suggestion]]:
        from qa.suggesting import Suggestion

        columns = [suggestions.c[name] for name in ("article_id", "question", "start", "end")]
        query = select(*columns).join(articles, articles.c.id == suggestions.c.article_id)
        if article_ids is not None:
            query = query.where(among(suggestions.c.article_id, article_ids))
        rows = self._rows(query.order_by(suggestions.c.place, *_NEWEST).limit(most))
        return [(row[0], Suggestion(*row[1:])) for row in rows]

    def publishers(self) -> list[str]:
        query = select(articles.c.publisher).where(articles.c.publisher.is_not(None)).distinct()
        return sorted(row[0] for row in self._rows(query))

    def passages(self, ids: Sequence[str]) -> dict[str, tuple[Passage, Article]]:
        return self.database.snapshot(lambda connection: _passages(connection, ids))

    def passages_of(self, article_id: str) -> list[Passage]:
        def work(connection: Connection) -> list[Passage]:
            known = _articles(connection, [article_id])
            query = select(*_PASSAGE).where(passages.c.article_id == article_id)
            rows = fetched(connection, query.order_by(passages.c.start)) if known else []
            return [passage_of(row, known[article_id])[0] for row in rows]

        return self.database.snapshot(work)

    def all_passage_ids(self) -> set[str]:
        return {row[0] for row in self._all(select(passages.c.id))}

    def content_hashes(self, ids: Sequence[str]) -> dict[str, str]:
        query = select(articles.c.id, articles.c.content_hash).where(among(articles.c.id, ids))
        return {row[0]: row[1] for row in self._rows(query)}

    def read_before(self, files: Mapping[str, bytes]) -> dict[str, list[Kept]]:
        known = metadata.tables["qa_files"]
        query = (
            select(
                *(known.c[name] for name in ("path", "digest", "content_hash")),
                *(articles.c[name] for name in ("id", "title", "content_hash", "source")),
            )
            .select_from(known.outerjoin(articles, articles.c.id == known.c.article_id))
            .where(among_long(known.c.path, files))
        )
        return kept_files(files, self._rows(query))

    def from_root(self, root: str) -> dict[str, tuple[str, str]]:
        columns = [articles.c[name] for name in ("id", "title", "source")]
        rows = self._rows(select(*columns).where(among_long(articles.c.root, [root])))
        return {row[0]: (row[1], row[2]) for row in rows}

    def embeddings(self, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
        query = select(embeddings.c.hash, embeddings.c.vector)
        rows = self._rows(query.where(among(embeddings.c.hash, hashes)))
        return {row[0]: _vector(row[1]) for row in rows}

    def vectors(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        query = select(passages.c.id, embeddings.c.vector).select_from(_EMBEDDED)
        rows = self._rows(query.where(among(passages.c.id, passage_ids)))
        return {row[0]: _vector(row[1]) for row in rows}

    def vectors_of(self, articles: Collection[str] | None = None) -> tuple[list[Owner], Vectors]:
        import numpy as np

        owners, stored = self.database.patiently(
            lambda connection: _vectors_of(connection, articles)
        )
        places = {key: place for place, (key, _) in enumerate(stored)}
        numbers = np.frombuffer(b"".join(vector for _, vector in stored), dtype=np.float32)
        rows = numbers.reshape(len(stored), len(numbers) // max(1, len(stored)))
        del stored
        known = [owner for owner in owners if owner.embedded in places]
        return known, rows[[places[owner.embedded] for owner in known]]

    def every_passage(self, batch: int) -> Iterator[list[tuple[Passage, Article]]]:
        columns = [passages.c[name] for name in ("id", "article_id", "start")]
        last: tuple[str, int] | None = None
        while True:
            rows = self._all(select(*columns).where(_after(last)).order_by(*_READING).limit(batch))
            if not rows:
                return
            last = rows[-1][1], rows[-1][2]
            found = self.passages([row[0] for row in rows])
            yield [found[row[0]] for row in rows if row[0] in found]

    def missing_embeddings(self) -> int:
        stored = select(embeddings.c.hash).where(embeddings.c.hash == passages.c.embedding_hash)
        waiting = select(journal.c.passage_id).where(journal.c.passage_id == passages.c.id)
        missing = select(func.count()).select_from(passages)
        return self._count_all(missing.where(~stored.exists(), ~waiting.exists()))

    def pending_count(self) -> int:
        joined = journal.join(passages, passages.c.id == journal.c.passage_id)
        return self._count_all(select(func.count()).select_from(joined))

    def pending(
        self, most: int, after: tuple[str, int] | None = None
    ) -> list[tuple[Passage, Article, bytes]]:
        joined = journal.join(passages, passages.c.id == journal.c.passage_id)
        query = select(passages.c.id, passages.c.embedding_hash).select_from(joined)
        query = query.where(_after(after)).order_by(*_READING).limit(most)

        def work(connection: Connection) -> list[tuple[Passage, Article, bytes]]:
            rows = fetched(connection, query)
            found = _passages(connection, [row[0] for row in rows])
            return [(*found[key], hashed) for key, hashed in rows if key in found]

        return self.database.snapshot(work)

    def damage(self) -> str:
        """What PostgreSQL reports when it reads every article; its files are its own to check."""

        def work(connection: Connection) -> None:
            connection.execute(select(func.sum(func.length(articles.c.text))))

        try:
            self.database.patiently(work)
        except LibraryError as error:
            if not damaged(error.__cause__):
                raise
            return str(error)
        return ""

    # Writing: one writer at a time, which the database's lock sees to.

    def upgrade(self) -> None:
        self.database.upgrade()

    def expect(self, passage_ids: Iterable[str]) -> None:
        keys = list(passage_ids)
        with self.database.transaction() as connection:
            ids = select(func.unnest(literal(keys, ARRAY(AnyText))))
            _journal(connection, ids)

    def put_embeddings(self, vectors: Mapping[bytes, Vectors]) -> None:
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        if not rows:
            return
        with self.database.transaction() as connection:
            copy_vectors(connection, rows)

    def publish(self, records: Sequence[ArticleRecord]) -> list[str]:
        suggested = [row for record in records for row in suggestion_rows(record)]
        found = [(*article_row(record), len(record.article.text)) for record in records]
        packed = _packed(records)
        with self.database.transaction() as connection:
            before = _withdraw(connection, [record.article.id for record in records])
            copy(connection, articles, found)
            _add_passages(connection, records, packed)
            copy(connection, suggestions, suggested)
            _drop_embeddings(connection, set(before.values()))
            advance(connection)
        visible = {passage.id for record in records for passage in record.passages}
        return [key for key in before if key not in visible]

    def remove(self, ids: Sequence[str]) -> list[str]:
        with self.database.transaction() as connection:
            before = _withdraw(connection, ids)
            _drop_embeddings(connection, set(before.values()))
            advance(connection)
        return list(before)

    def note_files(self, read: Mapping[tuple[str, bytes], Mapping[str, str]]) -> None:
        rows = [
            (path, article, digest, content)
            for (path, digest), held in read.items()
            for article, content in held.items()
        ]
        with self.database.transaction() as connection:
            known = among_long(files.c.path, {path for path, _ in read})
            connection.execute(delete(files).where(known))
            copy(connection, files, rows)

    def move(self, sources: Mapping[str, tuple[str, str]]) -> None:
        if not sources:
            return
        found = zip(*((article, *place) for article, place in sources.items()), strict=True)
        columns = [literal(list(values), ARRAY(AnyText)) for values in found]
        moved = func.unnest(*columns).table_valued("id", "source", "root", name="moved")
        moved = moved.render_derived()
        place, new = (tuple_(of.c.source, of.c.root) for of in (articles, moved))
        statement = update(articles).where(articles.c.id == moved.c.id, place != new)
        with self.database.transaction() as connection:
            connection.execute(statement.values(source=moved.c.source, root=moved.c.root))

    def journal(self) -> list[str]:
        return [row[0] for row in self._all(select(journal.c.passage_id))]

    def withdrawn(self) -> list[str]:
        visible = select(passages.c.id).where(passages.c.id == journal.c.passage_id).exists()
        return [row[0] for row in self._all(select(journal.c.passage_id).where(~visible))]

    def clear_journal(self, passage_ids: Sequence[str]) -> None:
        with self.database.transaction() as connection:
            connection.execute(delete(journal).where(among(journal.c.passage_id, passage_ids)))

    def settle(self, passage_ids: Sequence[str]) -> None:
        with self.database.transaction() as connection:
            connection.execute(delete(journal).where(among(journal.c.passage_id, passage_ids)))
            advance(connection)

    def settle_embedded(self) -> None:
        with self.database.transaction() as connection:
            done = select(passages.c.id).select_from(_EMBEDDED)
            connection.execute(delete(journal).where(journal.c.passage_id.in_(done)))
            advance(connection)

    def drop_unused_embeddings(self) -> None:
        used = select(passages.c.id).where(passages.c.embedding_hash == embeddings.c.hash)
        with self.database.transaction() as connection:
            connection.execute(delete(embeddings).where(~used.exists()))

    def reset_model(self, fingerprint: str, passages: Sequence[ArticleRecord]) -> None:
        packed, known = _packed(passages), metadata.tables["qa_passages"]
        with self.database.transaction() as connection:
            _journal(connection, select(known.c.id))
            connection.execute(delete(known))
            words.recount(connection)
            _add_passages(connection, passages, packed)
            _journal(connection, select(known.c.id))
            _note(connection, "fingerprint", fingerprint)
            advance(connection)

    def _rows(self, query: Select[Any]) -> Rows:
        return self.database.read(lambda connection: fetched(connection, query))

    def _all(self, query: Select[Any]) -> Rows:
        """Of the whole library, however long it takes."""
        return self.database.patiently(lambda connection: fetched(connection, query))

    def _count_all(self, query: Select[Any]) -> int:
        return int(self._all(query)[0][0])

    def _count(self, query: Select[Any]) -> int:
        return int(self._rows(query)[0][0])


def _passing(filters: Filters) -> list[ColumnElement[bool]]:
    return passing(filters.publishers, filters.article_ids, *day_range(filters))


def _after(last: tuple[str, int] | None) -> ColumnElement[bool]:
    """What comes in reading order after an article's passage."""
    if last is None:
        return true()
    article, start = literal(last[0], AnyText), literal(last[1], Integer)
    return tuple_(*_READING) > tuple_(article, start)


def _articles(connection: Connection, ids: Sequence[str]) -> dict[str, Article]:
    rows = fetched(connection, select(*_ARTICLE).where(among(articles.c.id, ids)))
    return {row[0]: article_of(row) for row in rows}


def _passages(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Passage, Article]]:
    query = select(*_PASSAGE).where(among(passages.c.id, ids)).order_by(passages.c.id)
    rows = fetched(connection, query)
    known = _articles(connection, list({row[1] for row in rows}))
    return {row[0]: passage_of(row, known[row[1]]) for row in rows}


def _owners(connection: Connection, of: Collection[str] | None = None) -> list[Owner]:
    query = select(passages.c.id, passages.c.article_id, passages.c.embedding_hash)
    if of is not None:
        query = query.where(among(passages.c.article_id, of))
    return [Owner(*row) for row in fetched(connection, query)]


def _vectors_of(
    connection: Connection, of: Collection[str] | None
) -> tuple[list[Owner], list[tuple[bytes, bytes]]]:
    owners = _owners(connection, of)
    wanted = None if of is None else list({owner.embedded for owner in owners})
    return owners, fetched_vectors(connection, wanted)


def _vector(stored: bytes) -> Vectors:
    import numpy as np

    return np.frombuffer(stored, dtype=np.float32)


def _packed(records: Sequence[ArticleRecord]) -> list[words.Words]:
    found = ((passage, record.article) for record in records for passage in record.passages)
    return words.of(found, analyzer().analyze)


def _add_passages(
    connection: Connection, records: Sequence[ArticleRecord], packed: Sequence[words.Words]
) -> None:
    rows = [row for record in records for row in passage_rows(record)]
    found = [(*row, each.vector, *each.lengths) for row, each in zip(rows, packed, strict=True)]
    copy(connection, passages, found)
    words.add(connection, packed)


def _withdraw(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """Takes articles out; their passages and what these embed."""
    gone = among(passages.c.article_id, ids)
    words.subtract(connection, "article_id", ids)
    _journal(connection, select(passages.c.id).where(gone))
    taken = delete(passages).where(gone).returning(passages.c.id, passages.c.embedding_hash)
    before = {row[0]: row[1] for row in connection.execute(taken)}
    connection.execute(delete(articles).where(among(articles.c.id, ids)))
    return before


def _drop_embeddings(connection: Connection, hashes: Collection[bytes]) -> None:
    """Those of these that no passage has any more."""
    if hashes:
        used = select(passages.c.id).where(passages.c.embedding_hash == embeddings.c.hash)
        dropped = delete(embeddings).where(among(embeddings.c.hash, hashes), ~used.exists())
        connection.execute(dropped)


def _journal(connection: Connection, ids: Select[Any]) -> None:
    noted = insert(journal).from_select(["passage_id"], ids)
    connection.execute(noted.on_conflict_do_nothing())


def _note(connection: Connection, key: str, value: str) -> None:
    noted = insert(manifest).values(key=key, value=value)
    connection.execute(noted.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
