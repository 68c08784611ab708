"""The default generator: the best sentences of the passages, word for word, each its own quote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qa import selection
from qa.protocols import Embedder, TermStatistics
from qa.types import Draft, DraftSentence, Hit, Quote


class ExtractiveGenerator:
    """Answers with at most three verbatim sentences in reading order, or not at all.

    It reads no instruction: text in an article that gives orders is just text. With an embedder,
    the candidates that its word features like best are also compared with the question by meaning.
    """

    name = "extractive"

    def __init__(self, statistics: TermStatistics, embedder: Embedder | None = None) -> None:
        self._statistics = statistics
        self._embedder = embedder

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        """One draft; without sentences where the hits do not seem to answer."""
        ranked = selection.rank(question, hits, self._statistics)
        # Asked before the ranking by meaning: calibrated as the word features rank.
        sure = selection.confidence(question, ranked, hits, self._statistics)
        if sure < selection.threshold():
            yield Draft(confidence=sure)
            return
        chosen = selection.choose(question, self._by_meaning(question, ranked))
        yield Draft(tuple(_sentence(c) for c in chosen), confidence=sure)

    def _by_meaning(
        self, question: str, ranked: list[selection.Candidate]
    ) -> list[selection.Candidate]:
        if self._embedder is None or len(ranked) < 2:
            return ranked
        texts = [selection.in_context(c) for c in ranked[: selection.MEANING_CANDIDATES]]
        cosines = self._embedder.embed_passages(texts) @ self._embedder.embed_query(question)
        return selection.by_meaning(ranked, [float(cosine) for cosine in cosines])


def _sentence(chosen: selection.Candidate) -> DraftSentence:
    start = chosen.start + _stray_markup(chosen.text)
    quote = Quote(chosen.hit.article, start, chosen.end)
    return DraftSentence(quote.text, (quote,))


def _stray_markup(text: str) -> int:
    """Length of an emphasis mark at the beginning that belongs to words outside the sentence."""
    found = re.match(r"([*_]{1,3})\s*(?=\w|[\"“‘(])", text)
    return found.end() if found and text.count(found[1]) == 1 else 0
