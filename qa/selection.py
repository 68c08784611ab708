"""Which sentences of the hits answer the question, and how sure that is: features, then a score.

Logistic models, whose weights stand in ``selection.json`` with a line on what each feature means.
Two know words alone (``eval/training/words.py`` learns them): the words, the types of answer, the
dates and the places in the text, and from ``related.json`` which words are akin. One scores every
sentence, the other the case as a whole. Two more join them with what a reader makes of the text
(``eval/training/mixture.py``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from qa.protocols import TermStatistics
from qa.questions import (
    MARKED,
    OPEN_END,
    Found,
    Period,
    Question,
    Read,
    analyse,
    is_negative,
    listed,
    periods,
    read,
    typed,
)
from qa.related import NEAR, kinship, opposites
from qa.sentences import Unit, split
from qa.types import Hit, Page

MOST_SENTENCES = 3
SMALL_LIBRARY = 50  # added to the passage count: two passages must not decide which word is rare
NOW, PRESENT = 0.3, 0.5  # of the best score, for a newer sentence to go before it
READ_WELL = -2.5  # log odds of the reader, for the same
LOOK_BACK = 500  # characters in which a lead, or the sentence before a passage, is sought
COSINES = 0.4, 0.7  # beyond these a cosine says no more; another model's may lie elsewhere


Key = tuple[str, int]  # the article's id and where the candidate starts


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer: ``hit.article.text[start:end]``.

    ``score`` is the probability that it does, 0 to 1, by words alone or by all that is known;
    ``read`` the reader's log odds. ``neighbour`` is the span of the sentence before it, or the
    first row of its table, where it cannot be understood alone.
    """

    hit: Hit
    start: int
    end: int
    score: float
    features: Mapping[str, float] = field(default_factory=dict)
    neighbour: tuple[int, int] | None = None
    read: float = 0.0

    @property
    def text(self) -> str:
        return self.hit.article.text[self.start : self.end]


class Place(NamedTuple):
    """A candidate before scoring: a unit of a hit, in article offsets, with what surrounds it."""

    hit: Hit
    number: int  # the hit's place in the list, from 0
    start: int
    end: int
    kind: str  # prose, item (of a list) or table
    order: float  # where in the passage, 0 first to 1 last
    heading: str
    previous: tuple[int, int] | None

    @property
    def text(self) -> str:
        return self.hit.article.text[self.start : self.end]

    @property
    def before(self) -> str:
        start, end = self.previous or (0, 0)
        return self.hit.article.text[start:end]


class Weighted(NamedTuple):
    """A question, the share that each term has in its idf (adding up to 1), and what a hit could
    reach: the share of terms no passage holds, the largest BM25, the largest cosine of the hits."""

    question: Question
    share: Mapping[str, float]
    unknown: float
    best_lexical: float


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
    places = [place for number, hit in enumerate(hits) for place in places_of(hit, number)]
    best: dict[tuple[str, int, int], Candidate] = {}
    for place, row in zip(places, sentence_features(weighted, places), strict=True):
        key = (place.hit.article.id, place.start, place.end)
        score = probability("sentence", row)
        if key not in best or best[key].score < score:
            # Where the question names what the article is about, "he" or "it" is no riddle.
            known = row["names_around"] > 0 and row["coverage_previous"] == 0
            needed = None if known else _needed(place)
            best[key] = Candidate(place.hit, place.start, place.end, score, row, needed)
    return sorted(best.values(), key=lambda candidate: -candidate.score)


class Judged(NamedTuple):
    """Candidates best first, by all that is known, and the calibrated probability, 0 to 1, that
    the first of them answers the question."""

    ranked: list[Candidate]
    confidence: float


def page(hit: Hit) -> Page:
    """What a reader gets to read of a hit: its candidates are the spans, in their order."""
    start = hit.passage.start
    spans = tuple((p.start - start, p.end - start) for p in places_of(hit, 0))
    return Page(hit.article.title, hit.passage.text, spans)


