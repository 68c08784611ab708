"""Follow-up -> retrieve -> generate -> check -> cite."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa import citations, fusion
from qa.protocols import Generator, Retriever
from qa.types import Answer, Draft, Filters, Hit, Turn

PASSAGES = 10  # given to the generator
NEAREST = 3  # shown with an abstention
LAST_QUESTION = 500  # characters of the question before that are searched for, too
FOLLOW_UP_WORDS = 4  # a question of fewer words leans on the one before it

_LEANING = re.compile(
    r"\b(?:he|him|his|she|her|hers|it|its|they|them|their|theirs|that|this|those|these|there|"
    r"then|one|ones|the (?:former|latter|same))\b|^(?:and|but|or|so|what about|how about|why)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-Z][\w'’-]*(?:\s+(?:of|the|and|de|van|von)?\s*[A-Z][\w'’-]*)*")
_QUESTION_WORDS = frozenset(
    "who what when where which why how is are was were did does do can could has have will would "
    "in on at the a an and tell give".split()
)


class Assistant:
    """Answers questions from what a retriever finds, in the words of a generator."""

    def __init__(self, retriever: Retriever, generator: Generator) -> None:
        self._retriever = retriever
        self._generator = generator

    def stream(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Iterator[Answer]:
        """Ever more complete answers; the last one is final, checked and timed."""
        started = time.perf_counter()
        standalone = stand_alone(question, history)
        hits = find(self._retriever, question, history, PASSAGES, filters)
        retrieved = time.perf_counter()
        draft = Draft()
        for draft in self._generator.generate(standalone, hits) if hits else ():
            yield replace(self._answer(question, draft, hits), standalone_question=standalone)
        done = time.perf_counter()
        timings = {
            "retrieve": (retrieved - started) * 1000,
            "generate": (done - retrieved) * 1000,
            "total": (done - started) * 1000,
        }
        yield replace(
            self._answer(question, draft, hits),
            standalone_question=standalone,
            timings_ms={stage: round(value, 1) for stage, value in timings.items()},
        )

    def _answer(self, question: str, draft: Draft, hits: Sequence[Hit]) -> Answer:
        sentences, cited = citations.cite(draft.sentences, hits)
        return Answer(
            question,
            "answered" if sentences else "abstained",
            sentences,
            cited,
            nearest=() if sentences else tuple(hits[:NEAREST]),
            generator=self._generator.name,
            confidence=draft.confidence,
            hits=tuple(hits),
        )


def find(
    retriever: Retriever,
    question: str,
    history: Sequence[Turn],
    k: int,
    filters: Filters | None = None,
) -> list[Hit]:
    """The hits of a question in a conversation, best first.

    A topic mostly outlasts a turn, and one cannot see whether it does: so the question is searched
    for alone and together with the one before it, and a hit scores the mean of both. In
    ``eval/README.md`` are the figures for conversations that go on and for those that change topic.
    """
    wanted = filters or Filters()
    if not history:
        return retriever.retrieve(question, k, wanted)
    joined = f"{question} ({history[-1].question[:LAST_QUESTION]})"
    scores: dict[str, float] = {}
    hits: dict[str, Hit] = {}
    for query in (question, joined):
        for hit in retriever.retrieve(query, 2 * k, wanted):
            scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + hit.score / 2
            hits.setdefault(hit.passage.id, hit)
    return [replace(hits[key], score=scores[key]) for key in fusion.ranking(scores)[:k]]


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """A follow-up with the subject of the questions before it carried over, in brackets.

    The subject: the names in the last question that has any, or else the whole last question.
    """
    leaning = _LEANING.search(question) or len(question.split()) < FOLLOW_UP_WORDS
    if not history or not leaning:
        return question
    for turn in reversed(history):
        missing = [name for name in _names(turn.question) if name.lower() not in question.lower()]
        if missing:
            return f"{question} ({', '.join(missing)})"
    return f"{question} ({history[-1].question})"


def _names(question: str) -> list[str]:
    names = []
    for match in _NAME.finditer(question):
        words = match.group().split()
        while words and words[0].lower() in _QUESTION_WORDS:
            words = words[1:]
        if words:
            names.append(" ".join(words))
    return list(dict.fromkeys(names))
