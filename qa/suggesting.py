"""Questions that an article answers, made from its own sentences by rules. English only, and pure.

A rule sees one clause: a subject, a finite verb and what follows. It asks only where all of it is
of a shape it knows, and of words that cannot be a second clause; most sentences give nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

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
        rules = _RULES if clause.subject else _RULES_FOR_SENTENCES
        asked = [each for rule in rules for each in rule(clause) if _is_sound(each)]
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
    """A sentence cut in three, empty if it is of no known shape; ``when``: a date before it."""

    subject: str
    verb: str
    rest: str
    when: str = ""
    opens: bool = False  # the article
    sentence: str = ""


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
    rf"(?:(?:[Ii]n|[Oo]n)(?: {_WEEKDAY},?)? {_FULL_DATE}"
    rf"|(?:[Ff]rom|[Bb]etween) {_YEAR} (?:to|until|and) {_YEAR}"
    rf"|(?:[Oo]n|[Ll]ast) {_WEEKDAY}(?: (?:morning|afternoon|evening|night))?"
    rf"|[Ll]ast (?:night|week|month|year|{_SEASON})|[Ii]n (?:[Ll]ast )?{_MONTH}|[Yy]esterday)"
)
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?: (?:million|billion|thousand))?"
_COUNT = (
    "(?:[0-9]{1,3}(?:,[0-9]{3})+|[1-9][0-9]+|[2-9]|two|three|four|five|six|seven|eight|nine|ten|"
    "eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)"
)
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
_NUMBERED = re.compile(r"(?:^|\s)[0-9]{1,3}[.)]\s*$")
_PLACE_END = r"(?=[,.;]|$| (?:and|to|where|when|as|on|in)\b)"


# -- from an article to clauses -------------------------------------------------------------------


def _clauses(article: Article) -> Iterator[tuple[int, int, _Clause]]:
    # a lone surrogate, which the segmenter refuses, becomes one "?": places stay
    text = article.text[:LOOKED_AT].encode("utf-8", "replace").decode("utf-8")
    subjects = _Subjects(article.title, text)
    block = -1
    for unit in split(text, article.language):
        cut_off = unit.end == len(text) < len(article.text)
        numbered = _NUMBERED.search(text, max(0, unit.start - 8), unit.start)
        if unit.kind != "prose" or cut_off or numbered:
            continue
        sentence = " ".join(text[unit.start : unit.end].split())
        begins, block = unit.block != block, unit.block
        if not _is_unfit(sentence):
            yield unit.start, unit.end, _clause(sentence, subjects, begins)
        else:
            subjects.live = False


def _is_unfit(sentence: str) -> bool:
    """Hostile, a list item, cut off, or too long to be simple."""
    return (
        len(sentence) > SENTENCE_CHARACTERS
        or not (sentence[0].isupper() or sentence[0].isdigit())
        or sentence[-1] not in '.”"'
        or _UNCLEAN.search(sentence) is not None
        or _ADDRESS.search(sentence) is not None
        or re.match(r"[0-9]{1,3}[.)] ", sentence) is not None
        or not _listed("never asked").isdisjoint(re.findall(r"[\w-]+", sentence.lower()))
    )


def _clause(sentence: str, subjects: _Subjects, begins: bool) -> _Clause:
    plain = " ".join(re.sub(r"\([^()]*\)", "", sentence).replace(" ,", ",").split())
    lead = re.match(rf"({_WHEN}),? (?=[A-Za-z])", plain)
    body = _APPOSITION.sub(r"\1 ", plain[lead.end() :] if lead else plain)
    words = body.split(" ")
    finite = _pasts().keys() | _FINITE
    at = next((n for n, word in enumerate(words[:14]) if word in finite), 0)
    opening, subjects.opening = subjects.opening, False
    subject = subjects.read(words[:at], begins, after_lead=bool(lead))
    if opening and subject:
        subjects.introduce(subject)
    if not subject:
        return _Clause("", "", "", sentence=plain)
    rest = subjects.resolved(" ".join(words[at + 1 :]))
    return _Clause(subject, words[at], rest, lead[1] if lead else "", opening, plain)


_FINITE = frozenset("was were is are will has have had employs runs operates costs".split())
_APPOSITION = re.compile(
    r"^([^,]{3,60}), (?:a|an|the|who|which|whose|also|formerly|now|then|born) [^,]{2,90}, "
    r"(?=(?:was|were|is|are|will|has|have|[a-z]+ed|said|built|won|wrote|led|made|became|began) )"
)


def _pasts() -> dict[str, str]:
    return _verbs()[0]


class _Subjects:
    """Turns the words before a verb into a subject that stands alone, or into nothing.

    "He" is the article's own subject as long as one sentence after another speaks of that.
    """

    def __init__(self, title: str, text: str) -> None:
        self.title = re.sub(r" ([.,])", r"\1", re.sub(r" ?\(.*", "", title)).strip()
        self.common = Counter(re.findall(r"(?<![\w’'-])[a-z]{2,}", text))
        self.names = frozenset(re.findall(rf"(?<=[a-z,] ){_CAPITALISED}", text))
        self.full: dict[str, set[str]] = {}
        for name in re.findall(rf"(?:(?<=\bthe )|(?<=\bThe )|\b){_PERSON}", text):
            first = name.split(" ")[0]
            if first.lower() not in _listed("never first") and not re.fullmatch(_TITLE, first):
                self.full.setdefault(name.split(" ")[-1], set()).add(name)
        self.text = text
        self.opening, self.live, self.pronoun, self.topic = True, False, "", ""

    def introduce(self, subject: str) -> None:
        """The subject of the first sentence is the article's, if it is what the title names."""
        told, named = (one.removeprefix("the ").split(" ") for one in (subject, self.title))
        if named[0] and told[0] == named[0] and set(named) <= set(told):
            self.topic, self.live = subject, True

    def read(self, words: list[str], begins: bool, *, after_lead: bool) -> str:
        """The subject that the words before a verb are, or nothing."""
        if words in (["He"], ["She"], ["It"]) or (after_lead and words in (["he"], ["she"])):
            return self._of_pronoun(words[0].title(), begins)
        subject = self._named(words, after_lead=after_lead)
        self.live = bool(self.topic) and subject == self.topic
        return subject

    def resolved(self, rest: str) -> str:
        """With "the bridge" as "Tanner's Bridge" where an article has one such name."""
        return re.sub(rf"\bthe ([a-z]+)(?={_LOOSE_END})", self._whole, rest)

    def _whole(self, match: re.Match[str]) -> str:
        names = self.full.get(match[1].title(), set())
        name = next(iter(names)) if len(names) == 1 else ""
        first = name.split(" ")[0].lower()
        if not name or first in self.common or first in _listed("no person"):
            return match[0]
        often = self.text.count(name)
        if often < 2 and name not in self.title:
            return match[0]
        with_the = len(re.findall(rf"\b[Tt]he {re.escape(name)}", self.text))
        return f"the {name}" if 2 * with_the > often else name

    def _of_pronoun(self, pronoun: str, begins: bool) -> str:
        person = pronoun != "It"
        known = self.live or (begins and person and self.pronoun == pronoun)
        self.live = bool(self.topic) and known and self.pronoun in {"", pronoun}
        if not self.live:
            return ""
        self.pronoun = pronoun
        return self.topic

    def _named(self, words: list[str], *, after_lead: bool) -> str:
        subject = " ".join(words)
        if re.fullmatch("[Tt]he [a-z]+", subject):
            subject = self.resolved("the" + subject[3:])
            words = subject.split(" ")
        first, second = (*words, "", "")[:2]
        if not _is_phrase(subject) or first.lower() in _listed("never first") or len(words) > 9:
            return ""
        if not second or (re.fullmatch(_TITLE, first) and len(words) == 2):
            return self._person(words)
        if first in {"The", "the"}:  # but not "the University", which one only its article tells
            alone = len(words) == 2 and second.lower() in self.common.keys() | _listed("no person")
            return "the" + subject[3:] if _has_name(subject) and not alone else ""
        if first[0].islower() or not first[0].isalpha():
            return ""
        if not after_lead and first.lower() in self.common:
            plain = second in {"of", "at", "on", "in"} and _has_name(second + subject[len(first) :])
            return first.lower() + subject[len(first) :] if plain else ""
        known = first in self.names or second[0].isupper()
        return subject if known and _is_noun_phrase(words) else ""

    def _person(self, words: list[str]) -> str:
        """A surname, with or without a title, as the full name; a name of one word as it is."""
        if self.pronoun in {"He", "She"} and words[-1] in self.topic.split(" "):
            return self.topic
        full = self.full.get(words[-1], set())
        if len(words) == 1:
            known = words[0] in self.names and words[0].lower() not in self.common
            return words[0] if known and not full else ""
        return next(iter(full)) if len(full) == 1 else " ".join(words)


