"""Numbers, dates, names and quoted words in a text, in forms that can be compared.

English. What is not recognised is no fact here and counts as plain words.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from qa.questions import MONTHS, STOP_WORDS, listed, stem, words

_LISTS: dict[str, Any] = json.loads(files("qa.support").joinpath("words.json").read_text("utf-8"))
_SMALL = {
    name: value
    for value, name in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_TENS = {
    name: 10 * value
    for value, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_MAGNITUDES = {
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9, "tn": 1e12, "dozen": 12.0,
}  # fmt: skip
_FRACTIONS = {
    "half": 0.5, "halves": 0.5, "third": 1 / 3, "thirds": 1 / 3, "quarter": 0.25, "quarters": 0.25,
    "fifths": 0.2, "sixths": 1 / 6, "eighths": 0.125, "tenths": 0.1,
}  # fmt: skip
_ORDINALS = {
    name: value
    for value, name in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        1,
    )
}
_COUNTS = {"twice": 2.0, "thrice": 3.0, "double": 2.0, "doubled": 2.0, "triple": 3.0,
           "tripled": 3.0, "couple": 2.0, "pair": 2.0}  # fmt: skip
_SIGNS = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "%": "percent", "°": "degree"}
_UNITS = {form: name for name, forms in _LISTS["units"].items() for form in forms.split()}
_NUMBER = re.compile(
    r"(?:(?P<sign>[$€£¥])\s?)?(?<![\w.,])(?P<digits>\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<tail>st\b|nd\b|rd\b|th\b|s\b|k\b|m\b|mn\b|bn\b|tn\b)?(?P<mark>\s?[%°])?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_APPROXIMATE = re.compile(
    r"\b(?:about|around|approximately|roughly|nearly|almost|some|over|more than|under|less than|"
    r"at least|at most|up to|fewer than|close to|just)\s*(?:the\s)?[$€£¥]?$",
    re.IGNORECASE,
)
_BOUNDS = {
    "<": re.compile(r"(?<!\bno )\b(?:less|fewer|lower|smaller|shorter) than$|\b(?:under|below)$"),
    ">": re.compile(
        r"(?<!\bno )(?<!\bnot )\b(?:more|greater|higher|larger|longer|other) than$|"
        r"\b(?:over|above|exceed\w*)$"
    ),
}
_ROUNDING = 0.05  # "about 300" for 312


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts, where that is a known unit.

    ``kind``: ``number``, ``ordinal`` or ``clock``. ``start``, ``end``: its place, unit included.
    """

    value: float
    unit: str
    kind: str
    start: int
    end: int
    approximate: bool = False
    bound: str = ""  # "<" for "fewer than 300", ">" for "at least 300"


class Date(NamedTuple):
    """A year, a month, a day or what is known of them; 0 where it is not told.

    ``span`` is the number of years that the date covers: 10 for "the 1990s".
    """

    year: int
    month: int
    day: int
    span: int = 1


# -- numbers --------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 12)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Every number that is no part of a date, in order."""
    taken = [(start, end) for _, start, end in _dated(text)]
    found = [*_numerals(text), *_number_words(text)]
    return tuple(
        q
        for q in sorted(found, key=lambda q: q.start)
        if not any(start < q.end and q.start < end for start, end in taken)
    )


def _numerals(text: str) -> list[Quantity]:
    found = []
    clocks = list(_CLOCK.finditer(text))
    for match in clocks:
        late = (match["half"] or "").lower() == "p" or match["part"] in {"evening", "afternoon"}
        hour = int(match["hour"]) % 12 if match["half"] or match["part"] else int(match["hour"])
        hour += 12 if late else 0
        value = hour + int(match["minute"] or match["minute24"] or 0) / 100
        found.append(Quantity(value, "", "clock", *match.span()))
    for match in _NUMBER.finditer(text):
        if any(c.start() < match.end() and match.start() < c.end() for c in clocks):
            continue
        tail = (match["tail"] or "").lower()
        value = float(re.sub("[,\u00a0\u202f]", "", match["digits"]))
        if tail in {"st", "nd", "rd", "th"}:
            found.append(Quantity(value, "", "ordinal", *match.span()))
            continue
        metre = tail == "m" and not match["sign"]
        value *= 1.0 if metre else _MAGNITUDES.get(tail, 1.0)
        mark = _SIGNS.get((match["mark"] or match["sign"] or "").strip(), "")
        found.append(_with_unit(text, value, mark or ("metre" if metre else ""), match))
    return found


