"""What a question asks for, and where a text holds that kind of thing.

Pure and quick: regular expressions, and stems from `snowballstemmer`, cached. The one tokeniser of
the pure layer is here (:func:`words`, :func:`stem`), and so is the finding of dates
(:func:`periods`) and of typed answers (:func:`typed`), since questions and articles must be read
the same way. English; of another language the words are read, and the type is a ``thing``.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import takewhile
from typing import Any, Literal, NamedTuple

Wants = Literal[
    "person", "date", "number", "money", "place", "duration", "reason", "method", "definition",
    "yesno", "thing",
]  # fmt: skip
MARKED = frozenset({"reason", "method", "definition", "yesno"})  # told by a marker, not by a token

Period = tuple[int, int]  # first and last month, both inclusive, as 12 * year + month from 0
OPEN_END = 12 * 9999

_TOKEN = re.compile(
    r"(?:[^\W\d_]\.){2,}|\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?|[^\W\d_]+(?:[’'][^\W\d_]+)*"
)


_WORDS: dict[str, Any] = json.loads(files("qa").joinpath("words.json").read_text("utf-8"))


def listed(name: str) -> frozenset[str]:
    """One of the word lists in ``words.json``."""
    return frozenset(_WORDS[name].split())


STOP_WORDS = listed("stop words")
_NUMBER_WORDS: dict[str, str] = _WORDS["number words"]
# Forms that a stemmer leaves apart from their word, the word first.
_IRREGULAR = {form: forms.split()[0] for forms in _WORDS["irregular"] for form in forms.split()[1:]}


class Read(NamedTuple):
    """A text read once: raw tokens, their stems in order and as a set, stems of content words."""

    raw: tuple[str, ...]
    stems: tuple[str, ...]
    all: frozenset[str]
    content: frozenset[str]


def words(text: str) -> list[str]:
    """Lower-cased words without diacritics or possessive endings; 4.2 and 1,200 are one word."""
    return [_normal(match.group()) for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=1 << 14)
def read(text: str) -> Read:
    """Tokenises and stems a text, cached."""
    raw = tuple(match.group() for match in _TOKEN.finditer(text))
    plain = [_normal(token) for token in raw]
    stems = tuple(stem(word) for word in plain)
    content = (s for s, word in zip(stems, plain, strict=True) if word not in STOP_WORDS)
    return Read(raw, stems, frozenset(stems), frozenset(content))


@lru_cache(maxsize=1 << 16)
def _normal(token: str) -> str:
    word = token.lower().replace("’", "'")
    if not word.isascii():
        folded = unicodedata.normalize("NFKD", word)
        word = "".join(c for c in folded if not unicodedata.combining(c))
    if word.endswith("'s") and len(word) > 2:
        word = word[:-2]
    return word if word[:1].isdigit() else word.replace(".", "")


_STEMMERS = threading.local()  # a stemmer keeps the word it works on: each thread has its own


def _stemmer() -> Any:
    if not hasattr(_STEMMERS, "english"):
        import snowballstemmer

        _STEMMERS.english = snowballstemmer.stemmer("english")
    return _STEMMERS.english


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of one of :func:`words`; number words and 1,200 become digits, won becomes win."""
    if word[:1].isdigit():
        return word.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", word) else word
    return _NUMBER_WORDS.get(word) or str(_stemmer().stemWord(_IRREGULAR.get(word, word)))


def is_past(word: str) -> bool:
    """Whether one of :func:`words` looks like a past form: opened, went."""
    return word.endswith("ed") or word in _IRREGULAR


# -- questions ------------------------------------------------------------------------------------

