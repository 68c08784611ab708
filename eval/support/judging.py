"""What the check says of pairs, and how often it is right.

*Rejected* is a pair that the check calls ``unsupported``. Its score is good where the AUROC is
high: the chance that a true pair has the higher score than a false one.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.measures.abstention import auroc
from eval.support.making import KINDS, Pair
from eval.types import Record
from qa.support import Verdict, check
from qa.types import Support

VERDICTS: tuple[Support, ...] = ("unsupported", "partial", "supported")


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, and what the check said of it."""

    pair: Pair
    verdict: Verdict

    @property
    def wrong(self) -> bool:
        """A true pair rejected, a false one not, or a partial one anything but partial."""
        if self.pair.label == "supported":
            return self.verdict.support == "unsupported"
        return self.verdict.support != self.pair.label


def judge(pairs: Sequence[Pair]) -> tuple[list[Judged], float]:
    """All pairs judged, and the milliseconds that one took."""
    check("It warms up.", [pair.quoted for pair in pairs[:1]])  # reads its word lists
    start = time.perf_counter()
    judged = [Judged(pair, check(pair.sentence, [pair.quoted])) for pair in pairs]
    return judged, 1000 * (time.perf_counter() - start) / max(1, len(pairs))


def summarise(judged: Sequence[Judged], ms_a_pair: float) -> Record:
    """Shares by kind and by label, and the AUROC of the score.

    ``auroc`` holds true pairs against all others, ``auroc_partial``, None where no pair is partial,
    true and partial pairs against false ones. Both are None where one side is empty.
    """
    partial = any(each.pair.label == "partial" for each in judged)
    kinds = sorted({each.pair.kind for each in judged}, key=_place)
    return {
        "pairs": len(judged),
        "kinds": {kind: _shares(e for e in judged if e.pair.kind == kind) for kind in kinds},
        "false": _shares(e for e in judged if e.pair.label == "unsupported"),
        "true": _shares(e for e in judged if e.pair.label == "supported"),
        "auroc": _auroc(judged, {"supported"}),
        "auroc_partial": _auroc(judged, {"supported", "partial"}) if partial else None,
        "ms_a_pair": ms_a_pair,
    }


def errors(judged: Iterable[Judged], most: int) -> list[Judged]:
    """Up to ``most`` wrong verdicts of each kind, the most confidently wrong first."""
    wrong = sorted((each for each in judged if each.wrong), key=_doubt)
    seen = Counter[str]()
    kept = []
    for each in wrong:
        seen[each.pair.kind] += 1
        if seen[each.pair.kind] <= most:
            kept.append(each)
    return kept


def error_record(wrong: Judged) -> Record:
    """A wrong verdict as JSON."""
    return {
        "id": wrong.pair.id,
        "kind": wrong.pair.kind,
        "label": wrong.pair.label,
        "verdict": wrong.verdict.support,
        "score": wrong.verdict.score,
        "reason": wrong.verdict.reason,
        "sentence": wrong.pair.sentence,
        "quote": wrong.pair.quoted.text,
    }


def _place(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def _doubt(judged: Judged) -> tuple[int, str, float]:
    score = judged.verdict.score
    return *_place(judged.pair.kind), -score if judged.pair.label == "unsupported" else score


def _shares(judged: Iterable[Judged]) -> Record:
    counts = Counter(each.verdict.support for each in judged)
    total = counts.total()
    names = ("rejected", "partial", "supported")
    shares = {n: counts[v] / total if total else None for n, v in zip(names, VERDICTS, strict=True)}
    return {"pairs": total, **shares}


def _auroc(judged: Sequence[Judged], positive: set[Support]) -> float | None:
    scores = np.array([each.verdict.score for each in judged], dtype=np.float64)
    found = auroc(
        scores, np.array([each.pair.label in positive for each in judged], dtype=np.bool_)
    )
    return None if math.isnan(found) else float(found)