_LOOSE_END = r"[,.;]|$| (?:in|at|on|for|to|from|with|by|as|was|were|would|will|had|has|is|are)\b"


def _is_noun_phrase(words: list[str]) -> bool:
    """Whether no word in small letters follows a name, as a verb would that no table knows."""
    links = _listed("prepositions") | {"and", "the", "de", "van", "von", "der", "la", "del"}
    return words[0] in {"The", "the"} or not any(
        one[0].isupper() and other[0].islower() and other not in links
        and not one.endswith(("'s", "’s", "s'", "s’"))
        for one, other in pairwise(words)
    )  # fmt: skip


def _is_phrase(text: str) -> bool:
    """Whether the words can hold no second clause, no pronoun and no loose end."""
    words = text.split(" ")
    return (
        0 < len(words) <= 10
        and re.fullmatch(rf"[{_LATIN}0-9.'’%£$€ -]+|.*[0-9],[0-9]{{3}}.*", text) is not None
        and not re.search(rf"[a-z)]\. |[{_LATIN}]{{4,}}\.(?: |$)|,(?! ?[0-9])|\s[-–] ", text)
        and not any(_is_barred(word) for word in words)
        and words[-1].lower() not in _listed("prepositions") | {"the", "a", "an", "and"}
        and words[0] != "and"
        and not re.search(r"\bthe (?:of|in|and)\b|\b(?:late|early|long|[A-Z]\.?)$", text)
    )