_CLOCK = re.compile(
    r"(?<![\d.:,])(?P<hour>[01]?\d|2[0-3])(?:"
    r"(?:[:.](?P<minute>[0-5]\d))?\s?"
    r"(?:(?P<half>[ap])\.?m\b\.?|in the (?P<part>morning|evening|afternoon))"
    r"|:(?P<minute24>[0-5]\d)\b(?!:))",
    re.IGNORECASE,
)


def _with_unit(text: str, value: float, unit: str, match: re.Match[str]) -> Quantity:
    """The magnitude and the unit that stand behind a number; "two-year-old" has them hyphenated."""
    end = match.end()
    for _ in range(3):
        following = re.match(r"[\s-]+(per cent|percentage points?|[^\W\d_]+)", text[end : end + 40])
        if not following:
            break
        word = following[1].lower().replace(" ", "_")
        if word in _MAGNITUDES and (len(word) > 1):
            value *= _MAGNITUDES[word]
        elif word in _UNITS and not unit:
            unit = _UNITS[word]
        elif word not in _UNITS:
            break
        end += following.end()
    before = text[max(0, match.start() - 24) : match.start()].rstrip(" $€£¥").lower()
    near = _APPROXIMATE.search(before) is not None
    bound = next((sign for sign, told in _BOUNDS.items() if told.search(before)), "")
    return Quantity(value, unit, "number", match.start(), end, near, bound)


def _number_words(text: str) -> list[Quantity]:
    """Numbers written out: "three hundred and twelve", "twenty-five", "a third", "half"."""
    found: list[Quantity] = []
    tokens = list(_WORD.finditer(text))
    at = 0
    while at < len(tokens):
        run, value, ordinal = _written(text, tokens, at)
        if not run:
            at += 1
            continue
        last = tokens[at + run - 1]
        if ordinal:
            found.append(Quantity(value, "", "ordinal", tokens[at].start(), last.end()))
        else:
            span = re.compile(".*", re.DOTALL).match(text, tokens[at].start(), last.end())
            assert span is not None  # it matches everything
            found.append(_with_unit(text, value, "", span))
        at += run
    return found


def _written(text: str, tokens: list[re.Match[str]], at: int) -> tuple[int, float, bool]:
    """How many tokens from ``at`` make up a number, its value, and whether it is an ordinal."""
    word = tokens[at].group().lower()
    before = tokens[at - 1].group().lower() if at else ""
    if _is_ordinal(word, before):
        return 1, float(_ORDINALS[word]), True
    hyphened = text[tokens[at].end() : tokens[at].end() + 1] == "-"
    single = 0.0 if hyphened or word.endswith(("s", "ves")) else _FRACTIONS.get(word, 0.0)
    if word == "quarter" and before not in {"a", "one"}:
        single = 0.0
    single = single or _COUNTS.get(word, 0.0)
    if single:
        return 1, single, False
    run = _Run()
    while at + run.length < len(tokens):
        place = at + run.length
        between = text[tokens[place - 1].end() : tokens[place].start()] if run.length else " "
        if not re.fullmatch(r"[\s-]+", between) or not run.take(tokens, place, before):
            break
    return run.length, run.total + run.current, False


def _is_ordinal(word: str, before: str) -> bool:
    if word == "second" and before in {"a", "per", "one"}:
        return False
    third = word in {"third", "quarter"} and before in {"a", "one"}
    return word in _ORDINALS and not third


