"""Links that open a page at the quoted words: text fragments, ``#:~:text=first words,last words``.

Pure functions. The format is the Scroll-to-Text-Fragment specification's
(wicg.github.io/scroll-to-text-fragment): ``[prefix-,]textStart[,textEnd][,-suffix]``. A browser
takes the first place in the page where these terms stand as whole words; a term cannot reach over
the end of a paragraph. A browser that does not know fragments, or does not find the words, opens
the page at its top.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import dropwhile
from urllib.parse import quote

from qa.web.links import safe_link

DIRECTIVE = ":~:"
WHOLE = 12  # words up to which a quote is given whole
WHOLE_CHARACTERS = 150
EDGE = 5  # words at each end of a longer one
CONTEXT = (3, 6, 12, 24)  # words before and behind it, until its place is the only one
NEAR = 2_000  # characters around a quote in which those words are looked for

# Marks that a page shows as something else. Every length is bounded: without, hostile text would
# cost its square.
_LINE_MARK = re.compile(
    r"^[ \t]*((?:[-*_=|:][ \t]*){3,}$|```.{0,200}$|(?:[-*+>]|#{1,6}|\d{1,3}[.)])(?=[ \t]))",
    re.MULTILINE,
)
_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?"
    r"(?:[ \t]\"[^\"\n]{0,200}\")?\)"
)
_ADDRESS = re.compile(r"<(https?://[^<>\s]{1,500})>")
_EMPHASIS = re.compile(
    r"(?<![\w\\])([*_]{1,3}|~~|`{1,2})(?=\S)(?=.{0,300}?\S(\1)(?!\w))", re.DOTALL
)
_SMALL = re.compile(r"\[\^\w{1,20}\]|\\(?=[!-/:-@\[-`{-~])")  # a footnote's, an escape's
_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)

_UNSPACED = re.compile(  # scripts that put no spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_LINE = re.compile(r"[^\n\r\v\f\x85\u2028\u2029]+")
_WORD = re.compile(r"[^\s、。，！？；：]+[、。，！？；：]*|[、。，！？；：]+")
_WITHIN_WORDS = "'’.,:;·_"  # no end of a word where these stand between letters or digits
_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛", "'") | dict.fromkeys("“”„‟«»", '"'))
_SURROGATE = re.compile("[\ud800-\udfff]")


def linked(url: str | None, text: str, start: int, end: int) -> str:
    """The address of the page that holds ``text``, opening at the words ``text[start:end]``.

    The address alone where no fragment can be made; empty where it is no plain http(s) address.
    The link must be opened with ``rel="noopener"``, without which browsers do not scroll.
    """
    page = safe_link(url).partition(DIRECTIVE)[0]
    directive = fragment(text, start, end) if page else ""
    return page + ("" if "#" in page or not directive else "#") + directive


@lru_cache(maxsize=64)  # a streamed answer shows the same quotes again and again
def fragment(text: str, start: int, end: int) -> str:
    """The directive ``:~:text=…``, without the ``#``, for the words ``text[start:end]``.

    Words of which the span holds a part are taken whole, Markdown marks left out. A short quote is
    given whole, a longer one, or one over several lines, by its first and last words; with words
    before and behind it where the same words stand elsewhere in ``text``, too. Where its place
    cannot be told apart, the first place with the same words is meant. Empty where there is no
    word, or where no directive would lead to these words. Offsets outside the text count as its
    ends.
    """
    start, end = max(start, 0), min(end, len(text))
    shown = _Shown.of(text, start, max(start, end))
    lines = shown.lines()
    if not lines:
        return ""
    place = (lines[0][0].start, lines[-1][-1].end)
    elsewhere = ""
    for terms in _candidates(shown, lines):
        found = shown.find(terms)
        if found == place:
            return _encoded(terms)
        if found and not elsewhere and shown.same(found, place):
            elsewhere = _encoded(terms)
    return elsewhere


# The terms of a directive


@dataclass(frozen=True, slots=True)
class _Terms:
    """The four terms of a directive; empty ones are not given."""

    start: str
    end: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


def _candidates(shown: _Shown, lines: list[list[_Word]]) -> Iterator[_Terms]:
    """Ever longer directives for the quote, the plainest first."""
    first, last = lines[0], lines[-1]
    exact = _Terms(_joined(first)) if len(lines) == 1 else None
    if exact and _is_short(first):
        plain = exact
    else:
        count = min(EDGE, len(first) // 2) if exact else EDGE
        plain = _Terms(_joined(first[:count]), _joined(last[-count:]))
    yield plain
    before, after = shown.before(first[0].start), shown.after(last[-1].end)
    for count in CONTEXT:
        prefix, suffix = _joined(before[-count:]), _joined(after[:count])
        yield replace(plain, prefix=prefix)
        yield replace(plain, suffix=suffix)
        yield replace(plain, prefix=prefix, suffix=suffix)
    if exact:
        yield exact


def _is_short(words: list[_Word]) -> bool:
    length = words[-1].end - words[0].start
    return len(words) == 1 or (len(words) <= WHOLE and length <= WHOLE_CHARACTERS)


def _joined(words: list[_Word]) -> str:
    """The words as one term; nothing stands between two that nothing separates."""
    text = ""
    for n, word in enumerate(words):
        text += " " * (n > 0 and words[n - 1].end < word.start) + word.text
    return text


def _encoded(terms: _Terms) -> str:
    """The directive; empty where a term holds what no address can, half a surrogate pair."""
    if _SURROGATE.search(terms.prefix + terms.start + terms.end + terms.suffix):
        return ""
    parts = [_percent(terms.start)]
    if terms.prefix:
        parts.insert(0, _percent(terms.prefix) + "-")
    if terms.end:
        parts.append(_percent(terms.end))
    if terms.suffix:
        parts.append("-" + _percent(terms.suffix))
    return f"{DIRECTIVE}text={','.join(parts)}"


def _percent(term: str) -> str:
    """A hyphen would separate, so that it is encoded, too."""
    return quote(term, safe="").replace("-", "%2D")


# The text as a page shows it


@dataclass(frozen=True, slots=True)
class _Shown:
    """A text without its marks, the same for comparing, and where the quote lies in both."""

    text: str
    folded: str
    start: int
    end: int

    @classmethod
    def of(cls, text: str, start: int, end: int) -> _Shown:
        """The text without marks; ``start`` and ``end`` moved along, then out to whole words."""
        parts: list[str] = []
        at, opens, closes = 0, start, end
        for left, right, instead in _marks(text):
            if left < at:
                continue  # inside another mark
            parts += [text[at:left], instead]
            opens -= max(0, min(start, right) - left - len(instead))
            closes -= max(0, min(end, right) - left - len(instead))
            at = right
        shown = "".join([*parts, text[at:]])
        while _inside_word(shown, opens):
            opens -= 1
        while _inside_word(shown, closes):
            closes += 1
        return cls(shown, _folded(shown), opens, closes)

    def lines(self) -> list[list[_Word]]:
        """The quote's words, line by line, between the first and the last that hold a letter."""
        lines = [line for line in self._lines(self.start, self.end) if _has_letters(line)]
        if lines:
            lines[0] = list(dropwhile(lambda word: not _has_letters([word]), lines[0]))
            while not _has_letters(lines[-1][-1:]):
                lines[-1].pop()
        return lines

    def before(self, at: int) -> list[_Word]:
        """The words before it in its line, or, where there are none, in the line above."""
        begin = max(0, at - NEAR)
        near = [line for line in self._lines(begin, at) if _has_letters(line)]
        words = near[-1] if near else []
        return [word for word in words if word.start > begin or begin == 0]

    def after(self, at: int) -> list[_Word]:
        """The words after it in its line, or, where there are none, in the line below."""
        stop = min(len(self.text), at + NEAR)
        near = [line for line in self._lines(at, stop) if _has_letters(line)]
        words = near[0] if near else []
        return [word for word in words if word.end < stop or stop == len(self.text)]

    def find(self, terms: _Terms) -> tuple[int, int] | None:
        """Where a browser would first find them, over line ends, too, since these may be none."""
        suffix = "" if terms.end else terms.suffix
        first = self._search(terms.prefix, terms.start, suffix, 0)
        if first is None or not terms.end:
            return first
        last = self._search("", terms.end, terms.suffix, first[1])
        return (first[0], last[1]) if last else None

    def same(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether two places hold the same words."""
        return self.folded[slice(*one)].split() == self.folded[slice(*other)].split()

    def _search(self, prefix: str, term: str, suffix: str, begin: int) -> tuple[int, int] | None:
        """Where a term first stands between the others, from ``begin`` on."""
        pattern = f"(?P<term>{_pattern(term)})"
        pattern = _pattern(prefix) + r"\s*" + pattern if prefix else pattern
        pattern = pattern + r"\s*" + _pattern(suffix) if suffix else pattern
        found = re.compile(pattern).search(self.folded, begin)
        return found.span("term") if found else None

    def _lines(self, start: int, end: int) -> Iterator[list[_Word]]:
        for line in _LINE.finditer(self.text, start, end):
            words = _WORD.finditer(self.text, *line.span())
            yield [_Word(word.group(), *word.span()) for word in words]


def _marks(text: str) -> list[tuple[int, int, str]]:
    """Where the marks of Markdown stand, in order, each with what takes its place."""
    spans = [(*found.span(1), "") for found in _LINE_MARK.finditer(text)]
    spans += [(*found.span(), "") for found in _SMALL.finditer(text)]
    for found in _LINK.finditer(text):
        words = found.end() if found.group().startswith("!") else found.start(1)
        spans += [(found.start(), words, ""), (max(words, found.end(1)), found.end(), "")]
    for found in _ADDRESS.finditer(text):
        spans += [(found.start(), found.start(1), ""), (found.end(1), found.end(), "")]
    for found in _EMPHASIS.finditer(text):
        spans += [(*found.span(1), ""), (*found.span(2), "")]
    for row in _ROW.finditer(text):  # each cell of a table is a block of its own
        bars = re.finditer(r"\|", row.group())
        spans += [(row.start() + bar.start(), row.start() + bar.end(), "\n") for bar in bars]
    return sorted(spans, key=lambda span: (span[0], -span[1]))


def _inside_word(text: str, at: int) -> bool:
    """Whether a word goes on over this place, as Unicode's rules have it for most scripts."""
    if not 0 < at < len(text) or (_UNSPACED.match(text, at - 1) and _UNSPACED.match(text, at)):
        return False
    before, after = text[at - 1], text[at]
    if _is_letter(before) and _is_letter(after):
        return True
    if before in _WITHIN_WORDS and _is_letter(after):
        return at > 1 and _is_letter(text[at - 2])
    return after in _WITHIN_WORDS and _is_letter(before) and _is_letter(text[at + 1 : at + 2])


def _is_letter(character: str) -> bool:
    """Letters, digits and what combines with them."""
    return character != "" and unicodedata.category(character)[0] in "LNM"


def _has_letters(words: list[_Word]) -> bool:
    return any(_is_letter(character) for word in words for character in word.text)


def _pattern(term: str) -> str:
    """A term as whole words, whatever white space lies between them."""
    words = [re.escape(word) for word in _folded(term).split()]
    opens = r"(?<!\w)" if _is_letter(term[0]) and not _UNSPACED.match(term) else ""
    closes = r"(?!\w)" if _is_letter(term[-1]) and not _UNSPACED.match(term[-1]) else ""
    return opens + r"\s+".join(words) + closes


def _folded(text: str) -> str:
    """For comparing as browsers do, without case and accents; as long as the text."""
    if text.isascii():
        return text.lower()
    plain = {character: _plain(character) for character in set(text)}
    return "".join(map(plain.__getitem__, text)).translate(_QUOTES)


def _plain(character: str) -> str:
    return unicodedata.normalize("NFKD", character)[0].lower()[0]