def _is_barred(word: str) -> bool:
    if not word or word[0].isupper():
        return word in {"He", "She", "It", "They", "This", "That", "These", "Those", "I", "We"}
    fixed = word in {"set", "cut", "put", "cost", "read", "hit", "shut", "found", "felt"}
    verbal = word in _pasts() or word in _verbs()[1] or word.endswith("ed")
    return word in _listed("barred") or (verbal and not fixed and word not in {"united", "red"})


def _has_name(text: str) -> bool:
    calendar = rf"(?:{_MONTH}|{_WEEKDAY}|The|A|An|I)"
    found = re.findall(rf"\b{_CAPITALISED}", text)
    return any(len(word) > 2 and not re.fullmatch(calendar, word) for word in found)


def _is_vague(text: str) -> bool:
    """Whether an object is one that only its article tells: "the song", "a visitor"."""
    pattern = rf"\bthe [a-z]+(?={_LOOSE_END})|^an? [a-z]+$"
    return re.search(pattern, text) is not None


# -- from clauses to questions --------------------------------------------------------------------


_LOOSE = re.compile(r"^\w+ (?:did|was) \S+ (?:die|born|marry|graduate|retire)\b")  # which Ada?
_OWN = re.compile(r"\b(?:his|her)\b")


def _is_sound(asked: _Asked) -> bool:
    question = asked.question
    words = set(re.findall(r"\w+", question.lower()))
    told = {word for word in re.findall(r"\w+", asked.answer.lower()) if len(word) > 3}
    return (
        len(question) <= QUESTION_CHARACTERS
        and _ALLOWED.fullmatch(question) is not None
        and not re.search(r" [,.'’?)]|  |\( |\b[A-Z]\.?\?|,\?", question)
        and question.count("(") == question.count(")")
        and not _LOOSE.search(question)
        and (not _OWN.search(question) or _is_of_person(question))
        and _has_name(question.split(" ", 1)[1])
        and (asked.kind in {"what", "why", "said", "who is"} or not told & words)
    )


def _is_of_person(question: str) -> bool:
    match = re.match(rf"\w+ (?:did|was|will) ({_PERSON}) ", question)
    return match is not None and _is_person(match[1])


