"""The nouns of the project: frozen dataclasses, standard library only.

Offsets are Unicode code points into ``Article.text`` and half open, so that
``article.text[start:end]`` is the passage, the quote or the sentence itself. Scores never live on a
passage: a passage is a place in an article, a hit is what one search thought of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

Status = Literal["answered", "abstained"]
Support = Literal["supported", "partial", "unsupported"]
Change = Literal["added", "updated", "unchanged", "removed"]

ABSTENTION = "The articles do not say."


@dataclass(frozen=True, slots=True)
class Article:
    """One article, as it was given.

    ``published`` and ``updated`` are what the article itself says, in ISO 8601 with as much
    precision as it gives (``2022``, ``2022-04`` or ``2022-04-09``), or None where it says nothing;
    never the time it was added.
    """

    id: str
    title: str
    text: str
    url: str | None = None
    publisher: str | None = None
    author: str | None = None
    published: str | None = None
    updated: str | None = None
    language: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Sha256 over every field but the id, as 64 hexadecimal digits."""
        fields = [self.title, self.text, self.url, self.publisher, self.author]
        fields += [self.published, self.updated, self.language]
        content = json.dumps([*fields, dict(self.metadata)], sort_keys=True, default=str)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader reads: a text under its title, and the spans in it that may be an answer."""

    title: str
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences of one article: ``article.text[start:end] == text``.

    ``id`` derives from the article's id, the place and the words, so that the same passage keeps
    its id over re-adding. ``heading`` is the nearest heading above it, empty where there is none.
    """

    id: str
    article_id: str
    start: int
    end: int
    text: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a retriever found, with the article it stands in.

    ``score`` orders the hits of one search and compares with nothing else. ``ranks`` and ``scores``
    name each leg that saw the passage (``lexical``: BM25, ``dense``: cosine) with its rank from 1
    and its raw score. ``copies`` are ids of articles that carry the same passage almost word for
    word.
    """

    passage: Passage
    article: Article
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which articles a search may see; an empty filter lets all through.

    ``after`` and ``before`` are inclusive and compare with ``published``; an article of unknown
    date passes neither. A date of reduced precision counts as its first day.
    """

    publishers: tuple[str, ...] = ()
    after: date | None = None
    before: date | None = None
    article_ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.publishers or self.after or self.before or self.article_ids)


@dataclass(frozen=True, slots=True)
class Quote:
    """A span of an article that a sentence rests on, before it has a number."""

    article: Article
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class DraftSentence:
    """A sentence as a generator wrote it, with the spans it says it rests on; not yet checked.

    A span may be a whole passage, of which checking keeps what bears the sentence out.
    """

    text: str
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator has so far. No sentences in the last draft means: it does not answer.

    ``confidence`` is the estimated probability, 0 to 1, that the passages answer the question.
    ``stage`` says what is being done while there is nothing to show yet. ``notes`` are for the
    reader: what went wrong, what was left out. ``generator`` names the one that wrote it, where it
    is not the one that was asked. ``disputed`` holds, for each thing that sources tell differently,
    the places in ``sentences`` that give a value for it, and the value's words. ``instead`` is what
    to show where nothing of it is borne out. ``usage`` counts what it took.
    """

    sentences: tuple[DraftSentence, ...] = ()
    confidence: float = 0.0
    stage: str = ""
    notes: tuple[str, ...] = ()
    generator: str = ""
    disputed: tuple[tuple[tuple[int, str], ...], ...] = ()
    instead: Draft | None = None
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """What a ``[number]`` in an answer stands for: ``article.text[start:end] == quote``."""

    number: int
    article: Article
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """The unit that is cited and checked; ``citations`` are numbers in the answer's list.

    ``reason`` says what its quotes do not bear out, where the support is not whole. ``asides`` are
    what a reader must know to place it in time: "as of 9 April 2022", "“on Tuesday” is 12 April".
    """

    text: str
    citations: tuple[int, ...] = ()
    support: Support = "supported"
    reason: str = ""
    asides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One of the values that sources give for the same thing: its words, and who gives it."""

    value: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Sources that the answer cites give different values for the same thing; newer ones first."""

    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A cited answer, or an abstention with what came closest.

    ``confidence`` is the estimated probability, 0 to 1, that the passages answer the question.
    ``timings_ms`` holds milliseconds by stage (``retrieve``, ``generate``, ``total``). ``notes``
    are for the reader: that a model did not answer, that sentences were left out. ``stage`` says
    what is being done, while the answer is not final. ``usage`` counts what a language model was
    given: ``passages``, ``passages_dropped`` for want of room, ``prompt_tokens`` (an estimate).
    """

    question: str
    status: Status
    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    nearest: tuple[Hit, ...] = ()
    standalone_question: str = ""
    generator: str = ""
    confidence: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    notes: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    stage: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentences with their ``[n]`` and asides, or the words of an abstention."""
        if self.status == "abstained":
            return ABSTENTION
        return " ".join(_written(sentence) for sentence in self.sentences)


def _written(sentence: AnswerSentence) -> str:
    aside = f"({'; '.join(sentence.asides)})" if sentence.asides else ""
    parts = (sentence.text.strip(), *(f"[{n}]" for n in sentence.citations), aside)
    return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier exchange of a conversation, as plain text."""

    question: str
    answer: str


class Message(NamedTuple):
    """One message of a chat; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be read, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ArticleChange:
    """What adding did with one article."""

    id: str
    title: str
    status: Change


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ``add`` did; ``vanished``: articles whose source is gone, still in the library."""

    articles: tuple[ArticleChange, ...] = ()
    failed: tuple[Failure, ...] = ()
    vanished: tuple[ArticleChange, ...] = ()
    passages_embedded: int = 0

    def count(self, status: Change) -> int:
        return sum(change.status == status for change in self.articles)


@dataclass(frozen=True, slots=True)
class Listing:
    """One article without its text, for lists; ``passages`` is a count."""

    id: str
    title: str
    url: str | None
    publisher: str | None
    author: str | None
    published: str | None
    passages: int
    source: str
    characters: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far adding has come: first articles read, then passages embedded, of about ``total``.

    What is read can be found by its words at once, by its meaning once it is embedded.
    """

    stage: Literal["articles", "passages"]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``qa doctor``: what was looked at, what was found, what to do about it."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
