"""Changes of one fact of a sentence; each gives None where it does not apply."""

from __future__ import annotations

import random
import re
from functools import lru_cache

from eval.support.keeping import Change
from eval.support.sources import MONTH, MONTHS, Source
from qa.sentences import split

Match = re.Match[str]


def replaced(text: str, match: Match, new: str) -> str:
    """With other words in the place of a match, and "a" or "an" before them as they need it."""
    before = text[: match.start()]
    article = re.search(r"\b([Aa])n? $", before)
    if article:
        vowel = re.match(r"[aeiouAEIOU]|8|11\b|18\b", new)
        before = before[: article.start()] + article[1] + ("n " if vowel else " ")
    return before + new + text[match.end() :]


def _one(pattern: re.Pattern[str], text: str, draw: random.Random) -> Match | None:
    found = list(pattern.finditer(text))
    return draw.choice(found) if found else None


# -- numbers and units ----------------------------------------------------------------------------

_WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
_RANKS = "second third fourth fifth sixth seventh eighth ninth tenth".split()
_DIGITS = re.compile(r"(?<![\w.,:/–-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w:/–-]|[.,]\d)")
_SPELT = re.compile(rf"(?<![-\w])(?:{'|'.join(_WORDS)})(?![-\w])")
_RANKED = re.compile(rf"(?<=the )(?:{'|'.join(_RANKS)})(?= [a-z])(?! of {MONTH}| (?:half|time)\b)")
# "more than 5,000" is true of 7,000 too, and "about two" of three.
_OPEN = re.compile(
    r"\b(?:than|over|under|above|below|least|most|to|by|nearly|almost|about|around|some|approximately|"
    r"roughly|or|as) [$£€]?$"
)
_NOT_COUNTED = re.compile(rf" (?:{MONTH}|a\.?m\b|p\.?m\b|o'clock|or\b|times as)")
_FACTORS = 0.4, 0.6, 0.8, 1.3, 1.5, 1.7


def _number(text: str, source: Source, draw: random.Random) -> str | None:
    found = [m for m in _DIGITS.finditer(text) if _is_count(text, m)]
    found += [m for m in _SPELT.finditer(text) if _is_count(text, m)]
    found += list(_RANKED.finditer(text))
    if not found:
        return None
    match = draw.choice(found)
    there = set(re.findall(r"[\d,.]*\d|\w+", (text + " " + source.quote).lower()))
    fresh = [new for new in _other_numbers(match.group()) if there.isdisjoint(new)]
    return replaced(text, match, draw.choice(fresh)[0]) if fresh else None


def _is_count(text: str, match: Match) -> bool:
    """Whether it is a number of something: no date, no time of day, not "more than" it."""
    before, after = text[: match.start()], text[match.end() :]
    year = re.fullmatch(r"1\d\d\d|20\d\d", match.group())
    dated = re.search(rf"{MONTH} $", before) or _NOT_COUNTED.match(after)
    return not year and not dated and not _OPEN.search(before) and match.group() not in {"0", "1"}


def _other_numbers(written: str) -> list[tuple[str, ...]]:
    """Others, each in the form of the number and in those that a text may have it in."""
    for listed in (_WORDS, _RANKS):
        if written in listed:
            at = listed.index(written)
            near = enumerate(listed[: 2 * at + 6])
            return [(new, str(n + 2), f"{n + 2}th") for n, new in near if abs(n - at) >= 2]
    return [(new,) for new in _other_numerals(written)]


def _other_numerals(written: str) -> list[str]:
    """As many decimals, and as many noughts at the end, as the numeral itself."""
    decimals = len(written.partition(".")[2])
    plain = written.replace(",", "").replace(".", "")
    noughts = 0 if decimals else min(len(plain) - len(plain.rstrip("0")), len(plain) - 2)
    step = 10.0 ** (max(noughts, 0) - decimals)
    value = float(written.replace(",", ""))
    found = {step * max(1, round(value * factor / step)) for factor in _FACTORS} - {value}
    if value < 100:
        found = {new for new in found if new < 100}  # many are ages and percentages
    comma = "," if "," in written else ""
    return [f"{new:{comma}.{decimals}f}" for new in sorted(found)]


_UNITS = {
    "million": "billion", "billion": "million", "thousand": "million", "hundred": "thousand",
    "kilometres": "metres", "kilometers": "meters", "metres": "kilometres",
    "meters": "kilometers", "miles": "yards", "feet": "inches", "inches": "feet", "km": "metres",
    "years": "months", "months": "years", "weeks": "days", "days": "weeks", "hours": "minutes",
    "minutes": "hours", "seconds": "minutes", "kilograms": "grams", "tonnes": "kilograms",
    "tons": "pounds", "dollars": "cents", "crowns": "euros", "euros": "dollars",
    "acres": "square miles", "hectares": "acres", "litres": "gallons", "centuries": "decades",
    "decades": "years",
}  # fmt: skip
_UNIT = re.compile(
    rf"(?:\d|\b(?:{'|'.join(_WORDS)}|several)) "
    rf"(?P<unit>{'|'.join(_UNITS)})\b|(?P<sign>[$£€])(?=\d)"
)
_SIGNS = {"$": "£", "£": "€", "€": "$"}


