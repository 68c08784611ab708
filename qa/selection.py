"""Which sentences of the hits answer the question, and how sure that is: features, then a score.

Two logistic models whose weights stand in ``selection.json``, each feature with a line on what it
means; ``eval/train_selection.py`` learns them. One scores every sentence, the other the case as a
whole. Nothing is embedded here: words, types of answer, dates and places in the text, pure Python.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from qa.protocols import TermStatistics
from qa.questions import (
    MONTHS,
    OPEN_END,
    STOP_WORDS,
    Period,
    Question,
    analyse,
    is_negative,
    normal,
    periods,
    stem,
    tokens,
)
from qa.sentences import Unit, split
from qa.types import Hit

MOST_SENTENCES = 3
SMALL_LIBRARY = 50  # added to the passage count: two passages must not decide which word is rare
LOOK_BACK = 500  # characters before a passage in which the sentence before its first is sought


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer: ``hit.article.text[start:end]``.

    ``score`` is the model's probability that it does, 0 to 1. ``neighbour`` is the span of the
    sentence before it (or the header of its table) if it cannot be understood alone.
    """

    hit: Hit
    start: int
    end: int
    score: float
    features: Mapping[str, float] = field(default_factory=dict)
    neighbour: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        return self.hit.article.text[self.start : self.end]


class Place(NamedTuple):
    """A candidate before scoring: a unit of a hit, in article offsets, with what surrounds it."""

    hit: Hit
    number: int  # the hit's place in the list, from 0
    start: int
    end: int
    kind: str
    order: float  # where in the passage, 0 first to 1 last
    heading: str
    previous: tuple[int, int] | None


class Weighted(NamedTuple):
    """The question's terms with their share of its total idf; the shares add up to 1."""

    question: Question
    share: Mapping[str, float]
    rarest: str
    unknown: float
    total_bm25: float


@lru_cache(maxsize=1)
def model() -> dict[str, Any]:
    """The contents of ``selection.json``."""
    loaded: dict[str, Any] = json.loads(files("qa").joinpath("selection.json").read_text("utf-8"))
    return loaded


def threshold() -> float:
    """The confidence below which the extractive generator abstains."""
    return float(model()["threshold"])


def rank(question: str, hits: Sequence[Hit], statistics: TermStatistics) -> list[Candidate]:
    """Every sentence of the hits that could be an answer, best first."""
    return rank_weighted(weigh(analyse(question), statistics), hits)


def rank_weighted(weighted: Weighted, hits: Sequence[Hit]) -> list[Candidate]:
    """As :func:`rank`, for a question that is already weighed."""
    places = [place for number, hit in enumerate(hits) for place in _places(hit, number)]
    rows = sentence_features(weighted, places)
    best: dict[tuple[str, int, int], Candidate] = {}
    for place, row in zip(places, rows, strict=True):
        key = (place.hit.article.id, place.start, place.end)
        score = _probability("sentence", row)
        if key not in best or best[key].score < score:
            best[key] = Candidate(place.hit, place.start, place.end, score, row, _neighbour(place))
    return sorted(best.values(), key=lambda candidate: -candidate.score)


def confidence(
    question: str, ranked: Sequence[Candidate], hits: Sequence[Hit], statistics: TermStatistics
) -> float:
    """The calibrated probability, 0 to 1, that the best candidate answers the question."""
    if not ranked:
        return 0.0
    weighted = weigh(analyse(question), statistics)
    return _probability("confidence", case_features(weighted, ranked, hits))


def choose(question: str, ranked: Sequence[Candidate]) -> list[Candidate]:
    """At most three candidates in reading order: the best, near equals, and what they lean on."""
    if not ranked:
        return []
    rules = model()["choice"]
    kind = "long" if analyse(question).wants in {"reason", "method", "definition"} else "short"
    best = ranked[0]
    chosen = [best]
    for other in ranked[1:6]:
        close = other.score >= rules[f"{kind}_ratio"] * best.score and other.score >= rules["floor"]
        if close and len(chosen) < rules[f"{kind}_most"] and not _repeats(other, chosen):
            chosen.append(other)
    return _with_neighbours(chosen)


def _repeats(other: Candidate, chosen: Sequence[Candidate]) -> bool:
    """Whether most words of the sentence are already said by a chosen one."""
    said = frozenset[str]().union(*(read(c.text).content for c in chosen))
    own = read(other.text).content
    return len(own - said) <= 0.25 * len(own)


