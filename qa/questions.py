"""What a question asks for: the type of answer it wants, its terms, names, numbers and period.

Pure and quick: one pass of regular expressions, stems from `snowballstemmer`, both cached. This
module also holds the one tokeniser of the pure layer (:func:`words`, :func:`stem`) and finds dates
in running text (:func:`periods`), since questions and articles must be read the same way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Wants = Literal[
    "person",
    "date",
    "number",
    "money",
    "place",
    "duration",
    "reason",
    "method",
    "definition",
    "yesno",
    "thing",
]

Period = tuple[int, int]  # first and last month, both inclusive, as 12 * year + (month - 1)
OPEN_END = 12 * 9999

_TOKEN = re.compile(
    r"(?:[^\W\d_]\.){2,}|\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?|[^\W\d_]+(?:[’'][^\W\d_]+)*"
)
STOP_WORDS = frozenset(
    "a about after again all also am an and any are as at be because been before being between both "
    "but by can could did do does doing done during each either else even ever few for from further "
    "get gets getting got had has have having he her here hers herself him himself his how i if in "
    "into is it its itself just like made make makes many may me might more most much must my near "
    "of off often on once only onto or other our out over own per please same shall she should since "
    "so some such take takes tell than that the their them themselves then there these they this "
    "those through to took too under until up upon us very was we were what when where whether which "
    "while who whom whose why will with within without would you your yours".split()
)
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80",
     "ninety": "90", "hundred": "100", "dozen": "12"}  # fmt: skip
_NUMBER_WORDS.pop("one")  # far more often a pronoun or an article than a count
# Past forms that a stemmer leaves apart from their verb. Left out where a form is also another word.
_IRREGULAR = {
    form: forms.split()[0]
    for forms in (
        "arise arose arisen|awake awoke|beat beaten|become became|begin began begun|bend bent|bind bound|"
        "bite bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought|build built|"
        "burn burnt|buy bought|catch caught|choose chose chosen|come came|deal dealt|dig dug|draw drew drawn|"
        "drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|fight fought|flee fled|"
        "fly flew flown|forbid forbade forbidden|forget forgot forgotten|freeze froze frozen|give gave given|"
        "go went gone|grow grew grown|hang hung|hear heard|hide hid hidden|hold held|keep kept|know knew known|"
        "lay laid|lead led|lend lent|lose lost|mean meant|meet met|pay paid|ride rode ridden|ring rang rung|"
        "rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|shake shook shaken|"
        "shoot shot|show shown|shrink shrank shrunk|sing sang sung|sink sank sunk|sleep slept|speak spoke spoken|"
        "spend spent|stand stood|steal stole stolen|stick stuck|strike struck|swear swore sworn|swim swam|"
        "take took taken|teach taught|tear tore torn|think thought|throw threw thrown|understand understood|"
        "wear wore worn|win won|withdraw withdrew withdrawn|write wrote written|overcome overcame|undergo "
        "underwent|die died death dead|born birth|child children|elect election|lie lying|woman women|man men"
    ).split("|")
    for form in forms.split()[1:]
}
MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split()
    )
}
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(?:\b(?P<month>{_MONTH})\.?\s+(?:\d{{1,2}}(?:st|nd|rd|th)?)?,?\s*(?:of\s+)?)?"
    r"(?<![\d.,])(?P<year>1[0-9]\d\d|20\d\d)(?P<decade>s)?(?![\d%]|[.,]\d)(?:[-–/](?P<short>\d\d)\b(?!-))?",
    re.IGNORECASE,
)
_RANGE_SIGN = re.compile(
    r"\s*\)?\s*(?:-|–|—|to|until|till|through|and|up to)\s*(?:the\s+)?(?:\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?)?",
    re.IGNORECASE,
)
_STILL_OPEN = re.compile(
    r"\s*(?:-|–|—|to|until)\s*(?:present|now|today|date)\b|\s*[-–—]\s*(?=[;,)\n]|$)", re.I
)

_PERSON_NOUNS = frozenset(
    "person people man woman player actor actress singer author writer president mayor minister king "
    "queen leader director manager coach captain artist composer architect scientist engineer founder "
    "owner officer chief judge bishop governor general politician character musician spokesman "
    "spokeswoman spokesperson councillor chairman chairwoman head chair ceo".split()
)
_PLACE_NOUNS = frozenset(
    "city country town village place state county province region district street continent location "
    "river area nation island hometown neighbourhood neighborhood venue capital square".split()
)
_DATE_NOUNS = frozenset("year date day month time century decade season era weekday night".split())
_NUMBER_NOUNS = frozenset(
    "percent percentage proportion share number population rate size height length depth width weight "
    "speed distance temperature score total age fraction amount ratio majority margin turnout capacity".split()
)
_MONEY_NOUNS = frozenset("cost price fee fine salary budget fare sum prize rent bill".split())
_MONEY_VERBS = re.compile(
    r"\b(cost|pay|pays|paid|spen[dt]|price|priced|worth|money|funding|funds?|raised?|earn\w*|sold|sell|"
    r"charge[ds]?|fined?|budget\w*|invest\w*|owe[ds]?|donat\w*|compensation|debts?|revenue|profit\w*|loss\w*)\b"
)
_EMPTY_FOCUS = _DATE_NOUNS | frozenset(
    "percent percentage person people name kind type sort thing things reason amount number place way".split()
)
_AUXILIARY = frozenset(
    "is are was were do does did has have had can could will would should may might must am isn't "
    "aren't wasn't weren't don't doesn't didn't hasn't haven't hadn't".split()
)
_WH = re.compile(
    r"\b(?P<wh>how\s+(?:many|much|long|old|far|tall|high|deep|big|large|wide|heavy|fast|often|late|early)|"
    r"how|when|who|whom|whose|where|why|what|which)\b",
    re.IGNORECASE,
)
_NEWEST = re.compile(
    r"\b(now|latest|newest|currently?|today|nowadays|most recent(?:ly)?|at present|so far|still|these days)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    ``measure`` refines a number or date: age, length, share, clock .... ``terms`` are the stems of its content words without repeats, ``surface`` the same words as they
    stand; ``names`` and ``numbers`` are stems that are also in ``terms``. ``focus`` is the stem of
    the noun after what, which or how many, empty where there is none. ``period`` is in months.
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
    verb: str
    negative: bool


def tokens(text: str) -> Iterator[re.Match[str]]:
    """The word tokens of ``text`` with their places; numbers such as 4.2 or 1,200 are one token."""
    return _TOKEN.finditer(text)


def words(text: str) -> list[str]:
    """Lower-cased words without diacritics or possessive endings, in order."""
    return [normal(match.group()) for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=1 << 16)
def normal(token: str) -> str:
    """One token as :func:`words` gives it."""
    word = token.lower().replace("’", "'")
    if not word.isascii():
        folded = unicodedata.normalize("NFKD", word)
        word = "".join(c for c in folded if not unicodedata.combining(c))
    if word.endswith("'s") and len(word) > 2:
        word = word[:-2]
    if "." in word and not word[0].isdigit():
        word = word.replace(".", "")
    return word


@lru_cache(maxsize=1)
def _stemmer():  # type: ignore[no-untyped-def]  # snowballstemmer ships no types
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of one of :func:`words`; number words and 1,200 become digits."""
    if word[:1].isdigit():
        return word.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", word) else word
    return _NUMBER_WORDS.get(word) or str(_stemmer().stemWord(_IRREGULAR.get(word, word)))