def _unit(text: str, source: Source, draw: random.Random) -> str | None:
    del source
    match = _one(_UNIT, text, draw)
    if not match:
        return None
    if match["sign"]:
        return text[: match.start()] + _SIGNS[match["sign"]] + text[match.end() :]
    return text[: match.start("unit")] + _UNITS[match["unit"]] + text[match.end() :]


# -- names and dates ------------------------------------------------------------------------------

_NAME = re.compile(
    r"(?P<before>\b[\w.]+,? )(?P<name>[A-Z][a-zà-ÿ]{2,}(?: [A-Z][a-zà-ÿ]{2,})*)(?![-\w]|\.\w)"
)
_WEEKDAYS = re.compile(r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?")
_NO_NAME = {*MONTHS, "The", "This", "But", "And", "Christmas", "Easter", "New", "Year"}
_PERSON = re.compile(
    r",? (?:said|says|who|wrote|writes|thought|told|asked|\d\d,|whose|died|born)\b"
)
_OF_PERSONS = frozenset("said says writes wrote thanked daughter son wife husband".split())
_PLACE = frozenset("in on at near from between around outside".split())


def _name(text: str, source: Source, draw: random.Random) -> str | None:
    """Another name of the article that is used in the same way and that the quote does not hold."""
    found = _names(text)
    if not found:
        return None
    match = draw.choice(found)
    used = _uses(source.article.text, source.article.language)
    there = _beginnings(f"{source.quote} {source.article.title}")
    common = frozenset(re.findall(r"\b[a-z]+", source.article.text))  # "Class" may be any class
    others = sorted(
        other
        for other, use in used.items()
        if use == used.get(match["name"])
        and there.isdisjoint(_beginnings(other))
        and common.isdisjoint(other.lower().split())
    )
    if not others:
        return None
    return text[: match.start("name")] + draw.choice(others) + text[match.end() :]


def _beginnings(text: str) -> frozenset[str]:
    """Of the capitalised words, so that "Roman" and "Romans" are the same."""
    return frozenset(word[:4] for word in re.findall(r"[A-Z]\w+", text))


def _names(text: str) -> list[Match]:
    """Runs of capitalised words inside a sentence, but for months, days and feasts."""
    return [
        match
        for match in _NAME.finditer(text)
        if not any(w in _NO_NAME or _WEEKDAYS.fullmatch(w) for w in match["name"].split())
        and not match["before"].endswith(". ")
    ]


@lru_cache(maxsize=64)
def _uses(text: str, language: str | None) -> dict[str, tuple[str, int]]:
    """How each name of an article is used: of a person, of a place, or behind which word."""
    found: dict[str, tuple[str, int]] = {}
    prose = (
        " ".join(text[u.start : u.end].split()) for u in split(text, language) if u.kind == "prose"
    )
    for match in (match for sentence in prose for match in _names(sentence)):
        kind = _use(match)
        known = found.get(match["name"], ("",))[0]
        if not known or kind == "a person" or (kind == "a place" and known != "a person"):
            found[match["name"]] = kind, min(3, len(match["name"].split()))
    return found


def _use(match: Match) -> str:
    before = match["before"].strip().lower()
    if before in _PLACE:
        return "a place"
    opens = match["before"][:1].isupper() and before != "the" and not before.startswith("st")
    if opens or before in _OF_PERSONS or _PERSON.match(match.string, match.end()):
        return "a person"
    return before


# Since 1990 is since 1995 too.
_SINCE = "".join(f"(?<!{word} )" for word in "since before after by until about around to".split())
_YEAR = re.compile(rf"(?<![\d.,$£€/–-]){_SINCE}(?:1[5-9]|20)\d\d\b(?![-–,.]\d|[-–%])")
_MONTH = re.compile(rf"\b{MONTH}\b(?= \d)|(?<=\d ){MONTH}\b|(?<=[Ii]n ){MONTH}\b")
_BEHIND_MONTH = "|".join(f"(?<={month} )" for month in MONTHS)
_DAY = re.compile(
    rf"(?<![\d–-]){_SINCE}\d{{1,2}}(?= {MONTH}\b)|(?:{_BEHIND_MONTH})\d{{1,2}}\b(?![–:-])"
)


def _date(text: str, source: Source, draw: random.Random) -> str | None:
    there = frozenset(re.findall(r"\w+", source.quote))
    for pattern in draw.sample((_YEAR, _MONTH, _DAY), 3):
        match = _one(pattern, text, draw)
        fresh = [new for new in _other_dates(match.group()) if new not in there] if match else []
        if match and fresh:
            return replaced(text, match, draw.choice(fresh))
    return None


def _other_dates(written: str) -> list[str]:
    if not written.isdigit():
        return [month for month in MONTHS if month != written]
    if len(written) < 3:
        return [str(day) for day in range(1, 29) if abs(day - int(written)) > 1]
    return [str(int(written) + step) for step in (-11, -3, -2, -1, 1, 2, 4, 10)]


# -- turned round ---------------------------------------------------------------------------------

_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|will|would|must|should|could(?! be\b| have\b)|(?:has|have|had)(?= "
    r"(?:been|become|come|gone|made|done|found|won|lost|left|sold|said|seen|put|met|led|run|set|"
    r"\w{2,}ed|\w{2,}en)\b))(?= \w)(?! (?:not|never|no|none|nothing|only|now|also|still|already|"
    r"all|both|any|hardly|that|how|what|why|just|even|then|thus|therefore|always|often)\b)"
)
# Behind these a "not" denies no fact, or the sentence breaks.
_NO_FACT = re.compile(
    r"\b(?:what|how|whether|if|when|before|after|until|than|why|unless|though|although|as|because|"
    r"so|some|many|few|several|any|who|whose|whom|either|or|no|not|never|none|nobody|nothing)\b|"
    r"^(?:one|two|three|four|five|six|seven|eight|nine|ten)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|would|could|should|must|did|does|do|may)"
    r"(?P<not> not)\b"
    r"(?! (?:only|yet|until|just|because|all|so|as|merely|necessarily|even|always|much|enough|to|"
    r"now|a word)\b)"
)
_BOUND_TO_NOT = re.compile(
    r"\b(?:any|ever|yet|nor|neither|either|until|but|any\w+|instead|rather|longer|only)\b"
)


def _negated(text: str, source: Source, draw: random.Random) -> str | None:
    """A "not" behind the first auxiliary verb, or one taken away."""
    del source, draw
    without = _NOT.search(text)
    if without and not _BOUND_TO_NOT.search(text):
        return text[: without.start("not")] + text[without.end() :]
    match = _AUXILIARY.search(text)
    if not match or re.search(r"\bonly\b", text):
        return None
    clause = re.split(r"[,;:—\"“]", text[: match.start()])[-1]
    if _NO_FACT.search(clause):
        return None
    return f"{text[: match.end()]} not{text[match.end() :]}"


_OPPOSITES = (
    "fewer more|higher lower|largest smallest|highest lowest|oldest youngest|longer shorter|"
    "larger smaller|better worse|older younger|increased decreased|increase decrease|"
    "increases decreases|first last|before after|above below|over under|rose fell|won lost|"
    "opened closed|early late|north south|northern southern|east west|eastern western|"
    "earlier later|best worst|longest shortest|more less|most least|"
    "stronger weaker|inside outside|cheaper dearer|faster slower|always never|bought sold|"
    "summer winter|spring autumn|morning evening|men women|father mother|son daughter|"
    "sons daughters|brother sister"
)
_FLIPS = {
    one: other
    for pair in _OPPOSITES.split("|")
    for one, other in (pair.split(), reversed(pair.split()))
}
_PLAIN = (
    "fewer|higher|(?<!to )lower|largest|smallest|highest|lowest|oldest|youngest|"
    "(?<!no )(?<!any )longer(?! than)|"
    "shorter|larger|smaller|older|younger|increased|decreased|increase|decrease|increases|"
    "decreases|better|worse|best|worst|longest|shortest|stronger|weaker|inside|outside|opened|"
    "cheaper|dearer|faster|slower|always|bought|sold|summer|winter|autumn|morning|evening|"
    "men|women|father|mother|son|daughter|sons|daughters|brother|sister|"
    "closed|north|south|northern|southern|east|west|eastern|western"
)
_DETERMINED = r"(?= (?:the|a|an|his|her|its|their|\d))"
_GUARDED = (
    r"(?<=the )(?:first|most|spring)|(?<=the )last(?= (?:of|to|\w+er)\b)|"
    r"more(?= than [\d$£€])|less(?= than \d)|(?:over|under)(?= [$£€]?\d)|"
    rf"(?:above|below){_DETERMINED}|(?:rose|fell)(?= (?:to|by)\b)|won{_DETERMINED}|"
    rf"(?<=in )(?:early|late)(?= (?:{MONTH}|the|\d))|"
    r"(?:(?<=years )|(?<=months )|(?<=weeks )|(?<=days ))(?:earlier|later)"
)
_FLIP = re.compile(rf"(?<![-\w])(?:{_PLAIN}|{_GUARDED})(?![-\w])")
_ORDER = re.compile(rf"(?<!named )(?<!called )\b(?:before|after){_DETERMINED}(?! law\b)")


def _comparative(text: str, source: Source, draw: random.Random) -> str | None:
    del source
    match = _one(_FLIP, text, draw)
    # "the year after" beside "before" would say neither.
    if not match and len(re.findall(r"\b(?:before|after|following)\b", text)) == 1:
        match = _ORDER.search(text)
    return replaced(text, match, _FLIPS[match.group()]) if match else None


FALSE: dict[str, Change] = {
    "number": _number,
    "unit": _unit,
    "name": _name,
    "negation": _negated,
    "date": _date,
    "comparative": _comparative,
}
