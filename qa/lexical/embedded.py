"""BM25 with tantivy, in a folder; only this and the analysis know tantivy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qa.dates import day_number, day_range
from qa.errors import LibraryError
from qa.lexical import FIELDS, WEIGHTS, LexicalIndex
from qa.lexical.analysis import analyzer
from qa.types import Article, Filters, Passage

if TYPE_CHECKING:
    import tantivy

WRITER_BYTES = 64_000_000


class TantivyIndex(LexicalIndex):
    """The lexical index in one folder. One writer; readers see what the last commit left."""

    def __init__(self, path: Path) -> None:
        import tantivy

        self.path = path
        self._tantivy = tantivy
        self._analyzer = analyzer()
        self._frequency = lru_cache(maxsize=100_000)(self._look_up_frequency)
        self.reopen()

    def reopen(self) -> None:
        """Sees what another process has written since, also where the folder was replaced."""
        try:
            self._index = self._tantivy.Index.open(str(self.path))
        except Exception as error:
            raise LibraryError(
                f"The lexical index in {self.path} cannot be opened ({error}). Run: qa rebuild"
            ) from error
        self._schema = self._index.schema
        self._index.register_tokenizer("words", self._analyzer)
        self._frequency.cache_clear()

    @classmethod
    def create(cls, path: Path) -> TantivyIndex:
        """A new, empty index in a folder that does not exist yet or is empty."""
        import tantivy

        path.mkdir(parents=True, exist_ok=True)
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        for name in ("article", "publisher"):
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
        builder.add_integer_field("day", indexed=True, fast=True)
        for name in FIELDS:
            builder.add_text_field(name, tokenizer_name="words", index_option="freq")
        tantivy.Index(builder.build(), path=str(path))
        return cls(path)

    def upsert(self, passages: Iterable[tuple[Passage, Article]]) -> None:
        """Adds passages or replaces those of the same id; durable when it returns."""
        with self._writing() as writer:
            for passage, article in passages:
                writer.delete_documents_by_term("id", passage.id)
                writer.add_document(self._document(passage, article))

    def delete(self, passage_ids: Sequence[str]) -> None:
        with self._writing() as writer:
            for passage_id in passage_ids:
                writer.delete_documents_by_term("id", passage_id)

    def search(self, query: str, k: int, filters: Filters) -> list[tuple[str, float]]:
        """Passage ids with their BM25 scores, best first; empty where no word is known."""
        wanted = self._words_query(self.terms(query))
        if filters:
            wanted = self._all_of([wanted, *self._filter_queries(filters)])
        searcher = self._index.searcher()
        found = searcher.search(wanted, limit=k, count=False).hits
        return [(searcher.doc(address)["id"][0], score) for score, address in found]

    def score(self, query: str, passage_ids: Sequence[str]) -> dict[str, float]:
        """The BM25 score of each of these passages, 0 where it holds no word of the query."""
        tantivy = self._tantivy
        chosen = tantivy.Query.term_set_query(self._schema, "id", list(passage_ids))
        wanted = self._all_of(
            [self._words_query(self.terms(query)), tantivy.Query.const_score_query(chosen, 0.0)]
        )
        searcher = self._index.searcher()
        found = searcher.search(wanted, limit=max(1, len(passage_ids)), count=False).hits
        scores = {searcher.doc(address)["id"][0]: score for score, address in found}
        return {passage_id: scores.get(passage_id, 0.0) for passage_id in passage_ids}

    def document_count(self) -> int:
        return int(self._index.searcher().num_docs)

    def ids(self, limit: int) -> set[str]:
        """The ids of all passages in the index, at most ``limit``."""
        searcher = self._index.searcher()
        found = searcher.search(self._tantivy.Query.all_query(), limit=max(1, limit), count=False)
        return {searcher.doc(address)["id"][0] for _, address in found.hits}

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """Commits at the end, and searches from then on what was committed."""
        try:
            with self._index.writer(WRITER_BYTES, num_threads=1) as writer:
                yield writer
            self._index.reload()
        except (OSError, ValueError) as error:  # tantivy's own errors are ValueErrors
            raise LibraryError(
                f"The lexical index in {self.path} cannot be written ({error}). Check free space "
                "and permissions, then run this again; if it goes on, run: qa rebuild"
            ) from error
        self._frequency.cache_clear()

    def _document(self, passage: Passage, article: Article) -> tantivy.Document:
        document = self._tantivy.Document(
            id=[passage.id],
            article=[passage.article_id],
            title=[article.title],
            heading=[passage.heading],
            text=[passage.text],
        )
        if article.publisher:
            document.add_text("publisher", article.publisher)
        day = day_number(article.published)
        if day is not None:
            document.add_integer("day", day)
        return document

    def _words_query(self, terms: Sequence[str]) -> tantivy.Query:
        query, occur = self._tantivy.Query, self._tantivy.Occur.Should
        clauses = []
        for term in terms:
            for field in FIELDS:
                exact = query.term_query(self._schema, field, term, index_option="freq")
                clauses.append((occur, query.boost_query(exact, WEIGHTS[field])))
        return query.boolean_query(clauses) if clauses else query.empty_query()

    def _all_of(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        must = self._tantivy.Occur.Must
        return self._tantivy.Query.boolean_query([(must, query) for query in queries])

    def _filter_queries(self, filters: Filters) -> list[tantivy.Query]:
        query, schema = self._tantivy.Query, self._schema
        parts = []
        if filters.publishers:
            parts.append(query.term_set_query(schema, "publisher", list(filters.publishers)))
        if filters.article_ids:
            parts.append(query.term_set_query(schema, "article", list(filters.article_ids)))
        first, last = day_range(filters)
        if first is not None or last is not None:
            kind = self._tantivy.FieldType.Integer
            parts.append(query.range_query(schema, "day", kind, first or 0, last or 99991231))
        return [query.const_score_query(part, 0.0) for part in parts]

    def frequency(self, term: str) -> int:
        return self._frequency(term)

    def _look_up_frequency(self, term: str) -> int:
        searcher = self._index.searcher()
        return max(searcher.doc_freq(field, term) for field in ("title", "text"))
