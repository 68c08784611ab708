"""The tables as SQLAlchemy Core knows them; migrations make them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    any_,
    func,
    literal,
    literal_column,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

VERSION_TABLE = "qa_version"  # Alembic's own
INDEXED = 500  # characters of what may be long that are in an index, which takes 2,704 bytes a row
_REFUSED = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


class AnyText(TypeDecorator[str]):
    """Any Python string, also what PostgreSQL refuses: U+0000 and halves of surrogate pairs.

    Those are written as U+001A (SUBSTITUTE) and four hexadecimal digits, as is U+001A itself, so
    that every other text is stored as it is. Ordered by code point, as SQLite does.
    """

    impl = Text
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(collation="C")

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else storable(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else original(value)


def storable(text: str) -> str:
    """A text as PostgreSQL takes it."""
    return _REFUSED.sub(lambda found: f"\x1a{ord(found[0]):04x}", text)


def original(text: str) -> str:
    """The text that ``storable`` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\x1a" in text else text


def _beginning(column: Column[Any]) -> ColumnElement[str]:
    return func.left(column, literal_column(str(INDEXED)))  # no parameter: as the index has it


metadata = MetaData()

manifest = Table(
    "qa_manifest",
    metadata,
    Column("key", Text(collation="C"), primary_key=True),
    Column("value", AnyText, nullable=False),
)
articles = Table(
    "qa_articles",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("title", AnyText, nullable=False),
    Column("text", AnyText, nullable=False),
    *(Column(name, AnyText) for name in ("url", "publisher", "author", "published", "updated")),
    Column("language", AnyText),
    Column("metadata", AnyText, nullable=False),
    Column("content_hash", AnyText, nullable=False),
    Column("day", Integer),
    Column("source", AnyText, nullable=False),
    Column("root", AnyText, nullable=False),
    Column("characters", Integer, nullable=False),  # of the text, so that lists need not read it
)
Index("qa_articles_newest", articles.c.day.desc().nulls_last(), articles.c.id)
Index("qa_articles_by_root", _beginning(articles.c.root))
Index("qa_articles_by_publisher", _beginning(articles.c.publisher))
passages = Table(
    "qa_passages",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("article_id", AnyText, ForeignKey("qa_articles.id", ondelete="CASCADE"), nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("heading", AnyText, nullable=False),
    Column("embedding_hash", LargeBinary, nullable=False),
    Column("words", TSVECTOR, nullable=False),  # as qa.postgres.words packs them
    *(Column(f"{field}_length", Integer, nullable=False) for field in ("title", "heading", "text")),
)
Index("qa_passages_by_article", passages.c.article_id, passages.c.start)
Index("qa_passages_by_embedding", passages.c.embedding_hash)
Index("qa_passages_by_words", passages.c.words, postgresql_using="gin")
terms = Table(
    "qa_terms",
    metadata,
    Column("term", Text(collation="C"), primary_key=True),
    # In how many passages each field holds it.
    *(Column(field, Integer, nullable=False) for field in ("title", "heading", "text")),
)
embeddings = Table(
    "qa_embeddings",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
)
journal = Table("qa_journal", metadata, Column("passage_id", AnyText, primary_key=True))
files = Table(
    "qa_files",
    metadata,
    Column("path", AnyText, nullable=False),
    Column("article_id", AnyText, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("content_hash", AnyText, nullable=False),
)
Index("qa_files_by_path", _beginning(files.c.path))
suggestions = Table(
    "qa_suggestions",
    metadata,
    Column(
        "article_id", AnyText, ForeignKey("qa_articles.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("place", Integer, primary_key=True),
    Column("question", AnyText, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
)


def among(column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of any number of values: one parameter, however many there are."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def among_long(column: Column[Any], values: Collection[str]) -> ColumnElement[bool]:
    """The same for a column of texts of any length, of which the index has the beginning."""
    begin = literal([storable(value)[:INDEXED] for value in values], ARRAY(Text))
    return (_beginning(column) == any_(begin)) & among(column, values)


def passing(
    publishers: Sequence[str], ids: Sequence[str], first: int | None, last: int | None
) -> list[ColumnElement[bool]]:
    """The conditions on articles of a filter, whose days are numbers; none where all pass."""
    parts = []
    if publishers:
        parts.append(among_long(articles.c.publisher, publishers))
    if ids:
        parts.append(among(articles.c.id, ids))
    if first is not None:
        parts.append(articles.c.day >= first)
    if last is not None:
        parts.append(articles.c.day <= last)
    return parts
