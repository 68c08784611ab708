"""The nouns of the harness: a question with its gold, and a case, what one run made of it.

A case is logged as one JSON object (see :mod:`eval.log`) and read back as these frozen classes, so
that every measure is a pure function of a case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from qa.types import Answer, Article, Filters, Hit, Turn

Record = dict[str, Any]

LONG_ANSWER = 12  # words; a question whose gold answers are all longer is judged by overlap


@dataclass(frozen=True, slots=True)
class Question:
    """One line of a question set. Gold names articles and quotes, never passages.

    ``grades`` holds relevance grades by article id where a set has them (BEIR); else all are 1.
    ``sides`` are the values that articles give for the same thing, each in all its wordings, and
    ``stale`` the wordings of values that were right at another time.
    """

    id: str
    text: str
    type: str = ""
    answerable: bool = True
    answers: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    evidence_spans: tuple[str, ...] = ()
    near_miss_ids: tuple[str, ...] = ()
    history: tuple[Turn, ...] = ()
    grades: Mapping[str, int] = field(default_factory=dict)
    sides: tuple[tuple[str, ...], ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def long_form(self) -> bool:
        """Whether its gold answers are too long to be found word by word."""
        if self.type == "long-form":
            return True
        return bool(self.answers) and all(len(a.split()) > LONG_ANSWER for a in self.answers)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions, and the articles they came with where the format carries them."""

    name: str
    sha256: str
    questions: tuple[Question, ...]
    articles: tuple[Article, ...] | None = None


class Span(NamedTuple):
    """``text[start:end]`` of an article is gold evidence."""

    article_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """A retrieved passage or a citation: a span of an article and its words.

    ``copies`` are articles that carry the same passage almost word for word.
    """

    article_id: str
    start: int
    end: int
    text: str
    copies: frozenset[str] = frozenset()

    @property
    def articles(self) -> frozenset[str]:
        return self.copies | {self.article_id}


class Sentence(NamedTuple):
    """A sentence of an answer; ``citations`` are numbers, as in the answer's own list."""

    text: str
    citations: tuple[int, ...]
    asides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``ask`` answered. ``exact`` says for each citation whether its span is its quote;
    ``disagreements`` counts what it says that sources tell differently."""

    answered: bool
    confidence: float
    sentences: tuple[Sentence, ...] = ()
    citations: Mapping[int, Place] = field(default_factory=dict)
    exact: tuple[bool, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    disagreements: int = 0

    @property
    def text_with_asides(self) -> str:
        """The sentences with the notes that place them in time; empty for a refusal."""
        parts = (part for s in self.sentences for part in (s.text, *s.asides))
        return " ".join(parts) if self.answered else ""

    @property
    def text(self) -> str:
        """The sentences without their markers; empty for a refusal."""
        return " ".join(sentence.text for sentence in self.sentences) if self.answered else ""


@dataclass(frozen=True, slots=True)
class Case:
    """One question as it was asked.

    ``evidence`` are the gold spans that were found; ``findable`` are the gold answers that stand
    in the text of an evidence article. ``outcome`` is None where only passages were asked for, or
    where asking failed (``error``).
    """

    question: Question
    evidence: tuple[Span, ...] = ()
    findable: tuple[str, ...] = ()
    hits: tuple[Place, ...] = ()
    outcome: Outcome | None = None
    error: str | None = None
    retrieval_only: bool = False
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.question.id

    @property
    def answered(self) -> bool:
        return self.outcome is not None and self.outcome.answered

    @property
    def text(self) -> str:
        return self.outcome.text if self.outcome else ""


class Askable(Protocol):
    """What is evaluated: :class:`qa.library.Library`, or anything that behaves like it."""

    def search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> list[Hit]: ...

    def ask(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Answer: ...

    def article(self, article_id: str) -> Article: ...