def _dated(clause: _Clause) -> tuple[str, str]:
    """What is told between the verb and its date, and the date; both empty if there is none."""
    if clause.when:
        return _before_comma(clause.rest), clause.when
    match = re.match(rf"(?:(.{{0,80}}?) )?({_WHEN})(?![\w-])", clause.rest)
    return (match[1] or "", match[2]) if match else ("", "")


def _before_comma(rest: str) -> str:
    """Up to where something is added; all of it where a comma may stand within a name or list."""
    end = re.search(
        r"[,;:.]\W? (?=[a-z0-9])|\.\W?$| and (?=(?:was|is|\w+ed|then|began|won) )", rest
    )
    return rest[: end.start()] if end else rest


def _undropped(text: str) -> str:
    first, _, others = text.partition(" ")
    return others if first in _listed("adverbs to drop") else text


def _when(clause: _Clause) -> Iterator[_Asked]:
    """ "S was opened in 1904" and "S opened the bridge in 1904" and "S will open in May"."""
    head, when = _dated(clause)
    head = _undropped(head)
    if not when or _is_vague(head) or re.search(rf"\bby\b|{_WHEN}", head):
        return
    asked = ""
    if clause.verb in {"was", "were"}:
        asked = _passive(clause, head)
    elif clause.verb == "will":
        be, _, passive = head.partition(" ")
        active = be in _verbs()[2] and _is_phrase(head)
        if active or (be == "be" and passive and _passive(clause, passive)):
            asked = f"will {clause.subject} {head}"
    elif clause.verb in _pasts() and _is_whole(clause, head, lasting=when[:2].lower() in _LASTING):
        asked = f"did {clause.subject} {_pasts()[clause.verb]} {head}".strip()
    if asked:
        worth = 3.0 if re.search(_YEAR, when) else 2.6
        yield _Asked("when", worth, f"When {asked}?", when)


_LASTING = {"fr", "be"}  # "from 1904 to 1906", "between 1904 and 1906"


def _is_whole(clause: _Clause, head: str, *, lasting: bool) -> bool:
    """Whether the verb has the object it needs, so that it is no participle after its noun."""
    base = _pasts()[clause.verb]
    if base in {"say", "name"} or (lasting and base not in _listed("lasting")):
        return False
    if not head and base in {"begin", "start", "end", "finish"}:
        return not _is_person(clause.subject)
    bare = not head or head.split(" ", maxsplit=1)[0] in _listed("prepositions") | {"as"}
    if bare and base not in _listed("without object"):
        return False
    return not head or _is_phrase(head.removeprefix("as "))


def _passive(clause: _Clause, head: str) -> str:
    """The question's end "was S first opened to traffic", or nothing.

    Of the phrase after a participle nothing is kept where it would tell too much.
    """
    match = re.fullmatch(r"((?:first|(?!only)\w+ly) )?([a-z-]+)(?: (.+))?", _undropped(head))
    base = _verbs()[1].get(match[2], "") if match else ""
    if match is None or not base:
        return ""
    others = match[3] if match[3] and base != "bear" else ""
    if others and not _is_phrase(others.removeprefix("as ").removeprefix("to be ")):
        return ""
    if not others and base in _listed("complemented"):
        return ""
    return f"{clause.verb} {clause.subject} {match[1] or ''}{match[2]} {others}".strip()


def _who(clause: _Clause) -> Iterator[_Asked]:
    """ "S was built in 1904 by Ada Rook", "S is led by Ada Rook", "Ada Rook built S"."""
    agents, past = _listed("agents"), _verbs()[2]
    if clause.verb in {"was", "were", "is", "are"}:
        match = re.match(
            rf"([a-z ]{{3,60}}?)(?: {_WHEN})? by (?:the [a-z]+ )?({_PERSON}){_PLACE_END}",
            clause.rest,
        )
        base = _verbs()[1].get(_undropped(match[1]), "") if match else ""
        if match and base in agents and _is_person(match[2]):
            asks = (
                past[base]
                if clause.verb in {"was", "were"}
                else base + ("es" if base.endswith("sh") else "s")
            )
            yield _Asked("who", 3.2, f"Who {asks} {clause.subject}?", match[2])
    elif _pasts().get(clause.verb) in agents and _is_person(clause.subject):
        told = re.sub(rf" {_WHEN}$", "", _before_comma(clause.rest))
        definite = told[:1].isupper() or told.startswith("the ")
        if definite and _is_phrase(told) and _has_name(told) and not _is_vague(told):
            yield _Asked("who", 2.8, f"Who {clause.verb} {told}?", clause.subject)