def _with_neighbours(chosen: Sequence[Candidate]) -> list[Candidate]:
    kept = {(c.hit.article.id, c.start): c for c in chosen}
    for c in chosen:
        if c.neighbour and len(kept) < MOST_SENTENCES:
            start, end = c.neighbour
            kept.setdefault((c.hit.article.id, start), Candidate(c.hit, start, end, c.score, {}))
    articles = list(dict.fromkeys(c.hit.article.id for c in chosen))
    return sorted(kept.values(), key=lambda c: (articles.index(c.hit.article.id), c.start))


def _probability(name: str, row: Mapping[str, float]) -> float:
    part = model()[name]
    weights = part["features"]
    logit = part["intercept"] + sum(weights[key]["weight"] * value for key, value in row.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


# -- the question's words, weighted ---------------------------------------------------------------


def weigh(question: Question, statistics: TermStatistics) -> Weighted:
    """Inverse document frequencies, smoothed so that a library of two passages gives sane ones."""
    count = statistics.document_count()
    known = [statistics.document_frequency(word) for word in question.surface]
    idf = [math.log((count + SMALL_LIBRARY) / (seen + 0.5)) for seen in known]
    total = sum(idf) or 1.0
    share = {term: weight / total for term, weight in zip(question.terms, idf, strict=True)}
    bm25 = sum(2.2 * math.log(1 + max(count - seen + 0.5, 0.5) / (seen + 0.5)) for seen in known)
    unknown = sum(share[term] for term, seen in zip(question.terms, known, strict=True) if not seen)
    rarest = max(share, key=lambda term: share[term], default="")
    return Weighted(question, share, rarest, unknown, bm25)


# -- sentences and what surrounds them ------------------------------------------------------------


class Read(NamedTuple):
    """A text read once: raw tokens, their stems in order and as a set, content stems."""

    raw: tuple[str, ...]
    stems: tuple[str, ...]
    all: frozenset[str]
    content: frozenset[str]


@lru_cache(maxsize=1 << 14)
def read(text: str) -> Read:
    """Tokenises and stems a text, cached."""
    raw = tuple(match.group() for match in tokens(text))
    plain = [normal(token) for token in raw]
    stems = tuple(stem(word) for word in plain)
    content = frozenset(s for s, word in zip(stems, plain, strict=True) if word not in STOP_WORDS)
    return Read(raw, stems, frozenset(stems), content)


@lru_cache(maxsize=1 << 12)
def _units(text: str, language: str | None) -> tuple[Unit, ...]:
    return tuple(split(text, language))


def _places(hit: Hit, number: int) -> list[Place]:
    """The sentences and table rows of a hit. Headings and scraps are context, never candidates.

    What stands before a list item or a table row is what leads the list, not the item above.
    """
    passage, found = hit.passage, []
    heading, previous = passage.heading, _before(hit)
    units = _units(passage.text, hit.article.language)
    for index, unit in enumerate(units):
        span = (passage.start + unit.start, passage.start + unit.end)
        text = passage.text[unit.start : unit.end]
        if unit.kind == "heading":
            heading, previous = text, None
        elif unit.kind != "scrap":
            kind = "item" if unit.kind == "prose" and _ITEM.match(text) else unit.kind
            order = index / max(len(units) - 1, 1)
            found.append(Place(hit, number, *span, kind, order, heading, previous))
            if kind == "prose" or not previous or (kind == "table" and found[-1].previous is None):
                previous = span
    return found


_ITEM = re.compile(r"(?:[-*+•–]|\d{1,2}[.)])\s")


@lru_cache(maxsize=1 << 12)
def _topic(text: str, title: str, language: str | None) -> frozenset[str]:
    """Stems of what the whole article is about: its title and its first sentence."""
    units = _units(text[:LOOK_BACK], language)
    lead = next((text[u.start : u.end] for u in units if u.kind == "prose"), "")
    return read(title).all | read(lead).all


def _before(hit: Hit) -> tuple[int, int] | None:
    """The sentence that ends where the passage begins, in article offsets."""
    offset = max(0, hit.passage.start - LOOK_BACK)
    units = _units(hit.article.text[offset : hit.passage.start], hit.article.language)
    if not units or units[-1].kind != "prose" or (len(units) == 1 and offset):
        return None
    return offset + units[-1].start, offset + units[-1].end


_LEANING_START = re.compile(
    r"[\"“'(]*(?:(?:and|but|so|yet|then|also|however|still|instead|meanwhile),? )?"
    r"(?:he|she|it|they|his|her|hers|their|theirs|its|this|that|these|those|such|both|"
    r"the (?:former|latter|same))\b",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(
    r"it (?:is|was|has been|had been) (?:not )?(?:\w+ )?(?:that|to|who)\b", re.IGNORECASE
)


def leans(text: str) -> bool:
    """Whether the sentence begins with a word that points back ("He said", "It was the lowest")."""
    return bool(_LEANING_START.match(text)) and not _EMPTY_IT.match(text)


def _neighbour(place: Place) -> tuple[int, int] | None:
    """What must stand before the sentence for it to be understood: the one before, if that helps."""
    if not place.previous:
        return None
    text = place.hit.article.text
    before = text[place.previous[0] : place.previous[1]]
    if place.kind == "table":
        return place.previous if before.lstrip().startswith("|") else None
    if "\n\n" in text[place.previous[1] : place.start] or not leans(text[place.start : place.end]):
        return None
    return None if leans(before) or before.endswith("?") else place.previous


# -- what kinds of answer a sentence holds --------------------------------------------------------

_WEEKDAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())
_DAY_WORDS = _WEEKDAYS | frozenset(
    "yesterday today tomorrow noon midnight century centuries spring summer autumn winter morning evening "
    "afternoon night week weekend easter christmas".split()
)
_UNITS = frozenset("second minute hour day night week fortnight month year decade century".split())
_NUMERALS = frozenset(
    "half third quarter twice thrice double dozens hundreds thousands million billion none single couple".split()
)
_CURRENCIES = frozenset(
    "crown euro dollar pound franc mark yen cent penny pence rupee krona krone kroner zloty shilling guilder "
    "lira peso ruble rouble yuan usd eur gbp florin ducat talent thaler".split()
)
_CURRENCY_STEMS = frozenset(stem(word) for word in _CURRENCIES)
_STRONG_REASON = re.compile(
    r"\b(?:because|due to|owing to|thanks to|as a result|so that|in order|caused? by|led to|reasons?|therefore|"
    r"result(?:ed|ing|s)? (?:of|from|in)|for fear|blam(?:e|ed|ing)|in response|prompted|since (?!\d)|caus(?:e|ed))\b",
    re.I,
)
_WEAK_REASON = re.compile(
    r"\b(?:after|to (?:allow|make|avoid|prevent|protect|reduce|keep|save|help|give|raise|ensure|improve|meet|be)|"
    r"failed|lack|shortage|made|too|over|argued|said)\b",
    re.I,
)
_MARKERS: dict[str, re.Pattern[str]] = {
    "method": re.compile(
        r"\b(?:by \w+ing|by (?:means|the|a)|using|through|via|with|thus|in order|works?)\b", re.I
    ),
    "definition": re.compile(
        r"^.{0,90}?\b(?:is|are|was|were|refers? to|means?|called|known as|defined|consists? of)\b",
        re.I | re.S,
    ),
    "yesno": re.compile(r"\b(?:not|no|never|will|has|have|was|were|is|are|did|can)\b", re.I),
}
_PLACE_WORDS = frozenset(
    "in at from near to into outside of on across around off beside between to towards".split()
)


_UNIT_STEMS = {
    "age": "old age year", "length": "metr meter kilometr kilomet mile feet foot yard inch centimetr km m cm "
    "storey stori", "weight": "kilo kilogram kg ton tonn pound gram ounc", "speed": "km h mph kilometr mile knot hour",
    "share": "percent per cent half third quarter", "frequency": "time everi day week month year hour",
    "clock": "am pm oclock noon midnight morn even hour", "degrees": "degre celsius fahrenheit c f", "score": "",
}  # fmt: skip
_PEOPLE = frozenset(
    "people person visitor resident tourist passenger spectator fan voter worker employe staff member pupil student "
    "child adult men women inhabit guest soldier victim protest demonstr peopl famili refuge firefight sailor "
    "holidaymak islander custom".split()
)


@lru_cache(maxsize=1 << 14)
def _typed(text: str, wants: str, measure: str = "") -> tuple[tuple[int, float], ...]:
    """Tokens that could be an answer of the wanted type, as (token index, strength 0 to 1)."""
    own = read(text)
    if wants == "reason":
        return (
            ((0, 1.0),)
            if _STRONG_REASON.search(text)
            else ((0, 0.4),)
            if _WEAK_REASON.search(text)
            else ()
        )
    if wants in _MARKERS:
        return ((0, 1.0),) if _MARKERS[wants].search(text) else ()
    if measure in _UNIT_STEMS:
        return tuple(_measured(own, text, measure))
    find = {
        "date": _dates, "number": _numbers, "money": _money, "duration": _durations,
        "person": _persons, "place": _locations, "thing": _names,
    }  # fmt: skip
    return tuple(find[wants](own.raw, text))


def _measured(own: Read, text: str, measure: str) -> Iterable[tuple[int, float]]:
    """Numbers with a fitting unit beside them count whole, others little."""
    units = frozenset(_UNIT_STEMS[measure].split())
    for at, token in enumerate(own.raw):
        if not _numeric(token) or (_is_year(token) and measure != "score"):
            continue
        beside = own.stems[max(0, at - 2) : at] + own.stems[at + 1 : at + 4]
        fits = not units.isdisjoint(beside) or (measure == "share" and "%" in text)
        fits |= measure == "clock" and ":" in token
        if measure == "age":
            fits = bool(re.search(rf"\b{re.escape(token)}[ -]years?[ -]olds?\b|\bage(?:d| of)? {re.escape(token)}\b|"
                                  rf", (?:now )?{re.escape(token)},", text))  # fmt: skip
        if measure == "score":
            fits = bool(re.search(rf"\b{re.escape(token)} ?(?:-|–|to|:) ?\d", text))
        yield at, 1.0 if fits else 0.2


def _is_year(token: str) -> bool:
    return (
        len(token) in (4, 5)
        and token[:4].isdigit()
        and token[4:] in ("", "s")
        and "1000" <= token[:4] < "2100"
    )


_RELATIVE_DAY = frozenset("last next this ago later earlier previous following".split())


def _dates(raw: Sequence[str], _text: str) -> Iterable[tuple[int, float]]:
    for at, token in enumerate(raw):
        word = token.lower()
        if _is_year(token) or (":" in token and token[0].isdigit()):
            yield at, 1.0
        elif token[:1].isupper() and word in MONTHS:
            yield at, 1.0
        elif word in {"am", "pm"} and at and raw[at - 1][0].isdigit():
            yield at, 0.7
        elif word in _DAY_WORDS or word.rstrip("s") in _UNITS:
            related = any(w.lower() in _RELATIVE_DAY for w in raw[max(0, at - 1) : at + 2])
            yield at, 0.7 if related or word in _WEEKDAYS else 0.3


def _numeric(token: str) -> bool:
    return token[0].isdigit() or stem(normal(token))[:1].isdigit() or token.lower() in _NUMERALS


def _numbers(raw: Sequence[str], _text: str) -> Iterable[tuple[int, float]]:
    for at, token in enumerate(raw):
        if _numeric(token):
            dated = _is_year(token) or any(
                w.lower() in MONTHS for w in raw[max(0, at - 1) : at + 2]
            )
            yield at, 0.3 if dated else 1.0


def _money(raw: Sequence[str], text: str) -> Iterable[tuple[int, float]]:
    signs = any(sign in text for sign in "$€£¥")
    for at, token in enumerate(raw):
        if _numeric(token):
            near = {stem(normal(w)) for w in raw[at + 1 : at + 4]}
            paid = signs or near & _CURRENCY_STEMS
            yield at, 1.0 if paid else 0.3 if near & {"million", "billion", "thousand"} else 0.1


def _durations(raw: Sequence[str], _text: str) -> Iterable[tuple[int, float]]:
    for at, token in enumerate(raw):
        word = token.lower()
        if _numeric(token) or word in {"a", "an", "several", "few", "many", "one"}:
            if any(w.lower().rstrip("s") in _UNITS for w in raw[at + 1 : at + 3]):
                yield at, 1.0
        elif word in {"until", "since"}:
            yield at, 0.5


def _names(raw: Sequence[str], _text: str) -> Iterable[tuple[int, float]]:
    """Capitalised words; a run of them counts whole, one at the start of the sentence not at all."""
    for at, token in enumerate(raw):
        word = normal(token)
        if (
            token[0].isupper()
            and word not in MONTHS
            and word not in _WEEKDAYS
            and word not in STOP_WORDS
        ):
            run = (
                at > 0 and raw[at - 1][0].isupper() and normal(raw[at - 1]) not in STOP_WORDS
            ) or (at + 1 < len(raw) and raw[at + 1][0].isupper())
            if at or run:
                yield at, 1.0 if run else 0.6


_TITLES = frozenset(
    "mr mrs ms dr sir lord lady king queen president mayor judge professor captain coach".split()
)
_ROLE = re.compile(
    r"[a-z]+(?:er|or|ist|man|woman|ian|ant|eer|ess|chief|head|king|queen|son|wife|boss|star|pilot)$"
)
_SPOKE = frozenset(
    "said says told added who whose called believes explained wrote warned argued".split()
)
_NOT_PERSONS = frozenset(
    "st saint street road hospital school university college council company club united city town river lake "
    "bridge park church museum bank party league cup association institute court house hall station island "
    "county district province region avenue square theatre airport union group inc ltd".split()
)


def _persons(raw: Sequence[str], text: str) -> Iterable[tuple[int, float]]:
    """Names, best those with a role or a verb of speech beside them, least those of places and bodies."""
    found = dict(_names(raw, text))
    for at in found:
        first, last = at, at
        while first and raw[first - 1][0].isupper() and normal(raw[first - 1]) not in STOP_WORDS:
            first -= 1
        while last + 1 < len(raw) and raw[last + 1][0].isupper():
            last += 1
        before = raw[first - 1].lower() if first else ""
        after = raw[last + 1].lower() if last + 1 < len(raw) else ""
        run = {normal(word) for word in raw[first : last + 1]}
        if not _NOT_PERSONS.isdisjoint(run | {after}):
            yield at, 0.2
        elif run & _TITLES or _ROLE.match(before) or _SPOKE & {before, after}:
            yield at, 1.0
        else:
            yield at, 0.3 if before in _PLACE_WORDS | {"the"} else 0.8 if last > first else 0.5


_SITES = frozenset(
    "street road square quarter harbour harbor park school church station hall field beach island hill bridge "
    "museum hospital theatre stadium garden market forest valley river lake coast border village town city centre "
    "center building house office room floor".split()
)


def _locations(raw: Sequence[str], text: str) -> Iterable[tuple[int, float]]:
    """Names after a preposition of place, and plain words for places after one."""
    for at, strength in _names(raw, text):
        led = any(w.lower() in _PLACE_WORDS for w in raw[max(0, at - 3) : at])
        yield at, strength if led else 0.4
    for at, token in enumerate(raw):
        if token in _SITES and any(w.lower() in _PLACE_WORDS for w in raw[max(0, at - 3) : at]):
            yield at, 0.5


# -- features -------------------------------------------------------------------------------------

TYPES = tuple("date number money place person duration reason method definition thing".split())
_SUPERLATIVE = re.compile(
    r"\b(first|last|second|third|only|original|oldest|youngest|earliest|final|next|main|most|least|best|"
    r"worst|\w{3,}est)\b",
    re.I,
)
_NOT_SUPERLATIVE = frozenset("west forest interest request protest contest harvest guest priest arrest invest suggest "
                             "honest midwest everest test rest latest nest budapest tempest conquest quest".split())  # fmt: skip


@lru_cache(maxsize=1)
def _opposites() -> Mapping[str, frozenset[str]]:
    return _both_ways(model()["opposites"])


@lru_cache(maxsize=1)
def _kin() -> tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]]:
    """Near and far related words of a stem, from ``related.json``."""
    tables = json.loads(files("qa").joinpath("related.json").read_text("utf-8"))
    return _both_ways(tables["near"]), _both_ways(tables["far"])


