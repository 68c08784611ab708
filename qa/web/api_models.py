"""What the HTTP API takes and gives, as its OpenAPI document tells it.

What comes in is checked by these models. What goes out is made by :mod:`qa.contract`; here it is
only described, and may have more fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from qa.library import QUESTION_CHARACTERS
from qa.types import Filters, Turn

MOST_HITS = 1000
MOST_TURNS = 50
MOST_NAMES = 1000
ANSWER_CHARACTERS = 20_000
JSON_PART = 10_000_000  # bytes of the articles in a form; as a body of their own, they may be more
EVENT_STREAM = "text/event-stream"
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def usable(text: str) -> str:
    """The same text. Raises ValueError for what no store and no model takes."""
    if _UNUSABLE.search(text):
        raise ValueError("it holds a NUL character or half a surrogate pair")
    return text


def is_usable(value: object) -> bool:
    """Whether all texts of a JSON value are :func:`usable`, and its numbers are finite."""
    return not any(
        _UNUSABLE.search(each) if isinstance(each, str) else not isfinite(each)
        for each in _leaves(value)
    )


def _leaves(value: object) -> Iterator[str | float]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, (str, float)):
            yield each
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; type some words")
    return text


def _day(value: object) -> object:
    """A date of ten characters; no timestamps, which pydantic would take, too."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == 10 else date.fromisoformat("")
        except ValueError:
            raise ValueError("it wants a date like 2024-05-31") from None
    return value