def _is_person(name: str) -> bool:
    words = name.lower().split()
    return re.fullmatch(_PERSON, name) is not None and _listed("no person").isdisjoint(words)


def _how_much(clause: _Clause) -> Iterator[_Asked]:
    """ "S cost 40 crowns", "S has raised £3,000 for the museum", "S is insured for £9"."""
    match = re.match(rf"((?:[a-z]+ ){{0,3}}?)({_ABOUT})({_MONEY})(.*)", clause.rest)
    if not match:
        return
    tail = re.split(r" (?:that|which|who|where|when) ", _before_comma(match[4]), maxsplit=1)[0]
    tail = re.sub(rf" ?{_WHEN}.*", "", tail).strip()
    if tail and not (_is_phrase(tail) and tail.split(" ")[0] in {"for", "on", "to", "from"}):
        return
    between, base = match[1].split(), _pasts().get(clause.verb)
    asked = ""
    if base and not between and base not in {"say", "fall", "rise"}:
        asked = f"did {clause.subject} {base} {tail}"
    elif clause.verb in {"has", "have"} and len(between) == 1 and between[0] in _verbs()[1]:
        asked = f"{clause.verb} {clause.subject} {between[0]} {tail}"
    elif clause.verb in {"is", "was"} and between[1:] in (["for"], ["at"]) and not tail:
        asked = f"{clause.verb} {clause.subject} {' '.join(between)}"
    if asked:
        yield _Asked("money", 3.2, f"How much {asked.strip()}?", match[3])


def _how_many(clause: _Clause) -> Iterator[_Asked]:
    """ "S has 240 seats", "S sold 40 boats in 1904", "S has found four drivers for the bus"."""
    pattern = (
        rf"(?:([a-z]+) )?{_ABOUT}({_COUNT}) ((?:[a-z]+ )?(?:[a-z]+s|people|women|men|children))"
        r"(?![\w-])(.*)"
    )
    match = re.match(pattern, clause.rest)
    if not match or re.fullmatch(_YEAR, match[2]) or not _UNCOUNTED.isdisjoint(match[3].split()):
        return
    tail = re.sub(rf" ?{_WHEN}$", "", _before_comma(match[4])).strip()
    if tail and not (
        _is_phrase(tail) and tail.split(" ")[0] in _listed("prepositions") - {"with", "to"}
    ):
        return
    verb, done = clause.verb, match[1]
    if verb in {"has", "have", "had"} and done in _verbs()[1]:
        asked = f"{verb} {clause.subject} {done} {tail}"
    elif done or verb in {"said", "rose", "fell", "won", "died"}:
        return
    elif verb in _PRESENT:
        asked = f"{_PRESENT[verb]} {tail}".replace(" ", f" {clause.subject} ", 1)
    elif verb in _pasts():
        asked = f"did {clause.subject} {_pasts()[verb]} {tail}"
    else:
        return
    if _is_phrase(match[3]):
        yield _Asked("count", 3.0, f"How many {match[3]} {asked.strip()}?", match[2])


_PRESENT = {
    "has": "does have", "have": "do have", "had": "did have", "employs": "does employ",
    "runs": "does run", "operates": "does operate",
}  # fmt: skip


def _how_many_were(clause: _Clause) -> Iterator[_Asked]:
    """ "Some 9,200 vehicles used Tanner's Bridge"."""
    pattern = rf"{_ABOUT}({_NUMBER}) ((?:[a-z]+ )?(?:[a-z]+s|people|women|men|children)) (.*)"
    match = re.match(pattern, clause.sentence)
    if match and match[2] not in _UNCOUNTED:
        told = re.sub(rf" {_WHEN}$", "", _before_comma(match[3]))
        verb, _, others = told.partition(" ")
        if verb == "were" and others.split(" ")[0] in _verbs()[1]:
            others = others.partition(" ")[2]
        elif verb not in _pasts():
            return
        if _is_phrase(others) and _has_name(others) and not _is_vague(others):
            yield _Asked("count", 3.0, f"How many {match[2]} {told}?", match[1])


