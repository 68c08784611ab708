"""The words of a passage as a ``tsvector``, and in how many passages each of them is.

PostgreSQL keeps at most 255 places of a word and none above 16,383, and BM25 wants to know how
often a word occurs, not where. So a word has one place for each field that holds it, which is its
count there on top of where the field begins: ``'ferry':2,10001A`` stands twice in the text and once
in the title. The weights are A for title, B for heading, D for text, as queries by hand expect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from qa.postgres.tables import storable
from qa.types import Article, Passage

FIELDS = ("title", "heading", "text")
_BEGINS = {"title": 10_000, "heading": 5_000, "text": 0}
_LABELS = {"title": "A", "heading": "B", "text": ""}
_MOST = 4_999
_LARGEST = 900_000  # bytes of words in a passage; PostgreSQL takes a megabyte
Counts = dict[str, list[int]]  # by word, in the order of FIELDS


@dataclass(frozen=True, slots=True)
class Words:
    """What is stored of a passage's words: the ``tsvector`` and how many each field has."""

    vector: str
    lengths: tuple[int, int, int]
    fields: Mapping[str, Sequence[str]]  # each field's own words


def of(
    passages: Iterable[tuple[Passage, Article]], analyze: Callable[[str], list[str]]
) -> list[Words]:
    """The words of passages; ``analyze`` makes terms of a text."""
    titles: dict[str, list[str]] = {}
    found = []
    for passage, article in passages:
        if article.title not in titles:
            titles[article.title] = analyze(_whole(article.title))
        heading = analyze(_whole(passage.heading)) if passage.heading else []
        fields = {"title": titles[article.title], "heading": heading}
        found.append(pack({**fields, "text": analyze(_whole(passage.text))}))
    return found


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which are no characters of any word."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pack(fields: Mapping[str, Sequence[str]]) -> Words:
    """Of each field's terms, as often as they occur."""
    places: dict[str, list[str]] = {}
    used = 0
    kept: dict[str, Sequence[str]] = {}
    for field in reversed(FIELDS):  # a title may be as long as a book, and is cut first
        begin, label, counts = _BEGINS[field], _LABELS[field], Counter(fields[field])
        for word, count in counts.items():
            if word not in places:
                used += len(word.encode()) + 12
            if used <= _LARGEST:
                places.setdefault(word, []).append(f"{begin + min(count, _MOST)}{label}")
        kept[field] = [word for word in counts if word in places]
    vector = " ".join(f"{quoted(word)}:{','.join(found)}" for word, found in places.items())
    title, heading, body = (len(fields[field]) for field in FIELDS)
    return Words(vector, (title, heading, body), kept)


