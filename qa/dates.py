"""Dates as integers, so that every store compares them the same way."""

from __future__ import annotations

from datetime import date

from qa.types import Filters


def day_number(published: str | None) -> int | None:
    """A date as the integer YYYYMMDD; reduced precision counts as its first day."""
    if published is None:
        return None
    year, month, day = (*published.split("-"), "01", "01")[:3]
    return int(year) * 10000 + int(month) * 100 + int(day)


def day_range(filters: Filters) -> tuple[int | None, int | None]:
    """The first and the last day that ``filters`` let through, None where open."""
    return _day(filters.after), _day(filters.before)


def _day(value: date | None) -> int | None:
    return None if value is None else day_number(value.isoformat())