def judge(
    question: str,
    hits: Sequence[Hit],
    by_words: Sequence[Candidate],
    odds: Sequence[Sequence[float]],
    statistics: TermStatistics,
) -> Judged:
    """Joins what :func:`rank` says with a reader's log odds, for each hit and span of its page."""
    if not by_words:
        return Judged([], 0.0)
    weighted = weigh(analyse(question), statistics)
    ranked = mixed(by_words, read_odds(hits, odds))
    row = certainty_features(case_features(weighted, by_words, hits), by_words, ranked)
    return Judged(ranked, probability("certainty", row))


def read_odds(hits: Sequence[Hit], odds: Sequence[Sequence[float]]) -> dict[Key, float]:
    """The log odds by candidate; the higher ones where two passages overlap."""
    found: dict[Key, float] = {}
    for hit, values in zip(hits, odds, strict=True):
        for place, value in zip(places_of(hit, 0), values, strict=True):
            key = (hit.article.id, place.start)
            found[key] = max(value, found.get(key, value))
    return found


def mixed(by_words: Sequence[Candidate], odds: Mapping[Key, float]) -> list[Candidate]:
    """Scored anew by words and reader together, best first."""
    scored = []
    for c in by_words:
        both = replace(c, read=odds[c.hit.article.id, c.start])
        scored.append(replace(both, score=probability("mixture", mixture_features(both))))
    return sorted(scored, key=lambda candidate: -candidate.score)


def mixture_features(by_words: Candidate) -> dict[str, float]:
    """One row for a candidate that was scored by words and read."""
    return {"words": logit(by_words.score), "read": by_words.read}


def certainty_features(
    case: Mapping[str, float], by_words: Sequence[Candidate], ranked: Sequence[Candidate]
) -> dict[str, float]:
    """One row for the case, with all features of ``selection.json`` under ``certainty``."""
    best = ranked[0]
    second = ranked[1].score if len(ranked) > 1 else 0.0
    return {
        "words_case": logit(probability("case", case)),
        "best": logit(best.score),
        "read": best.read,
        "lead": logit(best.score) - logit(second),
        "agree": float((best.hit, best.start) == (by_words[0].hit, by_words[0].start)),
        "top_dense": case["top_dense"],
    }


def timely(question: str, ranked: Sequence[Candidate]) -> list[Candidate]:
    """The newest of about equal candidates first, where the question is about the present.

    "now" and "latest" say so outright; the present tense alone does with less certainty, so that
    only a near equal then takes the first place.
    """
    asked = analyse(question)
    timeless = asked.wants in MARKED and not asked.newest  # a reason does not go out of date
    if not ranked or asked.period or timeless or not (asked.newest or asked.present):
        return list(ranked)
    least = (NOW if asked.newest else PRESENT) * ranked[0].score
    equals = [
        c
        for c in ranked[: 2 * MOST_SENTENCES + 2]
        if c.score >= least and c.read >= READ_WELL and c.hit.article.published
    ]
    if len(equals) < 2:
        return list(ranked)
    newest = max(equals, key=lambda c: c.hit.article.published or "")
    return [newest, *(c for c in ranked if c is not newest)]


def choose(question: str, ranked: Sequence[Candidate]) -> list[Candidate]:
    """At most three candidates in reading order: the best, near equals, and what they lean on."""
    if not ranked:
        return []
    asked = analyse(question)
    kind = "period" if asked.period else "long" if asked.wants in MARKED else "short"
    most, ratio = model()["choice"][kind]["most"], model()["choice"][kind]["ratio"]
    chosen = [ranked[0]]
    for other in ranked[1 : 2 * MOST_SENTENCES]:
        close = len(chosen) < most and other.score >= ratio * ranked[0].score
        if close and not _repeats(other, chosen):
            chosen.append(other)
    return _with_needed(chosen)


def _repeats(other: Candidate, chosen: Sequence[Candidate]) -> bool:
    """Whether most content words of the sentence stand in a chosen one already."""
    said = frozenset[str]().union(*(read(candidate.text).content for candidate in chosen))
    own = read(other.text).content
    return len(own - said) <= 0.25 * len(own)