@dataclass(slots=True)
class _Run:
    """A number being read: "three hundred and twelve"."""

    length: int = 0
    total: float = 0.0
    current: float = 0.0

    def take(self, tokens: list[re.Match[str]], at: int, before: str) -> bool:
        """Takes the token at a place, or says that the number has ended before it."""
        name, taken = tokens[at].group().lower(), 1
        if name in _SMALL and not (name == "one" and not self.length and not _counts(tokens, at)):
            self.current += _SMALL[name]
        elif name in _TENS:
            self.current += _TENS[name]
        elif name in _MAGNITUDES and len(name) > 2 and (self.length or before in {"a", "one"}):
            scaled = (self.current or 1.0) * _MAGNITUDES[name]
            hundreds = name == "hundred"
            self.current = scaled if hundreds else 0.0
            self.total += 0.0 if hundreds else scaled
        elif name in _FRACTIONS and self.length == 1 and self.current:
            self.current *= _FRACTIONS[name]
        elif name == "and" and self.length and _and_a_half(tokens, at):
            self.current, taken = self.current + 0.5, 3
        elif not (name == "and" and self.length and _goes_on(tokens, at + 1)):
            return False
        self.length += taken
        return True


def _counts(tokens: list[re.Match[str]], at: int) -> bool:
    """Whether "one" is a number here: before a unit or a magnitude ("one million", "one year")."""
    following = tokens[at + 1].group().lower() if at + 1 < len(tokens) else ""
    half = following == "and" and _and_a_half(tokens, at + 1)
    return half or following in _UNITS or following in _MAGNITUDES or following in _FRACTIONS


def _and_a_half(tokens: list[re.Match[str]], at: int) -> bool:
    return [token.group().lower() for token in tokens[at + 1 : at + 3]] == ["a", "half"]


def _goes_on(tokens: list[re.Match[str]], at: int) -> bool:
    name = tokens[at].group().lower() if at < len(tokens) else ""
    before = tokens[at - 2].group().lower()
    return before in {"hundred", "thousand"} and (name in _SMALL or name in _TENS)


def tells_quantity(there: Sequence[Quantity], said: Quantity) -> bool:
    """Whether one of a quote's numbers is the one of a sentence.

    Where the value stands in the quote with a unit, the sentence's unit must be it.
    """
    found = [each for each in there if same_quantity(said, each)]
    united = [each for each in there if _same_value(said, each) and each.unit]
    if said.unit and united and not any(each.unit == said.unit for each in united):
        return any(each.unit and each.unit != said.unit for each in found)  # converted
    return bool(found)


def same_quantity(said: Quantity, found: Quantity) -> bool:
    """Whether two numbers are the same: kind, value, bound and, where both tell, unit."""
    if said.kind != found.kind or said.bound != found.bound:
        return said.kind == found.kind and _near(said, found)
    if said.unit and found.unit and said.unit != found.unit:
        return _converted(said, found)
    if _same_value(said, found):
        return True
    if (said.unit == "percent") != (found.unit == "percent"):  # a quarter, 25 percent
        part, whole = (found, said) if said.unit == "percent" else (said, found)
        return part.value <= 1 and abs(100 * part.value - whole.value) < 0.5
    return _near(said, found)


def _same_value(said: Quantity, found: Quantity) -> bool:
    return abs(said.value - found.value) <= 1e-6 * max(abs(said.value), 1.0)


def _near(said: Quantity, found: Quantity) -> bool:
    """ "about 300" and "over 300" for 312; what is told as exact must be exact."""
    close = abs(said.value - found.value) <= _ROUNDING * max(abs(found.value), 1e-9)
    fits = not said.bound or (said.value < found.value) == (said.bound == ">")
    units = not said.unit or not found.unit or said.unit == found.unit
    return said.approximate and close and fits and units


_SCALES = {
    "millimetre": ("length", 0.001), "centimetre": ("length", 0.01), "metre": ("length", 1.0),
    "kilometre": ("length", 1000.0), "gram": ("weight", 0.001), "kilogram": ("weight", 1.0),
    "tonne": ("weight", 1000.0), "second": ("time", 1.0), "minute": ("time", 60.0),
    "hour": ("time", 3600.0), "day": ("time", 86400.0), "week": ("time", 604800.0),
    "month": ("span", 1.0), "year": ("span", 12.0), "decade": ("span", 120.0),
    "century": ("span", 1200.0),
}  # fmt: skip


def comparable(one: Quantity, other: Quantity) -> bool:
    """Whether two numbers can be of the same measure: no unit, one unit, or units of one kind."""
    if not one.unit or not other.unit or one.unit == other.unit:
        return True
    kinds = {_SCALES.get(each.unit, (each.unit, 0.0))[0] for each in (one, other)}
    return len(kinds) == 1


