"""Two runs of the same questions: is the one better than the other, beyond chance?

Everything is paired by question id. The difference of two ratios of sums is tested by letting the
two runs change places, question by question, and its interval comes from drawing questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from eval import resampling
from eval.measures.abstention import auroc
from eval.resampling import Floats
from eval.scoring import DIGITS, Scores
from eval.types import Record
from qa.errors import InputError

NOISE = 0.05  # a p-value below this is no noise
AUROC = "auroc"


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure in two runs; ``won`` and ``lost`` are ids, with better and worse scores after."""

    name: str
    better: int
    questions: int
    before: float
    after: float
    interval: tuple[float, float] | None
    p: float
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``noise`` where chance explains it."""
        if self.p >= NOISE or self.difference == 0:
            return "noise"
        return "better" if self.difference * self.better > 0 else "worse"


def compare(before: Scores, after: Scores, seed: int = 0) -> list[Difference]:
    """Every measure that counts in both runs, over the questions of both.

    Raises InputError where they share none.
    """
    first, second = _paired(before, after)
    counted = (first.wholes.sum(axis=0) > 0) & (second.wholes.sum(axis=0) > 0)
    observed = second.totals() - first.totals()
    drawn = _drawn(first, second, seed)
    swapped = _swapped(first, second, seed)
    found = []
    for n in np.flatnonzero(counted):
        column = first.columns[n]
        won, lost = _changed(first, second, n)
        found.append(
            Difference(
                column.name,
                column.better,
                int(((first.wholes[:, n] > 0) | (second.wholes[:, n] > 0)).sum()),
                float(first.totals()[n]),
                float(second.totals()[n]),
                resampling.interval(drawn[:, n]),
                resampling.p_value(float(observed[n]), swapped[:, n]),
                won,
                lost,
            )
        )
    return found + _compare_auroc(first, second, seed)


def record(difference: Difference) -> Record:
    """A difference for ``--json``."""
    rounded = {
        key: round(value, DIGITS) if isinstance(value, float) else value
        for key, value in asdict(difference).items()
    }
    change = round(difference.difference, DIGITS)
    return {**rounded, "difference": change, "verdict": difference.verdict}


def _paired(before: Scores, after: Scores) -> tuple[Scores, Scores]:
    """Both with the same questions and measures in the same order."""
    place = {key: n for n, key in enumerate(after.ids)}
    pairs = [(n, place[key]) for n, key in enumerate(before.ids) if key in place]
    if not pairs:
        raise InputError("The two runs have no question in common, so there is nothing to compare.")
    shared = {column.name for column in after.columns}
    names = [column.name for column in before.columns if column.name in shared]
    return (
        before.only(names).rows([first for first, _ in pairs]),
        after.only(names).rows([second for _, second in pairs]),
    )


def _drawn(first: Scores, second: Scores, seed: int) -> Floats:
    """Differences in resampled sets of questions."""
    blocks = [
        resampling.ratios(draw @ second.parts, draw @ second.wholes)
        - resampling.ratios(draw @ first.parts, draw @ first.wholes)
        for draw in resampling.draws(len(first.ids), seed)
    ]
    return np.concatenate(blocks)


def _swapped(first: Scores, second: Scores, seed: int) -> Floats:
    """Differences when the two runs change places at some of the questions."""
    parts, wholes = second.parts - first.parts, second.wholes - first.wholes
    blocks = []
    for swap in resampling.swaps(len(first.ids), seed):
        part, whole = swap @ parts, swap @ wholes
        up = resampling.ratios(first.parts.sum(axis=0) + part, first.wholes.sum(axis=0) + whole)
        down = resampling.ratios(second.parts.sum(axis=0) - part, second.wholes.sum(axis=0) - whole)
        blocks.append(down - up)
    return np.concatenate(blocks)


def _changed(first: Scores, second: Scores, n: np.intp) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the questions that are better and worse by one measure, where it counts in both."""
    before = resampling.ratios(first.parts[:, n], first.wholes[:, n])
    change = resampling.ratios(second.parts[:, n], second.wholes[:, n]) - before
    change = change * first.columns[n].better
    return _ids(first.ids, change > 1e-12), _ids(first.ids, change < -1e-12)


def _ids(ids: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(key for key, kept in zip(ids, chosen, strict=True) if kept)


def _compare_auroc(first: Scores, second: Scores, seed: int) -> list[Difference]:
    """AUROC has no share of a case: it is recomputed for every draw and every swap."""
    asked = ~np.isnan(first.confidence) & ~np.isnan(second.confidence)
    positive = first.answerable[asked]
    if not positive.any() or positive.all():
        return []
    before, after = first.confidence[asked], second.confidence[asked]
    drawn = [
        auroc(after, positive, draw) - auroc(before, positive, draw)
        for draw in resampling.draws(len(positive), seed)
    ]
    swapped = [
        auroc(np.where(row, before, after), positive)
        - auroc(np.where(row, after, before), positive)
        for block in resampling.swaps(len(positive), seed)
        for row in block > 0
    ]
    values = auroc(before, positive), auroc(after, positive)
    p = resampling.p_value(values[1] - values[0], np.array(swapped))
    bounds = resampling.interval(np.concatenate(drawn))
    return [Difference(AUROC, 1, len(positive), *values, bounds, p)]
