"""Disagreement and time: are both sides shown, is the right time's value given?

By the type of a question: ``conflict`` and ``agree`` (articles tell a thing differently, or the
same), ``newest``, ``past`` and ``relative`` (the value of now, of another time, a date that an
article gives as "on Tuesday").
"""

from __future__ import annotations

from eval.measures.measure import Measure, Predicate, Share, yes
from eval.types import Case
from eval.wording import holds_any


def both_sides(case: Case) -> Share:
    """both_sides: the answer gives at least two of the values, in sentences with citations."""
    if case.outcome is None or not case.outcome.answered:
        return yes(False)
    cited = " ".join(s.text for s in case.outcome.sentences if s.citations)
    return yes(sum(holds_any(cited, side) for side in case.question.sides) > 1)


def false_alarm(case: Case) -> Share:
    """false_alarm: the answer says that sources disagree where they do not. Less is better."""
    return yes(case.outcome is not None and case.outcome.disagreements > 0)


def in_time(case: Case) -> Share:
    """newest_correct, past_correct, relative_correct: a right value, and none of another time.

    The notes that say what "on Tuesday" was count as words of the answer.
    """
    text = case.outcome.text_with_asides if case.outcome else ""
    return yes(holds_any(text, case.question.answers) and not holds_any(text, case.question.stale))


def _of_type(name: str) -> Predicate:
    return lambda case: not case.retrieval_only and case.question.type == name


MEASURES = [
    Measure("disagreement", "both_sides", both_sides, _of_type("conflict")),
    Measure("disagreement", "false_alarm", false_alarm, _of_type("agree"), better=-1),
    *(
        Measure("time", f"{name}_correct", in_time, _of_type(name))
        for name in ("newest", "past", "relative")
    ),
]
