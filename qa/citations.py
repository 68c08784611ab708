"""Numbering what an answer rests on: the same span always has the same number."""

from __future__ import annotations

from collections.abc import Sequence

from qa import support
from qa.types import AnswerSentence, Citation, DraftSentence, Hit, Quote


def cite(
    sentences: Sequence[DraftSentence], hits: Sequence[Hit]
) -> tuple[tuple[AnswerSentence, ...], tuple[Citation, ...]]:
    """Checked sentences and their citations, numbered from 1 in the order of first use.

    A quote can only stand for an article that was retrieved and for words that are in it; any other
    vanishes. A sentence that its quotes do not support is dropped rather than cited.
    """
    retrieved = {hit.article.id for hit in hits}
    numbers: dict[tuple[str, int, int], Citation] = {}
    answer = []
    for sentence in sentences:
        quotes = [quote for quote in sentence.quotes if _is_real(quote, retrieved)]
        verdict = support.check(sentence.text, quotes)
        if verdict == "unsupported":
            continue
        cited = tuple(_number(quote, numbers) for quote in quotes)
        answer.append(AnswerSentence(sentence.text, cited, verdict))
    return tuple(answer), tuple(numbers.values())


def _is_real(quote: Quote, retrieved: set[str]) -> bool:
    inside = 0 <= quote.start < quote.end <= len(quote.article.text)
    return inside and quote.article.id in retrieved


def _number(quote: Quote, numbers: dict[tuple[str, int, int], Citation]) -> int:
    key = (quote.article.id, quote.start, quote.end)
    if key not in numbers:
        number = len(numbers) + 1
        numbers[key] = Citation(number, quote.article, quote.start, quote.end, quote.text)
    return numbers[key].number
