"""Questions that an article answers, made from its own sentences by rules. English only, and pure.

A rule sees one clause: a subject, a finite verb and what follows. It asks only where all of it is
of a shape it knows, and of words that cannot be a second clause; most sentences give nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from qa.questions import MONTHS
from qa.sentences import split
from qa.types import Article

LOOKED_AT = 40_000  # characters of an article: what is worth asking of it stands near its beginning
QUESTION_CHARACTERS = 90
SENTENCE_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question, and the sentence ``article.text[start:end]`` that answers it."""

    question: str
    start: int
    end: int


def suggestions(article: Article, most: int = 3) -> list[Suggestion]:
    """At most ``most`` questions, best first, each about another sentence; often none.

    Each can be understood alone, and holds nothing but Latin letters, digits, spaces and
    ``,.'’-()%£$€`` before its question mark, whatever the article holds.
    """
    if article.language and not article.language.lower().startswith("en"):
        return []
    found: list[tuple[float, str, str, int, int]] = []
    for place, (start, end, clause) in enumerate(_clauses(article)):
        asked = [each for rule in _RULES for each in rule(clause)]
        asked = [each for each in asked if _is_sound(each)]
        if asked:
            best = max(asked, key=lambda each: each.worth)
            worth = best.worth - 0.04 * min(place, 60)
            found.append((worth, best.kind, best.question, start, end))
    return _chosen(found, most)


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    worth: float
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Clause:
    """A sentence cut in three; ``when`` is a date that stood before it, ``named`` an own name."""

    subject: str
    verb: str
    rest: str
    when: str = ""
    named: bool = False
    opens: bool = False  # the article


_Rule = Callable[[_Clause], Iterator[_Asked]]


def _chosen(found: list[tuple[float, str, str, int, int]], most: int) -> list[Suggestion]:
    """The best ones; a kind of question that is already there counts less, for variety."""
    chosen: list[Suggestion] = []
    kinds: list[str] = []
    while found and len(chosen) < most:
        best = max(found, key=lambda each: (each[0] - kinds.count(each[1]), -each[3]))
        kinds.append(best[1])
        chosen.append(Suggestion(*best[2:]))
        found = [each for each in found if each[2] != best[2] and each is not best]
    return chosen


# -- words ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _tables() -> dict[str, list[str] | str]:
    loaded: dict[str, list[str] | str] = json.loads(
        files("qa").joinpath("suggesting.json").read_text("utf-8")
    )
    return loaded


@lru_cache(maxsize=16)
def _listed(name: str) -> frozenset[str]:
    words = _tables()[name]
    return frozenset(words.split() if isinstance(words, str) else words)


@lru_cache(maxsize=1)
def _verbs() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Bases by past form, bases by participle, and past forms by base."""
    forms = [line.split() for line in _tables()["irregular"]]
    for base in _listed("regular"):
        stem = base[:-1] if base[-1] == "e" else base
        if base[-1] == "y" and base[-2] not in "aeiou":
            stem = base[:-1] + "i"
        forms.append([base, stem + "ed", stem + "ed"])
    pasts = {past: base for base, past, _ in forms}
    return pasts, {part: base for base, _, part in forms}, {base: past for base, past, _ in forms}


_MONTH = "(?:" + "|".join(month.title() for month in MONTHS) + ")"
_YEAR = r"(?:1[0-9]|20)[0-9]{2}(?![0-9])"
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_SEASON = "(?:spring|summer|autumn|fall|winter)"
_FULL_DATE = (
    rf"(?:{_DAY} {_MONTH}(?:,? {_YEAR})?|{_MONTH} {_DAY}(?:,? {_YEAR})?"
    rf"|(?:early |late |mid-)?(?:{_MONTH} |the {_SEASON} of )?{_YEAR})(?!-|s\b)"
)
_WHEN = (
    rf"(?:(?:[Ii]n|[Oo]n) {_FULL_DATE}|(?:[Ff]rom|[Bb]etween) {_YEAR} (?:to|until|and) {_YEAR}"
    rf"|(?:[Oo]n|[Ll]ast) {_WEEKDAY}(?: (?:morning|afternoon|evening|night))?"
    rf"|[Ll]ast (?:night|week|month|year|{_SEASON})|[Ii]n (?:[Ll]ast )?{_MONTH}|[Yy]esterday)"
)
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?: (?:million|billion|thousand))?"
_CURRENCY = "(?:crowns|dollars|pounds|euros|francs|marks|guineas|yen)"
_MONEY = rf"(?:[£$€]{_NUMBER}|{_NUMBER} {_CURRENCY})"
_ABOUT = r"(?:[Mm]ore than |[Aa]bout |[Ss]ome |[Nn]early |[Aa]lmost |[Aa]round |[Oo]ver |[Oo]nly )?"
_LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
_CAPITALISED = rf"[A-ZÀ-ÖØ-Þ](?:[{_LATIN}’'-]+|\.)"
_PERSON = rf"(?:{_CAPITALISED} ){{1,3}}{_CAPITALISED}"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Inspector|Mayor|Sir|Dame|Captain)\.?"
_ALLOWED = re.compile(rf"[{_LATIN}0-9 ,.'’()%£$€-]+\?")
_UNCLEAN = re.compile(r"[^\w\s,.;:!?'’\"“”‘()%£$€&/–—-]")
_ADDRESS = re.compile(rf"[{_LATIN}0-9]\.[{_LATIN}]{{2}}")
_PLACE_END = r"(?=[,.;]|$| (?:and|to|where|when|as|on|in)\b)"


# -- from an article to clauses -------------------------------------------------------------------


def _clauses(article: Article) -> Iterator[tuple[int, int, _Clause]]:
    text = article.text[:LOOKED_AT]
    subjects = _Subjects(article.title, text)
    for unit in split(text, article.language):
        if unit.kind != "prose" or unit.end == len(text) < len(article.text):
            subjects.leave()
            continue
        sentence = " ".join(text[unit.start : unit.end].split())
        begins = unit.start == 0 or text[:unit.start].rstrip(" ")[-1:] in {"\n", "\r", ""}
        clause = None if _is_unfit(sentence) else _clause(sentence, subjects, begins)
        if clause is None:
            continue
        yield unit.start, unit.end, clause


def _is_unfit(sentence: str) -> bool:
    """Hostile, a list item, cut off, or too long to be simple."""
    return (
        len(sentence) > SENTENCE_CHARACTERS
        or not sentence[0].isupper() and not sentence[0].isdigit()
        or sentence[-1] not in ".”\""
        or _UNCLEAN.search(sentence) is not None
        or _ADDRESS.search(sentence) is not None
        or re.match(r"[0-9]{1,3}[.)] ", sentence) is not None
        or not _listed("never asked").isdisjoint(sentence.lower().split())
    )
