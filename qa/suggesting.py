"""Questions that an article answers, made by rules from its own sentences; English only.

A rule wants a sentence of a plain form, and a name in the question, so that it can be understood
without the article. Most sentences give none; an article that gives none is asked about whom it
names most.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qa.sentences import split
from qa.types import Article

LOOKED_AT = 40_000  # characters at the beginning of an article
LONGEST_SENTENCE = 300
LONGEST = 90
SHORTEST_NAME = 4  # characters of a capitalised word that tells what a question is about

# Past form and base form, of verbs after which a time or a thing is told plainly.
_BASES = dict(
    pair.split(":")
    for pair in (
        "opened:open reopened:reopen closed:close began:begin started:start ended:end won:win "
        "lost:lose bought:buy sold:sell built:build founded:found left:leave joined:join "
        "moved:move died:die married:marry became:become retired:retire resigned:resign "
        "published:publish released:release launched:launch crashed:crash sank:sink "
        "burned:burn collapsed:collapse burst:burst merged:merge acquired:acquire "
        "discovered:discover invented:invent designed:design wrote:write painted:paint "
        "directed:direct established:establish created:create introduced:introduce "
        "announced:announce signed:sign visited:visit returned:return arrived:arrive "
        "entered:enter graduated:graduate received:receive purchased:purchase restored:restore "
        "replaced:replace rose:rise fell:fall grew:grow stopped:stop met:meet took:take "
        "gave:give held:hold made:make ran:run struck:strike defeated:defeat elected:elect "
        "appointed:appoint approved:approve rejected:reject adopted:adopt passed:pass "
        "banned:ban scored:score debuted:debut premiered:premiere separated:separate "
        "disbanded:disband formed:form expanded:expand completed:complete installed:install"
    ).split()
)
# Participles that are also the past form: "was built by X" asks "Who built".
_SAME = set(_BASES) - set("began became wrote rose fell grew took gave ran sank".split())
_PARTICIPLES = "|".join(
    sorted(_SAME | set("written begun given taken known chosen drawn stolen born named".split()))
)
_PAST = "|".join(sorted(_BASES))
_WORD = r"[A-Za-zÀ-ž][\w’'.-]*"
_NAME = r"[A-ZÀ-Ž][\w’'-]+"
_SUBJECT = rf"(?P<subject>(?:The )?{_WORD}(?: {_WORD}){{0,5}}?)"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_TIME = (
    rf"(?:in|on) (?:\d{{1,2}} (?:{_MONTHS})|(?:{_MONTHS}) \d{{1,4}}|(?:1[5-9]|20)\d\d)\b"
    r"(?! (?:people|years|days|points|votes))"
)
_REST = rf"(?P<rest>(?: {_WORD}){{0,6}}?)"
_MONEY = r"(?:[$£€] ?\d[\d,.]*|\d[\d,.]*)(?: (?:thousand|million|billion))?(?: [a-z]+)?"
_KINDS = (
    "city|town|village|river|company|museum|band|album|novel|film|club|school|university|station|"
    "bridge|ship|building|church|magazine|newspaper|treaty|festival|mountain|lake|island|library|"
    "protocol|programming language|disease|species"
)
# What does not stand for itself: a question that begins with it cannot be understood alone.
_DANGLING = re.compile(
    r"^(?:it|he|she|they|we|you|i|this|that|these|those|there|here|who|which|what|when|where|while|"
    r"after|before|if|although|though|because|since|as|in|on|at|by|for|from|with|both|each|one|"
    r"others?|another|some|many|most|few|all|no|nobody|none|such|his|her|its|their|our|my|your|"
    r"also|then|but|and|or|so|yet|once|during|under|despite|unlike|like|only|not|even|still|now|"
    r"its|an?|most|more|less|today|yesterday|tomorrow|later|earlier|last|next)\b",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"\b(?:he|she|it|they|his|her|hers|its|their|theirs|him|them|this|that|these|those|who|which|"
    r"whose|where|when|while|although|because|if|but|and|or|not|never|also|there|i|we|our|my|said|"
    r"says|was|were|is|are|had|has|have|been|same|former|latter|last|next|again|only|later)\b",
    re.IGNORECASE,
)
# Two to four capitalised words that do not begin a line or a sentence: "Tanner's Bridge"
_LONG_NAME = re.compile(rf"(?<=[a-z,;] ){_NAME}(?: {_NAME}){{1,3}}")
_TITLED = re.compile(r"(?:Mrs?|Ms|Dr|Sir|The)\b")
_ALLOWED = re.compile(r"[A-Za-zÀ-ž0-9 ,.'’()%£$€-]+\?")
_MONTH_NAME = re.compile(rf"\b(?:{_MONTHS}|Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)(?:day)?\b")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question, and the sentence ``article.text[start:end]`` that answers it."""

    question: str
    start: int
    end: int


