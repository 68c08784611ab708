"""Dates as articles state them, to ISO 8601 of the precision given; never a guess.

What could be read in two ways (``04/05/2022``), does not exist (``2022-02-30``) or lacks its year
is None. A moment with a time zone is cut to the calendar date it has there. Years are 1000 to 2100:
beyond them it is another calendar or a placeholder.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = rf"(?P<month>{'|'.join(f'{m[:3]}(?:{m[3:]})?' for m in _MONTHS)}|sept)\.?"
_TIME = r"""(?: (?:\s*T\s*|,?\s+(?:at\s+)?) \d{1,2} (?:[:.]?\d{2}){0,2} (?:[.,]\d+)?
    \s* (?:[ap]\.?m\.?)? \s* (?:[+-]\d{2}:?(?:\d{2})? | \(?[a-z]{1,5}\)?)? )?"""
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"

_FORMS = [
    re.compile(form + r"\Z", re.VERBOSE | re.IGNORECASE | re.ASCII)
    for form in (
        r"(?P<year>\d{4})",
        r"(?P<year>\d{4})[-/](?P<month>\d{1,2})",
        r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})" + _TIME,
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _TIME,
        _WEEKDAY + _DAY + rf"(?:\s+of)?[\s-]+{_MONTH},?[\s-]+" + _YEAR + _TIME,
        _WEEKDAY + _MONTH + r"\s+" + _DAY + r",?\s+" + _YEAR + _TIME,
        _MONTH + r",?\s+" + _YEAR,
        r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*日" + _TIME,
        r"(?P<year>\d{4})\s*년\s*(?P<month>\d{1,2})\s*월\s*(?P<day>\d{1,2})\s*일" + _TIME,
    )
]
_NUMBERS = re.compile(
    r"(?P<first>\d{1,2})(?P<sep>[-/.])(?P<second>\d{1,2})(?P=sep)(?P<year>\d{4})" + _TIME + r"\Z",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
# "9 avril 2022", "9. April 2022", "9 de abril de 2022": the word goes to dateparser.
_FOREIGN = re.compile(
    r"(\d{1,2})(?:\.|er|º)?\s+(?:de\s+)?([^\W\d][^\d\s,]{2,}),?\s+(?:de[l]?\s+)?(\d{4})"
)
# Months that differ between Czech, Polish and Croatian: "listopad" is October in one of them.
_FALSE_FRIENDS = {"lis", "listopad", "listopada", "listopadu", "lip", "srp"}
_EPOCH_RANGE = (631_152_000, 4_102_444_800)  # Seconds, 1990 to 2100.


def parse_date(value: object) -> str | None:
    """``2022``, ``2022-04`` or ``2022-04-09`` from a text or a number, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(value)
    text = " ".join(str(value).split())
    if re.fullmatch(r"\d{9,14}(?:\.\d+)?", text, re.ASCII):
        return _from_number(float(text))
    return _from_text(text) if len(text) <= 80 else None


def _from_number(number: float) -> str | None:
    """An epoch in seconds or milliseconds, else the digits of a year or of ``20220409``."""
    low, high = _EPOCH_RANGE
    for seconds in (number, number / 1000):
        if low <= seconds < high:
            return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    whole = number == number // 1 if abs(number) < 1e9 else False
    return _from_text(str(int(number))) if whole else None


def _from_text(text: str) -> str | None:
    for form in _FORMS:
        if match := form.match(text):
            parts = match.groupdict()
            return _iso(parts["year"], parts.get("month"), parts.get("day"))
    if match := _NUMBERS.match(text):
        return _from_numbers(int(match["first"]), int(match["second"]), match["year"])
    if match := _FOREIGN.fullmatch(text):
        return _from_foreign(*match.groups())
    return None


def _from_numbers(first: int, second: int, year: str) -> str | None:
    """Day and month in either order, where only one order makes a date."""
    readings = {_iso(year, str(second), str(first)), _iso(year, str(first), str(second))} - {None}
    return readings.pop() if len(readings) == 1 else None


@lru_cache(maxsize=1024)
def _from_foreign(day: str, month: str, year: str) -> str | None:
    if month.rstrip(".").lower() in _FALSE_FRIENDS:
        return None
    from dateparser.date import DateDataParser

    strict = {"STRICT_PARSING": True, "PARSERS": ["absolute-time"], "DATE_ORDER": "DMY"}
    found = DateDataParser(settings=strict).get_date_data(f"1 {month} 2000").date_obj
    # Only the month is taken from the parser, so that it cannot reinterpret the numbers.
    if found is None or (found.day, found.year) != (1, 2000):
        return None
    return _iso(year, str(found.month), day)


def _iso(year: str, month: str | None = None, day: str | None = None) -> str | None:
    number = _month_number(month) if month else 1
    try:
        whole = date(int(year), number, int(day or 1))
    except ValueError:
        return None
    if not 1000 <= whole.year <= 2100:
        return None
    return whole.isoformat()[: 10 if day else 7 if month else 4]


def _month_number(month: str) -> int:
    if month.isdecimal():
        return int(month)
    return 1 + next(i for i, name in enumerate(_MONTHS) if name.startswith(month[:3].lower()))
