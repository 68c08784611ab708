"""A library whose answers you can compute in your head, to test the harness without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.errors import InputError
from qa.types import Answer, AnswerSentence, Article, Citation, Filters, Hit, Passage, Turn

_WORD = re.compile(r"\w+")


class SharedWords:
    """Every article is one passage, scored by how many different words it shares with the query.

    It answers with the whole text of the first, if that shares at least ``enough`` words; its
    confidence is the share of the question's words. A question with the word "crash" raises.
    ``asked`` lists the questions, so that a test can see what was asked how often.
    """

    def __init__(self, articles: Sequence[Article], enough: int = 2) -> None:
        self._articles = {article.id: article for article in articles}
        self._enough = enough
        self.asked: list[str] = []

    def article(self, article_id: str) -> Article:
        if article_id not in self._articles:
            raise InputError(f"There is no article {article_id}.")
        return self._articles[article_id]

    def search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> list[Hit]:
        """By the words of the query and of the question before it."""
        del filters
        wanted = _words(" ".join([query, *(turn.question for turn in history[-1:])]))
        scored = [(len(wanted & _words(a.text)), a) for a in self._articles.values()]
        scored.sort(key=lambda pair: (-pair[0], pair[1].id))
        return [_hit(article, score) for score, article in scored[:k] if score]

    def ask(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Answer:
        self.asked.append(question)
        if "crash" in question:
            raise RuntimeError("crashed, as\nasked")
        standalone = " ".join([*(turn.question for turn in history), question])
        hits = self.search(standalone, 3, filters)
        answered = bool(hits) and hits[0].score >= self._enough
        article = hits[0].article if answered else None
        return Answer(
            question,
            "answered" if article else "abstained",
            (AnswerSentence(article.text, (1,)),) if article else (),
            (Citation(1, article, 0, len(article.text), article.text),) if article else (),
            nearest=() if article else tuple(hits),
            standalone_question=standalone,
            generator="shared words",
            confidence=hits[0].score / len(_words(standalone)) if hits else 0.0,
            timings_ms={"total": 1.0},
            hits=tuple(hits),
        )


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _hit(article: Article, score: int) -> Hit:
    passage = Passage(f"p-{article.id}", article.id, 0, len(article.text), article.text)
    return Hit(passage, article, float(score), {"words": 1}, {"words": float(score)})