def suggestions(article: Article, most: int = 3) -> list[Suggestion]:
    """At most ``most`` questions about different sentences, those with more names first."""
    if article.language and not article.language.startswith("en"):
        return []
    text = article.text[:LOOKED_AT]
    common = frozenset(re.findall(r"\b[a-z]+\b", text))
    found: dict[str, Suggestion] = {}
    for unit in split(text):
        sentence = text[unit.start : unit.end]
        if unit.kind != "prose" or len(sentence) > LONGEST_SENTENCE:
            continue
        question = next(_questions(" ".join(sentence.split()), common), None)
        if question:
            found.setdefault(question, Suggestion(question, unit.start, unit.end))
    ranked = sorted(found.values(), key=lambda each: -min(2, len(_names(each.question))))
    return (ranked or _about_names(text))[:most]


def _about_names(text: str) -> list[Suggestion]:
    """A question about the person or thing of more than one word that is named most often."""
    counts = Counter(_LONG_NAME.findall(text))
    names = [name for name, count in counts.most_common() if count > 1 and not _TITLED.match(name)]
    questions = [f"What is known about {name}?" for name in names[:1]]
    return [
        Suggestion(question, 0, len(text)) for question in questions if _ALLOWED.fullmatch(question)
    ]


def _questions(sentence: str, common: frozenset[str]) -> Iterator[str]:
    """What the rules make of a sentence, of what can be understood by itself.

    ``common`` are words that the article writes small: they are no names where a sentence begins.
    """
    first = sentence.split(" ", 1)[0]
    if first.lower() in common and first != "The":
        return
    for pattern, make in _RULES:
        match = pattern.match(sentence)
        if match is None:
            continue
        question = " ".join(make(match).split())
        if _is_clear(question, match):
            yield question


def _is_clear(question: str, match: re.Match[str]) -> bool:
    parts = match.groupdict()
    subject, rest = parts.get("subject") or "", parts.get("rest") or ""
    return (
        len(question) <= LONGEST
        and _ALLOWED.fullmatch(question) is not None
        and not _DANGLING.match(subject)
        and not re.match(r"\w+ing\b", subject)
        and not _POINTING.search(f"{subject} {rest}")
        and not _MONTH_NAME.search(f"{subject} {rest}")
        and bool(_names(question))
    )


def _names(question: str) -> list[str]:
    """Capitalised words behind the first one that are long enough to tell something apart."""
    rest = question.split(" ", 1)[1]
    return [name for name in re.findall(_NAME, rest) if len(name) >= SHORTEST_NAME]


def _small(subject: str) -> str:
    """A subject within a sentence: the bridge, Tanner's Bridge."""
    return "the " + subject[4:] if subject.startswith("The ") else subject


def _asked_of(match: re.Match[str], opening: str, verb: str = "") -> str:
    rest = (match.groupdict().get("rest") or "").rstrip()
    return f"{opening} {_small(match['subject'])} {verb}{rest}?"


def _active(match: re.Match[str]) -> str:
    return _asked_of(match, "When did", _BASES[match["verb"]])


def _passive(match: re.Match[str]) -> str:
    if match["verb"] == "born" and re.match(rf" {_NAME}", match["rest"]):  # under another name
        return ""
    return _asked_of(match, f"When {match['be']}", match["verb"])


def _agent(match: re.Match[str]) -> str:
    return f"Who {match['verb']} {_small(match['subject'])}?" if match["verb"] in _SAME else ""


def _cost(match: re.Match[str]) -> str:
    return _asked_of(match, "How much will" if match["will"] else "How much did", "cost")


def _count(match: re.Match[str]) -> str:
    return f"How many {match['things']} {match['be']} {match['verb']} {match['place']}?"


def _has(match: re.Match[str]) -> str:
    return f"How many {match['things']} does {_small(match['subject'])} have?"


def _kind(match: re.Match[str]) -> str:
    return f"What is {_small(match['subject'])}?"


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"{_SUBJECT} (?P<be>was|were) (?P<verb>{_PARTICIPLES}) by (?:the )?{_NAME}", _agent),
        (
            rf"(?P<subject>The (?:{_WORD} ){{0,4}}{_WORD}), (?P<verb>made|built|designed|painted|"
            rf"founded|discovered|invented)(?: of [a-z]+| in \d{{4}})? by {_NAME}",
            _agent,
        ),
        (rf"{_SUBJECT} (?P<be>was|were) (?P<verb>{_PARTICIPLES}){_REST} {_TIME}", _passive),
        (rf"{_SUBJECT} (?P<verb>{_PAST}){_REST} {_TIME}", _active),
        (rf"{_SUBJECT} (?P<will>will )?cost (?:about |some |around )?{_MONEY}\b", _cost),
        (
            r"(?:.*?[,;:] |)(?:(?:At least|About|Some|More than) )?\d[\d,]* (?P<things>[a-z]+s) "
            rf"(?P<be>were) (?P<verb>[a-z]+ed|built|sold|held|lost) (?P<place>(?:in|at) {_NAME})\b",
            _count,
        ),
        (
            rf"{_SUBJECT} has (?:about |some |around |almost |nearly )?\d[\d,]* "
            r"(?P<things>[a-z]+s)\b(?! of| old| away| and)",
            _has,
        ),
        (
            rf"(?P<subject>(?:The )?{_NAME}(?: {_NAME}){{0,3}}) is an? "
            rf"(?:[a-z-]+ ){{0,3}}(?:{_KINDS})\b",
            _kind,
        ),
    )
)