def analyse(question: str) -> Question:
    """Takes a question apart; anything that is not a question comes back wanting a ``thing``."""
    found = _find_wh(question)
    wants, focus, used = _type(question, found)
    surface, terms = _content(question, used)
    kept = frozenset(terms)
    period = _asked_period(question)
    numbers = tuple(t for t in terms if t[:1].isdigit())
    return Question(
        text=question,
        wants=wants,
        focus=stem(focus) if focus else "",
        measure=_measure(found, focus),
        terms=terms,
        surface=surface,
        names=tuple(n for n in _names(question) if n in kept),
        numbers=numbers,
        period=period,
        newest=_NEWEST.search(question) is not None,
        verb=_main_verb(question, found),
        negative=is_negative(question),
    )


_NEGATION = re.compile(
    r"\b(?:not|never|no longer|nor|neither|without|cannot|refus\w+|fail(?:ed|s)? to|nobody|none)\b|n[’']t\b",
    re.I,
)


def is_negative(text: str) -> bool:
    """Whether the text denies something."""
    return _NEGATION.search(text) is not None


def _find_wh(question: str) -> re.Match[str] | None:
    """The question word: the first one, unless it introduces a clause and a later one asks."""
    first = words(question)[:1]
    if first and first[0] in _AUXILIARY:
        return None
    found = list(_WH.finditer(question))
    if (
        len(found) > 1
        and found[0].start() > 0
        and re.search(r"[,;]\s*(?:\w+\s+)?$", question[: found[-1].start()])
    ):
        return found[-1]
    if (
        len(found) > 1
        and found[0].start() == 0
        and found[0]["wh"].lower() == "when"
        and "," in question
    ):
        return found[-1]  # "When X happened, who ..."
    return found[0] if found else None


