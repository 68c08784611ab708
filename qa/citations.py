"""Numbering what an answer rests on, and checking it: the same span always has the same number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qa import grounding
from qa.support import Entailment, Verdict
from qa.types import AnswerSentence, Citation, Disagreement, Draft, DraftSentence, Hit, Quote, Side


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of sentences: ``keep_unsupported`` marks those that fail instead of dropping
    them; without ``check`` citations are taken as they come, and called no more than partial."""

    check: bool = True
    keep_unsupported: bool = False


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer's sentences and what they cite; ``dropped`` counts those that nothing supports."""

    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    dropped: int = 0


def cite(
    draft: Draft,
    hits: Sequence[Hit],
    policy: Policy = Policy(),
    entailment: Entailment | None = None,
) -> Cited:
    """Checked sentences and their citations, numbered from 1 in the order of first use.

    A quote can only stand for an article that was retrieved and for words that are in it; any other
    vanishes. A sentence without quotes gets one only where the words of a hit support it wholly. If
    no sentence is supported, there is no answer.
    """
    numbers: dict[tuple[str, int, int], Citation] = {}
    places: dict[int, int] = {}
    kept: list[AnswerSentence] = []
    for place, sentence in enumerate(draft.sentences):
        verdict, quotes = _judge(sentence, hits, policy, entailment)
        if verdict.support == "unsupported" and not policy.keep_unsupported:
            continue
        places[place] = len(kept)
        cited = tuple(dict.fromkeys(_number(quote, numbers) for quote in quotes))
        kept.append(AnswerSentence(sentence.text, cited, verdict.support, verdict.reason))
    dropped = len(draft.sentences) - len(kept)
    if all(sentence.support == "unsupported" for sentence in kept):
        return Cited(dropped=len(draft.sentences))
    found = tuple(numbers.values())
    return Cited(tuple(kept), found, _disagreements(draft, kept, places, found), dropped)


def _judge(
    sentence: DraftSentence, hits: Sequence[Hit], policy: Policy, entailment: Entailment | None
) -> tuple[Verdict, tuple[Quote, ...]]:
    retrieved = {hit.article.id for hit in hits}
    quotes = [quote for quote in sentence.quotes if _is_real(quote, retrieved)]
    if not policy.check:
        return Verdict("partial" if quotes else "unsupported", 0.0, "not checked"), tuple(quotes)
    if quotes:
        return grounding.ground(sentence.text, quotes, entailment)
    if sentence.quotes:  # it named sources, none of which is one
        return Verdict("unsupported", 0.0, "its sources were not retrieved"), ()
    passages = (Quote(hit.article, hit.passage.start, hit.passage.end) for hit in hits)
    return grounding.adopt(sentence.text, passages, entailment)


def _disagreements(
    draft: Draft,
    kept: Sequence[AnswerSentence],
    places: dict[int, int],
    citations: Sequence[Citation],
) -> tuple[Disagreement, ...]:
    """Those of which at least two sides are still in the answer, the newer source first."""
    dates = {citation.number: citation.article.published or "" for citation in citations}
    found = []
    for dispute in draft.disputed:
        sides = [
            Side(value, kept[places[place]].citations)
            for place, value in dispute
            if place in places and kept[places[place]].citations
        ]
        sides.sort(key=lambda side: max(dates[number] for number in side.citations), reverse=True)
        if len(sides) > 1:
            found.append(Disagreement(tuple(sides)))
    return tuple(found)


def _is_real(quote: Quote, retrieved: set[str]) -> bool:
    inside = 0 <= quote.start < quote.end <= len(quote.article.text)
    return inside and quote.article.id in retrieved


def _number(quote: Quote, numbers: dict[tuple[str, int, int], Citation]) -> int:
    key = (quote.article.id, quote.start, quote.end)
    if key not in numbers:
        number = len(numbers) + 1
        numbers[key] = Citation(number, quote.article, quote.start, quote.end, quote.text)
    return numbers[key].number
