"""The default generator: the best sentences of the passages, word for word, each its own quote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qa import selection
from qa.protocols import TermStatistics
from qa.types import Draft, DraftSentence, Hit, Quote


class ExtractiveGenerator:
    """Answers with at most three verbatim sentences in reading order, or not at all.

    It needs no model and reads no instruction: text in an article that gives orders is just text.
    """

    name = "extractive"

    def __init__(self, statistics: TermStatistics) -> None:
        self._statistics = statistics

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        """One draft; without sentences where the hits do not seem to answer."""
        ranked = selection.rank(question, hits, self._statistics)
        sure = selection.confidence(question, ranked, hits, self._statistics)
        if sure < selection.threshold():
            yield Draft(confidence=sure)
            return
        chosen = selection.choose(question, ranked)
        yield Draft(tuple(_sentence(c) for c in chosen), confidence=sure)


def _sentence(chosen: selection.Candidate) -> DraftSentence:
    quote = Quote(chosen.hit.article, chosen.start, chosen.end)
    return DraftSentence(quote.text, (quote,))