def _type(question: str, found: re.Match[str] | None) -> tuple[Wants, str, frozenset[str]]:
    """Answer type, focus noun, and the words that only say the type."""
    if found is None:
        first = words(question)[:1]
        return ("yesno" if first and first[0] in _AUXILIARY else "thing"), "", frozenset()
    asked = " ".join(found["wh"].lower().split())
    rest = question[found.end() :]
    used = frozenset(asked.split()[1:])
    if asked.startswith("how "):
        return _how(asked, question, rest, used)
    simple: dict[str, Wants] = {
        "when": "date", "who": "person", "whom": "person", "whose": "person", "where": "place",
        "why": "reason", "how": "method",
    }  # fmt: skip
    if asked in simple:
        return simple[asked], "", used
    return _what(question, rest)


def _how(
    asked: str, question: str, rest: str, used: frozenset[str]
) -> tuple[Wants, str, frozenset[str]]:
    following = words(rest)
    focus = next((w for w in following[:3] if w not in STOP_WORDS), "")
    if asked == "how long":
        return "duration", "", used
    if asked == "how much":
        costs = _MONEY_VERBS.search(question.lower()) or following[:1] in (["is"], ["was"], ["are"])
        by = re.search(r"\bby how much\b|\bhow much of\b", question, re.IGNORECASE)
        return ("money" if costs and not by else "number"), "", used
    if asked == "how many":
        long = focus in {"years", "days", "months", "weeks", "hours", "minutes"}
        return ("duration" if long else "number"), focus, used
    return "number", "", used


_MEASURES = {
    "how old": "age", "age": "age", "how far": "length", "how tall": "length", "how high": "length",
    "how deep": "length", "how wide": "length", "height": "length", "length": "length", "depth": "length",
    "width": "length", "distance": "length", "how heavy": "weight", "weight": "weight", "how fast": "speed",
    "speed": "speed", "how often": "frequency", "percentage": "share", "percent": "share", "share": "share",
    "proportion": "share", "how late": "clock", "how early": "clock", "time": "clock",
    "temperature": "degrees", "score": "score",
}  # fmt: skip


def _measure(found: re.Match[str] | None, focus: str) -> str:
    """What is measured, where the question word or its noun says so: age, length, share ..."""
    if found is None:
        return ""
    return _MEASURES.get(" ".join(found["wh"].lower().split()), "") or _MEASURES.get(focus, "")


def _what(question: str, rest: str) -> tuple[Wants, str, frozenset[str]]:
    """ "What" and "which": the noun that follows says the type ("what town", "what is the price")."""
    following = words(rest)
    if re.match(r"\s*(?:did|does|do|will|would)\b.*\bcost\b", rest, re.IGNORECASE):
        return "money", "", frozenset()
    if following[:1] and following[0] in _AUXILIARY:
        noun = _head_noun([w for w in following[1:] if w != "the"], until_verb=False)
        wants = _noun_type(noun)
        if noun in {"name", "names"}:
            named = re.search(
                r"\bnames? of (?:the |a |an )?(?:\w+ ){0,2}?(\w+)", rest, re.IGNORECASE
            )
            wants = (
                "person"
                if named and (normal(named[1]) in _PERSON_NOUNS or _AGENT.search(named[1]))
                else wants
            )
        content = [w for w in following[1:] if w not in STOP_WORDS]
        if (
            wants == "thing"
            and following[0] in {"is", "are"}
            and len(content) <= 3
            and len(following) <= 6
        ):
            wants = "definition"
        if wants == "thing" and re.search(r"\b(?:reason|cause[ds]?)\b", rest, re.I):
            wants = "reason"
        return wants, noun if wants != "definition" else "", frozenset({noun} & _EMPTY_FOCUS)
    noun = _head_noun(following, until_verb=True)
    wants = _noun_type(noun)
    if wants == "thing" and re.match(r"\s*(?:caused|led to|prompted|made)\b", rest, re.I):
        wants, noun = "reason", ""
    return wants, noun, frozenset({noun} & _EMPTY_FOCUS)


_AGENT = re.compile(r"(?:er|or|ist|man|woman|ian)$")


