"""Sentences of different articles that give different values for what is asked.

A value is what fills the slot of the question: a number of the same things, a sum, a measure, a
date, a length of time, a share; compared by :mod:`qa.support.facts`. Names and reasons are not
compared: two articles that name different persons mostly speak of different matters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa.questions import Question, periods, read, stem, words
from qa.related import NEAR, kinship
from qa.selection import Candidate, Weighted
from qa.support import facts
from qa.support.facts import Date, Quantity

LOOKED_AT = 10  # candidates, best first
# Held so that of the archive's questions on which articles agree 1 in 20 raises a false alarm
# (eval/sets/conflict.jsonl); the weights of words are shares of the question in idf.
LEAST_RATIO = 0.1  # of a rival's score to the best one's
LEAST_READ = -3.3  # log odds of the reader that it answers
UNSAID = 0.25  # share of the question that the best sentence says and the rival does not
UNSAID_AROUND = 0.26  # the same, with title, heading and passage read along
CLOSE_RATIO, CLOSE_AROUND = 0.4, 0.06  # a rival this good may leave to its passage what it is about

_ATTRIBUTED = re.compile(
    r"\b(?:according to|as reported by|in the (?:words|view) of)\b|"
    r"\b(?:did|does|do)\b.*\b(?:say|count|find|report|estimate|claim|think|write|announce|put)\b",
    re.IGNORECASE,
)
MONEY = frozenset("dollar euro pound cent penny crown yen franc mark rupee".split())
SPANS = frozenset("second minute hour day week month year decade century".split())


@dataclass(frozen=True, slots=True)
class Value:
    """What a candidate gives for the slot of a question: one value, and its words."""

    candidate: Candidate
    words: str
    quantity: Quantity | None = None
    date: Date | None = None


def rivals(weighted: Weighted, ranked: Sequence[Candidate]) -> list[Value]:
    """The best candidate's value and those of other articles that differ, best first.

    Empty where the best gives no value of the kind asked for; one where all agree.
    """
    if not ranked or _ATTRIBUTED.search(weighted.question.text):
        return []  # what one source says is asked for, not what others say
    question, best = weighted.question, ranked[0]
    own = values(question, best)
    if len(own) != 1:
        return []
    found = own
    for other in ranked[1:LOOKED_AT]:
        if not _comparable(weighted, best, other):
            continue
        given = values(question, other)
        repeats = any(_repeats(each, other.text) for each in found)
        if len(given) == 1 and not repeats and all(_differ(given[0], each) for each in found):
            found.append(given[0])
    return found


def values(question: Question, candidate: Candidate) -> list[Value]:
    """The values that a sentence holds for the slot, in its order."""
    text = candidate.text
    if question.wants == "date":
        return [
            Value(candidate, facts.written(date), date=date)
            for date in facts.dates(text)
            if date.month or date.year
        ]
    fitting = [q for q in facts.quantities(text) if _fits(question, q, text)]
    return [Value(candidate, text[q.start : q.end].strip(), quantity=q) for q in fitting]


def _fits(question: Question, quantity: Quantity, text: str) -> bool:
    if quantity.kind != "number":
        return False
    if question.wants == "money" or question.focus in {"price", "cost", "sum"}:
        return quantity.unit in MONEY or quantity.value >= 1e4
    if question.wants == "duration":
        return quantity.unit in SPANS
    if question.measure == "share":
        return quantity.unit == "percent"
    if question.wants == "number" and question.focus:
        return _counts(question.focus, quantity, text)
    return bool(quantity.unit) or (question.wants == "number" and quantity.value > 12)


def _counts(focus: str, quantity: Quantity, text: str) -> bool:
    """Whether it is the asked things that are counted: "412 homes", "347 flooded homes"."""
    if quantity.unit and stem(quantity.unit) == focus:
        return True
    behind = [stem(word) for word in words(text[quantity.end : quantity.end + 60])[:4]]
    return kinship(focus, frozenset(behind)) >= NEAR


def _comparable(weighted: Weighted, best: Candidate, other: Candidate) -> bool:
    """Whether both sentences tell the same thing, as far as the words of the question show."""
    if other.hit.article.id == best.hit.article.id or best.hit.article.id in other.hit.copies:
        return False
    ratio = other.score / best.score
    if ratio < LEAST_RATIO or other.read < LEAST_READ:
        return False
    if weighted.question.period and not _within(weighted.question.period, other):
        return False
    here, there = read(best.text).all, read(other.text).all
    around = _unsaid(weighted, here | _about(best), there | _about(other))
    dated = weighted.question.wants == "date"  # many things happen, each on a day of its own
    if ratio >= CLOSE_RATIO and around <= CLOSE_AROUND and not dated:
        return True
    return around <= UNSAID_AROUND and _unsaid(weighted, here, there) <= UNSAID


def _unsaid(weighted: Weighted, here: frozenset[str], there: frozenset[str]) -> float:
    """The share of the question that one text says better than the other."""
    return sum(
        part * max(0.0, kinship(term, here) - kinship(term, there))
        for term, part in weighted.share.items()
    )


def _within(period: tuple[int, int], other: Candidate) -> bool:
    """Whether the dates in a sentence, if it has any, touch the period asked about."""
    spans = periods(other.text)
    return not spans or any(low <= period[1] and period[0] <= high for low, high in spans)


def _about(candidate: Candidate) -> frozenset[str]:
    article, passage = candidate.hit.article, candidate.hit.passage
    return read(passage.text).all | read(article.title).all | read(passage.heading).all


def _repeats(value: Value, text: str) -> bool:
    """Whether a sentence holds the value, too, for whatever else it tells."""
    if value.date:
        return facts.tells_date(facts.dates(text), value.date)
    quantity = value.quantity
    return quantity is not None and any(
        facts.same_quantity(quantity, each) for each in facts.quantities(text)
    )


def _differ(one: Value, other: Value) -> bool:
    if one.date and other.date:
        return _differ_in_date(one.date, other.date)
    if one.quantity and other.quantity:
        a, b = one.quantity, other.quantity
        return (
            facts.comparable(a, b)
            and not facts.same_quantity(a, b)
            and not facts.same_quantity(b, a)
        )
    return False


def _differ_in_date(one: Date, other: Date) -> bool:
    """Only dates of the same precision can differ: a day may lie in the other's year."""
    precision = bool(one.day) == bool(other.day) and bool(one.month) == bool(other.month)
    return precision and not (facts.tells_date([one], other) or facts.tells_date([other], one))