def _whole(value: object) -> object:
    """JSON knows one kind of number: 10.0 is an integer there."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, AfterValidator(usable), Field(json_schema_extra={"pattern": "^[^\\x00]*$"})]
Question = Annotated[
    str,
    Field(
        min_length=1,
        max_length=QUESTION_CHARACTERS,
        json_schema_extra={"pattern": "^[^\\x00]*[^\\s\\x00][^\\x00]*$"},
    ),
    AfterValidator(usable),
    AfterValidator(_filled),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2024-05-31"]}),
]
Count = Annotated[int, Field(ge=1, le=MOST_HITS), BeforeValidator(_whole)]
Names = Annotated[list[Text], Field(max_length=MOST_NAMES)]


def filters_of(
    publishers: Iterable[str], after: date | None, before: date | None, articles: Iterable[str]
) -> Filters:
    return Filters(tuple(publishers), after, before, tuple(articles))


# Requests


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Filtered(_Request):
    """Which articles may be used."""

    publishers: Names = Field(default=[], description="Only articles of these.")
    after: Day | None = Field(default=None, description="Published on this day or later.")
    before: Day | None = Field(default=None, description="Published on this day or earlier.")
    articles: Names = Field(default=[], description="Only articles of these ids.")

    def filters(self) -> Filters:
        return filters_of(self.publishers, self.after, self.before, self.articles)


class SearchRequest(Filtered):
    q: Question = Field(description="What to search for.", examples=["tram Lindenhoe"])
    k: Count = Field(default=10, description="How many passages at most.")


class Exchange(_Request):
    """One earlier question and its answer."""

    question: Question
    answer: Annotated[Text, Field(max_length=ANSWER_CHARACTERS)] = ""


class AskRequest(Filtered):
    question: Question = Field(examples=["How many homes did the inquiry count as flooded?"])
    history: list[Exchange] = Field(
        default=[], max_length=MOST_TURNS, description="Earlier exchanges, oldest first."
    )
    stream: bool | None = Field(
        default=None, description="Server-sent events, whatever the Accept header says."
    )

    def turns(self) -> list[Turn]:
        return [Turn(each.question, each.answer) for each in self.history]


# Results


class Result(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Source(Result):
    article_id: str
    title: str
    url: str | None
    publisher: str | None
    published: str | None = Field(description="ISO 8601: a day, a month, a year, or unknown.")
    start: int = Field(description="Unicode code points into the article's text.")
    end: int


class Hit(_Source):
    rank: int
    score: float
    text: str
    heading: str
    copies: list[str] = Field(description="Articles with nearly the same passage.")
    ranks: dict[str, int]


class SearchResult(Result):
    query: str
    hits: list[Hit]


class Citation(_Source):
    number: int
    author: str | None
    quote: str = Field(description="Exactly the article's text from start to end.")


class Sentence(Result):
    text: str
    citations: list[int]
    support: Literal["supported", "partial", "unsupported"]
    reason: str
    asides: list[str]


class Side(Result):
    value: str
    citations: list[int]


class AnswerResult(Result):
    """As of ``qa ask --json``."""

    question: str
    standalone_question: str
    status: Literal["answered", "abstained"]
    text: str
    sentences: list[Sentence]
    citations: list[Citation]
    nearest: list[Hit]
    generator: str
    notes: list[str]
    disagreements: list[list[Side]]
    usage: dict[str, float]
    confidence: float
    timings_ms: dict[str, float]


class ArticleResult(Result):
    """As of ``qa show --json``."""

    id: str
    title: str
    url: str | None
    publisher: str | None
    author: str | None
    published: str | None
    updated: str | None
    language: str | None
    metadata: dict[str, Any]
    text: str


class Listed(Result):
    id: str
    title: str
    url: str | None
    publisher: str | None
    author: str | None
    published: str | None
    passages: int
    source: str


class ListResult(Result):
    """As of ``qa list --json``, and how many there are in all."""

    articles: list[Listed]
    total: int


class PassageResult(Result):
    id: str
    start: int
    end: int
    text: str
    heading: str


class PassagesResult(Result):
    article_id: str
    passages: list[PassageResult]


class Change(Result):
    id: str
    title: str
    status: Literal["added", "updated", "unchanged", "removed"]


class Failed(Result):
    source: str
    reason: str


class AddResult(Result):
    """As of ``qa add --json``."""

    added: int
    updated: int
    unchanged: int
    removed: int
    failed: list[Failed]
    articles: list[Change]


class RemoveResult(Result):
    """As of ``qa remove --json``."""

    removed: int
    articles: list[Change]


class Problem(Result):
    message: str = Field(description="One line: what happened, why, what to do.")
    type: str
    param: str | None
    code: str | None


class ErrorResult(Result):
    error: Problem


_WHEN = {
    400: "The body cannot be read",
    401: "No key, or a wrong one",
    403: "Not from here, or not allowed",
    404: "There is no such thing",
    409: "Another process is writing to the library",
    413: "The body is too large",
    422: "Something in the request cannot be used",
    429: "Too many requests in a minute",
    503: "The line is full, or the library cannot be used",
}


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """What the document says of failures: those of every operation, and ``more``."""
    codes = sorted({400, 401, 403, 413, 422, 429, 503, *more})
    return {code: {"model": ErrorResult, "description": _WHEN[code]} for code in codes}


def event_stream(*names: str) -> dict[str, Any]:
    """What the document says of a stream, for each of its events; without names they have none."""
    properties = {"data": {"type": "string", "description": "JSON, but for a last [DONE]."}}
    named = {"event": {"type": "string", "enum": list(names)}} if names else {}
    required = ["data", *named]
    schema = {"type": "object", "properties": properties | named, "required": required}
    return {EVENT_STREAM: {"schema": schema}}


# Articles that are sent


_NO_NUL = "^[^\\x00]*$"
_ID = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$"


class NewArticle(BaseModel):
    """As a line of a ``.jsonl`` file; other fields are kept as metadata."""

    model_config = ConfigDict(
        json_schema_extra={
            "additionalProperties": {"type": ["string", "integer", "boolean"], "pattern": _NO_NUL},
            "propertyNames": {"pattern": _NO_NUL},
        }
    )

    text: Annotated[str, Field(pattern="^[^\\x00]*[^\\s\\x00][^\\x00]*$")]
    id: Annotated[str | None, Field(max_length=300, pattern=_ID)] = None
    title: Text | None = None
    url: Text | None = None
    publisher: Text | None = None
    author: Text | None = None
    published: Text | None = Field(default=None, examples=["2024-05-31"])
    updated: Text | None = None
    language: Text | None = None