def _head_noun(following: list[str], *, until_verb: bool) -> str:
    """The noun in front of the first function word: "what chess club did ...": club."""
    run: list[str] = []
    for word in following[:6]:
        if word in STOP_WORDS or word in _AUXILIARY:
            if run or until_verb:
                break
            continue
        run.append(word)
        if word in _typed_nouns():
            return word
    return run[-1] if run and len(run) <= 3 else (run[0] if run else "")


@lru_cache(maxsize=1)
def _typed_nouns() -> frozenset[str]:
    return _DATE_NOUNS | _NUMBER_NOUNS | _MONEY_NOUNS | _PERSON_NOUNS | _PLACE_NOUNS


def _noun_type(noun: str) -> Wants:
    single = noun[:-1] if noun.endswith("s") and noun[:-1] in _typed_nouns() else noun
    table: list[tuple[frozenset[str], Wants]] = [
        (_DATE_NOUNS, "date"), (_NUMBER_NOUNS, "number"), (_MONEY_NOUNS, "money"),
        (_PERSON_NOUNS, "person"), (_PLACE_NOUNS, "place"),
    ]  # fmt: skip
    if single in {"reason", "cause"}:
        return "reason"
    return next((wants for nouns, wants in table if single in nouns), "thing")


def _content(question: str, used: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seen: dict[str, str] = {}
    dates = _date_words(question)
    for word in words(question):
        if (
            word not in STOP_WORDS
            and word not in used | dates
            and (len(word) > 1 or word.isdigit())
        ):
            seen.setdefault(stem(word), word)
    return tuple(seen.values()), tuple(seen)


def _date_words(question: str) -> frozenset[str]:
    """Words of the years and months, which count as the period and not as terms."""
    return frozenset(word for match in _DATE.finditer(question) for word in words(match.group()))


def _names(question: str) -> list[str]:
    """Stems of capitalised words, unless the question is lower-cased or capitalised throughout."""
    found = [m.group() for m in tokens(question)]
    capital = [w for w in found[1:] if w[:1].isupper()]
    if len(capital) > 0.8 * max(len(found) - 1, 1) and len(found) > 4:
        return []
    first = (
        found[:1] if found and found[0][:1].isupper() and normal(found[0]) not in STOP_WORDS else []
    )
    return [stem(normal(w)) for w in [*first, *capital] if normal(w) not in MONTHS]


def _main_verb(question: str, found: re.Match[str] | None) -> str:
    """The stem of the main verb where its place gives it away, else empty.

    "Who won ...": the word after; "did X Y sign ...": the first word after a run of names; "did the
    work on the wall cost?": the last word.
    """
    if found is None:
        return ""
    after = [m.group() for m in tokens(question[found.end() :])]
    if after and normal(found["wh"]) in {"who", "what"} and normal(after[0]) not in STOP_WORDS:
        return stem(normal(after[0]))
    at = next((i for i, w in enumerate(after) if normal(w) in {"did", "does", "do"}), None)
    if at is None or len(after) < at + 3:
        return ""
    named = at + 1
    while named < len(after) and after[named][:1].isupper():
        named += 1
    word = after[named] if at + 1 < named < len(after) else after[-1]
    return stem(normal(word)) if word.islower() and normal(word) not in STOP_WORDS else ""


def _asked_period(question: str) -> Period | None:
    spans = periods(question)
    if not spans:
        return None
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    if re.search(r"\b(?:since|after)\b", question, re.I) and len(spans) == 1:
        return low, OPEN_END
    if re.search(r"\b(?:before|until|prior to)\b", question, re.I) and len(spans) == 1:
        return 0, high
    return low, high


@lru_cache(maxsize=4096)
def periods(text: str) -> tuple[Period, ...]:
    """The years, months and ranges that the text names, in order, in months and inclusive."""
    spans: list[Period] = []
    end = -1
    for match in _DATE.finditer(text):
        low, high = _one_date(match)
        if (
            spans
            and end >= 0
            and _RANGE_SIGN.fullmatch(text[end : match.start()])
            and high >= spans[-1][0]
        ):
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
        month = next(
            (n for name, n in MONTHS.items() if name.startswith(match["month"][:3].lower())), 0
        )
        return 12 * year + month, 12 * year + month
    if match["decade"]:
        return 12 * year, 12 * (year + (100 if year % 100 == 0 and year < 1900 else 10)) - 1
    if match["short"] and int(match["short"]) > year % 100:
        return 12 * year, 12 * (year - year % 100 + int(match["short"])) + 11
    return 12 * year, 12 * year + 11
