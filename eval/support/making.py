"""Pairs of a sentence and a quote made of any articles: true ones, and corruptions of them.

Every corruption changes one fact of a true sentence (a number, a unit or magnitude, a name, a
negation, a date, a comparative) or puts the sentence beside a quote of something else; the
quote stays as it is. True pairs are sentences as they stand, or changed in ways that keep what they
say. Nothing here shares a rule or a word list with the check.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from qa.sentences import split
from qa.types import Article

WORDS = 8, 40  # a sentence of fewer says little, of more is mostly a list
AN_ARTICLE = 4  # sentences taken of one article, so that long ones do not fill a set

Change = Callable[[str, "Source", random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence beside words of an article: ``article.text[start:end]`` is the quote."""

    id: str
    sentence: str
    article: Article
    start: int
    end: int
    supported: bool
    kind: str

    @property
    def quote(self) -> str:
        return self.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Source:
    """A sentence of an article, with the span around it that is quoted."""

    article: Article
    start: int
    end: int
    quote_start: int
    quote_end: int

    @property
    def text(self) -> str:
        return " ".join(self.article.text[self.start : self.end].split())


def make(articles: Iterable[Article], seed: int = 0, most: int = AN_ARTICLE) -> Iterator[Pair]:
    """True pairs and corruptions, the same ones for the same articles and seed."""
    kept = list(articles)
    every = [source for article in kept for source in sources(article, seed, most)]
    for number, source in enumerate(every):
        draw = random.Random(f"{seed} {source.article.id} {source.start}")
        for kind, change in (*TRUE.items(), *FALSE.items()):
            sentence = change(source.text, source, draw)
            if sentence and (kind == "verbatim" or sentence != source.text):
                yield _pair(source, kind, sentence, source)
        other = every[(number + len(every) // 2) % len(every)]
        if other.article.id != source.article.id:
            yield _pair(source, "unrelated", source.text, other)


def sources(article: Article, seed: int, most: int) -> list[Source]:
    """Up to ``most`` sentences of prose, half of them quoted with a sentence beside them."""
    units = [unit for unit in split(article.text, article.language) if unit.kind == "prose"]
    fit = [
        at
        for at, unit in enumerate(units)
        if WORDS[0] <= len(article.text[unit.start : unit.end].split()) <= WORDS[1]
    ]
    draw = random.Random(f"{seed} {article.id}")
    found = []
    for at in sorted(draw.sample(fit, min(most, len(fit)))):
        beside = at + draw.choice((0, 0, 1, -1))
        near = units[beside] if 0 <= beside < len(units) else units[at]
        near = near if near.block == units[at].block else units[at]
        start, end = min(units[at].start, near.start), max(units[at].end, near.end)
        found.append(Source(article, units[at].start, units[at].end, start, end))
    return found


def _pair(source: Source, kind: str, sentence: str, quoted: Source) -> Pair:
    return Pair(
        f"{source.article.id}-{source.start}-{kind}",
        sentence,
        quoted.article,
        quoted.quote_start,
        quoted.quote_end,
        kind in TRUE,
        kind,
    )


def _replaced(text: str, match: re.Match[str], new: str) -> str:
    if match.group()[:1].isupper():
        new = new[:1].upper() + new[1:]
    return text[: match.start()] + new + text[match.end() :]


def _one(pattern: re.Pattern[str], text: str, draw: random.Random) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return draw.choice(found) if found else None


# -- changes that keep what a sentence says -------------------------------------------------------

_CONNECTIVE = re.compile(r"^(?:However|But|And|Also|Meanwhile|Moreover|Then|Still|In addition),? ")
_CLAUSE = re.compile(r"^(.{50,}?), (?:which|who|while|and|but|as|although|where|after|before) .*$")
_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_DAY = re.compile(rf"\b(\d{{1,2}}) ({'|'.join(_MONTHS)})\b|\b({'|'.join(_MONTHS)}) (\d{{1,2}})\b")
_IN_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
_WRITTEN = re.compile(rf"(?<![-\w])(?:{'|'.join(_IN_WORDS)})(?![-\w])")
_DIGIT = re.compile(r"(?<![\d.,:/-])(?<!\w)(?:[2-9]|1[0-2])(?= [a-z])")


def _verbatim(text: str, source: Source, draw: random.Random) -> str:
    del source, draw
    return text


def _without_connective(text: str, source: Source, draw: random.Random) -> str | None:
    del source, draw
    match = _CONNECTIVE.match(text)
    rest = text[match.end() :] if match else ""
    return rest[:1].upper() + rest[1:] if rest else None


def _shortened(text: str, source: Source, draw: random.Random) -> str | None:
    """The main clause alone; not where quotation marks or brackets would be torn."""
    del source, draw
    match = _CLAUSE.match(text)
    kept = match[1] if match else ""
    torn = any(kept.count(one) % 2 for one in "\"'") or kept.count("(") != kept.count(")")
    return None if not kept or torn or "“" in kept else kept + "."


def _rewritten(text: str, source: Source, draw: random.Random) -> str | None:
    """Numbers, dates and signs written the other way."""
    del source
    new = _DAY.sub(lambda m: f"{m[2]} {m[1]}" if m[1] else f"{m[4]} {m[3]}", text)
    new = _WRITTEN.sub(lambda m: str(_IN_WORDS.index(m.group()) + 2), new)
    if new == text:
        new = _DIGIT.sub(lambda m: _IN_WORDS[int(m.group()) - 2], text)
    new = re.sub(r"(\d) ?%", r"\1 percent", new)
    new = re.sub(r"(\d) per ?cent\b", r"\1%", new) if new == text else new
    new = re.sub(r"(?<=\d),(?=\d{3}\b)", "", new) if draw.random() < 0.5 else new
    return new if new != text else None


def _reported(text: str, source: Source, draw: random.Random) -> str | None:
    """With where it was read in front of it."""
    opening = text.split()[0]
    if opening not in _OPENINGS:
        return None
    inner = opening.lower() + text[len(opening) :]
    return draw.choice(_FRAMES) + inner


_OPENINGS = frozenset("The A An In On At He She It They This These There For From During".split())
_FRAMES = ("According to the article, ", "The article says that ", "It is reported that ")


# -- changes of one fact --------------------------------------------------------------------------

_NUMBER = re.compile(
    r"(?<![\w.,:/-])(?!(?:1[0-9]|20)\d\d\b)(?!\d{1,2} (?:" + "|".join(_MONTHS) + r"))"
    r"(?<!" + r")(?<!".join(f"{month} " for month in _MONTHS) + r")"
    r"\d+(?:,\d{3})*(?:\.\d+)?(?![\w:/]|[.,]\d|-\d|st|nd|rd|th)"
)
_UNIT_CHANGES = {
    "million": "billion", "billion": "million", "thousand": "million", "hundred": "thousand",
    "percent": "points", "kilometres": "metres", "kilometers": "meters", "metres": "kilometres",
    "meters": "kilometers", "miles": "yards", "feet": "inches", "inches": "feet", "km": "m",
    "years": "months", "months": "years", "weeks": "days", "days": "weeks", "hours": "minutes",
    "minutes": "hours", "seconds": "minutes", "year": "month", "week": "year", "month": "week",
    "kilograms": "grams", "tonnes": "kilograms", "tons": "pounds", "pounds": "tons",
    "dollars": "cents", "crowns": "euros", "euros": "dollars", "acres": "square miles",
    "hectares": "acres", "litres": "gallons", "degrees": "percent", "century": "decade",
    "decades": "years", "centuries": "decades",
}  # fmt: skip
_UNIT = re.compile(
    r"(?<=\d )(?:" + "|".join(_UNIT_CHANGES) + r")\b|"
    r"(?:(?<=two )|(?<=three )|(?<=four )|(?<=five )|(?<=six )|(?<=ten )|(?<=several ))(?:"
    + "|".join(_UNIT_CHANGES) + r")\b"
)  # fmt: skip
_SIGN = re.compile(r"(?<=\d) ?%|[$£€](?=\d)")
_NAMED = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*\b")
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|would|could|can|must|should|may|might)\b(?! not| never| no\b|n't)"
)
_NOT = re.compile(r"(?<=\b(?:is|as|re|ad|ve|ll|ld) )not ")
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b(?!-\d)")
_MONTH = re.compile(
    rf"\b(?:{'|'.join(_MONTHS)})\b(?= \d|,)|(?<=\d )(?:{'|'.join(_MONTHS)})\b|(?<=[Ii]n )(?:{'|'.join(_MONTHS)})\b"
)
_FLIPS = {
    "more": "fewer", "fewer": "more", "less": "more", "higher": "lower", "lower": "higher",
    "first": "last", "last": "first", "before": "after", "after": "before", "largest": "smallest",
    "smallest": "largest", "largest ": "smallest", "highest": "lowest", "lowest": "highest",
    "oldest": "youngest", "youngest": "oldest", "earlier": "later", "later": "earlier",
    "increased": "decreased", "decreased": "increased", "rose": "fell", "fell": "rose",
    "increase": "decrease", "decrease": "increase", "above": "below", "below": "above",
    "over": "under", "under": "over", "most": "least", "best": "worst", "worst": "best",
    "longer": "shorter", "shorter": "longer", "larger": "smaller", "smaller": "larger",
    "better": "worse", "worse": "better", "won": "lost", "lost": "won", "north": "south",
    "south": "north", "east": "west", "west": "east", "northern": "southern", "southern": "northern",
    "eastern": "western", "western": "eastern", "early": "late", "late": "early", "up": "down",
    "down": "up", "older": "younger", "younger": "older", "all": "some", "many": "few",
    "opened": "closed", "closed": "opened", "accepted": "rejected", "rejected": "accepted",
}  # fmt: skip
_FLIP = re.compile(
    r"\b(?:more|fewer|less|higher|lower|largest|smallest|highest|lowest|oldest|youngest|increased|"
    r"decreased|rose|fell|best|worst|longer|shorter|larger|smaller|better|worse|older|younger)\b|"
    r"(?<=the )(?:first|last|most)\b|\b(?:before|after|above|below|over|under)(?= (?:the|a|an|his|her|\d))|"
    r"(?<=years )(?:earlier|later)\b"
)


def _number(text: str, source: Source, draw: random.Random) -> str | None:
    match = _one(_NUMBER, text, draw)
    if not match:
        return None
    value = float(match.group().replace(",", ""))
    for _ in range(20):
        new = max(
            1.0, round(value * draw.choice((0.3, 0.5, 0.7, 1.4, 2, 3))) + draw.choice((0, 1, 2))
        )
        written = f"{new:,.0f}" if "," in match.group() else f"{new:.0f}"
        if "." in match.group():
            written = f"{value * 1.5:.1f}"
        if written not in text + source.article.text[source.quote_start : source.quote_end]:
            return _replaced(text, match, written)
    return None


def _unit(text: str, source: Source, draw: random.Random) -> str | None:
    del source
    match = _one(_UNIT, text, draw)
    if match:
        return _replaced(text, match, _UNIT_CHANGES[match.group()])
    match = _one(_SIGN, text, draw)
    if not match:
        return None
    swapped = {"%": " million", "$": "£", "£": "$", "€": "$"}[match.group().strip()]
    return text[: match.start()] + swapped + text[match.end() :]


def _name(text: str, source: Source, draw: random.Random) -> str | None:
    """Another name of the same article that the quote does not hold."""
    match = _one(_NAMED, text, draw)
    quote = source.article.text[source.quote_start : source.quote_end]
    if not match or match.group() in _MONTHS:
        return None
    words = frozenset(re.findall(r"\w+", quote + " " + source.article.title))
    others = sorted(
        {
            m.group()
            for m in _NAMED.finditer(source.article.text)
            if words.isdisjoint(m.group().split()) and m.group() not in _MONTHS
        }
    )
    return _replaced(text, match, draw.choice(others)) if others else None


def _negated(text: str, source: Source, draw: random.Random) -> str | None:
    """A "not" behind the first auxiliary verb, or one taken away."""
    del source, draw
    without = _NOT.search(text)
    if without:
        return text[: without.start()] + text[without.end() :]
    match = _AUXILIARY.search(text)
    return None if not match else f"{text[: match.end()]} not{text[match.end() :]}"


def _date(text: str, source: Source, draw: random.Random) -> str | None:
    quote = source.article.text[source.quote_start : source.quote_end]
    for pattern in draw.sample((_YEAR, _MONTH), 2):
        match = _one(pattern, text, draw)
        if not match:
            continue
        if match.group().isdigit():
            years = [str(int(match.group()) + step) for step in (-11, -3, -2, -1, 1, 2, 4, 10)]
            fresh = [year for year in years if year not in quote]
        else:
            fresh = [month for month in _MONTHS if month not in quote]
        return _replaced(text, match, draw.choice(fresh))
    return None


def _comparative(text: str, source: Source, draw: random.Random) -> str | None:
    del source
    match = _one(_FLIP, text, draw)
    return _replaced(text, match, _FLIPS[match.group()]) if match else None


TRUE: dict[str, Change] = {
    "verbatim": _verbatim,
    "connective dropped": _without_connective,
    "clause dropped": _shortened,
    "written otherwise": _rewritten,
    "attributed": _reported,
}
FALSE: dict[str, Change] = {
    "number": _number,
    "unit": _unit,
    "name": _name,
    "negation": _negated,
    "date": _date,
    "comparative": _comparative,
}
KINDS: Sequence[str] = (*TRUE, "paraphrase", *FALSE, "unrelated", "twist")
