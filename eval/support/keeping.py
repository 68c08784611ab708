"""Changes of a sentence that keep what it says; each gives None where it does not apply."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.support.sources import MONTH, Source

Change = Callable[[str, Source, random.Random], str | None]

_CONNECTIVE = re.compile(
    r"(?:(?:But|And|Then)(?! (?:for|if|again|the same)\b),?|"
    r"(?:However|Also|Meanwhile|Moreover|Still|In addition|Furthermore|Therefore|Nevertheless|"
    r"Nonetheless|Indeed|In fact|Of course|As a result|Similarly|For example|For instance|"
    r"In turn),) "
)
# The last clause of a sentence, so that what is left of it is whole.
_CLAUSE = re.compile(
    r"(?P<kept>.{50,}), (?:which|who|while|but|although|though|where|after|before|and) [^,;:—]*\."
)
_VERB = re.compile(r"\b(?:is|are|was|were|has|have|had|will|would|can|could|said|\w{2,}ed)\b")
_BOUND_UP = re.compile(r"(?:If|Unless|When|Although|Though|While|Whether|Not|Neither|Only|Since)\b")

_DAY = re.compile(
    rf"(?<!to )(?<!and )(?<!or )(?<![-–])\b(\d{{1,2}}) ({MONTH})\b|"
    rf"\b({MONTH}) (\d{{1,2}})\b(?![-–]| to | and )"
)
_IN_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
_NO_COUNT = r"(?: o'clock| [ap]\.?m\b|-| hundred| thousand| million| dozen| or\b)"
_WRITTEN = re.compile(
    rf"(?<![-\w])(?<!or )(?<!red and )(?:{'|'.join(_IN_WORDS)})(?!\w|\.\d|{_NO_COUNT})"
)
_DIGIT = re.compile(
    r"(?P<before>\b[a-z]+ )(?P<digit>[2-9]|1[0-2])(?= [a-z])"
    rf"(?!{_NO_COUNT}| percent| per cent| (?:and|to) \d)"
)

_OPENINGS = frozenset("The A An In On At He She It They This These There For From During".split())
_FRAMES = ("According to the article, ", "The article says that ", "It is reported that ")


def _verbatim(text: str, source: Source, draw: random.Random) -> str:
    del source, draw
    return text


def _without_connective(text: str, source: Source, draw: random.Random) -> str | None:
    del source, draw
    match = _CONNECTIVE.match(text)
    rest = text[match.end() :] if match else ""
    return rest[:1].upper() + rest[1:] if rest else None


def _shortened(text: str, source: Source, draw: random.Random) -> str | None:
    """The sentence without its last clause; not where quotation marks or brackets would be torn."""
    del source, draw
    match = _CLAUSE.fullmatch(text)
    if not match or _BOUND_UP.match(text) or '"' in text or "“" in text:
        return None
    kept = match["kept"]
    # Of "apples, pears, and oranges" the last is no clause.
    listed = text[match.end("kept") :].startswith(", and ") and "," in kept
    torn = kept.count("(") != kept.count(")")
    return None if listed or torn or not _VERB.search(kept) else kept + "."


def _rewritten(text: str, source: Source, draw: random.Random) -> str | None:
    """Numbers, dates and signs written the other way; quoted words stay as they are."""
    del source
    if '"' in text or "“" in text:
        return None
    new = _DAY.sub(lambda m: f"{m[2]} {m[1]}" if m[1] else f"{m[4]} {m[3]}", text)
    new = _WRITTEN.sub(lambda m: str(_IN_WORDS.index(m.group()) + 2), new)
    if new == text:
        new = _DIGIT.sub(lambda m: m["before"] + _IN_WORDS[int(m["digit"]) - 2], text)
    if new == text:
        new = re.sub(r"(\d) per ?cent\b", r"\1%", new)
    if new == text:
        new = re.sub(r"(\d) ?%", r"\1 percent", new)
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", new) if draw.random() < 0.5 else new


def _reported(text: str, source: Source, draw: random.Random) -> str | None:
    """With where it was read in front of it."""
    del source
    opening = text.split(maxsplit=1)[0]
    inner = opening.lower() + text[len(opening) :]
    return draw.choice(_FRAMES) + inner if opening in _OPENINGS else None


TRUE: dict[str, Change] = {
    "verbatim": _verbatim,
    "connective dropped": _without_connective,
    "clause dropped": _shortened,
    "written otherwise": _rewritten,
    "attributed": _reported,
}
