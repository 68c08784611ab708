"""The sentences of an article that pairs are made of, each with the words around it to quote."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from qa.sentences import Unit, split
from qa.types import Article

WORDS = 8, 40  # a sentence of fewer says little, of more is mostly a list
AN_ARTICLE = 4  # sentences taken of one article, so that long ones do not fill a set
MONTHS = (
    "January February March April May June July August September October November December".split()
)
MONTH = f"(?:{'|'.join(MONTHS)})"

# A statement: no question, nothing that begins in the middle of a sentence or of a quotation.
_STATEMENT = re.compile(r"[^\W_a-z].*[.!][”’)]*|[\"“].*[\"”].*[.!]|[^\W_a-z].*[\"“].*[.!]\"", re.S)


@dataclass(frozen=True, slots=True)
class Source:
    """A sentence of an article, with the span around it that is quoted."""

    article: Article
    start: int
    end: int
    quote_start: int
    quote_end: int

    @property
    def text(self) -> str:
        return " ".join(self.article.text[self.start : self.end].split())

    @property
    def quote(self) -> str:
        return self.article.text[self.quote_start : self.quote_end]


def sources(article: Article, seed: int, most: int) -> list[Source]:
    """Up to ``most`` statements in prose, half of them quoted with a sentence beside them."""
    units = [unit for unit in split(article.text, article.language) if unit.kind == "prose"]
    fit = [at for at, unit in enumerate(units) if _fits(article.text[unit.start : unit.end])]
    draw = random.Random(f"{seed} {article.id}")
    found = []
    for at in sorted(draw.sample(fit, min(most, len(fit)))):
        near = _neighbour(units, at, draw.choice((0, 0, 1, -1)))
        start, end = min(units[at].start, near.start), max(units[at].end, near.end)
        found.append(Source(article, units[at].start, units[at].end, start, end))
    return found


def _neighbour(units: list[Unit], at: int, step: int) -> Unit:
    """The unit beside, or the unit itself where its paragraph ends there."""
    beside = at + step
    inside = 0 <= beside < len(units) and units[beside].block == units[at].block
    return units[beside] if inside else units[at]


def _fits(text: str) -> bool:
    torn = text.count('"') % 2 or text.count("“") != text.count("”")
    torn = torn or text.count("(") != text.count(")")
    long_enough = WORDS[0] <= len(text.split()) <= WORDS[1]
    return long_enough and not torn and _STATEMENT.fullmatch(text) is not None
