"""Abstention: does it refuse what the articles do not say, and only that?

Also whether ``Answer.confidence`` means anything: how well it tells answerable questions from
others, what it costs to answer more of them, and whether it is the probability of being right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.measures.answers import is_correct
from eval.measures.measure import Measure, Share, yes
from eval.types import Case, Record

Floats = NDArray[np.float64]

BINS = 10
CURVE_POINTS = 100


def is_refused(case: Case) -> bool:
    """It was asked and did not answer."""
    return case.outcome is not None and not case.outcome.answered


def refused_and_right(case: Case) -> Share:
    """Abstention precision: of the refused questions, the share that is unanswerable."""
    return Share(float(is_refused(case) and not case.question.answerable), float(is_refused(case)))


def refused_where_due(case: Case) -> Share:
    """Abstention recall: of the unanswerable questions, the share that is refused."""
    return yes(is_refused(case))


def refused_wrongly(case: Case) -> Share:
    """False refusal rate: of the answerable questions, the share that is refused.

    A failed one counts as refused: the reader got no answer.
    """
    return yes(is_refused(case))


def correct(case: Case) -> Share:
    """correct: the right thing was done: a right answer, or a refusal where there is none."""
    return yes(is_correct(case) if case.question.answerable else is_refused(case))


def was_asked(case: Case) -> bool:
    """An answer was wanted."""
    return not case.retrieval_only


def _is_answerable(case: Case) -> bool:
    return was_asked(case) and case.question.answerable


def _is_unanswerable(case: Case) -> bool:
    return was_asked(case) and not case.question.answerable


MEASURES = [
    Measure("abstention", "precision", refused_and_right, was_asked, default=None),
    Measure("abstention", "recall", refused_where_due, _is_unanswerable),
    Measure(
        "abstention",
        "false_refusal_rate",
        refused_wrongly,
        _is_answerable,
        default=1.0,
        better=-1,
    ),
    Measure("abstention", "correct", correct, was_asked),
]


class Confidences(NamedTuple):
    """Of each case that was asked: its confidence (0 where it failed) and what was true of it."""

    confidence: Floats
    answerable: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    correct: NDArray[np.bool_]


def confidences(cases: Sequence[Case]) -> Confidences:
    """The cases that were asked, as arrays."""
    asked = [case for case in cases if was_asked(case)]
    return Confidences(
        np.array([c.outcome.confidence if c.outcome else 0.0 for c in asked], dtype=np.float64),
        np.array([c.question.answerable for c in asked], dtype=np.bool_),
        np.array([c.answered for c in asked], dtype=np.bool_),
        np.array([is_correct(c) for c in asked], dtype=np.bool_),
    )


def auroc(score: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> Any:
    """The chance that a positive case has a higher score than a negative one; ties count half.

    The area under the ROC curve (Hanley and McNeil 1982). ``weights``, one row a resample, counts
    how often each case was drawn; then the result is an array. NaN where a class is empty.
    """
    counts = np.ones((1, len(score))) if weights is None else weights
    levels, level = np.unique(score, return_inverse=True)
    shape = (len(counts), len(levels))
    ups, downs = np.zeros(shape), np.zeros(shape)
    for total, members in ((ups, positive), (downs, ~positive)):
        order = np.argsort(level[members], kind="stable")
        present, starts = np.unique(level[members][order], return_index=True)
        if len(present):
            chosen = counts[:, members][:, order]
            total[:, present] = np.add.reduceat(chosen, starts, axis=1)
    below = np.cumsum(downs, axis=1) - downs
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (ups * (below + downs / 2)).sum(axis=1) / pairs
    return float(area[0]) if weights is None else area


def risk_coverage(given: Confidences) -> tuple[Floats, Floats]:
    """Coverage and risk as the threshold falls over the answers that were given.

    Coverage: the share of all questions asked that are answered; risk: the share of these answers
    that are wrong (El-Yaniv and Wiener 2010). Answers of equal confidence come in together.
    """
    score, wrong = given.confidence[given.answered], ~given.correct[given.answered]
    order = np.argsort(-score, kind="stable")
    errors = np.cumsum(wrong[order])
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if len(order) else order
    return (ends + 1) / max(1, len(given.answered)), errors[ends] / (ends + 1)


def risk_coverage_area(given: Confidences) -> float | None:
    """The mean risk over the coverage reached; 0 is best. None where nothing was answered.

    AURC of Geifman et al. 2019, over the answers that were given.
    """
    coverage, risk = risk_coverage(given)
    if not len(coverage):
        return None
    return float(np.sum(risk * np.diff(coverage, prepend=0.0)) / coverage[-1])


def reliability(given: Confidences) -> list[Record]:
    """Answers in ten bins of confidence: how many, mean confidence, the share that is right."""
    score, right = given.confidence[given.answered], given.correct[given.answered]
    number = np.clip((score * BINS).astype(int), 0, BINS - 1)
    return [
        {
            "from": n / BINS,
            "to": (n + 1) / BINS,
            "answers": int((number == n).sum()),
            "confidence": float(score[number == n].mean()),
            "correct": float(right[number == n].mean()),
        }
        for n in range(BINS)
        if (number == n).any()
    ]


def calibration_error(given: Confidences) -> float | None:
    """Expected calibration error: the mean gap of a reliability diagram (Guo et al. 2017).

    |confidence - share that is right| of each bin, weighted by its answers.
    """
    bins = reliability(given)
    total = sum(bin_["answers"] for bin_ in bins)
    gaps = (bin_["answers"] * abs(bin_["confidence"] - bin_["correct"]) for bin_ in bins)
    return sum(gaps) / total if total else None
