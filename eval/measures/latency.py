"""Latency and cost: how long a reader waits, and what a model was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from eval.types import Case, Record

PERCENTILES = (50, 95)


def latency(cases: Sequence[Case]) -> Record:
    """p50 and p95 in milliseconds, of the whole and of each stage; failures are left out.

    The whole is ``total``, or ``search`` where only passages were asked for.
    """
    stages: dict[str, list[float]] = {}
    for case in cases:
        if case.error is None:
            for stage, value in case.timings_ms.items():
                stages.setdefault(stage, []).append(value)
    found = {stage: _percentiles(values) for stage, values in stages.items()}
    whole = found.get("total") or found.get("search") or {"p50": None, "p95": None}
    return {**whole, "stages": found}


def usage(cases: Sequence[Case]) -> Record:
    """Tokens and cost summed, where a model was asked and said what it used."""
    total: Counter[str] = Counter()
    for case in cases:
        if case.outcome:
            total.update(dict(case.outcome.usage))
    return dict(total)


def _percentiles(values: Sequence[float]) -> Record:
    return {f"p{p}": round(float(np.percentile(values, p)), 1) for p in PERCENTILES}