def quoted(word: str) -> str:
    """A word as ``tsvector`` and ``tsquery`` read it."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def unpack(vector: str, lexeme: str) -> tuple[int, int, int]:
    """How often title, heading and text hold a word, which is given ``quoted``, from a ``tsvector``
    as PostgreSQL shows it."""
    at = vector.find(f"{lexeme}:")
    if at < 0:
        return 0, 0, 0
    counts = [0, 0, 0]
    for place in vector[at + len(lexeme) + 1 :].split(" ", 1)[0].split(","):
        number = int(place.rstrip("AB"))
        field = 0 if number > 10_000 else 1 if number > 5_000 else 2
        counts[field] = number - (10_000, 5_000, 0)[field]
    return counts[0], counts[1], counts[2]


def add(connection: Connection, added: Iterable[Words]) -> None:
    """Counts what passages hold that were written in the same transaction."""
    counts: Counts = {}
    totals = [0, 0, 0, 0]
    for words in added:
        totals = [n + m for n, m in zip(totals, (1, *words.lengths), strict=True)]
        for at, field in enumerate(FIELDS):
            for word in words.fields[field]:
                counts.setdefault(word, [0, 0, 0])[at] += 1
    if counts:
        order = sorted(counts)
        columns = {f: [counts[word][at] for word in order] for at, f in enumerate(FIELDS)}
        connection.execute(_ADD, {"term": order, **columns})
    _add_totals(connection, totals)


def subtract(connection: Connection, column: str, keys: Sequence[str]) -> None:
    """Discounts passages before they are deleted: those whose ``column`` is one of ``keys``."""
    which = f"WHERE {column} = ANY(CAST(:keys AS text[]))"
    values = {"keys": [storable(key) for key in keys]}
    found = connection.execute(text(f"{_TOTALS} {which}"), values).one()
    if not found[0]:
        return
    left = connection.execute(
        text(
            "UPDATE qa_terms SET title = qa_terms.title - gone.title, heading = qa_terms.heading "
            "- gone.heading, text = qa_terms.text - gone.text FROM "
            f"({_COUNTED} {which} GROUP BY 1) AS gone WHERE qa_terms.term = gone.term "
            "RETURNING qa_terms.term, greatest(qa_terms.title, qa_terms.heading, qa_terms.text)"
        ),
        values,
    )
    # By their names: an index of those with 0 would have to be written with every change of any.
    unused = text("DELETE FROM qa_terms WHERE term = ANY(CAST(:terms AS text[]))")
    connection.execute(unused, {"terms": [term for term, most in left if most == 0]})
    _add_totals(connection, [-int(number) for number in found])


def recount(connection: Connection) -> None:
    """Counts everything anew from the passages as they are."""
    connection.execute(text("DELETE FROM qa_terms"))
    connection.execute(text(f"INSERT INTO qa_terms {_COUNTED} GROUP BY 1"))
    found = connection.execute(text(_TOTALS)).one()
    connection.execute(text("UPDATE qa_manifest SET value = '0' WHERE key LIKE '%\\_total'"))
    _add_totals(connection, [int(number) for number in found])


_TOTALS = (
    "SELECT count(*), coalesce(sum(title_length), 0), coalesce(sum(heading_length), 0), "
    "coalesce(sum(text_length), 0) FROM qa_passages"
)
_COUNTED = (
    "SELECT word.lexeme AS term, count(*) FILTER (WHERE 'A' = ANY(word.weights)) AS title, "
    "count(*) FILTER (WHERE 'B' = ANY(word.weights)) AS heading, "
    "count(*) FILTER (WHERE 'D' = ANY(word.weights)) AS text "
    "FROM qa_passages CROSS JOIN LATERAL unnest(words) AS word"
)
_ADD = text(
    "INSERT INTO qa_terms (term, title, heading, text) SELECT * FROM unnest("
    "CAST(:term AS text[]), CAST(:title AS int[]), CAST(:heading AS int[]), CAST(:text AS int[])) "
    "ON CONFLICT (term) DO UPDATE SET title = qa_terms.title + excluded.title, "
    "heading = qa_terms.heading + excluded.heading, text = qa_terms.text + excluded.text"
)


def _add_totals(connection: Connection, numbers: Sequence[int]) -> None:
    connection.execute(
        text(
            "UPDATE qa_manifest SET value = (CAST(value AS bigint) + more.number)::text FROM "
            "unnest(CAST(:keys AS text[]), CAST(:numbers AS bigint[])) AS more (key, number) "
            "WHERE qa_manifest.key = more.key"
        ),
        {
            "keys": [f"{name}_total" for name in ("passage", *FIELDS)],
            "numbers": list(numbers),
        },
    )


def totals(connection: Connection) -> tuple[int, int, int, int]:
    """How many passages there are, and words in their titles, headings and texts."""
    query = text("SELECT key, value FROM qa_manifest WHERE key LIKE '%\\_total'")
    found = {row[0]: int(row[1]) for row in connection.execute(query)}
    passage, title, heading, body = (found[f"{name}_total"] for name in ("passage", *FIELDS))
    return passage, title, heading, body
