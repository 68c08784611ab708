"""Intervals and p-values by resampling cases, seeded and vectorised.

Draws of cases with replacement are kept as counts, one row a resample, so that a resampled sum of
any number of measures is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1_000
PERMUTATIONS = 10_000
LEVEL = 95  # per cent
_BLOCK_CELLS = 4_000_000  # of a block of counts: 32 MB


def draws(cases: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Floats]:
    """Blocks of rows that say how often each case was drawn; ``resamples`` rows in all."""
    generator = np.random.default_rng(seed)
    even = np.full(cases, 1 / cases)
    for rows in _blocks(resamples, cases):
        yield generator.multinomial(cases, even, size=rows).astype(np.float64)


def swaps(cases: int, seed: int, permutations: int = PERMUTATIONS) -> Iterator[Floats]:
    """Blocks of rows of 0 and 1 that say which pairs change places."""
    generator = np.random.default_rng(seed)
    for rows in _blocks(permutations, cases):
        yield generator.integers(0, 2, size=(rows, cases)).astype(np.float64)


def ratios(parts: Floats, wholes: Floats) -> Floats:
    """Parts over wholes; NaN where a whole is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(wholes > 0, parts / np.where(wholes > 0, wholes, 1), np.nan)


def interval(resampled: Floats) -> tuple[float, float] | None:
    """The middle 95 % of resampled values (percentile bootstrap, Efron 1979); None if undefined."""
    valid = resampled[~np.isnan(resampled)]
    if not len(valid):
        return None
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(valid, [tail, 100 - tail])
    return float(low), float(high)


def p_value(observed: float, permuted: Floats) -> float:
    """Two-sided: how often chance gives a difference at least as large (North et al. 2002)."""
    valid = permuted[~np.isnan(permuted)]
    as_large = np.sum(np.abs(valid) >= abs(observed) - 1e-12)
    return float((as_large + 1) / (len(valid) + 1))


def _blocks(rows: int, columns: int) -> Iterator[int]:
    size = max(1, _BLOCK_CELLS // max(1, columns))
    while rows > 0:
        yield min(size, rows)
        rows -= size