_PERSONS = listed("persons")
_PLACES = listed("places")
_DATES = listed("dates")
_AMOUNTS = listed("amounts")
_COSTS = listed("costs")
_TYPED_NOUNS: dict[str, Wants] = {
    **dict.fromkeys(_PERSONS, "person"), **dict.fromkeys(_PLACES, "place"),
    **dict.fromkeys(_DATES, "date"), **dict.fromkeys(_AMOUNTS, "number"),
    **dict.fromkeys(_COSTS, "money"), "reason": "reason", "cause": "reason",
}  # fmt: skip
_MONEY_VERB = re.compile(
    r"\b(?:cost|pay|pays|paid|spen[dt]|price|priced|worth|money|funding|funds?|raised?|earn\w*|sold|sell|"
    r"charge[ds]?|fined?|budget\w*|invest\w*|owe[ds]?|donat\w*|compensation|debts?|revenue|profit\w*|"
    r"loss\w*)\b"
)
_EMPTY_FOCUS = _DATES | listed("empty nouns")
_AUXILIARY = listed("auxiliaries")
_AGENT = re.compile(r"(?:er|or|ist|man|woman|ian)$")
_WH = re.compile(
    r"\b(?:how\s+(?:many|much|long|old|far|tall|high|deep|big|large|wide|heavy|fast|often|late|early)|"
    r"how|when|who|whom|whose|where|why|what|which)\b",
    re.IGNORECASE,
)
_SIMPLE: dict[str, Wants] = {
    "when": "date", "who": "person", "whom": "person", "whose": "person", "where": "place",
    "why": "reason", "how": "method", "how long": "duration",
}  # fmt: skip
_MEASURES: dict[str, str] = _WORDS["measures"]
_NEWEST = re.compile(
    r"\b(?:now|latest|newest|currently?|today|nowadays|most recent(?:ly)?|at present|so far|"
    r"these days|in the end|final(?:ly)?|eventually)\b",
    re.IGNORECASE,
)
_PRESENT = re.compile(r"\b(?:is|are|does|do|has|have|can)\b", re.IGNORECASE)
_PAST = re.compile(r"\b(?:did|was|were|had)\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|never|no longer|nor|neither|without|cannot|refus\w+|fail(?:ed|s)? to|nobody|none)\b|"
    r"n[’']t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    ``focus`` is the stem of the noun after what, which or how many, and ``measure`` what a number
    or time measures (age, length, share, clock ...); both may be empty. ``terms`` are the stems of
    the content words without repeats, ``surface`` the same words as they stand, and ``names`` and
    ``numbers`` those of the terms that are one. Years and months are no terms but the ``period``.
    ``newest`` says that the question is about the present.
    """

    text: str
    wants: Wants
    focus: str
    measure: str
    terms: tuple[str, ...]
    surface: tuple[str, ...]
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    period: Period | None
    newest: bool
    present: bool
    negative: bool


def analyse(question: str) -> Question:
    """Takes a question apart; what is no question comes back wanting a ``thing``."""
    asked, rest = _question_word(question)
    wants, focus = _type(question, asked, rest)
    idle = {*asked.split()[1:], *({focus} & _EMPTY_FOCUS)}
    terms: dict[str, str] = {}
    dates = {word for match in _DATE.finditer(question) for word in words(match.group())}
    for word in words(question):
        if word not in STOP_WORDS | idle | dates and (len(word) > 1 or word.isdigit()):
            terms.setdefault(stem(word), word)
    return Question(
        text=question,
        wants=wants,
        focus=stem(focus) if focus else "",
        measure=_MEASURES.get(asked) or _MEASURES.get(focus, ""),
        terms=tuple(terms),
        surface=tuple(terms.values()),
        names=tuple(name for name in dict.fromkeys(_question_names(question)) if name in terms),
        numbers=tuple(term for term in terms if term[:1].isdigit()),
        period=_asked_period(question),
        newest=_NEWEST.search(question) is not None,
        present=_PRESENT.search(question) is not None and _PAST.search(question) is None,
        negative=is_negative(question),
    )


def is_negative(text: str) -> bool:
    """Whether the text denies something."""
    return _NEGATION.search(text) is not None


def _question_word(question: str) -> tuple[str, str]:
    """The question word ("how many", "who"; empty where none asks) and what follows it."""
    if words(question)[:1] and words(question)[0] in _AUXILIARY:
        return "", question
    found = list(_WH.finditer(question))
    if not found:
        return "", question
    chosen = found[0]
    # "When the storm hit, who led the council?" asks who.
    if len(found) > 1 and re.search(r"[,;]\s*(?:\w+\s+)?$", question[: found[-1].start()]):
        chosen = found[-1]
    return " ".join(chosen.group().lower().split()), question[chosen.end() :]


def _type(question: str, asked: str, rest: str) -> tuple[Wants, str]:
    """The type of the answer, and the noun that says it or that is counted."""
    first = words(question)[:1]
    if not asked:
        return ("yesno" if first and first[0] in _AUXILIARY else "thing"), ""
    if asked in _SIMPLE:
        return _SIMPLE[asked], ""
    if asked in {"what", "which"}:
        return _what(rest)
    following = words(rest)
    if asked == "how many":
        counted = next((word for word in following[:3] if word not in STOP_WORDS), "")
        spans = {"years", "days", "months", "weeks", "hours", "minutes"}
        return ("duration" if counted in spans else "number"), counted
    if asked == "how much" and not re.search(r"\b(?:by how much|how much of)\b", question, re.I):
        costs = _MONEY_VERB.search(question.lower()) or following[:1] in (["is"], ["was"], ["are"])
        return ("money" if costs else "number"), ""
    return "number", ""


def _what(rest: str) -> tuple[Wants, str]:
    """What and which: the noun that follows says the type ("what town", "what is the price")."""
    following = words(rest)
    if re.match(r"\s*(?:did|does|do|will|would)\b.*\bcost\b", rest, re.IGNORECASE):
        return "money", ""
    if re.match(r"\s*(?:caused|led to|prompted|made)\b", rest, re.IGNORECASE):
        return "reason", ""
    copula = bool(following) and following[0] in _AUXILIARY
    noun = _head_noun(following[1:] if copula else following, skip_the=copula)
    wants = _noun_type(noun)
    named = re.search(r"\bnames? of (?:the |an? )?(?:\w+ ){0,2}?(\w+)", rest, re.IGNORECASE)
    if noun in {"name", "names"} and named:
        person = _normal(named[1]) in _PERSONS or _AGENT.search(named[1])
        return ("person" if person else wants), noun
    content = [word for word in following[1:] if word not in STOP_WORDS]
    brief = len(content) <= 3 and len(following) <= 6
    if copula and wants == "thing" and following[0] in {"is", "are"} and brief:
        return "definition", ""
    if copula and wants == "thing" and re.search(r"\b(?:reason|cause[ds]?)\b", rest, re.I):
        return "reason", noun
    return wants, noun


def _head_noun(following: list[str], *, skip_the: bool) -> str:
    """The noun in front of the first function word: "what chess club did ...": club."""
    run: list[str] = []
    for word in following[:6]:
        if word in STOP_WORDS:
            if run or not skip_the:
                break
        elif _noun_type(word) != "thing":
            return word
        else:
            run.append(word)
    return run[-1] if run and len(run) <= 3 else "".join(run[:1])


def _noun_type(noun: str) -> Wants:
    return _TYPED_NOUNS.get(noun) or _TYPED_NOUNS.get(noun.removesuffix("s"), "thing")


def _question_names(question: str) -> list[str]:
    """Stems of capitalised words, unless the question is capitalised throughout."""
    found = [match.group() for match in _TOKEN.finditer(question)]
    capital = [word for word in found[1:] if word[:1].isupper()]
    if len(capital) > 0.8 * max(len(found) - 1, 1) and len(found) > 4:
        return []
    first = [w for w in found[:1] if w[:1].isupper() and _normal(w) not in STOP_WORDS]
    return [stem(_normal(word)) for word in first + capital]


# -- dates ----------------------------------------------------------------------------------------

MONTHS = (
    "january february march april may june july august september october november december".split()
)
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(?:\b(?P<month>{_MONTH})\.?\s+(?:\d{{1,2}}(?:st|nd|rd|th)?)?,?\s*(?:of\s+)?)?"
    r"(?<![\d.,])(?P<year>1[0-9]\d\d|20\d\d)(?P<decade>s)?(?![\d%]|[.,]\d)"
    r"(?:[-–/](?P<short>\d\d)\b(?!-))?",
    re.IGNORECASE,
)
_RANGE_SIGN = re.compile(
    r"\s*\)?\s*(?:-|–|—|to|until|till|through|and|up to)\s*(?:the\s+)?"
    r"(?:\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?)?",
    re.IGNORECASE,
)
_STILL_OPEN = re.compile(
    r"\s*(?:-|–|—|to|until)\s*(?:present|now|today|date)\b|\s*[-–—]\s*(?=[;,)\n]|$)", re.IGNORECASE
)


@lru_cache(maxsize=1 << 12)
def periods(text: str) -> tuple[Period, ...]:
    """The years, months and ranges that the text names, in order."""
    spans: list[Period] = []
    end = -1
    for match in _DATE.finditer(text):
        low, high = _one_date(match)
        joined = end >= 0 and _RANGE_SIGN.fullmatch(text[end : match.start()])
        if joined and high >= spans[-1][0]:
            spans[-1] = spans[-1][0], high
        else:
            spans.append((low, high))
        end = match.end()
        if _STILL_OPEN.match(text, end):
            spans[-1] = spans[-1][0], OPEN_END
    return tuple(spans)


def _one_date(match: re.Match[str]) -> Period:
    year = int(match["year"])
    if match["month"]:
        short = match["month"][:3].lower()
        month = next(number for number, name in enumerate(MONTHS) if name.startswith(short))
        return 12 * year + month, 12 * year + month
    if match["decade"]:
        return 12 * year, 12 * (year + (100 if year % 100 == 0 and year < 1900 else 10)) - 1
    if match["short"] and int(match["short"]) > year % 100:
        return 12 * year, 12 * (year - year % 100 + int(match["short"])) + 11
    return 12 * year, 12 * year + 11


def _asked_period(question: str) -> Period | None:
    spans = periods(question)
    if not spans:
        return None
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    if len(spans) == 1 and re.search(r"\b(?:since|after)\b", question, re.IGNORECASE):
        return low, OPEN_END
    if len(spans) == 1 and re.search(r"\b(?:before|until|prior to)\b", question, re.IGNORECASE):
        return 0, high
    return low, high


# -- what kinds of answer a text holds ------------------------------------------------------------

_WEEKDAYS = listed("weekdays")
_UNITS = listed("units of time")
_DAYS = _WEEKDAYS | _UNITS | {unit + "s" for unit in _UNITS} | listed("times of day and year")
_SHIFTS = listed("shifts of time")
_NUMERALS = listed("numerals")
_CURRENCIES = listed("currencies")
_MEASURE_UNITS: dict[str, str] = _WORDS["units of measures"]
_REASON = re.compile(
    r"\b(?:because|due to|owing to|thanks to|as a result|so that|in order|cause[ds]?|led to|"
    r"reasons?|therefore|result(?:ed|ing|s)? (?:of|from|in)|for fear|blam(?:e|ed|ing)|in response|"
    r"prompted|since (?!\d))\b",
    re.IGNORECASE,
)
_WEAK_REASON = re.compile(
    r"\b(?:after|to (?:allow|make|avoid|prevent|protect|reduce|keep|save|help|give|raise|ensure|"
    r"improve|meet|be)|failed|lack|shortage|made|too|over|argued|said)\b",
    re.IGNORECASE,
)
_MARKERS = {
    "method": re.compile(
        r"\b(?:by \w+ing|by (?:means|the|a)|using|through|via|with|thus|in order|works?)\b", re.I
    ),
    "definition": re.compile(
        r"^.{0,90}?\b(?:is|are|was|were|refers? to|means?|called|known as|defined|consists? of)\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "yesno": re.compile(r"\b(?:not|no|never|will|has|have|was|were|is|are|did|can)\b", re.I),
}
_PLACE_WORDS = listed("prepositions of place")
_SITES = listed("sites")
_TITLES = listed("titles")
_ROLE = re.compile(
    r"[a-z]+(?:er|or|ist|man|woman|ian|ant|eer|ess|chief|head|king|queen|son|wife|boss|star|pilot)$"
)
_SPOKE = listed("beside speakers")
_NO_PERSONS = listed("not persons")

Found = tuple[tuple[int, float], ...]


@lru_cache(maxsize=1 << 14)
def typed(text: str, wants: Wants, measure: str = "") -> Found:
    """Tokens of ``read(text)`` that could be an answer, each with a strength from 0 to 1.

    For a type that only a marker tells (``because``), its strength stands at token 0.
    """
    own = read(text)
    if wants == "reason":
        strength = 1.0 if _REASON.search(text) else 0.4 if _WEAK_REASON.search(text) else 0.0
        return ((0, strength),) if strength else ()
    if wants in _MARKERS:
        return ((0, 1.0),) if _MARKERS[wants].search(text) else ()
    if measure and wants in {"number", "date"}:
        return tuple(_measured(own, text, measure))
    if wants == "money":
        return tuple(_money(own, text))
    find = {
        "date": _day_tokens, "number": _number_tokens, "duration": _durations, "person": _persons,
        "place": _locations,
    }.get(wants, _names)  # fmt: skip
    return tuple(find(own.raw))


def _is_year(token: str) -> bool:
    year = token.removesuffix("s")
    return len(year) == 4 and year.isdigit() and "1000" <= year < "2100"


def _numeric(token: str) -> bool:
    return stem(_normal(token))[:1].isdigit() or token.lower() in _NUMERALS


def _measured(own: Read, text: str, measure: str) -> Iterator[tuple[int, float]]:
    """Numbers with a fitting unit beside them count whole, others little."""
    units = frozenset(_MEASURE_UNITS.get(measure, "").split())
    for at, token in enumerate(own.raw):
        if not _numeric(token) or _is_year(token):
            continue
        beside = own.stems[max(0, at - 2) : at] + own.stems[at + 1 : at + 4]
        fits = not units.isdisjoint(beside) or (measure == "share" and "%" in text)
        if measure == "clock":
            fits = fits or ":" in token
        elif measure == "age":
            fits = (
                re.search(
                    rf"\b{token}[ -]years?[ -]old|\bage(?:d| of)? {token}\b|, (?:now )?{token},",
                    text,
                )
                is not None
            )
        elif measure == "score":
            fits = re.search(rf"\b{token} ?(?:-|–|to|:) ?\d", text) is not None
        yield at, 1.0 if fits else 0.2


def _day_tokens(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    for at, token in enumerate(raw):
        word = token.lower()
        month = token[:1].isupper() and word in MONTHS
        if month or _is_year(token) or (":" in token and token[0].isdigit()):
            yield at, 1.0
        elif word in {"am", "pm"} and at and raw[at - 1][0].isdigit():
            yield at, 0.7
        elif word in _DAYS:
            shifted = any(w.lower() in _SHIFTS for w in raw[max(0, at - 1) : at + 2])
            yield at, 0.7 if shifted or word in _WEEKDAYS else 0.3


def _number_tokens(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    for at, token in enumerate(raw):
        if _numeric(token):
            dated = any(w.lower() in MONTHS for w in raw[max(0, at - 1) : at + 2])
            yield at, 0.3 if dated or _is_year(token) else 1.0


def _money(own: Read, text: str) -> Iterator[tuple[int, float]]:
    signs = any(sign in text for sign in "$€£¥")
    for at, token in enumerate(own.raw):
        if _numeric(token):
            following = own.stems[at + 1 : at + 4]
            near = set(takewhile(lambda word: not word[:1].isdigit(), following))
            large = not {"million", "billion", "thousand"}.isdisjoint(near)
            paid = signs or not _CURRENCIES.isdisjoint(near)
            yield at, 1.0 if paid else 0.3 if large else 0.1


def _durations(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    for at, token in enumerate(raw):
        word = token.lower()
        if _numeric(token) or word in {"a", "an", "several", "few", "many", "one"}:
            if any(w.lower().removesuffix("s") in _UNITS for w in raw[at + 1 : at + 3]):
                yield at, 1.0
        elif word in {"until", "since"}:
            yield at, 0.5


def _is_name(token: str) -> bool:
    word = _normal(token)
    return (
        token[0].isupper()
        and word not in STOP_WORDS
        and word not in _WEEKDAYS
        and word not in MONTHS
    )


def _names(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    """Capitalised words; a run counts whole, a single one at the sentence's start not at all."""
    for at, token in enumerate(raw):
        if _is_name(token):
            run = (at > 0 and _is_name(raw[at - 1])) or (
                at + 1 < len(raw) and raw[at + 1][0].isupper()
            )
            if at or run:
                yield at, 1.0 if run else 0.6


def _persons(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    """Names, best those with a role or a verb of speech beside, worst those of places."""
    for at, _ in _names(raw):
        first, last = at, at
        while first and _is_name(raw[first - 1]):
            first -= 1
        while last + 1 < len(raw) and raw[last + 1][0].isupper():
            last += 1
        before = raw[first - 1].lower() if first else ""
        after = raw[last + 1].lower() if last + 1 < len(raw) else ""
        run = {_normal(word) for word in raw[first : last + 1]}
        if not _NO_PERSONS.isdisjoint(run | {after}):
            yield at, 0.2
        elif run & _TITLES or _ROLE.match(before) or _SPOKE & {before, after}:
            yield at, 1.0
        elif before in _PLACE_WORDS or before == "the":
            yield at, 0.3
        else:
            yield at, 0.8 if last > first else 0.5


def _locations(raw: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    """Names, above all after a preposition of place, and plain words for places after one."""
    for at, strength in _names(raw):
        first = at
        while first and _is_name(raw[first - 1]):
            first -= 1
        led = any(w.lower() in _PLACE_WORDS for w in raw[max(0, first - 2) : first])
        yield at, strength if led else 0.4
    for at, token in enumerate(raw):
        if token in _SITES and any(w.lower() in _PLACE_WORDS for w in raw[max(0, at - 3) : at]):
            yield at, 0.5
