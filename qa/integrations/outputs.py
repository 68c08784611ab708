"""The shapes of what the MCP tools give, for their output schemas: :mod:`qa.contract`'s JSON."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # the standard one is no use to pydantic before 3.12


class Source(TypedDict):
    """Where something stands; ``start`` and ``end`` are code points of the article's text."""

    article_id: str
    title: str
    url: str | None
    publisher: str | None
    published: str | None
    start: int
    end: int


class Found(Source):
    rank: int
    score: float
    text: str
    heading: str
    copies: list[str]
    ranks: dict[str, int]


class Cited(Source):
    number: int
    author: str | None
    quote: str


class Sentence(TypedDict):
    text: str
    citations: list[int]
    support: str
    reason: str
    asides: list[str]


class Hits(TypedDict):
    query: str
    hits: list[Found]


class Answered(TypedDict):
    question: str
    standalone_question: str
    status: str
    text: str
    sentences: list[Sentence]
    citations: list[Cited]
    nearest: list[Found]
    generator: str
    notes: list[str]
    disagreements: list[list[dict[str, Any]]]
    usage: dict[str, float]
    confidence: float
    timings_ms: dict[str, float]


class Piece(TypedDict):
    """A part of an article, ``text[start:end]`` of its ``characters``."""

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
    start: int
    end: int
    characters: int


class Listed(TypedDict):
    id: str
    title: str
    url: str | None
    publisher: str | None
    author: str | None
    published: str | None
    passages: int
    source: str


class Listings(TypedDict):
    articles: list[Listed]
    matching: int


class Changed(TypedDict):
    id: str
    title: str
    status: str
