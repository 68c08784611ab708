"""BM25 in PostgreSQL, over the words that the catalog writes with each passage.

Two steps: a GIN index finds the passages with the rarest words of the question, of which those are
kept that hold most of it; these are scored by BM25, with the same terms, lengths and weights as
tantivy, so that both indexes give a passage the same score.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Float,
    Select,
    Subquery,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from qa.dates import day_range
from qa.lexical import FIELDS, K1, WEIGHTS, LexicalIndex, inverse_frequency
from qa.lexical.analysis import analyzer
from qa.postgres import words
from qa.postgres.database import Database
from qa.postgres.rows import Rows, advance, fetched
from qa.postgres.tables import among, articles, passages, passing
from qa.postgres.tables import terms as counted
from qa.types import Article, Filters, Passage

B = 0.75  # tantivy's own
POSTINGS = 20_000  # passages that are looked up by their words for one question, about
KEPT = 300  # of them, those that are scored
COMMON = 4  # words that choose among them where all words are in more passages than that
FEW = 1_000  # passages that a filter leaves, which are all scored
REMAKE = 1_000  # passages whose words are made anew in one transaction
CACHED = 100_000  # terms


def _decoded(code: int) -> int:
    """The length that a byte stands for in tantivy: exact up to 40, then with four bits of it."""
    number = code - 24
    return code if number < 16 else 24 + (number % 8 + 8 << number // 8 - 1)


_LENGTHS = [_decoded(code) for code in range(256)]
_SHOWN = (
    *(passages.c[name] for name in ("id", "title_length", "heading_length", "text_length")),
    cast(passages.c.words, Text),
)


class PostgresLexical(LexicalIndex):
    """The lexical index of a library in a database; it is never behind the catalog."""

    apart = False

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reopen()

    def reopen(self) -> None:
        self._seen = self.database.changes
        self._frequencies: dict[str, tuple[int, ...]] = {}
        self._totals: tuple[int, ...] | None = None

    def upsert(self, passages: Iterable[tuple[Passage, Article]]) -> None:
        """Makes the words of visible passages anew; new ones come with the catalog.

        Readers notice at ``recount``, and not with each of many batches.
        """
        coming = iter(passages)
        while batch := list(islice(coming, REMAKE)):
            packed = words.of(batch, analyzer().analyze)
            made = {p.id: each for (p, _), each in zip(batch, packed, strict=True)}
            with self.database.transaction() as connection:
                _remake(connection, made)

    def recount(self) -> None:
        """Counts anew in how many passages each word is, as ``qa rebuild`` does at its end."""
        with self.database.transaction() as connection:
            words.recount(connection)
            advance(connection)

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Nothing: words go with their passage."""

    def search(self, query: str, k: int, filters: Filters) -> list[tuple[str, float]]:
        terms = [term for term in self.terms(query) if any(self._counts(term))]
        if not terms or k < 1:
            return []
        rows = self._few(terms, filters) if filters else None
        if rows is None:
            rows = self._likely(terms, max(KEPT, 4 * k), filters)
        scores = self._scores(terms, rows)
        return sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:k]

    def score(self, query: str, passage_ids: Sequence[str]) -> dict[str, float]:
        terms = self.terms(query)
        wanted = select(*_SHOWN).where(among(passages.c.id, passage_ids))
        rows = self.database.read(lambda connection: fetched(connection, wanted))
        return {**dict.fromkeys(passage_ids, 0.0), **self._scores(terms, rows)}

    def terms(self, query: str) -> list[str]:
        self._look_up(analyzer().analyze(query))  # all at once
        return super().terms(query)

    def document_count(self) -> int:
        return self._lengths()[0]

    def frequency(self, term: str) -> int:
        title, _, body = self._counts(term)
        return max(title, body)

    def ids(self, limit: int) -> set[str]:
        query = select(passages.c.id).limit(max(1, limit))
        return {row[0] for row in self.database.patiently(lambda each: fetched(each, query))}

    def _few(self, terms: Sequence[str], filters: Filters) -> Rows | None:
        """All passages that a filter leaves, if those are few."""
        left = select(passages.c.id).where(_within(filters)).limit(FEW + 1).subquery()
        count = select(func.count()).select_from(left)
        some = select(*_SHOWN).where(_within(filters), passages.c.words.op("@@")(_any_of(terms)))

        def work(connection: Connection) -> Rows | None:
            few = (connection.scalar(count) or 0) <= FEW
            return fetched(connection, some) if few else None

        return self.database.snapshot(work)

    def _likely(self, terms: Sequence[str], most: int, filters: Filters) -> Rows:
        """The passages that hold the most of the rarest terms, by what those weigh."""
        rarest = [terms[0]]  # terms come with the rarest first
        budget = POSTINGS - self.frequency(terms[0])
        if budget < 0:
            found = _some(terms[:COMMON], [self.idf(t) for t in terms[:COMMON]], most, filters)
        else:
            for term in terms[1:]:
                budget -= self.frequency(term)
                if budget < 0:
                    break
                rarest.append(term)
            found = _found(rarest, [self.idf(term) for term in rarest], most, filters)
        query = select(*_SHOWN).join(found, found.c.id == passages.c.id)
        return self.database.read(lambda connection: fetched(connection, query))

    def _scores(self, terms: Sequence[str], rows: Rows) -> dict[str, float]:
        """BM25 of passages, field by field, each with its own frequencies and lengths."""
        count, *sums = self._lengths()
        averages = [max(total / max(1, count), 1e-9) for total in sums]
        weighed = [(words.quoted(term), self._weights(term, count)) for term in terms]
        scores = {}
        for key, *lengths, vector in rows:
            norms = [_norm(length, mean) for length, mean in zip(lengths, averages, strict=True)]
            score = 0.0
            for lexeme, weights in weighed:
                counts = words.unpack(vector, lexeme)
                for often, weight, norm in zip(counts, weights, norms, strict=True):
                    score += weight * often / (often + norm) if often else 0.0
            scores[key] = score
        return scores

    def _weights(self, term: str, count: int) -> list[float]:
        return [
            WEIGHTS[field] * (K1 + 1) * inverse_frequency(count, often)
            for field, often in zip(FIELDS, self._counts(term), strict=True)
        ]

    def _counts(self, term: str) -> tuple[int, ...]:
        """In how many passages the title, the heading and the text hold a term."""
        found = self._fresh().get(term)
        return self._look_up([term]).get(term, (0, 0, 0)) if found is None else found

    def _look_up(self, terms: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
        cache = self._fresh()
        unknown = list({term for term in terms if term not in cache})
        if unknown:
            query = select(counted).where(among(counted.c.term, unknown))
            rows = self.database.read(lambda connection: fetched(connection, query))
            if len(cache) > CACHED:
                cache.clear()
            cache |= dict.fromkeys(unknown, (0, 0, 0)) | {row[0]: row[1:] for row in rows}
        return cache

    def _lengths(self) -> tuple[int, ...]:
        """How many passages there are, and words in their titles, headings and texts."""
        self._fresh()
        totals = self._totals
        if totals is None:
            totals = self._totals = self.database.read(words.totals)
        return totals

    def _fresh(self) -> dict[str, tuple[int, ...]]:
        """What is cached, unless this process has written since."""
        if self._seen != self.database.changes:
            self.reopen()
        return self._frequencies


def _norm(length: int, average: float) -> float:
    kept = _LENGTHS[bisect_right(_LENGTHS, length) - 1]
    return K1 * (1 - B + B * kept / average)


def _within(filters: Filters) -> ColumnElement[bool]:
    conditions = passing(filters.publishers, filters.article_ids, *day_range(filters))
    return passages.c.article_id.in_(select(articles.c.id).where(*conditions))


def _any_of(terms: Sequence[str]) -> ColumnElement[str]:
    return cast(" | ".join(map(words.quoted, terms)), TSQUERY)


def _found(terms: Sequence[str], weights: Sequence[float], most: int, filters: Filters) -> Subquery:
    wanted = (
        func.unnest(
            literal([words.quoted(term) for term in terms], ARRAY(Text)),
            literal(list(weights), ARRAY(Float)),
        )
        .table_valued(column("term", Text), column("weight", Float), name="wanted")
        .render_derived()
    )
    held = passages.c.words.op("@@")(cast(wanted.c.term, TSQUERY))
    rough = func.sum(wanted.c.weight)
    query = select(passages.c.id).select_from(wanted.join(passages, held))
    if filters:
        query = query.where(_within(filters))
    return (
        query.group_by(passages.c.id)
        .order_by(rough.desc(), passages.c.id)
        .limit(most)
        .subquery("found")
    )


def _some(terms: Sequence[str], weights: Sequence[float], most: int, filters: Filters) -> Subquery:
    """Where even the rarest word is in too many passages: those that hold another word with it, and
    only if these are few any others of it.

    Of both, the first that the database comes upon: where there are more than ``POSTINGS`` with two
    words together, or one word is all there is, better ones may be among those it did not reach.
    """
    rarest = _any_of(terms[:1])
    rarest, others = _any_of(terms[:1]), _any_of(terms[1:])
    found = [_holding(rarest, POSTINGS, filters)]
    if len(terms) > 1:
        together, alone = rarest.op("&&")(others), rarest.op("&&")(func.tsquery_not(others))
        found = [_holding(together, POSTINGS, filters), _holding(alone, most, filters)]
    some = union_all(*found).subquery("some")
    rough = literal(0.0) + sum(
        case((some.c.words.op("@@")(_any_of([term])), weight), else_=0.0)
        for term, weight in zip(terms, weights, strict=True)
    )
    return select(some.c.id).order_by(rough.desc(), some.c.id).limit(most).subquery("found")


def _holding(query: ColumnElement[Any], most: int, filters: Filters) -> Select[Any]:
    """Any passages that a ``tsquery`` is true of."""
    found = select(passages.c.id, passages.c.words).where(passages.c.words.op("@@")(query))
    if filters:
        found = found.where(_within(filters))
    # In brackets, where a limit is each one's own.
    return select(found.limit(most).subquery())


def _remake(connection: Connection, made: Mapping[str, words.Words]) -> None:
    visible = select(passages.c.id).where(among(passages.c.id, made))
    keys = [row[0] for row in fetched(connection, visible)]
    if not keys:
        return
    words.subtract(connection, "id", keys)
    names = [f"{field}_length" for field in FIELDS]
    statement = (
        update(passages)
        .where(passages.c.id == bindparam("key"))
        .values(words=bindparam("vector", type_=TSVECTOR), **{n: bindparam(n) for n in names})
    )
    rows = [
        {"key": key, "vector": each.vector, **dict(zip(names, each.lengths, strict=True))}
        for key, each in ((key, made[key]) for key in keys)
    ]
    connection.execute(statement, rows)
    words.add(connection, [made[key] for key in keys])
