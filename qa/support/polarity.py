"""Does a sentence turn round what its quote says? Negation, opposites, rank, hedges, roles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from qa.questions import STOP_WORDS, is_past, stem, words
from qa.related import NEAR, kinship, opposites
from qa.support.facts import names

_LISTS: dict[str, Any] = json.loads(files("qa.support").joinpath("words.json").read_text("utf-8"))
_NEGATORS = frozenset(_LISTS["negators"].split())
_DENIALS = frozenset(_LISTS["denials, by stem"].split())
_LOSSES = frozenset(_LISTS["losses, by stem"].split())
_FUTURE = frozenset(_LISTS["future, by stem"].split())
_HEDGES = frozenset(_LISTS["hedges, by stem"].split())
# A word that ranks, with what can stand for it in a quote.
_RANKS = {line.split()[0]: frozenset(line.split()) for line in _LISTS["ranks, by stem"]}
_HEDGED = 3  # the same, behind a hedge
_SCOPE = 6  # tokens behind a negator or a hedge that it speaks of, unless the clause ends before


Governs = Callable[[int, Sequence[str], Sequence[str]], bool]


class Token(NamedTuple):
    """A word as its stem, whether something before it denies it or hedges it, and its clause."""

    stem: str
    plain: str
    denied: bool
    hedged: bool


@lru_cache(maxsize=1 << 12)
def tokens(text: str) -> tuple[Token, ...]:
    """Every word of a text, with what governs it."""
    found: list[Token] = []
    for clause in re.split(r"[,;:.!?()\n–—]\s|\s[–—-]\s|\bbut\b|\bwhile\b|\balthough\b", text):
        plain = words(clause)
        stems = [stem(word) for word in plain]
        denied = _governed(plain, stems, _denies)
        hedged = _governed(plain, stems, lambda at, p, s: s[at] in _HEDGES | _FUTURE)
        found += [Token(*row) for row in zip(stems, plain, denied, hedged, strict=True)]
    return tuple(found)


def _governed(plain: Sequence[str], stems: Sequence[str], governs: Governs) -> list[bool]:
    marks = [False] * len(plain)
    for at, word in enumerate(plain):
        if governs(at, plain, stems):
            following = plain[at + 1] if at + 1 < len(plain) else ""
            short = word == "without" or (word == "no" and following != "one")
            scope = 2 if short else _HEDGED if stems[at] in _HEDGES | _FUTURE else _SCOPE
            for behind in range(at + 1, min(at + 1 + scope, len(plain))):
                marks[behind] = True
    return marks


def _denies(at: int, plain: Sequence[str], stems: Sequence[str]) -> bool:
    following = plain[at + 1] if at + 1 < len(plain) else ""
    if plain[at] == "not" and not at:
        return False  # "the sum was 60, not 80": what it denies stands before the clause
    if plain[at] in {"not", "no"} and following in {
        "only",
        "just",
        "least",
        "more",
        "less",
        "fewer",
    }:
        return False
    return plain[at] in _NEGATORS or plain[at].endswith("n't") or stems[at] in _DENIALS


def takes_back(lead: str) -> bool:
    """Whether words before a statement deny, doubt or condition it."""
    found = tokens(lead)
    governing = _NEGATORS | {"if", "whether", "unless", "doubt", "false", "wrong", "untrue"}
    return any(
        t.plain in governing or t.plain.endswith("n't") or t.stem in _DENIALS | _HEDGES
        for t in found
    )


def denial(sentence: str, quote: str) -> str:
    """A stem that one of the two denies and the other affirms; empty where there is none."""
    said, found = tokens(sentence), tokens(quote)
    inserted = _negator_between(said, found) or _negator_between(found, said)
    return inserted or _denied_alone(said, found) or _denied_alone(found, said)


def _negator_between(one: Sequence[Token], other: Sequence[Token]) -> str:
    """The word behind a negator that ``one`` has and ``other``, alike around it, has not."""
    left, right = [t.plain for t in one], [t.plain for t in other]
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    for before, after in pairwise(blocks):
        gap = left[before.a + before.size : after.a]
        closed = before.b + before.size == after.b
        if closed and gap and before.size and after.size and len(gap) == 1:
            behind = left[after.a]
            if gap[0] in _NEGATORS and behind not in {"only", "just"}:
                return behind
    return ""


def _denied_alone(one: Sequence[Token], other: Sequence[Token]) -> str:
    """A content word that ``one`` denies and ``other`` affirms, where no word that ``one`` denies
    is denied there too, none stands there as its opposite, and nothing there tells of a loss."""
    denied = [t.stem for t in one if t.denied and t.plain not in STOP_WORDS and t.plain.isalpha()]
    there = {t.stem for t in other if t.denied}
    affirmed = {t.stem for t in other if not t.denied}
    reworded = any(not _opposed(word).isdisjoint(affirmed) for word in denied)
    if reworded or not there.isdisjoint(denied):
        return ""
    own = {t.stem for t in one if not t.denied}
    return next(
        (w for w in denied[:2] if w in affirmed and w not in own and not _is_lost(w, other)), ""
    )


def _is_lost(word: str, there: Sequence[Token]) -> bool:
    """Whether something near the word tells of its loss: "the post was cut" is no post."""
    at = next(n for n, token in enumerate(there) if token.stem == word and not token.denied)
    near = there[max(0, at - _SCOPE) : at + _SCOPE + 1]
    return any(token.stem in _LOSSES or token.plain in _NEGATORS for token in near)


def turned(sentence: str, quote: str) -> str:
    """A word of the sentence whose opposite stands in its place in the quote; or empty."""
    said, found = tokens(sentence), tokens(quote)
    here, there = {t.stem for t in said}, {t.stem for t in found}
    pairs = _exchanged([t.stem for t in said], [t.stem for t in found])
    for one, other in pairs:
        if other in _opposed(one):
            return one
    for token in said:
        against = _opposed(token.stem) & there
        akin = kinship(token.stem, there) >= NEAR
        flipped = token.denied or any(t.denied for t in found if t.stem in against)
        if against and not akin and against.isdisjoint(here) and not flipped:
            return token.stem
    return ""


@lru_cache(maxsize=1 << 14)
def _opposed(word: str) -> frozenset[str]:
    return opposites(word) | _own_opposites().get(word, frozenset())


@lru_cache(maxsize=1)
def _own_opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for one, others in _LISTS["opposed"].items():
        for other in others.split():
            table.setdefault(one, set()).add(other)
            table.setdefault(other, set()).add(one)
    return {one: frozenset(others) for one, others in table.items()}


def _exchanged(said: Sequence[str], found: Sequence[str]) -> list[tuple[str, str]]:
    """Words that stand for one another where both texts otherwise run alike."""
    matcher = SequenceMatcher(None, said, found, autojunk=False)
    pairs = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a == d - c <= 2:
            pairs += list(zip(said[a:b], found[c:d], strict=True))
    return pairs


_FIGURE = r"(?:about |nearly )?[$€£]?(\d[\d.,]*\d|\d)"
_FROM_TO = re.compile(rf"\bfrom {_FIGURE}\D.{{0,24}}?\bto {_FIGURE}")
_TO_FROM = re.compile(rf"\bto {_FIGURE}\D.{{0,24}}?\bfrom {_FIGURE}")


def reversed_change(sentence: str, quote: str) -> str:
    """ "from 4 to 6" where the quote has "from 6 to 4"; or empty."""
    said = {(m[1], m[2]) for m in _FROM_TO.finditer(sentence)}
    said |= {(m[2], m[1]) for m in _TO_FROM.finditer(sentence)}
    found = {(m[1], m[2]) for m in _FROM_TO.finditer(quote)}
    found |= {(m[2], m[1]) for m in _TO_FROM.finditer(quote)}
    return next((f"from {a} to {b}" for a, b in said if (b, a) in found), "")


def unranked(sentence: str, quote: str) -> str:
    """A superlative, "first" or "only" of which the quote says nothing; or empty."""
    there = {t.stem for t in tokens(quote)} | set(words(quote))
    plain = words(sentence)
    for before, word in zip(["", *plain], plain, strict=False):
        if before == "at" or (word == "all" and before in {"after", "in", "not"}):
            continue
        forms = _RANKS.get(stem(word)) or _RANKS.get(word)
        superlative = word == "most" and any(other.endswith("est") for other in there)
        if forms and there.isdisjoint(forms) and not superlative:
            return word
    return ""


def hardened(sentence: str, quote: str) -> str:
    """A word that the quote only expects, plans or suspects and the sentence tells as a fact.

    What the quote says will be, the sentence may say is; not that it was.
    """
    said, found = tokens(sentence), tokens(quote)
    if any(t.stem in _HEDGES | _FUTURE for t in said):
        return ""
    told = {t.stem for t in found if not t.hedged}
    guessed = any(t.stem in _HEDGES for t in found)
    hedged = {t.stem for t in found if t.hedged and t.plain not in STOP_WORDS}
    for token in said:
        if token.stem in hedged - told and (guessed or is_past(token.plain)):
            return token.plain
    return ""


def reordered(sentence: str, quote: str) -> str:
    """Names or figures that changed places in a sentence that else says the same; or empty.

    Only where every content word stands in the quote, and neither is in the passive voice, which
    may turn the order round and keep the sense.
    """
    said, found = words(sentence), words(quote)
    content = {word for word in said if word not in STOP_WORDS}
    if not content <= set(found) or "by" in said or "by" in found:
        return ""
    figures = frozenset(w for w in said if w[:1].isdigit())
    changes = _FROM_TO.search(sentence) or _TO_FROM.search(sentence)  # see reversed_change
    for kind in (_names_in(sentence), frozenset() if changes else figures):
        here = [word for word in said if word in kind and found.count(word) == 1]
        places = [found.index(word) for word in here if said.count(word) == 1]
        if places != sorted(places):
            return here[0]
    return ""


def _names_in(sentence: str) -> frozenset[str]:
    parts = (part for name in names(sentence) for part in words(name))
    return frozenset(part for part in parts if part.capitalize() in sentence)
