"""Questions that an article answers, made from its own sentences."""

from __future__ import annotations

from dataclasses import dataclass

from qa.types import Article


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question, and the sentence ``article.text[start:end]`` that answers it."""

    question: str
    start: int
    end: int


def suggestions(article: Article, most: int = 3) -> list[Suggestion]:
    """None yet."""
    del article, most
    return []