def _with_needed(chosen: Sequence[Candidate]) -> list[Candidate]:
    kept = {(c.hit.article.id, c.start): c for c in chosen}
    for c in chosen:
        if c.neighbour and len(kept) < MOST_SENTENCES:
            start, end = c.neighbour
            kept.setdefault((c.hit.article.id, start), Candidate(c.hit, start, end, c.score))
    articles = list(dict.fromkeys(c.hit.article.id for c in chosen))
    return sorted(kept.values(), key=lambda c: (articles.index(c.hit.article.id), c.start))


def probability(name: str, row: Mapping[str, float]) -> float:
    """What the model of that name in ``selection.json`` makes of a row of features."""
    part = model()[name]
    weights = part["features"]
    odds = part["intercept"] + sum(weights[key]["weight"] * value for key, value in row.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def logit(chance: float) -> float:
    """Log odds of a probability, held between -14 and 14."""
    kept = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


# -- the question's words, weighted ---------------------------------------------------------------


def weigh(question: Question, statistics: TermStatistics) -> Weighted:
    """Inverse document frequencies, smoothed so that a library of two passages gives sane ones.

    ``best_lexical`` is BM25's limit for the terms, the sum of idf * (k1 + 1) with k1 = 1.2.
    """
    count = statistics.document_count()
    known = [statistics.document_frequency(word) for word in question.surface]
    idf = [math.log((count + SMALL_LIBRARY) / (seen + 0.5)) for seen in known]
    idf = [max(weight, 0.05) for weight in idf]
    total = sum(idf) or 1.0
    share = {term: weight / total for term, weight in zip(question.terms, idf, strict=True)}
    rare = (math.log(1 + max(count - seen + 0.5, 0.5) / (seen + 0.5)) for seen in known)
    unknown = sum(share[term] for term, seen in zip(question.terms, known, strict=True) if not seen)
    return Weighted(question, share, unknown, 2.2 * sum(rare) or 1.0)


# -- sentences and what surrounds them ------------------------------------------------------------

_ITEM = re.compile(r"(?:[-*+•–]|\d{1,2}[.)])\s")
_LEANING = re.compile(
    r"[\"“'(]*(?:(?:and|but|so|yet|then|also|however|still|instead|meanwhile),? )?"
    r"(?:he|she|it|they|his|her|hers|their|theirs|its|this|that|these|those|such|both|"
    r"the (?:former|latter|same))\b",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(r"it (?:is|was|has been|had been) (?:not )?(?:\w+ )?(?:that|to|who)\b", re.I)


@lru_cache(maxsize=1 << 12)
def _units(text: str, language: str | None) -> tuple[Unit, ...]:
    return tuple(split(text, language))


def places_of(hit: Hit, number: int) -> list[Place]:
    """The sentences and table rows of a hit. Headings and scraps are context, never candidates.

    What stands before a list item or a table row is what leads the list, not the item above.
    """
    passage, found = hit.passage, list[Place]()
    heading, previous = passage.heading, _sentence_before(hit)
    units = _units(passage.text, hit.article.language)
    for index, unit in enumerate(units):
        text = passage.text[unit.start : unit.end]
        span = (passage.start + unit.start, passage.start + unit.end)
        if unit.kind == "heading":
            heading, previous = text, None
        elif unit.kind != "scrap":
            kind = "item" if unit.kind == "prose" and _ITEM.match(text) else unit.kind
            order = index / max(len(units) - 1, 1)
            place = Place(hit, number, *span, kind, order, heading, previous)
            first_row = kind == "table" and not place.before.startswith("|")
            following = units[index + 1 : index + 2]
            if not (first_row and following and following[0].kind == "table"):
                found.append(place)  # the names of columns say nothing by themselves
            if kind == "prose" or first_row:
                previous = span
    return found


def _sentence_before(hit: Hit) -> tuple[int, int] | None:
    """The sentence that ends where the passage begins, in article offsets."""
    offset = max(0, hit.passage.start - LOOK_BACK)
    units = _units(hit.article.text[offset : hit.passage.start], hit.article.language)
    if not units or units[-1].kind != "prose" or (len(units) == 1 and offset):
        return None
    return offset + units[-1].start, offset + units[-1].end


@lru_cache(maxsize=1 << 12)
def _topic(title: str, opening: str, language: str | None) -> frozenset[str]:
    """Stems of what the whole article is about: its title and its first sentence."""
    units = _units(opening, language)
    lead = next((opening[u.start : u.end] for u in units if u.kind == "prose"), "")
    return read(title).all | read(lead).all


def leans(text: str) -> bool:
    """Whether the sentence begins with a word that points back ("He said", "It was the lowest")."""
    return bool(_LEANING.match(text)) and not _EMPTY_IT.match(text)


def _needed(place: Place) -> tuple[int, int] | None:
    """What must stand before the sentence for it to be understood, if that helps."""
    if place.kind == "table":
        return place.previous if place.before.startswith("|") else None
    if not place.previous or not leans(place.text):
        return None
    broken = "\n\n" in place.hit.article.text[place.previous[1] : place.start]
    idle = broken or leans(place.before) or place.before.endswith("?")
    return None if idle else place.previous


# -- features of a sentence -----------------------------------------------------------------------

TYPES = tuple("date number money place person duration reason method definition thing".split())
EXACT_TYPES = frozenset({"date", "number", "money", "duration"})
_SUPERLATIVE = re.compile(
    r"\b(?:first|last|second|third|only|original|final|next|main|most|least|best|worst|\w{3,}est)\b"
)
_NO_SUPERLATIVE = listed("no superlatives")
_DENYING = ("un", "in", "non", "im", "dis", "ir")
_PEOPLE = listed("people, by stem")


def sentence_features(weighted: Weighted, places: Sequence[Place]) -> list[dict[str, float]]:
    """One row a place, with all features of ``selection.json`` under ``sentence``."""
    rows = [_row(weighted, place) for place in places]
    most = max((row["coverage"] for row in rows), default=0.0) or 1.0
    nearest = max((place.hit.scores.get("dense", 0.0) for place in places), default=0.0)
    newest = max((place.hit.article.published or "" for place in places), default="")
    for place, row in zip(places, rows, strict=True):
        row["coverage_lead"] = row["coverage"] / most
        row["dense_behind"] = nearest - place.hit.scores.get("dense", nearest)
        dated = place.hit.article.published or newest
        row["older"] = float(weighted.question.newest and dated < newest)
    return rows


def _row(weighted: Weighted, place: Place) -> dict[str, float]:
    own, before, article = read(place.text), read(place.before), place.hit.article
    topic = _topic(article.title, article.text[:LOOK_BACK], article.language)
    frame = topic | read(place.heading).all
    return {
        **_overlap(weighted, place, own, before.all, frame),
        **_conflicts(weighted, place.text, own, before.all | frame),
        **_order(weighted, own),
        **_answer_type(weighted.question, place.text, own),
        **_time(weighted.question, place),
        **_shape(place, own),
        "hit_rank": 1 / (1 + place.number),
        "hit_lexical": min(place.hit.scores.get("lexical", 0.0) / weighted.best_lexical, 2.0),
    }


def _covered(share: Mapping[str, float], stems: frozenset[str]) -> float:
    return sum(part for term, part in share.items() if term in stems)


def _part(wanted: Sequence[str], stems: frozenset[str]) -> float:
    return sum(term in stems for term in wanted) / len(wanted) if wanted else 0.0


def _overlap(
    weighted: Weighted, place: Place, own: Read, before: frozenset[str], frame: frozenset[str]
) -> dict[str, float]:
    asked, share = weighted.question, weighted.share
    near = own.all | before
    wide = near | frame
    widest = wide | read(place.hit.passage.text).all
    coverage = _covered(share, own.all)
    missing = {term: part for term, part in share.items() if term not in own.all}
    beginnings = {s[:5] for s in own.all if len(s) >= 5}
    details = {term: part for term, part in share.items() if term not in frame}
    found = sum(part * kinship(term, own.all) for term, part in details.items())
    return {
        "coverage": coverage,
        "coverage_previous": _covered(share, near) - coverage,
        "coverage_topic": _covered(share, wide) - _covered(share, near),
        "coverage_passage": _covered(share, widest) - _covered(share, wide),
        "coverage_similar": sum(
            p for t, p in missing.items() if t[:5] in beginnings and len(t) > 4
        ),
        "coverage_related": sum(part * kinship(term, own.all) for term, part in missing.items()),
        "details": found / (sum(details.values()) or 1.0),
        "topic": 1 - sum(details.values()),
        "names_around": _part(asked.names, wide) - _part(asked.names, own.all),
        "names_absent": 1 - _part(asked.names, widest) if asked.names else 0.0,
        "numbers_missing": 1 - _part(asked.numbers, own.all) if asked.numbers else 0.0,
        "focus": float(bool(asked.focus) and asked.focus in own.all),
    }


def _conflicts(
    weighted: Weighted, text: str, own: Read, around: frozenset[str]
) -> dict[str, float]:
    asked, share = weighted.question, weighted.share
    missing = [term for term in asked.terms if term not in own.all]
    heavy = (share[term] * (1 - kinship(term, own.all | around)) for term in missing)
    wanted, held = _superlatives(asked.text), _superlatives(text)
    denies = is_negative(text)
    other = any(name in missing for name in asked.names) and typed(text, "person")
    return {
        "heaviest_missing": max(heavy, default=0.0),
        "substituted": sum(share[term] for term in _substituted(asked.terms, own)),
        "other_name": float(bool(other)),
        "opposite": float(any(_is_denied(term, own.all) for term in missing)),
        "negation_differs": float(denies != asked.negative),
        "negation_missed": float(asked.negative and not denies),
        "superlative": float(bool(wanted) and wanted <= held),
        "superlative_missing": float(bool(wanted) and not wanted & held),
    }


def _superlatives(text: str) -> frozenset[str]:
    return frozenset(_SUPERLATIVE.findall(text.lower())) - _NO_SUPERLATIVE


def _is_denied(term: str, stems: frozenset[str]) -> bool:
    """Whether an opposite of a term stands there: an antonym, or it with or without "un-"."""
    if not opposites(term).isdisjoint(stems):
        return True
    bare = {term.removeprefix(p) for p in _DENYING if term.startswith(p) and len(term) > 6}
    return not stems.isdisjoint(bare | {p + term for p in _DENYING if len(term) > 4})


def _substituted(terms: Sequence[str], own: Read) -> list[str]:
    """Missing terms whose neighbours in the question stand close together around another word.

    "What attracts a helper B cell" against "attracts a helper T cell": that is something else.
    """
    found = []
    for left, term, right in zip(terms, terms[1:], terms[2:], strict=False):
        if term not in own.all and left in own.all and right in own.all:
            at = (i for i, s in enumerate(own.stems) if s == left)
            if any(right in own.stems[i + 2 : i + 5] for i in at):
                found.append(term)
    return found


def _order(weighted: Weighted, own: Read) -> dict[str, float]:
    """How the matched terms stand together: pairs kept close, order kept."""
    terms = weighted.question.terms
    at: dict[str, int] = {}
    for index, s in enumerate(own.stems):
        if s in weighted.share:
            at.setdefault(s, index)
    places = [at[term] for term in terms if term in at]
    pairs = list(pairwise(terms))
    close = sum(a in at and b in at and abs(at[a] - at[b]) <= 3 for a, b in pairs)
    rising = sum(a < b for a, b in pairwise(places))
    return {
        "pairs": close / len(pairs) if pairs else 0.0,
        "in_order": rising / (len(places) - 1) if len(places) > 1 else 0.0,
    }


def _answer_type(asked: Question, text: str, own: Read) -> dict[str, float]:
    """Whether the sentence holds something of the wanted type that the question does not name."""
    wants, terms = asked.wants, frozenset(asked.terms)
    known = read(asked.text).all
    found = typed(text, wants, asked.measure)
    if wants not in MARKED:
        found = tuple((at, s) for at, s in found if own.stems[at] not in known)
    strength = max((s for _, s in found), default=0.0)
    row = {f"type_{kind}": strength if kind == wants else 0.0 for kind in TYPES}
    near = 0.0
    if found and wants not in MARKED:
        places = [i for i, s in enumerate(own.stems) if kinship(s, terms) >= NEAR]
        near = max((s * math.exp(-abs(at - i) / 5) for at, s in found for i in places), default=0.0)
    weak = strength < 0.35
    return row | {
        "type_near": near,
        "type_missing": float(weak and wants in EXACT_TYPES | {"person"}),
        "type_exact_missing": float(weak and wants in EXACT_TYPES),
        "number_of_focus": _counted(asked.focus, own, found) if wants == "number" else 0.0,
    }


def _counted(focus: str, own: Read, found: Found) -> float:
    """1 where a number stands before the noun that is counted, 0.7 before a relative of it."""
    best = 0.0
    for at, strength in found:
        after = frozenset(own.stems[at + 1 : at + 5])
        kin = kinship(focus, after)
        if focus in _PEOPLE and _PEOPLE & after:
            kin = max(kin, NEAR)
        best = max(best, 1.0 if kin == 1 else 0.7 if kin >= NEAR and strength > 0.5 else 0.0)
    return best


def _time(asked: Question, place: Place) -> dict[str, float]:
    """How the dates in the sentence, or before it where it has none, stand to the period asked."""
    names = "period period_inside period_start period_misses period_before period_dateless"
    row = dict.fromkeys([*names.split(), "published_outside"], 0.0)
    if not asked.period:
        return row
    low, high = asked.period
    spans = periods(place.text)
    before = () if spans else periods(place.before)
    row["period"] = max((_common(asked.period, span) for span in spans), default=0.0)
    row["period_inside"] = float(any(low <= first and last <= high for first, last in spans))
    row["period_start"] = float(any(low // 12 == first // 12 for first, _ in spans))
    row["period_misses"] = float(bool(spans) and not row["period"])
    row["period_dateless"] = float(not spans)
    row["period_before"] = float(any(_common(asked.period, span) for span in before))
    published = periods(place.hit.article.published or "")
    outside = bool(published) and not any(_common(asked.period, span) for span in published)
    row["published_outside"] = float(outside and not spans)
    return row


def _common(asked: Period, span: Period) -> float:
    """Common months over the months of the longer; an open end reaches as far as asked."""
    last = min(span[1], asked[1]) if span[1] >= OPEN_END else span[1]
    common = min(asked[1], last) - max(asked[0], span[0]) + 1
    return max(0.0, common / (max(asked[1] - asked[0], last - span[0]) + 1))


def _shape(place: Place, own: Read) -> dict[str, float]:
    return {
        "length": math.log(1 + len(own.raw)),
        "short": float(len(own.raw) < 6),
        "order": place.order,
        "opening": float(place.start < 300),
        "question_form": float(place.text.rstrip('"”’ ').endswith("?")),
        "leans": float(leans(place.text)),
        "item": float(place.kind == "item"),
    }


# -- features of the case as a whole --------------------------------------------------------------

OF_THE_BEST = tuple(
    "coverage coverage_previous coverage_topic coverage_similar coverage_related details "
    "names_around names_absent numbers_missing heaviest_missing substituted other_name opposite "
    "negation_differs superlative_missing pairs type_near type_missing type_exact_missing "
    "number_of_focus period period_inside period_start period_misses period_before "
    "period_dateless length leans hit_rank".split()
)


def case_features(
    weighted: Weighted, ranked: Sequence[Candidate], hits: Sequence[Hit]
) -> dict[str, float]:
    """One row for the case, with all features of ``selection.json`` under ``case``."""
    best = ranked[0]
    second = ranked[1].score if len(ranked) > 1 else 0.0
    lexical = max((hit.scores.get("lexical", 0.0) for hit in hits), default=0.0)
    seen = [hit.scores["dense"] for hit in hits if "dense" in hit.scores]
    dense = max(seen, default=sum(COSINES) / 2)
    held = (read(hit.passage.text).all | read(hit.article.title).all for hit in hits)
    return {f"best_{name}": best.features[name] for name in OF_THE_BEST} | {
        "best_logit": logit(best.score),
        "best_type": max(best.features[f"type_{kind}"] for kind in TYPES if kind != "thing"),
        "second_share": second / best.score,
        "top_lexical": min(lexical / weighted.best_lexical, 2.0),
        "top_dense": min(max(dense, COSINES[0]), COSINES[1]),
        "unknown_terms": weighted.unknown,
        "terms": math.log(1 + len(weighted.question.terms)),
        "anywhere": max((_covered(weighted.share, stems) for stems in held), default=0.0),
    }
