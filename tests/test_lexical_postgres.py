"""Searching by words in PostgreSQL: the scores of tantivy, to the last digit that it keeps."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from statistics import mean

import postgres_server
import pytest

from qa import postgres
from qa.catalog import ArticleRecord
from qa.catalog.postgres import PostgresCatalog
from qa.chunking import split_article
from qa.lexical import LexicalIndex
from qa.lexical import postgres as lexical
from qa.lexical.embedded import TantivyIndex
from qa.lexical.postgres import PostgresLexical
from qa.loading import load
from qa.postgres import words
from qa.postgres.database import Database
from qa.testing import WordEmbedder
from qa.types import Article, Filters, Passage

ROOT = Path(__file__).parents[1]
FILTERS = [
    Filters(publishers=("Easterlund Wire", "The Osterby Courier")),
    Filters(publishers=("The Varnholt Gazette",), after=date(2023, 4, 1)),
    Filters(after=date(2023, 6, 1), before=date(2024, 3, 1)),
    Filters(article_ids=("gazette-2023-03-14-bridge-closes", "tokyo")),
    Filters(before=date(1900, 1, 1)),
]


class Both:
    """The same passages in both indexes."""

    def __init__(self, database: Database, folder: Path, articles: list[Article]) -> None:
        self.database = database
        self.catalog = PostgresCatalog(database)
        self.ours = PostgresLexical(database)
        self.theirs = TantivyIndex.create(folder)
        records = []
        for article in articles:
            passages = tuple(split_article(article, WordEmbedder()))
            hashes = tuple(passage.id.encode() for passage in passages)
            records.append(ArticleRecord(article, "", "", passages, hashes))
        self.catalog.publish(records)
        self.theirs.upsert((p, record.article) for record in records for p in record.passages)

    def top(self, query: str, filters: Filters) -> tuple[list[float], list[float]]:
        """Their best ten scores and ours; equal ones may be of other passages."""
        ours, theirs = self.ours.search(query, 10, filters), self.theirs.search(query, 10, filters)
        assert len({key for key, _ in ours}) == len(ours)
        both = dict(ours).keys() & dict(theirs).keys()
        assert {k: dict(ours)[k] for k in both} == pytest.approx({k: dict(theirs)[k] for k in both})
        return [score for _, score in theirs], [score for _, score in ours]


@pytest.fixture(scope="module")
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    database = postgres.connect(postgres_server.shared(request).database("lexical"))
    database.create("fake@1")
    files = sorted((ROOT / "corpus" / "articles").glob("*.md"))
    loaded = [each.article for file in files for each in load(file)]
    articles = [article for article in loaded if article is not None]
    japanese = "東京は晴れ。大阪は雨。\n\nきょうの天気です。"
    prices = "It cost 4.5 million, not 45 or 4,500.5 as Müller’s café said."
    articles += [
        Article("tokyo", "東京 news", japanese, publisher="天気"),
        Article("numbers", "Prices", prices),
        Article("odd", "O'Brien \\ 'x' & | ! <-> :A", "it''s 'quoted' a\\b back\\\\slash \0 end"),
        Article("long", "word " * 3000, "ferry " * 6000 + "ferries " * 400, publisher="P"),
    ]
    yield Both(database, tmp_path_factory.mktemp("tantivy") / "index", articles)
    database.close()


def questions(count: int) -> list[str]:
    lines = (ROOT / "eval" / "sets" / "gazette.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["question"] for line in islice(lines, count)]


def test_questions_find_the_same_passages_with_the_same_scores(both: Both) -> None:
    shares = []
    for question in questions(100):
        theirs, ours = both.top(question, Filters())
        assert ours[:3] == pytest.approx(theirs[:3])
        least = theirs[-1] * 0.999_999
        shares.append(sum(score >= least for score in ours) / len(theirs))
        assert both.ours.terms(question) == both.theirs.terms(question)
        assert both.ours.best_possible(question) == pytest.approx(
            both.theirs.best_possible(question)
        )
    assert mean(shares) > 0.99


@pytest.mark.parametrize("filters", FILTERS, ids=["publishers", "both", "days", "articles", "none"])
@pytest.mark.parametrize("few", [lexical.FEW, 0])
def test_filters_let_the_same_through(
    both: Both, filters: Filters, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all that a filter leaves is scored, or the likely ones of it."""
    monkeypatch.setattr(lexical, "FEW", few)
    for question in questions(25):
        theirs, ours = both.top(question, filters)
        assert ours == pytest.approx(theirs)


QUERIES = [
    "東京",
    "大",
    "京の天",
    "4.5",
    "45",
    "4,500.5",
    "muller cafe",
    "Ferries",
    "ferry ferry word",
]
QUERIES += ["", "zzzz", "'", "a\\b & | ! :* <->", "O'Brien quoted", "😀", "x" * 5000, "ferry\0"]


@pytest.mark.parametrize("query", QUERIES)
def test_any_words_are_searched_as_there(both: Both, query: str) -> None:
    theirs, ours = both.top(query, Filters())
    assert ours == pytest.approx(theirs)


