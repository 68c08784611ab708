"""The default generator: the best sentences of the passages, word for word, each its own quote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qa import selection
from qa.protocols import Reader, TermStatistics
from qa.types import Draft, DraftSentence, Hit, Quote


class ExtractiveGenerator:
    """Answers with at most three verbatim sentences in reading order, or not at all.

    It follows no instruction: text in an article that gives orders is just text. Word features and
    a reader judge every sentence; both together decide.
    """

    name = "extractive"

    def __init__(self, statistics: TermStatistics, reader: Reader) -> None:
        self._statistics = statistics
        self._reader = reader

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        """One draft; without sentences where the hits do not seem to answer."""
        by_words = selection.rank(question, hits, self._statistics)
        odds = self._reader.read(question, [selection.page(hit) for hit in hits])
        judged = selection.judge(question, hits, by_words, odds, self._statistics)
        if judged.confidence < selection.threshold():
            yield Draft(confidence=judged.confidence)
            return
        chosen = selection.choose(question, judged.ranked)
        yield Draft(tuple(_sentence(c) for c in chosen), confidence=judged.confidence)


def _sentence(chosen: selection.Candidate) -> DraftSentence:
    start = chosen.start + _stray_markup(chosen.text)
    quote = Quote(chosen.hit.article, start, chosen.end)
    return DraftSentence(quote.text, (quote,))


def _stray_markup(text: str) -> int:
    """Length of an emphasis mark at the beginning that belongs to words outside the sentence."""
    found = re.match(r"([*_]{1,3})\s*(?=\w|[\"“‘(])", text)
    return found.end() if found and text.count(found[1]) == 1 else 0
