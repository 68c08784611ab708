"""Pairs of a sentence and a quote made of any articles: true ones, and corruptions of them.

Every corruption changes one fact of a true sentence (a number, a unit or magnitude, a name, a
negation, a date, a comparative) or puts the sentence beside a quote of something else; the
quote stays as it is. True pairs are sentences as they stand, or changed in ways that keep what they
say. Nothing here shares a rule or a word list with the check.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eval.support.corrupting import FALSE
from eval.support.keeping import TRUE
from eval.support.sources import AN_ARTICLE, Source, sources
from qa.types import Article, Quote, Support

KINDS = (*TRUE, "paraphrase", *FALSE, "unrelated", "twist")
RELATED = 0.3  # of a sentence's long words in a quote: it may well be about the same thing


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence beside words of an article, and what a careful reader would say of it."""

    id: str
    sentence: str
    quoted: Quote
    label: Support
    kind: str


def make(articles: Iterable[Article], seed: int = 0, most: int = AN_ARTICLE) -> Iterator[Pair]:
    """True pairs and corruptions, the same ones for the same articles and seed."""
    every = [source for article in articles for source in sources(article, seed, most)]
    for number, source in enumerate(every):
        draw = random.Random(f"{seed} {source.article.id} {source.start}")
        for kind, change in (*TRUE.items(), *FALSE.items()):
            sentence = change(source.text, source, draw)
            if sentence and (kind == "verbatim" or sentence != source.text):
                yield _pair(source, kind, sentence, source)
        other = every[(number + len(every) // 2) % len(every)]
        if other.article.id != source.article.id and not _related(source.text, other.quote):
            yield _pair(source, "unrelated", source.text, other)


def _pair(source: Source, kind: str, sentence: str, quoted: Source) -> Pair:
    quote = Quote(quoted.article, quoted.quote_start, quoted.quote_end)
    key = f"{source.article.id}-{source.start}-{kind.replace(' ', '-')}"
    return Pair(key, sentence, quote, "supported" if kind in TRUE else "unsupported", kind)


def _related(sentence: str, quote: str) -> bool:
    """Two articles may tell the same; then the other's words could bear the sentence out."""
    own, there = (set(re.findall(r"[^\W\d_]{5,}", t.lower())) for t in (sentence, quote))
    return len(own & there) > RELATED * len(own)