def _converted(said: Quantity, found: Quantity) -> bool:
    """18 months are one and a half years; 300 metres are 0.3 kilometres."""
    one, other = _SCALES.get(said.unit), _SCALES.get(found.unit)
    if not one or not other or one[0] != other[0]:
        return False
    return abs(said.value * one[1] - found.value * other[1]) <= 1e-6 * found.value * other[1]


# -- dates ----------------------------------------------------------------------------------------

_MONTH = (
    r"(?P<month{n}>jan(?:uary|\.)?|feb(?:ruary|\.)?|mar(?:ch|\.)?|apr(?:il|\.)?|may|june?|july?|"
    r"aug(?:ust|\.)?|sept?(?:ember|\.)?|oct(?:ober|\.)?|nov(?:ember|\.)?|dec(?:ember|\.)?)(?![a-z])"
)
_YEAR = r"(?P<year{n}>1[0-9]\d\d|20\d\d)(?![\d%]|[.,]\d|\s(?:metres|people|homes|crowns))"
_DATED = re.compile(
    "|".join(
        (
            r"(?<!\d)(?P<isoyear>\d{4})-(?P<isomonth>\d\d)-(?P<isoday>\d\d)(?!\d)",
            rf"\b(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.format(n=1)}"
            rf"(?:,?\s+{_YEAR.format(n=1)})?",
            rf"\b{_MONTH.format(n=2)}\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)"
            rf"(?:,?\s+{_YEAR.format(n=2)})?",
            rf"\b{_MONTH.format(n=3)},?\s+(?:of\s+)?{_YEAR.format(n=3)}",
            rf"(?<![\d.,$€£¥/]){_YEAR.format(n=4)}(?!s\b)",
            r"\b(?P<decade>1[0-9]\d0|20\d0)s\b",
        )
    ),
    re.IGNORECASE,
)


_MONTH_NAME = re.compile(rf"\b(?:{'|'.join(MONTHS).title()})\b")  # not "may", not "march"


@lru_cache(maxsize=1 << 12)
def dates(text: str) -> tuple[Date, ...]:
    """The dates that a text names, in order; a decade counts as its first year."""
    return tuple(date for date, _, _ in _dated(text))


@lru_cache(maxsize=1 << 12)
def _dated(text: str) -> tuple[tuple[Date, int, int], ...]:
    found = []
    for match in _DATED.finditer(text):
        parts = {k: v for k, v in match.groupdict().items() if v}
        year = next((int(v) for k, v in parts.items() if k.startswith(("year", "isoy", "dec"))), 0)
        day = next((int(v) for k, v in parts.items() if k.startswith(("day", "isod"))), 0)
        month = next((_month(v) for k, v in parts.items() if "month" in k), 0)
        if month <= 12 and day <= 31:
            span = 10 if "decade" in parts else 1
            found.append((Date(year, month, day, span), match.start(), match.end()))
    for match in _MONTH_NAME.finditer(text):
        if not any(start <= match.start() < end for _, start, end in found):
            found.append((Date(0, _month(match.group()), 0), match.start(), match.end()))
    return tuple(sorted(found, key=lambda each: each[1]))


def _month(name: str) -> int:
    if name.isdigit():
        return int(name)
    return next(n for n, month in enumerate(MONTHS, 1) if month.startswith(name.lower()[:3]))


def tells_date(found: Sequence[Date], said: Date) -> bool:
    """Whether the dates of a quote tell a date, if need be its year at another place."""
    if said.span > 1:
        return any(said.year <= date.year < said.year + said.span for date in found)
    years = {date.year for date in found if date.span == 1} | {0}
    days = {
        (date.month, date.day)
        for date in found
        if not (date.year and said.year) or date.year == said.year
    }
    months = {month for month, _ in days} | {0}
    day = (said.month, said.day) in days if said.day else said.month in months
    return said.year in years and day


# -- names and quoted words -----------------------------------------------------------------------

