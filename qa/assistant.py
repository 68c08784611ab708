"""Follow-up -> retrieve -> generate -> check -> cite."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from qa import asides, citations, fusion, times, tracing
from qa.protocols import Generator, Retriever, Rewriter
from qa.support import Entailment
from qa.types import Answer, Draft, Filters, Hit, Turn

PASSAGES = 10  # given to the generator
NEAREST = 3  # shown with an abstention
LAST_QUESTION = 500  # characters of the question before that are searched for, too
REWRITING = "Reading the conversation…"
READING = "Reading the passages…"
CHECKING = "Checking every sentence…"
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
    """Answers questions from what a retriever finds, in the words of a generator, checked."""

    def __init__(
        self,
        retriever: Retriever,
        generator: Generator,
        *,
        rewriter: Rewriter | None = None,
        policy: citations.Policy | None = None,
        entailment: Entailment | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._today = today
        self._retriever = retriever
        self._generator = generator
        self._rewriter = rewriter
        self._policy = policy or citations.Policy()
        self._entailment = entailment

    def stream(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Iterator[Answer]:
        """Ever more complete answers; the last one is final, checked and timed."""
        made = self._made(question, history, filters)
        return tracing.over("ask", tracing.CHAIN, question, made, tracing.Span.answered)

    def _made(
        self, question: str, history: Sequence[Turn], filters: Filters | None
    ) -> Iterator[Answer]:
        started = time.perf_counter()
        if history and self._rewriter:
            yield Answer(question, "abstained", generator=self._generator.name, stage=REWRITING)
        standalone, rewritten = self._stand_alone(question, history)
        standalone = dated(standalone, self._today())
        asked = standalone if rewritten or not history else question
        hits = find(self._retriever, asked, history, PASSAGES, filters)
        retrieved = time.perf_counter()
        draft, name = Draft(), self._generator.name
        if hits:
            yield Answer(question, "abstained", generator=name, hits=tuple(hits), stage=READING)
        for draft in self._drafts(standalone, hits) if hits else ():
            now = replace(self._answer(question, draft, hits), standalone_question=standalone)
            yield now
        if draft.sentences:
            yield replace(now, stage=CHECKING)
        answer = self._checked(question, replace(draft, stage=""), hits)
        done = time.perf_counter()
        timings = {
            "retrieve": (retrieved - started) * 1000,
            "generate": (done - retrieved) * 1000,
            "total": (done - started) * 1000,
        }
        yield replace(
            answer,
            standalone_question=standalone,
            timings_ms={stage: round(value, 1) for stage, value in timings.items()},
        )

    def _stand_alone(self, question: str, history: Sequence[Turn]) -> tuple[str, bool]:
        """The question by itself, and whether a model has rewritten it."""
        if not history:
            return question, False
        with tracing.span("rewrite", tracing.CHAIN, question) as span:
            written = self._rewriter.stand_alone(question, history) if self._rewriter else ""
            alone = written or stand_alone(question, history)
            span.read(alone, tracing.OUTPUT)  # a question still
        return alone, bool(written)

    def _drafts(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        made = self._generator.generate(question, hits)
        return tracing.over("generate", tracing.CHAIN, question, made, _note_drafts)

    def _checked(self, question: str, draft: Draft, hits: Sequence[Hit]) -> Answer:
        """The last answer, whose check is traced."""
        written = " ".join(sentence.text for sentence in draft.sentences)
        with tracing.span("check", tracing.GUARDRAIL) as span:
            span.wrote(written, tracing.INPUT)  # what a writer has put out
            answer = self._answer(question, draft, hits)
            span.answered([answer])
        return answer

    def _answer(self, question: str, draft: Draft, hits: Sequence[Hit]) -> Answer:
        cited = citations.cite(draft, hits, self._policy, self._entailment)
        if draft.instead and not cited.sentences:
            return self._answer(question, draft.instead, hits)
        placed = (
            replace(each, asides=asides.asides(question, each, cited.citations))
            for each in cited.sentences
        )
        return Answer(
            question,
            "answered" if cited.sentences else "abstained",
            tuple(placed),
            cited.citations,
            nearest=() if cited.sentences else tuple(hits[:NEAREST]),
            generator=draft.generator or self._generator.name,
            confidence=draft.confidence,
            hits=tuple(hits),
            notes=draft.notes if draft.stage else (*draft.notes, *_dropped(cited.dropped)),
            disagreements=cited.disagreements,
            stage=draft.stage,
            usage=draft.usage,
        )


def _note_drafts(span: tracing.Span, drafts: Sequence[Draft]) -> None:
    span.wrote(" ".join(each.text for draft in drafts[-1:] for each in draft.sentences))


def _dropped(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    what = "One sentence was" if count == 1 else f"{count} sentences were"
    return (f"{what} left out: the sources do not bear {'it' if count == 1 else 'them'} out.",)


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
    with tracing.span("retrieve", tracing.RETRIEVER, question) as span:
        hits = _found(retriever, question, history, k, filters or Filters())
        span.found(hits)
    return hits


def _found(
    retriever: Retriever, question: str, history: Sequence[Turn], k: int, wanted: Filters
) -> list[Hit]:
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


def dated(question: str, today: date) -> str:
    """A question with the days that "last month" or "yesterday" mean behind it, in brackets."""
    relative = [mention for mention in times.mentions(question, today) if mention.relative]
    if not relative or times.asked(question, today) is None:
        return question
    days = dict.fromkeys(times.written(each.first, each.last) for each in relative)
    return f"{question} ({', '.join(days)})"


def _names(question: str) -> list[str]:
    names = []
    for match in _NAME.finditer(question):
        words = match.group().split()
        while words and words[0].lower() in _QUESTION_WORDS:
            words = words[1:]
        if words:
            names.append(" ".join(words))
    return list(dict.fromkeys(names))
