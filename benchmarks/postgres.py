"""PostgreSQL beside SQLite and tantivy: ``QA_DATABASE_URL=… python -m benchmarks postgres``

The database has to be an empty one, and is left as it was found. The server's own cache must hold
the passages: set ``shared_buffers`` to some gigabytes for sizes beyond a hundred thousand.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from statistics import mean, median

from sqlalchemy import Connection, text

from benchmarks.figures import Row, milliseconds, percentile
from benchmarks.synthetic import ClusteredEmbedder, articles, questions
from qa import postgres
from qa.catalog import ArticleRecord, Catalog
from qa.catalog.postgres import PostgresCatalog
from qa.catalog.sqlite import SqliteCatalog
from qa.chunking import split_article
from qa.lexical import LexicalIndex
from qa.lexical.embedded import TantivyIndex
from qa.lexical.postgres import PostgresLexical
from qa.postgres.database import Database
from qa.postgres.tables import VERSION_TABLE, metadata
from qa.types import Filters

ARTICLES = 7_060  # about 50,000 passages
BATCH = 50
ASKED = 200
FOUND = 10
FILTERS = {
    "all": Filters(),
    "one publisher in 25": Filters(publishers=("Paper 7",)),
    "since 2013": Filters(after=date(2013, 1, 1)),
}


def rows(url: str, count: int = ARTICLES) -> list[Row]:
    """Adding to and searching both catalogs and both lexical indexes, with the same passages."""
    database = postgres.connect(url)
    if database.exists():
        raise SystemExit(f"{database.name} holds a library already; name an empty database.")
    database.create("synthetic")
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _compared(database, Path(folder), count)
        finally:
            _drop(database)


def _compared(database: Database, folder: Path, count: int) -> list[Row]:
    ours, theirs = PostgresCatalog(database), SqliteCatalog.create(folder / "c.db", "synthetic")
    index = TantivyIndex.create(folder / "lexical")
    taken = [0.0, 0.0]
    with database.writing():
        for records in _records(count):
            taken[0] += _seconds(ours, None, records)
            taken[1] += _seconds(theirs, index, records)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
    size = ours.passage_count()
    theirs.close()
    rates = [size / seconds for seconds in taken]
    adding = Row(
        f"adding {size:,} passages without embedding, a second",
        f"{rates[0]:,.0f}",
        f"SQLite and tantivy: {rates[1]:,.0f}",
        f"{rates[0] / rates[1]:.2f} ×",
    )
    lexical = PostgresLexical(database)
    searching = [_searched(lexical, index, name, each) for name, each in FILTERS.items()]
    return [adding, *searching, *(_agreement(lexical, index, name) for name in FILTERS)]


def _records(count: int) -> Iterator[list[ArticleRecord]]:
    embedder = ClusteredEmbedder()
    coming = articles(count)
    while some := list(islice(coming, BATCH)):
        records = []
        for article in some:
            passages = tuple(split_article(article, embedder))
            hashes = tuple(passage.id.encode() for passage in passages)
            records.append(ArticleRecord(article, "", "", passages, hashes))
        yield records


def _seconds(
    catalog: Catalog, index: LexicalIndex | None, records: Sequence[ArticleRecord]
) -> float:
    started = time.perf_counter()
    if index is not None:
        index.upsert((p, record.article) for record in records for p in record.passages)
    catalog.publish(records)
    return time.perf_counter() - started


def _searched(ours: LexicalIndex, theirs: LexicalIndex, name: str, filters: Filters) -> Row:
    asked = questions(ASKED)
    times = [
        milliseconds(lambda q, each=index: each.search(q, FOUND, filters), asked)  # type: ignore[misc]
        for index in (ours, theirs)
    ]
    (p50, p95), (bare50, bare95) = ((median(each), percentile(each, 0.95)) for each in times)
    return Row(
        f"words to passages ({name}), p50 / p95",
        f"{p50:.1f} / {p95:.1f} ms",
        f"tantivy: {bare50:.1f} / {bare95:.1f} ms",
        f"{p50 / bare50:.0f} × / {p95 / bare95:.0f} ×",
        value=p50,
    )


def _agreement(ours: LexicalIndex, theirs: LexicalIndex, name: str) -> Row:
    """How many of the first ten score as much as tantivy's tenth, and how scores differ."""
    shares, apart = [], 0.0
    for question in questions(ASKED):
        mine = dict(ours.search(question, FOUND, FILTERS[name]))
        other = dict(theirs.search(question, FOUND, FILTERS[name]))
        if other:
            least = min(other.values()) * (1 - 1e-6)
            shares.append(sum(score >= least for score in mine.values()) / len(other))
        same = mine.keys() & other.keys()
        apart = max([apart, *(abs(mine[key] - other[key]) / other[key] for key in same)])
    return Row(
        f"the first ten of tantivy that PostgreSQL finds ({name})",
        f"{mean(shares):.3f}",
        f"scores of the same passages differ by at most {apart:.0e} of them",
    )


def _drop(database: Database) -> None:
    def dropped(connection: Connection) -> None:
        metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))

    database.read(dropped)
    database.close()