_UNCOUNTED = frozenset(
    "crowns dollars pounds euros years months weeks days hours minutes seconds metres meters feet "
    "miles kilometres kilometers percent points degrees times".split()
)


def _how_long(clause: _Clause) -> Iterator[_Asked]:
    """ "S is 74 metres long"."""
    match = re.match(rf"{_ABOUT}({_NUMBER} (?:[a-z]+)) (long|high|tall|wide|deep)\b", clause.rest)
    if match and clause.verb in {"is", "are"}:
        yield _Asked("measure", 3.0, f"How {match[2]} {clause.verb} {clause.subject}?", match[1])


def _where(clause: _Clause) -> Iterator[_Asked]:
    """ "S is based in Tellin", "S was born in Tellin"."""
    match = re.match(
        rf"(based|born|buried|located|situated|headquartered)(?: {_WHEN})? (?:in|at|near) "
        rf"((?:the )?[A-Z][^;.]{{2,60}})",
        clause.rest,
    )
    if match and clause.verb in {"is", "was", "are", "were"}:
        born = match[1] in {"born", "buried"}
        if not born or clause.verb == "was":
            asked = f"Where {clause.verb} {clause.subject} {match[1]}?"
            yield _Asked("where", 2.9, asked, match[2])


def _why(clause: _Clause) -> Iterator[_Asked]:
    """ "S was closed because two girders are cracked"."""
    head, because, _ = clause.rest.partition(" because ")
    head = re.sub(rf" ?{_WHEN}$", "", head)
    if not because or _is_vague(head):
        return
    asked = ""
    if clause.verb in {"was", "were"}:
        asked = _passive(clause, head)
    elif clause.verb in _pasts() and _is_whole(clause, head, lasting=False):
        asked = f"did {clause.subject} {_pasts()[clause.verb]} {head}".strip()
    if asked:
        yield _Asked("why", 3.4, f"Why {asked}?", "")


def _said(clause: _Clause) -> Iterator[_Asked]:
    """ "Ines Falk said the ferry timetable would change"."""
    will = "would|will|was|were|is|are|had|has|could|should|must|might|may|can"
    match = re.match(rf"(?:that )?(the [^,]{{4,50}}?|[A-Z][^,]{{3,50}}?) (?:{will}) ", clause.rest)
    person = clause.subject[:1].isupper() and " " in clause.subject
    if match and clause.verb == "said" and person and _is_phrase(match[1]):
        asked = f"What did {clause.subject} say about {match[1]}?"
        if _has_name(match[1]) or not _is_vague(match[1]):
            yield _Asked("said", 2.9, asked, "")


def _what(clause: _Clause) -> Iterator[_Asked]:
    """The first sentence of an article, if it tells what its subject is."""
    named = clause.subject[:1].isupper()
    match = re.match(r"(?:an?|one of the) [a-z][^,.;]*", clause.rest)
    if match and clause.opens and named and clause.verb == "is":
        person = not _listed("roles").isdisjoint(match[0].split(" ")[:8])
        yield _Asked("what", 2.2, f"{'Who' if person else 'What'} is {clause.subject}?", "")


def _who_is(clause: _Clause) -> Iterator[_Asked]:
    """ "Lars Undrum, the town engineer, ordered", "the curator, Dr Fenna Lorrimer"."""
    roles = "|".join(_listed("roles"))
    match = re.search(
        rf"(?:^|[a-z,:] )(?<!the )({_PERSON}), (?:an?|the) (?:[a-z'-]+ ){{0,3}}(?:{roles})\b"
        rf"[^;:]{{0,60}}[,.]|\b[Tt]he (?:[\w'-]+ ){{0,3}}(?:{roles}), ({_PERSON})[,.]",
        clause.sentence,
    )
    name = (match[1] or match[2]) if match else ""
    if (
        name
        and _is_person(name)
        and not name.startswith("The ")
        and name.split(" ")[0].lower() not in _listed("never first")
    ):
        yield _Asked("who is", 2.4, f"Who is {name}?", "")


_RULES_FOR_SENTENCES: tuple[_Rule, ...] = (_how_many_were, _who_is)
_RULES: tuple[_Rule, ...] = (
    _when, _who, _how_much, _how_many, _how_long, _where, _why, _said, _what, *_RULES_FOR_SENTENCES
)  # fmt: skip
