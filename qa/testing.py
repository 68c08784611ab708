"""Fakes whose output you can compute in your head, and contracts that implementations inherit.

Shipped with the package, so that programs which embed it can test without a model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qa.protocols import Embedder, Generator, Reader, Retriever
from qa.types import Draft, DraftSentence, Filters, Hit, Page, Quote

if TYPE_CHECKING:
    from qa.protocols import Vectors

_WORD = re.compile(r"\w+")


class WordEmbedder:
    """A bag of words: each word adds 1 in one of ``dimension`` places chosen by its hash.

    Texts of the same words have cosine 1, texts without a common word (nearly always) 0. A token
    is a word; special tokens there are none.
    """

    def __init__(self, name: str = "fake/words", dimension: int = 64, max_tokens: int = 40) -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.embedded: list[str] = []

    @property
    def fingerprint(self) -> str:
        return f"{self.name}@{self.dimension}-{self.max_tokens}"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Also remembers the texts in ``embedded``, so that a test can see what was paid for."""
        import numpy as np

        self.embedded.extend(texts)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        import numpy as np

        vector = np.zeros(self.dimension, dtype=np.float32)
        for word in _WORD.findall(text.lower()) or [""]:
            vector[int(hashlib.md5(word.encode()).hexdigest(), 16) % self.dimension] += 1
        return vector / np.linalg.norm(vector)


class WordReader:
    """A span's log odds: the question's words that it holds, less half of all of them.

    Words of up to three letters do not count; without others in the question, -0.5.
    """

    def read(self, question: str, pages: Sequence[Page]) -> list[list[float]]:
        asked = {word for word in _WORD.findall(question.lower()) if len(word) > 3}

        def odds(text: str) -> float:
            return len(asked & set(_WORD.findall(text.lower()))) - max(len(asked), 1) / 2

        return [[odds(page.text[start:end]) for start, end in page.spans] for page in pages]


class FirstSentence:
    """Answers with the first line of the best hit, whatever the question."""

    name = "first"

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        del question
        if not hits:
            yield Draft()
            return
        passage = hits[0].passage
        line = passage.text.split("\n", 1)[0]
        quote = Quote(hits[0].article, passage.start, passage.start + len(line))
        yield Draft((DraftSentence(line, (quote,)),), confidence=1.0)


class EmbedderContract:
    """Inherit, give ``embedder`` as a fixture: what every embedder promises."""

    texts = ("The bridge reopened in May.", "Ten eggs, beaten.", "The bridge reopened in May.")

    def test_vectors_are_unit_float32_one_a_text(self, embedder: Embedder) -> None:
        import numpy as np

        vectors = embedder.embed_passages(self.texts)
        assert vectors.dtype == np.float32
        assert vectors.shape == (3, len(embedder.embed_query("x")))
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_same_text_same_vector(self, embedder: Embedder) -> None:
        import numpy as np

        first, other, again = embedder.embed_passages(self.texts)
        assert np.allclose(first, again, atol=1e-5)
        assert not np.allclose(first, other, atol=1e-2)

    def test_tokens_grow_with_text(self, embedder: Embedder) -> None:
        short, long = embedder.count_tokens(["bridge", "bridge " * 30])
        assert 0 < short < long

    def test_fingerprint_is_stable(self, embedder: Embedder) -> None:
        assert embedder.fingerprint == embedder.fingerprint
        assert embedder.fingerprint


class ReaderContract:
    """Inherit, give ``reader`` as a fixture: what every reader promises."""

    question = "When did the bridge reopen?"
    pages = (
        Page("Bridge", "The bridge was shut. The bridge did reopen in May.", ((0, 20), (21, 50))),
        Page("Eggs", "Ten eggs, well beaten.", ((0, 22),)),
        Page("Nothing", "No span at all.", ()),
    )

    def test_one_number_for_each_span_of_each_page(self, reader: Reader) -> None:
        odds = reader.read(self.question, self.pages)
        assert [len(values) for values in odds] == [2, 1, 0]
        assert all(isinstance(value, float) for values in odds for value in values)
        assert reader.read(self.question, []) == []

    def test_the_sentence_that_answers_is_likelier(self, reader: Reader) -> None:
        (shut, opened), (eggs,), _ = reader.read(self.question, self.pages)
        assert opened > shut
        assert opened > eggs

    def test_a_page_is_read_the_same_beside_others(self, reader: Reader) -> None:
        together = reader.read(self.question, self.pages)
        for page, odds in zip(self.pages, together, strict=True):
            (alone,) = reader.read(self.question, [page])
            assert all(abs(a - b) < 1e-3 for a, b in zip(alone, odds, strict=True))


class RetrieverContract:
    """Inherit, give ``retriever`` and ``query`` (which finds something) as fixtures."""

    def test_at_most_k_best_first(self, retriever: Retriever, query: str) -> None:
        hits = retriever.retrieve(query, 2, Filters())
        assert 1 <= len(hits) <= 2
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)

    def test_hits_are_exact_spans(self, retriever: Retriever, query: str) -> None:
        for hit in retriever.retrieve(query, 10, Filters()):
            passage = hit.passage
            assert hit.article.text[passage.start : passage.end] == passage.text
            assert passage.article_id == hit.article.id

    def test_filters_let_nothing_else_through(self, retriever: Retriever, query: str) -> None:
        wanted = retriever.retrieve(query, 1, Filters())[0].article.id
        hits = retriever.retrieve(query, 10, Filters(article_ids=(wanted,)))
        assert {hit.article.id for hit in hits} == {wanted}
        assert retriever.retrieve(query, 10, Filters(article_ids=("no such article",))) == []

    def test_same_query_same_hits(self, retriever: Retriever, query: str) -> None:
        first, again = (retriever.retrieve(query, 10, Filters()) for _ in range(2))
        assert [h.passage.id for h in first] == [h.passage.id for h in again]


class GeneratorContract:
    """Inherit, give ``generator``, ``question`` and ``hits`` (which answer it) as fixtures."""

    def test_cites_only_what_it_was_given(
        self, generator: Generator, question: str, hits: Sequence[Hit]
    ) -> None:
        *_, draft = generator.generate(question, hits)
        articles = {hit.article.id for hit in hits}
        assert draft.sentences
        for sentence in draft.sentences:
            for quote in sentence.quotes:
                assert quote.article.id in articles
                assert quote.article.text[quote.start : quote.end] == quote.text != ""

    def test_says_nothing_from_nothing(self, generator: Generator, question: str) -> None:
        *_, draft = generator.generate(question, [])
        assert draft.sentences == ()