_CAPITAL = re.compile(r"[^\W\d_][\w]*(?:[-'’.&][\w]+)*\.?")
_WEEKDAYS = listed("weekdays")
_NO_NAMES = _WEEKDAYS | set(MONTHS) | listed("titles") | {"i", "ok"}
_OPENING = re.compile(r"(?:^|[.!?:;\n]\s*|[.!?]?[\"“”‘(\[]\s*|^\s*[-*#>|]+\s*)$")


@lru_cache(maxsize=1 << 12)
def names(text: str) -> tuple[str, ...]:
    """Capitalised words that the beginning of a sentence does not explain, folded, in order."""
    found = []
    for match in _CAPITAL.finditer(text):
        token = match.group().rstrip(".")
        if not token[:1].isupper() and not any(c.isupper() for c in token[1:]):
            continue
        word = folded(token)
        opens = _OPENING.search(text[max(0, match.start() - 8) : match.start()]) is not None
        if word in _NO_NAMES or len(word) == 1 or (opens and word in STOP_WORDS):
            continue
        if not opens or _in_run(text, match.end()) or token[1:] != token[1:].lower():
            found.append(word)
    return tuple(found)


def is_plain(part: str) -> bool:
    """Whether a part of a hyphenated name names nothing: "mid" and "april" of "mid-April"."""
    return part in _NO_NAMES or part in STOP_WORDS or part in {"mid", "ex", "non", "pre", "anti"}


def weekdays(text: str) -> frozenset[str]:
    """The weekdays that a text names, in lower case."""
    return frozenset(word for word in words(text) if word in _WEEKDAYS)


def openers(text: str) -> tuple[str, ...]:
    """Capitalised words at the beginning of a sentence, which may be names or not."""
    named = set(names(text))
    found = []
    for match in _CAPITAL.finditer(text):
        token = match.group().rstrip(".")
        word = folded(token)
        plain = word in STOP_WORDS or word in _NO_NAMES or word in named
        if token[:1].isupper() and not plain:
            found.append(word)
    return tuple(found)


def _in_run(text: str, end: int) -> bool:
    """Whether another capitalised word follows: "Orla Thessing said"."""
    following = re.match(
        r"\s+(?:(?:of|the|de|van|von|al|el|bin|der)\s+){0,2}([^\W\d_][\w'’.-]*)",
        text[end : end + 60],
    )
    word = following[1] if following else ""
    return word[:1].isupper() and folded(word) not in STOP_WORDS | _NO_NAMES


@lru_cache(maxsize=1 << 14)
def folded(token: str) -> str:
    """A name without case, diacritics, full stops or possessive ending."""
    plain = unicodedata.normalize("NFKD", token.lower().replace("’", "'"))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace(".", "")
    return re.sub(r"'s?$", "", plain)


_TITLED = re.compile(r"(?:[A-Z\d][\w’'-]*|a|an|the|of|in|and|for|to|on|at|de|la)(?:[\s,:-]+|$)")
_QUOTED = re.compile(r"[\"“”]([^\"“”]{2,400})[\"“”]")


def quotations(text: str) -> tuple[str, ...]:
    """What stands between quotation marks, in lower case without punctuation; titles left out."""
    said = (match[1] for match in _QUOTED.finditer(text))
    return tuple(" ".join(words(each)) for each in said if words(each) and not _is_title(each))


def _is_title(said: str) -> bool:
    """Whether it is written as the title of a work is: "Brown v. Board of Education"."""
    return (
        said[:1].isupper() and sum(len(m.group()) for m in _TITLED.finditer(said)) >= len(said) - 3
    )


def content(text: str) -> tuple[str, ...]:
    """Stems of content words in order, with repetition; what is compared as a fact left out."""
    return tuple(
        stem(word) for word in words(text) if word not in STOP_WORDS and not _counts_as(word)
    )


def _counts_as(word: str) -> bool:
    named = _SMALL.keys() | _TENS.keys() | _MAGNITUDES.keys() | _ORDINALS.keys() | _WEEKDAYS
    return word[:1].isdigit() or word in named or word in MONTHS


def written(date: Date) -> str:
    """A date in words, in the precision it has."""
    parts = (date.day, date.month and MONTHS[date.month - 1].capitalize(), date.year)
    return " ".join(str(part) for part in parts if part)
