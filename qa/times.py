"""When a text means: dates and relative expressions of time, read against the day it was written.

English only, and pure: regular expressions, each with a reader that turns a match into days. A
reader is asked without the anchor first; what only the anchor makes a date is relative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from qa.questions import MONTHS, stem

Span = tuple[date, date]  # first and last day, both inclusive
Reader = Callable[[re.Match[str], date | None], Span | None]
Tense = Literal["future", "past", ""]


@dataclass(frozen=True, slots=True)
class Mention:
    """``text[start:end]`` names the days from ``first`` to ``last``, both inclusive.

    ``relative`` says that the days follow from the anchor, and are wrong if that is wrong.
    """

    start: int
    end: int
    first: date
    last: date
    relative: bool


@lru_cache(maxsize=1 << 10)
def mentions(text: str, anchor: date | None) -> tuple[Mention, ...]:
    """The times that the text names, in order and without overlap.

    ``anchor`` is the day the text was written; without it, nothing relative is found. A weekday is
    the last one up to the anchor, or the coming one where its clause speaks of the future. A
    winter is named after the year in which it begins.
    """
    found: list[Mention] = []
    for mention in sorted(_candidates(text, anchor), key=lambda each: (each.start, -each.end)):
        if not found or mention.start >= found[-1].end:
            found.append(mention)
        elif mention.end - mention.start > found[-1].end - found[-1].start:
            found[-1] = mention
    return tuple(_joined(text, found))


def anchor_of(published: str | None) -> date | None:
    """The day that relative times count from; None where the date is not precise to the day."""
    if published is None or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", published):
        return None
    try:
        return date.fromisoformat(published)
    except ValueError:
        return None


def written(first: date, last: date) -> str:
    """The days in words: "12 March 2023", "March 2023", "2023" or "12 to 18 March 2023"."""
    if first == last:
        return _day_written(first)
    if (first, last) == _whole(first, "year"):
        return str(first.year)
    if (first, last) == _whole(first, "month"):
        return f"{MONTHS[first.month - 1].title()} {first.year}"
    if first.year != last.year:
        return f"{_day_written(first)} to {_day_written(last)}"
    if first.month != last.month:
        month = MONTHS[first.month - 1].title()
        return f"{first.day} {month} to {_day_written(last)}"
    return f"{first.day} to {_day_written(last)}"


def asked(question: str, today: date) -> Span | None:
    """The days that a question asks about; None where it names none, or only the present.

    ``date.min`` and ``date.max`` stand for an open end: "since 2023", "before last month".
    """
    periods = [
        _opened(question, mention)
        for mention in mentions(question, today)
        if not question[mention.start : mention.end].lower().endswith("today")
    ]
    if not periods:
        return None
    first = min(first for first, _ in periods)
    last = max(last for _, last in periods)
    if len(periods) > 1 and (first, last) == (date.min, date.max):
        # "since 2019 and before 2021": two open ends that close each other.
        closed = max(first for first, _ in periods), min(last for _, last in periods)
        return closed if closed[0] <= closed[1] else (first, last)
    return first, last


def _day_written(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1].title()} {day.year}"


_OPENS = re.compile(
    r"\b(?P<word>since|after|later than|from|before|prior to|earlier than|until|till|up to|by)\s+"
    r"(?:the\s+)?(?:(?:(?P<end>end|close)|start|beginning|middle)\s+of\s+)?(?:the\s+)?$",
    re.IGNORECASE,
)
_ONWARDS = re.compile(r"\s+(?:on|onwards?)\b", re.IGNORECASE)


def _opened(question: str, mention: Mention) -> Span:
    """The days of a mention, with the open end that the word before it gives them."""
    before = _OPENS.search(question, max(0, mention.start - 60), mention.start)
    word = " ".join(before["word"].lower().split()) if before else ""
    if word == "since" or (word == "from" and _ONWARDS.match(question, mention.end)):
        return mention.first, date.max
    if word in {"after", "later than"} and mention.last < date.max:
        return mention.last + timedelta(1), date.max
    if before and before["end"] and word in {"before", "prior to", "earlier than"}:
        word = "until"
    if word in {"before", "prior to", "earlier than"} and mention.first > date.min:
        return date.min, mention.first - timedelta(1)
    if word in {"until", "till", "up to", "by"}:
        return date.min, mention.last
    return mention.first, mention.last


# -- words of time --------------------------------------------------------------------------------

# Every gap is short and never crosses a blank line, so that no run of spaces is read twice.
_GAP = r"(?:[ \t\xa0]{1,3}|[ ]?\n[ ]?)"
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])"
_ORDINAL = r"(?:st|nd|rd|th)?"
_YEAR = r"(?:1[5-9][0-9]{2}|20[0-9]{2}|2100)"
_YEAR_ENDS = r"(?![\w%°]|[.,:/][0-9]|-(?!present|now|today)\w)"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_FULL_MONTH = rf"(?:{'|'.join(MONTHS)})\b"
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_WEEKDAY = rf"(?:{'|'.join(_WEEKDAYS)})\b"
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_SEASON = rf"(?:{'|'.join(_SEASONS)})\b"
_UNIT = r"(?:day|week|fortnight|month|year|decade)"
_SHIFTS = {"last": -1, "past": -1, "this": 0, "next": 1, "coming": 1}
_SHIFT = rf"(?:(?:this{_GAP})?(?:past|coming)|this|last|next)"
_PART_OF_DAY = rf"(?:{_GAP}(?:morning|afternoon|lunchtime|evening|night)\b)"
_PART = r"(?:(?P<part>earlier|later|early|late|mid)[ -])"
_DOT = r"(?:(?:(?<=\b[a-z]{3})|(?<=\bsept))\.)?"
_OF_YEAR = rf"{_DOT}(?:,?{_GAP}(?:of{_GAP})?(?P<year>{_YEAR}){_YEAR_ENDS}"
_OF_YEAR += rf"|(?:{_GAP}of)?{_GAP}(?P<shift>last|this|next){_GAP}year\b)"
_TO = rf"(?:{_GAP}?[-–—]{_GAP}?|{_GAP}(?:to|until|till|through|and){_GAP})"
_UNITS_COUNTED = (
    r"(?:people|men|women|children|per|percent|euro|yen|metre|meter|tonne|feet|foot|km|kg|mm|cm|ha|"
    r"m|mw|kw|million|billion|thousand|hundred|"
    r"(?!(?:does|across|always|unless|perhaps|towards|besides|versus)\b)[a-z]{3,20}s)\b"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_VAGUE = {"few": (2, 6), "several": (3, 9), "couple": (2, 3)}
_NUMBER = (
    rf"(?P<number>[0-9]{{1,4}}|(?:a{_GAP})?few|several|(?:a{_GAP})?couple{_GAP}of|"
    rf"(?:{'|'.join(_TENS)})(?:-(?:{'|'.join(_ONES[:9])}))?|{'|'.join(_ONES[::-1])}|"
    rf"(?:an?|one){_GAP}hundred|an?)\b(?P<half>{_GAP}and{_GAP}a{_GAP}half\b)?"
)


def _counted(match: re.Match[str]) -> tuple[int, int]:
    """The least and the most that a number may mean: "a few" is from two to six."""
    words = match["number"].lower().split()
    vague = next((span for word, span in _VAGUE.items() if word in words), None)
    if vague:
        return vague
    parts = [word for word in words[-1].split("-") if word not in {"a", "an", "one"}]
    few = sum(int(stem(part)) for part in parts) + ("one" in words[-1].split("-"))
    few = few or 1
    return few, few + bool(match["half"])


def _moved(day: date, unit: str, by: int) -> date:
    """The day so many units away; the 31st becomes the last day of a shorter month."""
    days = {"day": 1, "week": 7, "fortnight": 14}.get(unit)
    if days:
        return day + timedelta(days * by)
    months = {"month": 1, "year": 12, "decade": 120, "century": 1200}[unit] * by
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    first = date(year, month + 1, 1)
    return first.replace(day=min(day.day, _whole(first, "month")[1].day))


def _whole(day: date, unit: str) -> Span:
    """The week (from Monday), month, year, decade or century that holds the day."""
    if unit in {"week", "fortnight"}:
        monday = day - timedelta(day.weekday())
        return monday, monday + timedelta(6)
    if unit == "weekend":
        monday = day - timedelta(day.weekday())
        return monday + timedelta(5), monday + timedelta(6)
    if unit == "month":
        # The day before the first of the next month, without a next month in December 9999.
        in_the_next = day.replace(day=28) + timedelta(4) if day < date(9999, 12, 1) else None
        last = in_the_next.replace(day=1) - timedelta(1) if in_the_next else date.max
        return day.replace(day=1), last
    years = {"year": 1, "decade": 10, "century": 100}.get(unit)
    if years:
        first = day.year - day.year % years
        return date(first, 1, 1), date(first + years - 1, 12, 31)
    return day, day


def _months(year: int, month: int, count: int = 1) -> Span:
    """So many whole months from the first of one."""
    first = date(year, month, 1)
    return first, _whole(_moved(first, "month", count - 1), "month")[1]


def _month_number(word: str) -> int:
    return next(n for n, name in enumerate(MONTHS, 1) if name.startswith(word[:3].lower()))


# -- the words around -----------------------------------------------------------------------------

_WINDOW = 160  # characters to each side in which a clause is looked for
_BOUNDARY = re.compile(
    r"(?<!\b[DM]r)(?<!\bMrs)(?<!\b[MS][st])\.(?!\w)|[;:!?,()\n\"“”—–]|"
    r"\b(?:that|who|which|because|but|while|when|after|although|where|if)\b|"
    rf"\band\b(?!{_GAP}(?:to\b|(?:on{_GAP})?(?i:{_WEEKDAY})))"
)
_SENTENCE_END = re.compile(r"(?<!\b[DM]r)(?<!\bMrs)(?<!\b[MS][st])\.(?!\w)|[;!?\n]")
_OPENING = re.compile(
    r"[\s*_]*(?:(?:and|so|then|early|late|on|in|by|from|until|till|at|over|during|the)\s*)*",
    re.IGNORECASE,
)
# "Was to open" was future when it was past: it tells nothing.
_TOLD = r"(?:was|were|been) (?:to|due|meant|supposed|planned|put off)"
_WILL = (
    r"(?<!a )(?<!his )(?<!her )will|won't|won’t|would|shall|can|must|due|next(?! to| door)|"
    r"expects?|scheduled|(?:is|are|be) (?:\w+ )?expected|(?:is|are) (?:to|on|at|held)|going to|"
    r"plan(?:s|ned)? (?:to|for|on)|(?:hopes?|wants?|means|intends?) to|takes? place|opens|reopens|"
    r"begins|starts|ends|closes|meets|resumes|returns"
)
_DID = (
    r"said|told|was|were|has|had|(?<!will )(?<!to )have|(?:ought to|should|could|might) have|did|"
    r"won|lost|went|came|took|made|gave|met|began|found|fell|rose|sent|spent|wrote|ran|left|kept|"
    r"built|bought|sold|brought|paid|heard|spoke|stood|led|saw|became|agreed|"
    r"(?!closed|hundred|indeed)[a-z]{2,20}[a-df-z]ed"
)
_NO_PARTICIPLE = "".join(rf"(?<!\b{word} )" for word in "be been stay remain is are".split())
_TENSE = re.compile(
    rf"\b(?P<none>{_TOLD})\b|(?P<future>\b(?:{_WILL})\b|['’]ll\b)|"
    rf"\bexpected\b|{_NO_PARTICIPLE}\b(?P<past>{_DID})\b"
)
_AHEAD = re.compile(
    r"\b(?:until|till|by|from|before)(?:\s(?:the|late on|early on|midnight on|noon on))?\s+$",
    re.IGNORECASE,
)
_FOR = re.compile(r"\bfor(?:\sthe)?\s+$", re.IGNORECASE)
_OWNED = re.compile(
    r"(?:\b(?:the|a|an|his|her|their|its|our|my|your|whose|every|each|any|no)|['’]s)\s+$",
    re.IGNORECASE,
)
_STARTS = re.compile(r"(?:^|[.!?:;\n\"“”‘'()\[*_#>|–—-])\s{0,3}$")
_CAPITAL_NEXT = re.compile(rf"{_GAP}[A-Z]")
_CAPITAL_BEFORE = re.compile(r"\b[A-Z][\w’']*\s$")


def _before(match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """Whether the text right before the match is of the pattern, which ends in ``$``."""
    start = match.start()
    return pattern.search(match.string, max(0, start - 60), start) is not None


def _tense(match: re.Match[str]) -> Tense:
    """Whether the clause around the match speaks of what will be or of what was.

    A time belongs to the verb before it, else to the one after it, past the comma of "On Friday,".
    """
    text, start, end = match.string, match.start(), match.end()
    low, high = max(0, start - _WINDOW), min(len(text), end + _WINDOW)
    bounds = list(_BOUNDARY.finditer(text, low, high))
    left = max((bound.end() for bound in bounds if bound.end() <= start), default=low)
    right = min((bound.start() for bound in bounds if bound.start() >= end), default=high)
    if not text[end:right].strip() and _OPENING.fullmatch(text, left, start):
        stop = _SENTENCE_END.search(text, end, high)
        right = stop.start() if stop else high
    told = list(_TENSE.finditer(text, left, start))[-1:] or list(_TENSE.finditer(text, end, right))
    if told and told[0]["future"]:
        return "future"
    return "past" if told and told[0]["past"] else ""


def _coming(match: re.Match[str]) -> bool:
    """Whether a weekday or season is the coming one: "will open on Friday", "until Friday"."""
    tense = _tense(match)
    ahead = _before(match, _FOR) or (tense != "past" and _before(match, _AHEAD))
    return tense == "future" or ahead


_ADDED = re.compile(r"[\s*_(\[]*(?:updated?|correction|corrected)\b", re.IGNORECASE)


def _is_added(match: re.Match[str]) -> bool:
    """Whether it stands in a note of a later day: "Updated on Saturday: the number ..." is one."""
    text, start = match.string, match.start()
    line = text.rfind("\n", max(0, start - 400), start) + 1
    return (line > 0 or start < 400) and _ADDED.match(text, line, start) is not None


def _is_name(match: re.Match[str]) -> bool:
    """Whether it is part of a name: the Sunday Times, USA Today."""
    text, start = match.string, match.start()
    if not match.group()[:1].isupper() or _before(match, _STARTS):
        return False
    return (
        _CAPITAL_NEXT.match(text, match.end()) is not None
        or _CAPITAL_BEFORE.search(text, max(0, start - 30), start) is not None
    )


# -- dates ----------------------------------------------------------------------------------------

# "Next year's fair will be on 21 June."
_SUBJECT = re.compile(
    r"(?:^|[.!?\n“\"]\s?)(?P<shift>last|next) year\b[^.!?;\n]{0,50}$", re.IGNORECASE
)
_BETWEEN = re.compile(r"\bbetween\s+(?:the\s+)?$", re.IGNORECASE)


def _iso(match: re.Match[str], _: date | None) -> Span | None:
    year, month = int(match["year"]), int(match["month"])
    if match["day"]:
        return _whole(date(year, month, int(match["day"])), "day")
    # 2003-04 is a season that spans the new year, not April.
    return None if month == year % 100 + 1 else _months(year, month)


def _year_of(match: re.Match[str], anchor: date | None) -> int | None:
    """The year that stands beside a day, month or season: "2023", "of last year"."""
    if match["year"]:
        return int(match["year"])
    told = _SUBJECT.search(match.string, max(0, match.start() - 60), match.start())
    shift = match["shift"] or (told["shift"] if told else None)
    return anchor.year + _SHIFTS[shift.lower()] if shift and anchor else None


def _day(match: re.Match[str], anchor: date | None) -> Span | None:
    """A day of a month, or from one day to another."""
    month = _month_number(match["month"])
    year = _year_of(match, anchor)
    if year is not None:
        last = date(year, month, int(match["day"]))
    elif anchor is None or match["shift"] or _is_other_word(match["month"]):
        return None
    else:
        days = _valid(lambda year: _whole(date(year, month, int(match["day"])), "day"), anchor)
        if match["weekday"]:  # "Tuesday, 3 November" may be of another age: then it is none
            weekday = _WEEKDAYS.index(match["weekday"].lower())
            days = [each for each in days if each[0].weekday() == weekday]
        last = _nearest(match, anchor, days)[0]
    return _from_day(match, last)


def _from_day(match: re.Match[str], last: date) -> Span | None:
    """The days up to ``last``, from the first of the two days that a range names."""
    if not match.groupdict().get("from_day"):
        return last, last
    month = _month_number(match["from_month"]) if match["from_month"] else last.month
    first = date(last.year - (month > last.month), month, int(match["from_day"]))
    # "5 March and 10 June" are two days, "12 and 13 March" as good as a range.
    listed = match["to"].strip().lower() == "and" and not _before(match, _BETWEEN)
    if first >= last or (listed and last - first > timedelta(1)):
        return None
    return first, last


def _is_other_word(month: str) -> bool:
    """Whether a month without a year may be a verb or no word: "may", "mar"."""
    return month.islower() and (month == "may" or month not in MONTHS)


def _month(match: re.Match[str], anchor: date | None) -> Span | None:
    """A month, or from one month to another; without a year, a preposition must lead to it."""
    month = _month_number(match["month"])
    year = _year_of(match, anchor)
    if year is not None:
        last = _months(year, month)
    elif anchor is None or match["shift"] or not _is_led(match):
        return None
    else:
        last = _nearest(match, anchor, _valid(lambda year: _months(year, month), anchor))
    if not match.groupdict().get("from_month"):
        return last
    if match["to"].strip().lower() == "and" and not _before(match, _BETWEEN):
        return None
    first = _month_number(match["from_month"])
    return date(last[0].year - (first > month), first, 1), last[1]


_SINCE_MONTH = re.compile(
    r"\b(?:in|since|until|till|during|between|(?:end|beginning|start|middle|half|weeks?|days?|most)"
    r"\s+of)\s+$",
    re.IGNORECASE,
)
_TO_MONTH = re.compile(r"\b(?:from|to|by|before|after|for|through)\s+$", re.IGNORECASE)
_MONTH_BEFORE = re.compile(rf"\b(?i:{_FULL_MONTH})\s(?:and|or|to|through)\s$")


def _is_led(match: re.Match[str]) -> bool:
    """Whether a bare month is a time: "in March", not "a march" nor "by June Carter"."""
    if match["part"] or _before(match, _SINCE_MONTH):
        return True
    if match["month"].islower() or _CAPITAL_NEXT.match(match.string, match.end()):
        return False
    return _before(match, _TO_MONTH) or _before(match, _MONTH_BEFORE)


def _valid(build: Callable[[int], Span], anchor: date) -> list[Span]:
    """What ``build`` makes of the years around the anchor; 29 February is not in every one."""
    spans = []
    for year in range(anchor.year - 1, anchor.year + 2):
        try:
            spans.append(build(year))
        except (ValueError, OverflowError):
            continue
    return spans


def _distance(span: Span, anchor: date) -> int:
    return max((span[0] - anchor).days, (anchor - span[1]).days, 0)


_FAR = 60  # days: what is nearer than that is meant, whatever the verb says
_SINCE = re.compile(r"\bsince\s+$", re.IGNORECASE)
_TILL = re.compile(r"\b(?:until|till)\s+$", re.IGNORECASE)
_POINTS = re.compile(r"\b(?:in|on|during|between|from)\s+$", re.IGNORECASE)


def _nearest(match: re.Match[str], anchor: date, spans: list[Span]) -> Span:
    """The one nearest to the anchor, unless that is far and the verb points the other way.

    Raises ValueError where there is none at all.
    """
    if _before(match, _SINCE):
        spans = [span for span in spans if span[0] <= anchor]
    near = min(spans, key=lambda span: _distance(span, anchor))
    if _distance(near, anchor) <= _FAR:
        return near
    tense = _tense(match) or ("future" if _before(match, _TILL) else "")
    if tense == "future" and near[1] < anchor:
        return min((span for span in spans if span[0] > anchor), default=near)
    if tense == "past" and near[0] > anchor and _before(match, _POINTS):
        return max((span for span in spans if span[1] < anchor), default=near)
    return near


_YEAR_LED = re.compile(
    r"\b(?:in|since|during|the|until|till)\s+(?:about\s+|around\s+)?$", re.IGNORECASE
)
_COUNT_LED = re.compile(
    r"\b(?:than|least|most|over|only|nearly|almost|some|another|at|pages?|no\.?|number|room|about|"
    r"around|roughly|approximately|under|flat|route|all|these|those|first|last|every|each)\s+$",
    re.IGNORECASE,
)
_COUNTED = re.compile(rf"{_GAP}{_UNITS_COUNTED}", re.IGNORECASE)


def _year(match: re.Match[str], _: date | None) -> Span | None:
    """A year by itself, unless it counts something: "2023 people", "over 2000"."""
    year = int(match["year"])
    led = _before(match, _YEAR_LED)
    counts = _COUNTED.match(match.string, match.end()) is not None
    if (_before(match, _COUNT_LED) and not led) or (counts and not (led and year > 1900)):
        return None
    return None if counts and year % 50 == 0 else _whole(date(year, 1, 1), "year")


def _years(match: re.Match[str], _: date | None) -> Span | None:
    """From one year to another: 1999-2003, 2023/24."""
    first, last = int(match["year"]), int(match["last"])
    if len(match["last"]) == 2:
        following = last == (first + 1) % 100  # 1999/00
        last = first + 1 if following else first - first % 100 + last
    return (date(first, 1, 1), date(last, 12, 31)) if first < last else None


def _decade(match: re.Match[str], _: date | None) -> Span | None:
    year = int(match["year"])
    return _whole(date(year, 1, 1), "century" if year % 100 == 0 and year < 1900 else "decade")


def _century(match: re.Match[str], _: date | None) -> Span | None:
    last = 100 * int(match["number"])
    return date(last - 99, 1, 1), date(last, 12, 31)


def _season_of_year(match: re.Match[str], anchor: date | None) -> Span | None:
    year = _year_of(match, anchor)
    return None if year is None else _season(match["season"], year)


def _season(name: str, year: int) -> Span:
    return _months(year, _SEASONS[name.lower()], 3)


# -- relative times -------------------------------------------------------------------------------


def _near_today(match: re.Match[str], anchor: date | None) -> Span | None:
    """Today and the days beside it, with their mornings and nights."""
    if anchor is None or _is_name(match) or _is_added(match):
        return None
    shifts = {"before": -2, "after": 2, "yesterday": -1, "tomorrow": 1, "last": -1}
    said = match["word"].lower().split()
    by = next((shift for word, shift in shifts.items() if word in said), 0)
    return _whole(_moved(anchor, "day", by), "day")


def _shifted(match: re.Match[str], anchor: date | None) -> Span | None:
    """This, last or next week, month, year ..., and the earlier or later part of it."""
    shift = _shift(match)
    # "The last week" is counted back from the anchor, "the next week" follows something told.
    if anchor is None or _is_name(match) or (shift and _before(match, _OWNED)):
        return None
    unit = match["unit"].lower()
    plain = "week" if unit == "weekend" else unit
    first, last = _whole(_moved(_whole(anchor, plain)[0], plain, shift), unit)
    part = (match["part"] or "").lower()
    if shift == 0 and part == "earlier":
        return first, min(last, max(first, anchor))
    if shift == 0 and part == "later":
        return min(last, max(first, anchor)), last
    return first, last


def _shift(match: re.Match[str]) -> int:
    return _SHIFTS[match["shift"].lower().split()[-1]]


_LINGERS = 21  # days after its last month in which a spring is not yet "last spring"


def _shifted_season(match: re.Match[str], anchor: date | None) -> Span | None:
    """This, last or next summer or June: last is the latest that is over."""
    if anchor is None or _is_name(match) or _before(match, _OWNED):
        return None
    name = match["name"].lower()
    if name in {"march", "may"} and match["name"].islower() and _shift(match) == 0:
        return None  # "this may"

    def build(year: int) -> Span:
        return _season(name, year) if name in _SEASONS else _months(year, _month_number(name))

    spans = _valid(build, anchor)
    if _shift(match) < 0:
        over = anchor - timedelta(_LINGERS)
        return max((span for span in spans if span[1] < over), default=None)
    if _shift(match) > 0:
        return min((span for span in spans if span[0] > anchor), default=None)
    if name == "winter":
        return min(spans, key=lambda span: _distance(span, anchor))
    return build(anchor.year)


_SEASON_LED = re.compile(
    r"\b(?:in|during|over|since|until|till|by|before|from|after|of|for)\s+$", re.IGNORECASE
)
_AT = re.compile(r"\b(?:at|on)\s+$", re.IGNORECASE)


def _bare_season(match: re.Match[str], anchor: date | None) -> Span | None:
    """ "In the spring", "until the weekend": the one that runs, or the last, or the coming one."""
    name = match["name"].lower()
    led = _before(match, _SEASON_LED) or (name == "weekend" and _before(match, _AT))
    if anchor is None or not led or (match["name"][0].isupper() and match.group()[0] == "t"):
        return None
    if name == "weekend":
        weeks = (_moved(anchor, "week", by) for by in (-1, 0, 1))
        spans = [_whole(day, "weekend") for day in weeks]
    else:
        spans = _valid(lambda year: _season(name, year), anchor)
    if _coming(match):
        return min((span for span in spans if span[1] >= anchor), default=None)
    return max((span for span in spans if span[0] <= anchor), default=None)


_HOLIDAY = re.compile(
    r"\b(?:Black|Good|Palm|Easter|Ash|Whit|Bloody|Super|Shrove|Maundy|Cyber|Holy|Trinity|Pancake|"
    r"Fat|Sheffield|Ruby)\s$"
)
_ORDERED = re.compile(
    r"\b(?:some|one|per|first|second|third|fourth|other|alternate|that|following|previous|usual|"
    r"long|longer|whole|same|normal|busy|quiet)"
    r"\s+$",
    re.IGNORECASE,
)
_DAYS_OF_A_WEEK = re.compile(rf"\b{_WEEKDAY}{_GAP}?(?:to|through|-|–){_GAP}?$", re.IGNORECASE)
_HABIT = re.compile(
    rf"{_GAP}(?:mornings|afternoons|evenings|nights)\b|"
    rf"{_GAP}?(?:to\b|through\b|-|–){_GAP}?{_WEEKDAY}|-[a-z]|"
    rf",?{_GAP}(?:the{_GAP})?(?:{_DAY}{_ORDINAL}{_GAP}(?:of{_GAP})?{_MONTH}|{_MONTH}{_GAP}{_DAY}\b)",
    re.IGNORECASE,
)
_FROM = re.compile(r"\bfrom\s$", re.IGNORECASE)
_ON = re.compile(
    r"\b(?:on|until|till|from|by|since|before|after|for|of|said|late|early)\s$", re.IGNORECASE
)


def _is_no_day(match: re.Match[str]) -> bool:
    """Whether a weekday is a habit or a name: "a Monday", "Monday to Friday", "Sunday Times"."""
    text, end = match.string, match.end()
    if _before(match, _OWNED) or _before(match, _ORDERED):
        return True
    if _before(match, _HOLIDAY) or _before(match, _DAYS_OF_A_WEEK):
        return True
    if _HABIT.match(text, end) and not _before(match, _FROM):
        return True
    follows = _CAPITAL_NEXT.match(text, end) is not None and match.group()[0].isupper()
    return follows and not (_before(match, _ON) or _before(match, _STARTS) or match["shift"])


def _weekday(match: re.Match[str], anchor: date | None) -> Span | None:
    """A weekday; bare, it is the last one up to the anchor or the coming one."""
    if anchor is None or _is_no_day(match) or _is_added(match):
        return None
    wanted = _WEEKDAYS.index(match["day"].lower())
    monday = anchor - timedelta(anchor.weekday())
    if match["week"]:
        monday = _moved(monday, "week", _SHIFTS[match["week"].lower()])
        return _whole(_moved(monday, "day", wanted), "day")
    ahead = (wanted - anchor.weekday()) % 7
    back = (anchor.weekday() - wanted) % 7
    shift = match["shift"].lower().split()[-1] if match["shift"] else ""
    if match["later"]:  # "Saturday week" is the one after the coming Saturday
        by = (ahead or 7) + 7
    elif shift and shift != "this":
        by = (ahead or 7) if _SHIFTS[shift] > 0 else -(back or 7)
    elif _coming(match):
        by = ahead
    else:
        by = wanted - anchor.weekday() if shift else -back
    return _whole(_moved(anchor, "day", by), "day")


def _counted_off(match: re.Match[str], anchor: date | None) -> Span | None:
    """ "Two weeks ago", "three days from now": the day, week, month or year it comes to."""
    return (
        None if anchor is None else _away(match, anchor, -1 if match["way"].lower() == "ago" else 1)
    )


def _away(match: re.Match[str], anchor: date, side: int) -> Span:
    unit = match["unit"].lower()
    ends = [_whole(_moved(anchor, unit, side * count), unit) for count in _counted(match)]
    return min(ends)[0], max(ends)[1]


_TIME_IN = re.compile(r"\b(?:time|once|twice|ever|best|worst|highest|lowest|first)\s+$")


def _in_units(match: re.Match[str], anchor: date | None) -> Span | None:
    """ "In two weeks' time"; without "time" only of the future, else it is how long it took."""
    if anchor is None:
        return None
    if not match["time"] and (_before(match, _TIME_IN) or _tense(match) != "future"):
        return None
    return _away(match, anchor, 1)


def _stretch(match: re.Match[str], anchor: date | None) -> Span | None:
    """ "The past three weeks", "the coming days": from or to the anchor."""
    if anchor is None or _before(match, _OWNED):
        return None
    side = _SHIFTS[match["side"].lower()]
    unit = match["unit"].lower()
    if match["number"]:
        count = _counted(match)[1]
    elif match["side"].lower() in ({"last", "next"} if match["plural"] else {"next"}):
        return None  # "the last weeks" and "the next week" are told from elsewhere
    else:
        count = _VAGUE["few"][1] if match["plural"] else 1
    edge = _moved(anchor, unit, side * count)
    return min(edge, anchor), max(edge, anchor)


def _of_this(match: re.Match[str], anchor: date | None) -> Span | None:
    """ "The end of the month": the whole month, since nobody says how long an end is."""
    return None if anchor is None else _whole(anchor, match["unit"].lower())


# -- the rules ------------------------------------------------------------------------------------


def _rule(pattern: str, reader: Reader) -> tuple[re.Pattern[str], Reader]:
    return re.compile(pattern, re.IGNORECASE), reader


_ALONE = r"(?<![\w$€£¥#§@.,:/–-])"  # a number that is not the end of a longer one
_DAY_BEFORE = rf"(?:\b(?P<weekday>{_WEEKDAY}),?{_GAP}(?:the{_GAP})?)?"
_NO_COUNT = rf"(?![0-9%:]|[.,][0-9]|{_GAP}{_UNITS_COUNTED})"
_FROM_DAY = rf"(?P<from_day>{_DAY}){_ORDINAL}"
_FROM_MONTH = rf"(?P<from_month>{_MONTH}){_DOT}"
_TO_DAY = rf"(?P<to>{_TO})(?:the{_GAP})?"
_THE_DAY = rf"(?P<day>{_DAY})(?![0-9]){_ORDINAL}"
_THE_MONTH = rf"(?P<month>{_MONTH})"

_RULES = (
    _rule(
        rf"{_ALONE}(?P<year>{_YEAR})-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>{_DAY})(?:T[0-9:.]+Z?)?)?"
        r"(?![\w/-])",
        _iso,
    ),
    # 12 March 2023, Friday the 12th of March, 12 March of last year
    _rule(
        rf"{_DAY_BEFORE}{_ALONE}{_THE_DAY}(?:{_GAP}of)?{_GAP}{_THE_MONTH}(?:{_OF_YEAR})?",
        _day,
    ),
    # 12-18 March 2023, 28 February to 6 March
    _rule(
        rf"{_DAY_BEFORE}{_ALONE}{_FROM_DAY}(?:{_GAP}{_FROM_MONTH})?{_TO_DAY}"
        rf"{_THE_DAY}(?:{_GAP}of)?{_GAP}{_THE_MONTH}(?:{_OF_YEAR})?",
        _day,
    ),
    # March 12, 2023; March 12-18, 2023; February 28 to March 6
    _rule(
        rf"{_DAY_BEFORE}\b{_THE_MONTH}{_DOT}{_GAP}(?:the{_GAP})?{_THE_DAY}(?:(?:{_OF_YEAR})|{_NO_COUNT})",
        _day,
    ),
    _rule(
        rf"{_DAY_BEFORE}\b{_THE_MONTH}{_DOT}{_GAP}{_FROM_DAY}(?P<from_month>(?!))?{_TO_DAY}"
        rf"{_THE_DAY}(?:(?:{_OF_YEAR})|{_NO_COUNT})",
        _day,
    ),
    _rule(
        rf"{_DAY_BEFORE}\b{_FROM_MONTH}{_GAP}{_FROM_DAY}{_TO_DAY}{_THE_MONTH}{_DOT}{_GAP}"
        rf"{_THE_DAY}(?:(?:{_OF_YEAR})|{_NO_COUNT})",
        _day,
    ),
    # March 2023, mid-March of last year, January to March 1932, in March
    _rule(rf"\b{_PART}?{_THE_MONTH}{_OF_YEAR}", _month),
    _rule(rf"\b{_PART}?{_FROM_MONTH}{_TO_DAY}{_THE_MONTH}(?:{_OF_YEAR})", _month),
    _rule(rf"\b{_PART}?(?P<month>{_FULL_MONTH})(?P<year>(?!))?(?P<shift>(?!))?", _month),
    _rule(
        rf"\b{_PART}?(?P<from_month>{_FULL_MONTH})(?P<to>{_TO})(?P<month>{_FULL_MONTH})"
        r"(?P<year>(?!))?(?P<shift>(?!))?",
        _month,
    ),
    _rule(rf"\b{_PART}?(?P<season>{_SEASON})(?:{_GAP}in)?{_OF_YEAR}", _season_of_year),
    _rule(
        rf"\b(?P<season>{_SEASON})(?:{_GAP}of)?{_GAP}(?P<year>{_YEAR})[/–-][0-9]{{2}}(?![0-9])",
        _season_of_year,
    ),
    _rule(rf"{_ALONE}{_PART}?(?P<year>{_YEAR}){_YEAR_ENDS}", _year),
    _rule(
        rf"{_ALONE}(?P<year>{_YEAR}){_GAP}?[-–—/]{_GAP}?(?P<last>{_YEAR}|[0-9]{{2}}){_YEAR_ENDS}",
        _years,
    ),
    _rule(rf"{_ALONE}{_PART}?(?P<year>(?:1[5-9]|20)[0-9]0)s\b", _decade),
    _rule(rf"{_ALONE}(?P<number>1?[0-9]|2[01])(?:st|nd|rd|th){_GAP}century\b", _century),
    _rule(
        rf"\b{_PART}?(?P<word>the{_GAP}day{_GAP}before{_GAP}yesterday|"
        rf"the{_GAP}day{_GAP}after{_GAP}tomorrow|tonight|(?:today|yesterday|tomorrow)\b"
        rf"{_PART_OF_DAY}?|this{_PART_OF_DAY}|last{_GAP}(?:night|evening))\b",
        _near_today,
    ),
    _rule(
        rf"\b{_PART}?(?P<shift>{_SHIFT}){_GAP}"
        r"(?P<unit>week(?:end)?|month|year|decade|century)\b",
        _shifted,
    ),
    _rule(
        rf"\b{_PART}?(?P<shift>{_SHIFT}){_GAP}(?P<name>{_SEASON}|{_FULL_MONTH})"
        rf"(?!{_GAP}(?:in|of)\b)",
        _shifted_season,
    ),
    _rule(
        rf"\bthe{_GAP}(?P<name>spring|summer|autumn|winter|weekend)\b"
        rf"(?!{_GAP}(?:of|after|before)\b)",
        _bare_season,
    ),
    _rule(
        rf"\b(?:(?P<shift>{_SHIFT}){_GAP})?(?P<day>{_WEEKDAY}){_PART_OF_DAY}?"
        rf"(?:(?:{_GAP}of)?{_GAP}(?P<week>this|last|next){_GAP}week\b|"
        rf"(?P<later>{_GAP}week\b(?!-)))?",
        _weekday,
    ),
    _rule(
        rf"\b{_NUMBER}{_GAP}(?P<unit>{_UNIT})s?{_GAP}(?P<way>ago|from{_GAP}(?:now|today)|hence)\b",
        _counted_off,
    ),
    _rule(
        rf"\bin{_GAP}{_NUMBER}{_GAP}(?P<unit>{_UNIT})s?(?P<time>['’]?s?['’]?{_GAP}time)?\b"
        rf"(?!{_GAP}of\b)",
        _in_units,
    ),
    _rule(
        rf"\b(?:(?:the|these){_GAP})?(?P<side>past|last|next|coming){_GAP}{_NUMBER}{_GAP}"
        rf"(?P<unit>{_UNIT})(?P<plural>s)?\b(?!{_GAP}of\b)",
        _stretch,
    ),
    _rule(
        rf"\bthe{_GAP}(?P<side>past|last|next|coming){_GAP}(?P<number>(?!))?"
        rf"(?P<unit>(?!day\b){_UNIT})(?P<plural>s)?\b(?!{_GAP}(?:of|in)\b)",
        _stretch,
    ),
    _rule(
        rf"\bthe{_GAP}(?:end|close|start|beginning|middle){_GAP}of{_GAP}the{_GAP}"
        r"(?P<unit>week|month|year)\b",
        _of_this,
    ),
)


def _candidates(text: str, anchor: date | None) -> Iterator[Mention]:
    for pattern, reader in _RULES:
        for match in pattern.finditer(text):
            absolute = _read(reader, match, None)
            span = absolute or _read(reader, match, anchor)
            if span:
                yield Mention(match.start(), match.end(), *span, absolute is None)


def _read(reader: Reader, match: re.Match[str], anchor: date | None) -> Span | None:
    try:
        return reader(match, anchor)
    except (ValueError, OverflowError):  # 31 February, 9999 years ago
        return None


_RANGE = re.compile(
    rf"{_GAP}?[-–—]{_GAP}?|{_GAP}(?:to|until|till|through|up{_GAP}to){_GAP}(?:the{_GAP})?"
)
_AND = re.compile(rf"{_GAP}and{_GAP}(?:the{_GAP})?")
_POSTPONED = re.compile(
    r"\b(?:moved|postponed|put off|changed|delayed|brought forward|pushed|rescheduled|grew|rose|"
    r"fell)\b[^.;\n]{0,40}$"
)


def _joined(text: str, found: Iterable[Mention]) -> Iterator[Mention]:
    """Makes one of "March 2022 to June 2023" and of "between 1999 and 2003"."""
    held: Mention | None = None
    for mention in found:
        if held is not None and _is_range(text, held, mention):
            relative = held.relative or mention.relative
            held = Mention(held.start, mention.end, held.first, mention.last, relative)
            continue
        if held is not None:
            yield held
        held = mention
    if held is not None:
        yield held


def _is_range(text: str, one: Mention, other: Mention) -> bool:
    if one.first > other.first or one.last >= other.last:
        return False
    before = max(0, one.start - 60)
    if _AND.fullmatch(text, one.end, other.start):
        return _BETWEEN.search(text, before, one.start) is not None
    return (
        _RANGE.fullmatch(text, one.end, other.start) is not None
        and _POSTPONED.search(text, before, one.start) is None
    )
