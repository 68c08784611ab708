"""Comparing words: normalisation, containment, places of gold evidence in an article."""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*\w*|\w+")
_LETTERS = re.compile(r"\w+")


def squad_tokens(text: str) -> list[str]:
    """Words after SQuAD's normalisation: lower case, no ASCII punctuation, no a, an, the.

    As ``normalize_answer`` of the official evaluation script, version 2.0 (Rajpurkar et al. 2018).
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


@lru_cache(maxsize=1 << 11)
def _views(text: str) -> tuple[str, str, str]:
    """The words in three ways, each padded with blanks.

    Punctuation deleted, as SQuAD does; punctuation a gap; and the latter with a, an and the.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [word.replace(",", "") for word in _TOKEN.findall(folded)]
    content = [word for word in words if not _ARTICLES.fullmatch(word)]
    return _padded(squad_tokens(folded)), _padded(content), _padded(words)


def _padded(words: list[str]) -> str:
    return f" {' '.join(words)} "


def holds(text: str, answer: str) -> bool:
    """Whether the words of the answer stand in the text, whole and one after the other.

    Case, a/an/the and punctuation do not matter; "26" is not in "1926", nor "4.6" in "14.6".
    """
    *wanted, literal = _views(answer)
    *given, words = _views(text)
    if not wanted[1].strip():  # the answer "A" has nothing else to be told by
        return bool(literal.strip()) and literal in words
    return any(w.strip() and w in g for w, g in zip(wanted, given, strict=True))


def holds_any(text: str, answers: tuple[str, ...]) -> bool:
    """Whether the text holds one of the answers."""
    return any(holds(text, answer) for answer in answers)


def rouge_tokens(text: str) -> list[str]:
    """Lower-case runs of letters and digits."""
    return _LETTERS.findall(text.lower())


def find_all(text: str, wanted: str) -> list[tuple[int, int]]:
    """Where a quote stands in a text, every time; white space and line breaks may differ."""
    words = wanted.split()
    if not words:
        return []
    exact = [(m.start(), m.end()) for m in re.finditer(re.escape(wanted), text)]
    if exact:
        return exact
    loose = re.compile(r"\s+".join(re.escape(word) for word in words))
    return [(m.start(), m.end()) for m in loose.finditer(text)]


def places_of(text: str, answer: str) -> list[tuple[int, int]]:
    """Where an answer stands in a text, for highlighting: as :func:`holds`, but more literal."""
    words = _LETTERS.findall(answer)
    if not words:
        return []
    pattern = r"\W+".join(re.escape(word) for word in words)
    return [(m.start(), m.end()) for m in re.finditer(rf"(?i)\b{pattern}\b", text)]
