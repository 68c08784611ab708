"""The default generator: the best sentences of the passages, word for word, each its own quote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qa import selection
from qa.protocols import Reader, TermStatistics
from qa.questions import analyse
from qa.rivals import Value, rivals
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
        yield self.draft(question, self.judge(question, hits))

    def judge(self, question: str, hits: Sequence[Hit]) -> selection.Judged:
        """Every sentence of the hits, best first, and whether the best is likely to answer."""
        by_words = selection.rank(question, hits, self._statistics)
        odds = self._reader.read(question, [selection.page(hit) for hit in hits])
        return selection.judge(question, hits, by_words, odds, self._statistics)

    def draft(self, question: str, judged: selection.Judged) -> Draft:
        """The chosen sentences; none where the confidence is below the threshold."""
        if judged.confidence < selection.threshold():
            return Draft(confidence=judged.confidence)
        differing = self.differing(question, judged)
        if len(differing) > 1:
            return _disputed(differing, judged.confidence)
        chosen = selection.choose(question, selection.timely(question, judged.ranked))
        return Draft(tuple(sentence_of(c) for c in chosen), confidence=judged.confidence)

    def differing(self, question: str, judged: selection.Judged) -> list[Value]:
        """The values that articles give for what is asked, where they differ; the newer first.

        None where the newest is asked for: older ones are then no answer.
        """
        weighted = selection.weigh(analyse(question), self._statistics)
        if weighted.question.newest:
            return []
        found = rivals(weighted, selection.timely(question, judged.ranked))
        return sorted(
            found[: selection.MOST_SENTENCES] if len(found) > 1 else [],
            key=lambda value: value.candidate.hit.article.published or "",
            reverse=True,
        )


def _disputed(differing: Sequence[Value], confidence: float) -> Draft:
    sentences = tuple(sentence_of(value.candidate) for value in differing)
    sides = tuple((place, value.words) for place, value in enumerate(differing))
    return Draft(sentences, confidence=confidence, disputed=(sides,))


def sentence_of(chosen: selection.Candidate) -> DraftSentence:
    """A candidate as it stands in its article, quoted whole."""
    start = chosen.start + _stray_markup(chosen.text)
    quote = Quote(chosen.hit.article, start, chosen.end)
    return DraftSentence(quote.text, (quote,))


def _stray_markup(text: str) -> int:
    """Length of an emphasis mark at the beginning that belongs to words outside the sentence."""
    found = re.match(r"([*_]{1,3})\s*(?=\w|[\"“‘(])", text)
    return found.end() if found and text.count(found[1]) == 1 else 0