def kinship(term: str, stems: frozenset[str]) -> float:
    """1 where the stem itself is among the stems, 0.8 for a near relative of it, 0.5 for a far one."""
    if term in stems:
        return 1.0
    near, far = _kin()
    if not near.get(term, _NOTHING).isdisjoint(stems):
        return 0.8
    return 0.0 if far.get(term, _NOTHING).isdisjoint(stems) else 0.5


_NOTHING: frozenset[str] = frozenset()


def _both_ways(listed: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """A table that names each pair of stems once, made symmetric."""
    found: dict[str, set[str]] = {}
    for one, others in listed.items():
        for other in others.split():
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {one: frozenset(others) for one, others in found.items()}


def _superlatives(text: str) -> frozenset[str]:
    found = (word.lower() for word in _SUPERLATIVE.findall(text))
    return frozenset(word for word in found if word not in _NOT_SUPERLATIVE)


def sentence_features(weighted: Weighted, places: Sequence[Place]) -> list[dict[str, float]]:
    """One row a place, all features of ``selection.json`` under ``sentence``."""
    rows = [_one_row(weighted, place) for place in places]
    most = max((row["coverage"] for row in rows), default=0.0) or 1.0
    for row in rows:
        row["coverage_lead"] = row["coverage"] / most
        row["coverage_best"] = float(row["coverage"] >= most)
    return rows


def _one_row(weighted: Weighted, place: Place) -> dict[str, float]:
    text = place.hit.article.text[place.start : place.end]
    own = read(text)
    before = _text(place.hit, place.previous)
    article = place.hit.article
    frame = _topic(article.text, article.title, article.language) | read(place.heading).all
    return {
        **_overlap(weighted, place, own, before, frame),
        **_order(weighted, own),
        **_answer_type(weighted.question, text, own),
        **_conflicts(weighted, text, own, before, frame),
        **_time(weighted.question, place, text, before),
        **_shape(place, text, own),
        **_hit(weighted, place),
    }


def _text(hit: Hit, span: tuple[int, int] | None) -> str:
    return hit.article.text[span[0] : span[1]] if span else ""


def _covered(weighted: Weighted, stems: frozenset[str]) -> float:
    return sum(share for term, share in weighted.share.items() if term in stems)


def _part(wanted: Sequence[str], stems: frozenset[str]) -> float:
    return sum(term in stems for term in wanted) / len(wanted) if wanted else 0.0


def _overlap(
    weighted: Weighted, place: Place, own: Read, before: str, frame: frozenset[str]
) -> dict[str, float]:
    asked = weighted.question
    passage = read(place.hit.passage.text).all
    near = own.all | read(before).all
    coverage, wide, widest = (
        _covered(weighted, own.all), _covered(weighted, near | frame), _covered(weighted, near | frame | passage),
    )  # fmt: skip
    return {
        "coverage": coverage,
        "coverage_previous": _covered(weighted, near) - coverage,
        "coverage_title": wide - _covered(weighted, near),
        "coverage_passage": widest - wide,
        **_details(weighted, own.all, frame),
        "coverage_similar": _similar(weighted, own.all),
        "coverage_related": _related_share(weighted, own.all),
        "rarest_missing": float(bool(weighted.rarest) and weighted.rarest not in own.all),
        "rarest_absent": float(
            bool(weighted.rarest) and weighted.rarest not in near | frame | passage
        ),
        "names_sentence": _part(asked.names, own.all),
        "names_around": _part(asked.names, near | frame) - _part(asked.names, own.all),
        "names_absent": 1 - _part(asked.names, near | frame | passage) if asked.names else 0.0,
        "numbers_sentence": _part(asked.numbers, own.all),
        "numbers_missing": 1 - _part(asked.numbers, own.all) if asked.numbers else 0.0,
        "focus": float(bool(asked.focus) and asked.focus in own.all),
        "verb": float(bool(asked.verb) and asked.verb in own.all),
        "verb_missing": float(bool(asked.verb) and asked.verb not in own.all),
    }


def _details(weighted: Weighted, stems: frozenset[str], frame: frozenset[str]) -> dict[str, float]:
    """The terms beyond the article's topic: any sentence may take the topic for granted."""
    details = {term: share for term, share in weighted.share.items() if term not in frame}
    total = sum(details.values())
    found = sum(share * kinship(term, stems) for term, share in details.items())
    return {
        "topic": 1 - total,
        "details": found / total if total else 0.0,
        "no_details": float(not details),
    }


def _similar(weighted: Weighted, stems: frozenset[str]) -> float:
    """Idf share of the terms that are not in the sentence but share five first letters with a word."""
    missing = [t for t in weighted.share if t not in stems and len(t) >= 5 and t.isalpha()]
    starts = {s[:5] for s in stems if len(s) >= 5} if missing else set()
    return sum(weighted.share[t] for t in missing if t[:5] in starts)


def _related_share(weighted: Weighted, stems: frozenset[str]) -> float:
    """Idf share of the terms that are not in the sentence but have a relative there, by kinship."""
    return sum(share * kinship(t, stems) for t, share in weighted.share.items() if t not in stems)


def _order(weighted: Weighted, own: Read) -> dict[str, float]:
    """How the matched terms stand together: pairs kept, order kept, and how densely."""
    terms = weighted.question.terms
    at: dict[str, int] = {}
    for index, s in enumerate(own.stems):
        if s in weighted.share:
            at.setdefault(s, index)
    places = [at[t] for t in terms if t in at]
    pairs = list(zip(terms, terms[1:], strict=False))
    close = sum(1 for a, b in pairs if a in at and b in at and abs(at[a] - at[b]) <= 3)
    rising = sum(1 for a, b in zip(places, places[1:], strict=False) if a < b)
    span = max(places) - min(places) + 1 if places else 1
    return {
        "pairs": close / len(pairs) if pairs else 0.0,
        "in_order": rising / (len(places) - 1) if len(places) > 1 else 0.0,
        "density": len(places) / span if len(places) > 1 else 0.0,
    }


def _answer_type(asked: Question, text: str, own: Read) -> dict[str, float]:
    """Whether the sentence holds something of the wanted type that the question does not name."""
    known = frozenset(asked.terms) | read(asked.text).all
    marked = asked.wants in _MARKERS or asked.wants == "reason"
    measure = asked.measure if asked.wants in {"number", "date"} else ""
    found = [
        (at, s)
        for at, s in _typed(text, asked.wants, measure)
        if marked or own.stems[at] not in known
    ]
    strength = max((s for _, s in found), default=0.0)
    row = {f"type_{kind}": strength if kind == asked.wants else 0.0 for kind in TYPES}
    near, wanted = 0.0, frozenset(asked.terms)
    if found and not marked:
        places = [i for i, s in enumerate(own.stems) if kinship(s, wanted) > 0.7]
        near = max((s * math.exp(-abs(at - i) / 5) for at, s in found for i in places), default=0.0)
    row["type_near"] = near
    strict = asked.wants in {"date", "number", "money", "duration", "person"}
    row["type_missing"] = float(strict and strength < 0.35)
    row["type_exact_missing"] = float(strict and asked.wants != "person" and strength < 0.35)
    row["number_of_focus"] = (
        _counted(asked, own, found) if asked.wants == "number" and asked.focus else 0.0
    )
    return row


def _counted(asked: Question, own: Read, found: Sequence[tuple[int, float]]) -> float:
    """1 where a number stands before the noun that is counted, 0.7 for a kin word, "people" for all."""
    best = 0.0
    for at, strength in found:
        after = own.stems[at + 1 : at + 5]
        if asked.focus in after:
            return 1.0
        kin = kinship(asked.focus, frozenset(after)) > 0.7 or (
            asked.focus in _PEOPLE and _PEOPLE & set(after)
        )
        best = max(best, 0.7 if kin and strength > 0.5 else 0.0)
    return best


_DENYING = ("un", "in", "non", "im", "dis", "ir")


def _is_denied(term: str, stems: frozenset[str]) -> bool:
    """Whether the opposite of a term stands there: an antonym, or the term with or without "un-"."""
    if not _opposites().get(term, frozenset()).isdisjoint(stems):
        return True
    bare = {
        term.removeprefix(prefix)
        for prefix in _DENYING
        if term.startswith(prefix) and len(term) > 6
    }
    return not stems.isdisjoint(bare | {prefix + term for prefix in _DENYING if len(term) > 4})


def _substituted(terms: Sequence[str], own: Read) -> list[str]:
    """Missing terms whose neighbours in the question stand close together around another word.

    "What attracts a helper B cell" against "attracts a helper T cell": the sentence speaks of
    something else.
    """
    found = []
    for left, term, right in zip(terms, terms[1:], terms[2:], strict=False):
        if term not in own.all and left in own.all and right in own.all:
            at = [i for i, s in enumerate(own.stems) if s == left]
            if any(right in own.stems[i + 2 : i + 5] for i in at):
                found.append(term)
    return found


def _conflicts(
    weighted: Weighted, text: str, own: Read, before: str, frame: frozenset[str]
) -> dict[str, float]:
    asked = weighted.question
    wanted = _superlatives(asked.text)
    missing = [term for term in asked.terms if term not in own.all]
    covered = own.all | read(before).all | frame
    heavy = (weighted.share[t] * (1 - kinship(t, covered)) for t in missing)
    return {
        "heaviest_missing": max(heavy, default=0.0),
        "substituted": sum(weighted.share[t] for t in _substituted(asked.terms, own)),
        "other_name": float(
            any(n in missing for n in asked.names) and bool(_typed(text, "person"))
        ),
        "negation_differs": float(is_negative(text) != asked.negative),
        "negation_missed": float(asked.negative and not is_negative(text)),
        "opposite": float(any(_is_denied(term, own.all) for term in missing)),
        "superlative": float(bool(wanted) and wanted <= _superlatives(text)),
        "superlative_missing": float(bool(wanted) and not wanted & _superlatives(text)),
    }


def _time(asked: Question, place: Place, text: str, before: str) -> dict[str, float]:
    """How the dates in the sentence, or before it where it has none, stand to the period asked for."""
    names = (
        "period period_inside period_start period_end period_misses period_before period_dateless"
    )
    row = dict.fromkeys(names.split(), 0.0)
    published = place.hit.article.published
    year = int(published[:4]) if published and published[:4].isdigit() else 0
    row["newest"] = (year - 2000) / 50 if asked.newest and year else 0.0
    row["published_then"] = 0.0
    if not asked.period:
        return row
    low, high = asked.period
    spans = periods(text)
    row["period"] = max((_overlap_share(asked.period, span) for span in spans), default=0.0)
    row["period_inside"] = float(any(low <= first and last <= high for first, last in spans))
    row["period_start"] = float(any(low // 12 == first // 12 for first, _ in spans))
    row["period_end"] = float(any(high // 12 == last // 12 for _, last in spans))
    row["period_misses"] = float(bool(spans) and not row["period"])
    row["period_dateless"] = float(not spans)
    row["period_before"] = float(
        not spans and any(_overlap_share(asked.period, s) for s in periods(before))
    )
    row["published_then"] = float(bool(year) and low <= 12 * year + 11 and 12 * year <= high)
    return row


def _overlap_share(asked: Period, span: Period) -> float:
    """Common months over the months of the longer of the two; an open end reaches as far as asked."""
    last = min(span[1], asked[1]) if span[1] >= OPEN_END else span[1]
    common = min(asked[1], last) - max(asked[0], span[0]) + 1
    longer = max(min(asked[1], OPEN_END) - asked[0], last - span[0]) + 1
    return max(0.0, common / longer)


def _shape(place: Place, text: str, own: Read) -> dict[str, float]:
    size = len(own.raw)
    return {
        "length": math.log(1 + size),
        "short": float(size < 6),
        "order": place.order,
        "lead": float(place.start < 300),
        "question_form": float(text.rstrip('"”’ ').endswith("?")),
        "leans": float(leans(text)),
        "quotation": float(any(mark in text for mark in '“”"')),
        "table": float(place.kind == "table"),
        "item": float(place.kind == "item"),
        "new_words": math.log(1 + len(own.content)),
    }


def _hit(weighted: Weighted, place: Place) -> dict[str, float]:
    lexical = place.hit.scores.get("lexical", 0.0) / (weighted.total_bm25 or 1.0)
    return {
        "hit_rank": 1 / (1 + place.number),
        "hit_first": float(place.number == 0),
        "hit_lexical": min(lexical, 2.0),
        "hit_dense": place.hit.scores.get("dense", 0.0),
    }


CASE = tuple(
    "coverage coverage_previous coverage_title coverage_passage coverage_similar coverage_related "
    "topic details no_details rarest_missing rarest_absent names_sentence names_around names_absent numbers_missing focus verb "
    "verb_missing pairs in_order density type_near type_missing number_of_focus negation_differs opposite "
    "heaviest_missing substituted other_name superlative_missing period period_inside period_start period_end period_misses "
    "period_dateless period_before length leans hit_rank type_exact_missing".split()
)


def case_features(
    weighted: Weighted, ranked: Sequence[Candidate], hits: Sequence[Hit]
) -> dict[str, float]:
    """One row for the whole case, all features of ``selection.json`` under ``confidence``."""
    best, asked = ranked[0], weighted.question
    row = {f"best_{name}": best.features[name] for name in CASE}
    scores = [c.score for c in ranked[:3]] + [0.0, 0.0]
    lexical = [hit.scores.get("lexical", 0.0) / (weighted.total_bm25 or 1.0) for hit in hits]
    dense = [hit.scores["dense"] for hit in hits if "dense" in hit.scores]
    row |= {
        "best_logit": math.log(max(best.score, 1e-6) / max(1 - best.score, 1e-6)),
        "second_share": scores[1] / (scores[0] or 1.0),
        "top_lexical": min(max(lexical, default=0.0), 2.0),
        "top_dense": max(dense, default=0.0),
        "no_dense": float(not dense),
        "unknown_terms": weighted.unknown,
        "terms": math.log(1 + len(asked.terms)),
        "anywhere": max(
            (
                _covered(weighted, read(h.passage.text).all | read(h.article.title).all)
                for h in hits
            ),
            default=0.0,
        ),
        "best_type": max(best.features[f"type_{kind}"] for kind in TYPES if kind != "thing"),
    }
    return row
