"""What a measure is: a share for each case, summed over cases.

Every measure here gives a case a :class:`Share`, ``part`` of ``whole``; over many cases the parts
are summed and divided by the summed wholes. A mean over cases is the special case in which every
whole is 1; a whole of 0 leaves a case out. So one way of resampling serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from eval.types import Case

Predicate = Callable[[Case], bool]


class Share(NamedTuple):
    """``part`` of ``whole``."""

    part: float
    whole: float = 1.0


OUT = Share(0.0, 0.0)  # the case does not count


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its name in reports and in ``summary.json`` (``group`` and ``key``).

    ``applies`` says which cases it is about; a case that failed with an error counts with
    ``default`` there, and not at all where that is None. ``better`` is 1 where more is better, -1
    where less is.
    """

    group: str
    key: str
    share: Callable[[Case], Share]
    applies: Predicate
    default: float | None = 0.0
    better: int = 1

    @property
    def name(self) -> str:
        """Unique over all groups."""
        return f"{self.group}_{self.key}" if self.group == "abstention" else self.key

    def of(self, case: Case) -> Share:
        """The share of one case, failures and cases left out included."""
        if not self.applies(case):
            return OUT
        if case.error is not None:
            return OUT if self.default is None else Share(self.default)
        return self.share(case)


def yes(value: bool) -> Share:
    """1 of 1 or 0 of 1."""
    return Share(float(value))