def test_passages_are_scored_and_counted_as_there(both: Both) -> None:
    ids = sorted(both.catalog.all_passage_ids())
    assert both.ours.ids(10_000) == set(ids)
    assert len(both.ours.ids(3)) == 3
    assert both.ours.document_count() == both.theirs.document_count() == len(ids)
    for query in questions(5):
        ours, theirs = (each.score(query, [*ids, "x"]) for each in (both.ours, both.theirs))
        assert ours == pytest.approx(theirs)
    for word in ("ferry", "bridges", "4.5", "東京", "zzzz", ""):
        frequencies = [each.document_frequency(word) for each in _indexes(both)]
        assert frequencies[0] == frequencies[1]


def _indexes(both: Both) -> list[LexicalIndex]:
    return [both.ours, both.theirs]


def test_common_words_are_left_to_scoring_when_there_are_too_many(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "POSTINGS", 5)
    assert both.ours.search("bridge repair crowns council", 3, Filters())
    for words_ in ("said", "said council", "gazette varnholt said town"):
        assert both.ours.search(words_, 3, Filters())  # the rarest is always looked up
        assert both.ours.search(words_, 3, FILTERS[0])


def test_of_too_many_those_with_two_words_are_taken_wherever_they_lie(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*["Otters were seen."] * 30, "Otters and badgers met.", *["Badgers slept."] * 40]
    records = []
    for n, text in enumerate(texts):
        passage = Passage(f"o{n}", f"o{n}", 0, len(text), text)
        article = Article(f"o{n}", "", text)
        records.append(ArticleRecord(article, "", "", (passage,), (b"o",)))
    both.catalog.publish(records)
    monkeypatch.setattr(lexical, "POSTINGS", 5)
    for filters in (Filters(), Filters(article_ids=("o30", "o1", "o2"))):
        hits = both.ours.search("otters badgers", 3, filters)
        assert hits[0][0] == "o30"
        assert len(hits) == 3
        assert len({key for key, _ in hits}) == 3
    assert len(both.ours.search("otters", 3, Filters())) == 3
    both.catalog.remove([each.article.id for each in records])


def test_words_can_be_made_anew(both: Both) -> None:
    before = both.ours.search("bridge repair", 5, Filters())
    with both.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE qa_passages SET words = '', text_length = 1")
        connection.exec_driver_sql("DELETE FROM qa_terms")
    both.ours.reopen()
    assert both.ours.search("bridge repair", 5, Filters()) == []
    generation = both.catalog.generation
    for batch in both.catalog.every_passage(50):
        both.ours.upsert(batch)
    assert both.catalog.generation == generation  # readers go on with what they know
    both.ours.recount()
    assert both.catalog.generation > generation
    assert both.ours.search("bridge repair", 5, Filters()) == before
    both.ours.upsert([(Passage("new", "x", 0, 4, "bridge"), Article("x", "T", "bridge"))])
    both.ours.delete(["new"])
    assert both.ours.search("bridge repair", 5, Filters()) == before


def test_another_process_is_seen_after_reopening(both: Both) -> None:
    reader = PostgresLexical(postgres.connect(both.database.engine.url.render_as_string(False)))
    assert reader.search("zeppelin", 3, Filters()) == []
    passage = Passage("z", "z", 0, 18, "A zeppelin landed.")
    article = Article("z", "Zeppelin", passage.text)
    both.catalog.publish([ArticleRecord(article, "", "", (passage,), (b"z",))])
    assert both.ours.search("zeppelin", 3, Filters())[0][0] == "z"  # written here
    reader.reopen()
    assert reader.search("zeppelin", 3, Filters())[0][0] == "z"
    both.catalog.remove(["z"])
    assert both.ours.search("zeppelin", 3, Filters()) == []
    reader.database.close()


def test_packing_loses_no_count() -> None:
    chance, known = random.Random(5), ["a", "ab", "b", "it's", "\\", "東", "4.5"]
    for _ in range(50):
        fields = {
            field: chance.choices(known, k=chance.choice([0, 3, 900])) for field in words.FIELDS
        }
        packed = words.pack(fields)
        assert packed.lengths == tuple(len(fields[field]) for field in words.FIELDS)
        for word in {word for found in fields.values() for word in found}:
            counts = tuple(fields[field].count(word) for field in words.FIELDS)
            assert words.unpack(packed.vector, words.quoted(word)) == counts


def test_a_title_as_long_as_a_book_is_cut_and_counted(both: Both) -> None:
    title = " ".join(f"chapter{n}" for n in range(120_000))
    passage = Passage("book", "book", 0, 9, "Verbosity")
    book = Article("book", title, passage.text)
    both.catalog.publish([ArticleRecord(book, "", "", (passage,), (b"b",))])
    assert both.ours.search("chapter7", 3, Filters())[0][0] == "book"
    assert both.ours.search("verbosity", 3, Filters()) != []
    both.catalog.remove(["book"])
    assert both.ours.document_frequency("chapter7") == 0
