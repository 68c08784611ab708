"""From cases to numbers: the scores of each case, and the summary of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval import resampling
from eval.measures import MEASURES, abstention, latency, retrieval
from eval.measures.measure import OUT, Measure, Share
from eval.resampling import Floats
from eval.types import Case, Record

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """Where a measure belongs in the summary, and which way is better."""

    name: str
    group: str
    key: str
    better: int


@dataclass(frozen=True)
class Scores:
    """A share for every case (rows) and measure (columns), and the confidence of each answer.

    ``confidence`` is NaN where no answer was wanted.
    """

    ids: tuple[str, ...]
    columns: tuple[Column, ...]
    parts: Floats
    wholes: Floats
    confidence: Floats
    answerable: NDArray[np.bool_]

    def totals(self) -> Floats:
        """Each measure over all cases; NaN where none counts."""
        return resampling.ratios(self.parts.sum(axis=0), self.wholes.sum(axis=0))

    def rows(self, chosen: Sequence[int]) -> Scores:
        """Some of the cases, in the order given."""
        at = np.array(chosen, dtype=np.intp)
        return replace(
            self,
            ids=tuple(self.ids[n] for n in chosen),
            parts=self.parts[at],
            wholes=self.wholes[at],
            confidence=self.confidence[at],
            answerable=self.answerable[at],
        )

    def only(self, names: Sequence[str]) -> Scores:
        """Some of the measures, in the order given; those it does not have are left out."""
        place = {column.name: n for n, column in enumerate(self.columns)}
        at = [place[name] for name in names if name in place]
        columns = tuple(self.columns[n] for n in at)
        return replace(self, columns=columns, parts=self.parts[:, at], wholes=self.wholes[:, at])


def score(cases: Sequence[Case]) -> Scores:
    """Every share of every case."""
    columns = [_column(measure) for measure in MEASURES]
    shares = [[measure.of(case) for measure in MEASURES] for case in cases]
    for keys, relevant, applies in retrieval.RANKINGS:
        columns += [Column(key, "retrieval", key, 1) for key in keys]
        more = retrieval.ranking_shares(cases, relevant, applies)
        shares = [row + added for row, added in zip(shares, more, strict=True)]
    # Rounded as a baseline keeps them, so that a run does not differ from its own baseline.
    table = np.array(shares, dtype=np.float64).reshape(len(cases), len(columns), 2).round(DIGITS)
    return Scores(
        tuple(case.id for case in cases),
        tuple(columns),
        table[:, :, 0],
        table[:, :, 1],
        np.array([_confidence(case) for case in cases], dtype=np.float64),
        np.array([case.question.answerable for case in cases], dtype=np.bool_),
    )


def summarise(cases: Sequence[Case], settings: Mapping[str, object], seed: int = 0) -> Record:
    """What ``summary.json`` holds; null where no case counts for a measure."""
    scores = score(cases)
    given = abstention.confidences(cases)
    groups = _groups(scores)
    groups["abstention"] |= _confidence_measures(given)
    return {
        "cases": len(cases),
        "failed": sum(case.error is not None for case in cases),
        **groups,
        "latency_ms": latency.latency(cases),
        "usage": latency.usage(cases),
        "confidence": _intervals(scores, given, seed),
        "counted": _counted(scores),
        "types": by_type(cases, scores),
        "settings": {**settings, "seed": seed, "resamples": resampling.RESAMPLES},
    }


def by_type(cases: Sequence[Case], scores: Scores) -> Record:
    """The measures of each type of question; those that no case of it counts for are left out."""
    types: dict[str, Record] = {}
    for kind in sorted({case.question.type for case in cases}):
        part = scores.rows([n for n, case in enumerate(cases) if case.question.type == kind])
        totals = zip(part.columns, part.totals(), strict=True)
        found = {column.name: _rounded(value) for column, value in totals if not np.isnan(value)}
        types[kind or "untyped"] = {"cases": len(part.ids), **found}
    return types


def _counted(scores: Scores) -> Record:
    """For each measure, how many cases count."""
    counts = (scores.wholes > 0).sum(axis=0)
    return {c.name: int(count) for c, count in zip(scores.columns, counts, strict=True)}


def _confidence(case: Case) -> float:
    if case.retrieval_only:
        return float("nan")
    return case.outcome.confidence if case.outcome else 0.0


def _column(measure: Measure) -> Column:
    return Column(measure.name, measure.group, measure.key, measure.better)


def _groups(scores: Scores) -> dict[str, Record]:
    groups: dict[str, Record] = defaultdict(dict)
    for column, value in zip(scores.columns, scores.totals(), strict=True):
        groups[column.group][column.key] = _rounded(value)
    return dict(groups)


def _confidence_measures(given: abstention.Confidences) -> Record:
    coverage, risk = abstention.risk_coverage(given)
    few = np.unique(np.linspace(0, len(coverage) - 1, abstention.CURVE_POINTS).astype(int))
    points = zip(coverage[few], risk[few], strict=True) if len(coverage) else ()
    return {
        "auroc": _rounded(abstention.auroc(given.confidence, given.answerable)),
        "risk_coverage_area": _rounded(abstention.risk_coverage_area(given)),
        "calibration_error": _rounded(abstention.calibration_error(given)),
        "risk_coverage": [[_rounded(x), _rounded(y)] for x, y in points],
        "reliability": abstention.reliability(given),
    }


def _intervals(scores: Scores, given: abstention.Confidences, seed: int) -> Record:
    """95 % intervals of all measures that some case counts for."""
    resampled = np.concatenate(
        [
            resampling.ratios(draw @ scores.parts, draw @ scores.wholes)
            for draw in resampling.draws(len(scores.ids), seed)
        ]
    )
    columns = {column.name: resampled[:, n] for n, column in enumerate(scores.columns)}
    if len(given.confidence):
        draws = resampling.draws(len(given.confidence), seed)
        areas = [abstention.auroc(given.confidence, given.answerable, draw) for draw in draws]
        columns["auroc"] = np.concatenate(areas)
    found = {name: resampling.interval(values) for name, values in columns.items()}
    return {name: [_rounded(v) for v in bounds] for name, bounds in found.items() if bounds}


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), DIGITS)


_RUNNING = {
    "recall@5": "recall@5",
    "contains_answer": "contains",
    "answered_and_cited": "cited",
    "abstention_false_refusal_rate": "refused",
}


class Running:
    """Running scores for a progress bar, updated case by case."""

    def __init__(self) -> None:
        self._measures = [measure for measure in MEASURES if measure.name in _RUNNING]
        self._sums = {measure.name: OUT for measure in self._measures}
        self._failed = 0

    def add(self, case: Case) -> None:
        self._failed += case.error is not None
        for measure in self._measures:
            part, whole = measure.of(case)
            before = self._sums[measure.name]
            self._sums[measure.name] = Share(before.part + part, before.whole + whole)

    def __str__(self) -> str:
        sums = {name: total for name, total in self._sums.items() if total.whole}
        words = [f"{_RUNNING[name]} {part / whole:.2f}" for name, (part, whole) in sums.items()]
        return " ".join([*words, *([f"failed {self._failed}"] if self._failed else [])])
