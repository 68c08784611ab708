"""Articles and passages as rows of a table, the same in every database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from qa.catalog import ArticleRecord, Kept
from qa.dates import day_number
from qa.types import Article, Passage

ARTICLE_COLUMNS = (
    *("id", "title", "text", "url", "publisher", "author", "published", "updated", "language"),
    "metadata",
)


def article_of(row: tuple[Any, ...]) -> Article:
    """From the columns ``ARTICLE_COLUMNS``."""
    fields = dict(zip(ARTICLE_COLUMNS, row, strict=True))
    return Article(**{**fields, "metadata": json.loads(row[9])})


def article_row(record: ArticleRecord) -> tuple[Any, ...]:
    a = record.article
    return (
        *(a.id, a.title, a.text, a.url, a.publisher, a.author, a.published, a.updated, a.language),
        json.dumps(dict(a.metadata), ensure_ascii=False, default=str),
        *(a.content_hash, day_number(a.published), record.source, record.root),
    )


def kept_files(
    files: Mapping[str, bytes], rows: Iterable[tuple[Any, ...]]
) -> dict[str, list[Kept]]:
    """By path what ``Catalog.read_before`` finds, from path, digest and content hash as noted, and
    id, title, content hash and source of the article, None where that is gone."""
    found: dict[str, list[Kept]] = {}
    changed = set()
    for path, digest, noted, identity, title, content, source in rows:
        if files[path] != digest or noted != content:
            changed.add(path)
        else:
            found.setdefault(path, []).append(Kept(identity, title, content, source))
    return {path: kept for path, kept in found.items() if path not in changed}


def passage_of(row: tuple[Any, ...], article: Article) -> tuple[Passage, Article]:
    """From id, article_id, start, end and heading, and its article, which is given back too."""
    identity, article_id, start, end, heading = row
    return Passage(identity, article_id, start, end, article.text[start:end], heading), article


def passage_rows(record: ArticleRecord) -> list[tuple[Any, ...]]:
    return [
        (p.id, p.article_id, p.start, p.end, p.heading, key)
        for p, key in zip(record.passages, record.embedding_hashes, strict=True)
    ]


def suggestion_rows(record: ArticleRecord) -> list[tuple[Any, ...]]:
    from qa.suggesting import suggestions  # its rules are only there when articles are added

    key = record.article.id
    return [
        (key, place, each.question, each.start, each.end)
        for place, each in enumerate(suggestions(record.article))
    ]
