"""What a language model wrote, as plain sentences and the citation keys behind them.

A reply is never trusted: whatever is not plain prose may come from an instruction planted in an
article. It passes through a row of cleaners, and each of them holds back the end of an unfinished
text as far as it may still change. What a cleaner returns for the beginning of a text is therefore
always the beginning of what it returns for the whole, and so is what the row returns.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Marked:
    """The plain text of one sentence, and the keys behind it in order of first use, each once."""

    text: str
    keys: tuple[str, ...]


# Signs between the cleaners. None can come from a reply: private-use characters go first of all.
_BREAK = "\ue000"  # a sentence ends here at the latest
_WHOLE = "\ue001"  # behind a break: a heading or table row, one sentence whatever its full stops
_LINK = "\ue002"  # behind a closing bracket: the target of a link stood here
_LINE_STOP = "\ue003"  # behind a marker at the end of a line, as good as a full stop
_FIRST_MARK = 0xF0000  # a marker without a known key; the signs behind it are the known keys
_MARK = "[\U000f0000-\U000fffff]"

_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
# Commands to a terminal: strings such as titles and hyperlinks, then colours and movements.
_TERMINAL = (
    r"(?:\x1b[PX^_\]]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\r\n]*+(?:\x07|\x9c|\x1b\\)?"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?|\x1b[ -~]?"
)
_INVISIBLE = re.compile(f"{_TERMINAL}|{_UNSEEN.pattern}")
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85]")

_ENTITIES = re.compile(r"&[&#;A-Za-z0-9]*+")  # all that an entity in an entity can consist of
_HUGE_ENTITY = re.compile(r"&#[xX]?[0-9A-Fa-f]{9,}+;?")
_ENTITY_ROUNDS = 8  # honest text is not escaped more often

_TAG = re.compile(r"<[A-Za-z/!?|｜%][^<>]{0,2000}+(>?)")
_LESS = re.compile(r"<[\s\d=-]")
_SECRET = re.compile(
    r"<(think(?:ing)?|thought|reasoning|script|style|iframe|svg)(?![\w-])", re.IGNORECASE
)
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|[uod]l|li|d[td]|table|t[rdh]|h[1-6r]|br|blockquote|section|article|details|"
    r"summary|pre|think(?:ing)?|thought|reasoning)(?![\w-])|<[|｜]",
    re.IGNORECASE,
)

_ESCAPE = re.compile(r"\\++[!-/:-@\[-`{-~\n]?")

_LINE_SIGNS = r"(?:[ \t>]|[-*+•–—][ \t]|\d{1,2}[.)][ \t]|#{1,6}[ \t])*+(?:\[[ xX]\](?=[ \t]))?+"
_LINE_START = re.compile(_LINE_SIGNS)
_RULE = re.compile(r"[-*_=|:+~\s]+")
_FENCE = re.compile(r"(?:`{3,}+|~{3,}+)\s*[\w.+#-]*\s*")
_DEFINITION = re.compile(r"\[([^\[\]]{1,100}+)\]:\s*(.*)")
_ADDRESS = re.compile(
    r"$|[</]|www\.|[a-z][a-z0-9+.-]*:\S|(?:[\w-]{1,63}\.)+[a-z]{2,24}(?:$|[\s/?#:])", re.IGNORECASE
)
# Too little of a line: its signs may go on, or it may become a rule, a fence or a definition.
_UNDECIDED = re.compile(
    r"[\W\d_]*+\w*+|"
    rf"{_LINE_SIGNS}(?:(?:```|~~~).*|\[[^\[\]]{{0,100}}+(?:\](?::.*)?)?)"
)

_EMPHASIS = re.compile(r"`+|\*+|_+|~+")


def _inside(pair: str, most: int) -> str:
    """What stands in brackets, where one more pair may stand, or half a pair at the very end."""
    opening, closing = (re.escape(sign) for sign in pair)
    plain = rf"[^{opening}{closing}\n{_BREAK}{_WHOLE}]"
    nested = rf"{opening}{plain}{{0,200}}+"
    return rf"(?:{plain}|{nested}{closing}){{0,{most}}}+(?:{nested}\Z)?+"


_TARGET = rf"\({_inside('()', 4000)}(\)?+)"
_LINKED = re.compile(
    rf"!(?:\[{_inside('[]', 300)}(?:\](?:{_TARGET}|(\[)[^\[\]\n]{{0,100}}+\]?+)?+)?+)?+"
    rf"|\](?:{_TARGET})?+"
)

# What an address can consist of, here without the signs that are its marks, ":" and "/".
_PLAIN_SIGNS = r"!#-&*-.0-9;=?-Z\\^_a-z~\u00c0-\u1fff"
_SIGN = rf"[{_PLAIN_SIGNS}:/]"
_LAST_TOKEN = re.compile(rf"(?<!{_SIGN}){_SIGN}++\Z")
_TOKEN = re.compile(
    rf"(?<!{_SIGN})(?:[{_PLAIN_SIGNS}]*+[:/]{_SIGN}*+|www\.{_SIGN}*+)", re.IGNORECASE
)
_URL = re.compile(
    r"[\w+.-]{0,30}://"
    r"|(?<![\w.:])//\w"
    r"|\b(?:javascript|vbscript|data|mailto|file|blob|tel|sms|about|view-source|intent|magnet):."
    r"|\bwww\.\w"
    r"|(?<![\w.-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?:/|:\d)"
    r"|(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}[:/]",
    re.IGNORECASE,
)

_OPENERS, _CLOSERS = r"\[【［〔", r"\]】］〕"
_SQUARE = (
    rf"([{_OPENERS}]++)([^{_OPENERS}{_CLOSERS}{_BREAK}{_WHOLE}{_LINK}]{{0,500}}+)([{_CLOSERS}]*+)"
)
_GROUP = re.compile(
    rf"{_SQUARE}({_LINK}?+)(?:{_SQUARE})?+"
    rf"|[(（]([^()（）{_OPENERS}{_CLOSERS}\n{_BREAK}{_WHOLE}]{{0,60}}+)([)）]?+)"
)
_DAGGER = re.compile(r"†[^,;]*")
_WORD = re.compile(r"[^\W_]+")
_SOURCE = frozenset(("source", "sources"))
_FILLERS = _SOURCE | frozenset(
    "key keys ref refs reference references citation citations cite and see from cf".split()
)

_STOPS = f".!?…؟।。！？｡{_LINE_STOP}"
_SHUT = r"[\"”’»“«」』)\]]"  # some languages close a quotation with “ or «
_SEPARATORS = r"[ \t]*(?:(?:[,;&/+–—-]|and|or)[ \t]*){0,2}"
# Whatever stands between markers or only around them goes with them.
_AROUND_MARKS = (
    (rf"({_MARK}){_SEPARATORS}(?={_MARK})", r"\1"),
    (rf"(?<!\[)\[++[ \t]*+({_MARK}++)(?:[ \t]*+\])*+", r"\1"),
    (rf"\([ \t]*(?i:see|cf\.?|sources?|from)?[ \t:]*({_MARK}++)[ \t]*\)", r"\1"),
    (rf"(?<!\S)[\"“'‘«]({_MARK}++)[\"”'’»]", r"\1"),
    (rf"([{_STOPS}]{_SHUT}*+)[ \t]*+[-–—:,;]+[ \t]*(?={_MARK})", r"\1 "),
    (rf"({_MARK})(?=[ \t]*\n)", rf"\1{_LINE_STOP}"),
)
_AROUND = [(re.compile(pattern), replacement) for pattern, replacement in _AROUND_MARKS]
# What may still become one of these; a text must not seem to go on where "and" will vanish.
_HALF_AROUND = re.compile(
    rf"(?:\([ \t]*[A-Za-z.]{{0,8}}[ \t:]*(?:{_MARK}++{_SEPARATORS})?"
    rf"|{_MARK}(?!{_MARK}){_SEPARATORS})(?:an?|o)?\Z"
)
_MARKS_LINE = re.compile(rf"^(?=[^\n]*?{_MARK})((?:[^\w\n]|_)++)$", re.MULTILINE)
_END = re.compile(
    rf"([{_STOPS}]++){_SHUT}*+((?:[ \t]*+{_MARK}++(?:[ \t]*+[{_STOPS}]++)?+{_SHUT}*+)*+)(\s?)"
)
_MARK_BEFORE = re.compile(rf"{_MARK}[ \t]?\Z")
_NEXT_WORD = re.compile(r"[^\W_]")
_QUOTES = {"“": "”", "„": "“”", "«": "»", "「": "」", "『": "』", '"': '"'}
_QUOTE = re.compile(r"[“”„«»「」『』\"]")
_LONGEST_QUOTE = 400  # a quotation that is not closed by then ends with its sentence
_LAST_WORDS = 48  # characters of a sentence that tell an abbreviation
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")  # "am 3. März", and nothing that a marker closes

# How a sentence is put in order after things were taken out of it. The last of these part what
# came together meanwhile, by a space each time, so that none can make another one necessary.
_NO_SIGNS = str.maketrans({_BREAK: "", _WHOLE: "", _LINE_STOP: "", "|": " "})
_TIDYING = (
    (rf"{_MARK}(?: ?{_MARK})*+", chr(_FIRST_MARK)),
    (rf"([{_STOPS}]{_SHUT}*+)( ?{_MARK}) ?[{_STOPS}]+", r"\1\2"),
    (rf"(?: {_MARK}|{_MARK}) ?(?=[.,;:!?…)\]”’»]|\Z)", ""),
    (rf" {_MARK} ?|{_MARK} ", " "),
    (_MARK, ""),
    (r" (?=[.,](?: |\Z))", ""),
)
_PARTING = (
    (rf"\]?{_LINK}", ""),
    (r"\( ?[.,;:]? ?\)|\[ ?\]|“ ?”|(?<!\S)\"\"(?!\S)", ""),
    (r" (?=[.,](?: |\Z))", ""),
    (r"<(?=[^\W\d_]|[/!?])|://", " "),
    (r"\]\(", "] ("),
    (r"!\[", "! ["),
    (r"&(?=#?\w+;)", "& "),
    (r"(?i:(j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t)[\s:]*:)", r"\1 "),
)
_TIDY = [(re.compile(pattern), instead) for pattern, instead in _TIDYING]
_PART = [(re.compile(pattern), instead) for pattern, instead in _PARTING]
_ODD = re.compile(rf"[<&:(\"“{_OPENERS}{_CLOSERS}{_LINK}]")  # no other sentence needs the second
_BRACKETED = re.compile(
    rf"(?<![{_OPENERS}])(?<![{_OPENERS}] )(?:[{_OPENERS}] ?)++([^\W_]++)(?: ?[{_CLOSERS}])++"
)


def parse(reply: str, keys: Collection[str], *, final: bool) -> list[Marked]:
    """The sentences of the reply so far, or those that no further chunk can change.

    A sentence is out once the first word of the next one is there. A sentence without a marker has
    no keys; a reply without words has no sentences.
    """
    signs = {_folded(key): chr(_FIRST_MARK + at) for at, key in enumerate(keys, start=1)}
    names = {signs[_folded(key)]: key for key in keys}
    text = _visible(reply)
    for clean in (_unescaped, _untagged, _unslashed, _lines, _plain, _unlinked, _unaddressed):
        text = clean(text, final)
    sentences: list[tuple[str, list[str]]] = []
    for piece in _pieces(_marked(text, signs, final), final):
        found = [names[sign] for sign in re.findall(_MARK, piece) if sign in names]
        if _NEXT_WORD.search(piece):
            sentences.append((piece, found))
        elif sentences:
            sentences[-1][1].extend(found)
    settled = sentences if final else sentences[:-1]
    return [Marked(_tidy(piece, signs), tuple(dict.fromkeys(found))) for piece, found in settled]


def fold(text: str) -> str:
    """The words of a text, without case, punctuation and what cannot be seen."""
    plain = unicodedata.normalize("NFKC", _visible(text)).casefold()
    return " ".join(_WORD.findall(plain))


def said(sentence: str, sentinel: str) -> bool:
    """Whether the sentence is the sentinel and nothing else, whatever its case and punctuation."""
    return bool(fold(sentinel)) and fold(sentence) == fold(sentinel)


def _swept(
    text: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], final: bool
) -> str:
    """Replaces all matches; one that reaches the end of an unfinished text is held back.

    The pattern has to take all that a longer text could add to a match, or the end would change.
    """
    parts = []
    position = 0
    for match in pattern.finditer(text):
        parts.append(text[position : match.start()])
        position = match.end()
        if position == len(text) and not final:
            break
        parts.append(replace(match))
    return "".join([*parts, text[position:]])


def _visible(text: str) -> str:
    text = _LINE_END.sub("\n", text)
    return _INVISIBLE.sub("", text) if _UNSEEN.search(text) else text


def _unescaped(text: str, final: bool) -> str:
    return _swept(text, _ENTITIES, _unescape, final)


def _unescape(match: re.Match[str]) -> str:
    """Characters in place of entities, and of those that come of it; nothing if there is no end."""
    text = match[0]
    if len(text) < 3:
        return text
    for _ in range(_ENTITY_ROUNDS):
        before, text = text, html.unescape(_HUGE_ENTITY.sub("", text))
        text = re.sub(r"\s", " ", _visible(text))
        if text == before:
            return text
    return ""


def _untagged(text: str, final: bool) -> str:
    """Without tags and comments, and without what stands in elements that are not read."""
    parts = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        parts.append(text[position:start])
        end, kept = _tag_end(text, start, final)
        if end < 0:
            return "".join(parts)
        parts.append(kept)
        position = end
    return "".join([*parts, text[position:]])


def _tag_end(text: str, start: int, final: bool) -> tuple[int, str]:
    """Where a tag ends and what takes its place; -1 if all of the rest goes, or has to wait."""
    tag = _TAG.match(text, start)
    end = tag.end() if tag else start + 1
    if end == len(text) and not final and not (tag and tag[1]):
        return -1, ""
    if tag is None:
        return end, "<" if _LESS.match(text, start) else ""
    if secret := _SECRET.match(text, start):
        close = re.compile(rf"</{secret[1]}(?![\w-])[^<>]*+>", re.IGNORECASE).search(text, start)
        return (close.end(), _in_place(text, start)) if close else (-1, "")
    if text.startswith("<!--", start):
        close_at = text.find("-->", start + 2)
        return (close_at + 3, "") if close_at >= 0 else (-1, "")
    if tag[1]:
        return end, _in_place(text, start)
    return _unclosed_end(text, start, end), ""


def _in_place(text: str, start: int) -> str:
    """What comes in place of a tag: the end of a paragraph, unless it may stand in a sentence."""
    return "\n\n" if _BLOCK_TAG.match(text, start) else ""


def _unclosed_end(text: str, start: int, end: int) -> int:
    """Attributes go with their tag; without any it may be a comparison, and only the sign goes."""
    stop = text.find("\n", start, end)
    stop = end if stop < 0 else stop
    return stop if "=" in text[start:stop] else start + 1


def _unslashed(text: str, final: bool) -> str:
    return _swept(text, _ESCAPE, lambda match: match[0].lstrip("\\") or match[0], final)


def _lines(text: str, final: bool) -> str:
    """Breaks in place of the signs of headings, lists, quotations, tables, rules and fences."""
    lines = text.split("\n")
    last = lines.pop()
    cleaned = [_line(line, closed=True) for line in lines]
    if final or not _UNDECIDED.fullmatch(last):
        cleaned.append(_line(last, closed=final))
    elif cleaned:
        cleaned.append("")
    return "\n".join(cleaned)


def _line(line: str, *, closed: bool) -> str:
    start = _LINE_START.match(line)
    signs = start[0] if start else ""
    rest = line[len(signs) :]
    if not rest.strip() or _RULE.fullmatch(line) or _FENCE.fullmatch(rest) or _defines(rest):
        return _BREAK
    if rest.startswith("|") or "#" in signs:
        return _BREAK + _WHOLE + rest + (_BREAK if closed else "")
    return (_BREAK if signs.strip("> \t") else "") + rest


def _defines(line: str) -> bool:
    """Whether a line says where a reference or footnote leads, and nothing to read."""
    definition = _DEFINITION.match(line)
    if definition is None:
        return False
    label, address = definition.groups()
    return label.startswith("^") or label.isdecimal() or bool(_ADDRESS.match(address))


def _plain(text: str, final: bool) -> str:
    return _swept(text, _EMPHASIS, _unstressed, final)


def _unstressed(match: re.Match[str]) -> str:
    """Nothing in place of emphasis and code marks, but "3 * 4", "3*4" and "snake_case" stay."""
    sign = match[0]
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    times = sign == "*" and (
        (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
    )
    joins = sign[0] == "_" and before.isalnum() and after.isalnum()
    return sign if times or joins or sign == "~" else ""


def _unlinked(text: str, final: bool) -> str:
    return _swept(text, _LINKED, _unlink, final)


def _unlink(match: re.Match[str]) -> str:
    """Nothing in place of an image, a sign in place of the target of a link."""
    text = match[0]
    if text in ("!", "]"):
        return text
    if text[0] == "]":
        return "]" + _LINK if _is_target(text[2:], closed=bool(match[3])) else "] (" + text[2:]
    if match[1] is not None or (match[2] and not _looks_like_key(text[2:].partition("]")[0])):
        return ""
    return "!" + _LINKED.sub(_unlink, text[1:])


def _is_target(text: str, *, closed: bool) -> bool:
    return len(text.split()) <= 1 or (closed and (":" in text or "/" in text))


def _unaddressed(text: str, final: bool) -> str:
    if not final:
        text = _LAST_TOKEN.sub("", text)
    return _TOKEN.sub(_without_address, text)


def _without_address(match: re.Match[str]) -> str:
    """Punctuation behind an address stays, since it may end the sentence."""
    token = match[0]
    address = _URL.search(token)
    if address is None:
        return token
    return token[: address.start()] + token[max(address.start(), len(token.rstrip(".,;:!?"))) :]


def _marked(text: str, signs: Mapping[str, str], final: bool) -> str:
    return _swept(text, _GROUP, lambda match: _group(match, signs), final)


def _group(match: re.Match[str], signs: Mapping[str, str]) -> str:
    if match[1] is None:
        return _round(match, signs)
    linked, beside = bool(match[4]), match[5] is not None
    if linked and not any(sign.isdigit() for sign in match[2]):
        first = match[2]  # "[here](…)" has the form of a key, but it is the text of a link
    else:
        first = _square(match.group(1, 2, 3), signs, bare=linked or beside)
    words = bool(match[3]) and bool(match[2].strip()) and _marks(match[2], signs) is None
    if words and beside and not linked and match[7] and _marks(match[6], signs) is None:
        return first  # "[text][label]": the second pair only says where a link leads
    return first + (_square(match.group(5, 6, 7), signs, bare=False) if beside else "")


def _square(group: tuple[str | Any, ...], signs: Mapping[str, str], *, bare: bool) -> str:
    """What to write for square brackets: signs for keys, or the words, ``bare`` of brackets."""
    opening, body, closing = group
    marks = _marks(body, signs)
    if marks is not None:
        unopened, unclosed = closing[len(opening) :], opening[len(closing) :] if closing else ""
        return unclosed + marks + unopened
    if not closing:
        return opening + body
    if not body.strip():
        return ""
    words = _WORD.sub(lambda word: signs.get(_folded(word[0]), word[0]), body)
    return words if bare else opening + words + closing


def _round(match: re.Match[str], signs: Mapping[str, str]) -> str:
    """Round brackets are prose unless they hold a known key, or name a source by another one."""
    found, others, sourced = _parts(match[8], signs)
    known = found and not others
    keyed = sourced and (found or others) and all(map(_looks_like_key, others))
    return _sign(found) if match[9] and (known or keyed) else match[0]


def _marks(body: str, signs: Mapping[str, str]) -> str | None:
    """Signs for what stands in square brackets; None if there are words that are no marker."""
    found, others, sourced = _parts(body, signs)
    keyed = (found or others) and all(map(_looks_like_key, others))
    footnote = body.lstrip().startswith("^")
    return _sign(found) if sourced or keyed or footnote else None


def _sign(found: list[str]) -> str:
    return "".join(found) or chr(_FIRST_MARK)


def _parts(body: str, signs: Mapping[str, str]) -> tuple[list[str], list[str], bool]:
    """The signs of known keys, the other parts, and whether "source" comes first."""
    parts = _WORD.findall(_DAGGER.sub(" ", _folded(body)))
    found = [signs[part] for part in parts if part in signs]
    others = [part for part in parts if part not in signs and part not in _FILLERS]
    return found, others, bool(parts) and parts[0] in _SOURCE


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _looks_like_key(part: str) -> bool:
    """Also true of numbers, which models use for the sources that they were not given."""
    if part.isdecimal():
        return True
    digits = sum(sign.isdigit() for sign in part)
    cased = sum(sign.lower() != sign.upper() for sign in part)
    return part.isalnum() and (
        (digits > 0 and 3 <= len(part) <= 8) or digits + cased == 4 == len(part)
    )


def _pieces(text: str, final: bool) -> Iterator[str]:
    """Sentences with the signs of their keys; a piece without words belongs to the one before."""
    text = _substituted(text, _AROUND)
    if not final:
        text = _HALF_AROUND.sub("", text)
        line = text.rfind("\n") + 1  # whether it holds markers only shows at its end
        text = text if _NEXT_WORD.search(text, line) else text[:line]
    blocks = text.split(_BREAK)
    for number, block in enumerate(blocks, start=1):
        if block.startswith(_WHOLE):
            yield _unclosed_heading(block)
            continue
        parts = _MARKS_LINE.split(block)
        for at, part in enumerate(parts, start=1):
            growing = not final and number == len(blocks) and at == len(parts)
            yield from _sentences(part, growing)


def _unclosed_heading(block: str) -> str:
    """A heading without the number signs that may close it."""
    heading = block.rstrip()
    bare = heading.rstrip("#")
    return bare if bare.endswith(" ") else heading


def _sentences(text: str, growing: bool) -> Iterator[str]:
    """One block, parted at its full stops, but not inside of a quotation that is soon closed."""
    start = read = 0
    closing = ""
    for end, word in _ends(text):
        closing = _quotation(closing, text[read : end.end()])
        read = end.end()
        if closing and not _has_marks(end):
            quoted = text[read : read + _LONGEST_QUOTE]
            if any(sign in quoted for sign in closing):
                continue
            if growing and len(quoted) < _LONGEST_QUOTE:
                break
        if _ends_sentence(text, start, end, word):
            yield text[start:read]
            start, closing = read, ""
    yield text[start:]


def _ends(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Where a sentence may end, each with the first character of the next word.

    Of several ends before the same word only the last one counts, and those with markers.
    """
    first = _NEXT_WORD.search(text)
    ends = list(_END.finditer(text, first.start())) if first else []
    starts = [end.start() for end in ends[1:]] + [len(text)]
    word: re.Match[str] | None = None
    for end, following in zip(ends, starts, strict=False):
        if word is None or word.start() < end.end():
            word = _NEXT_WORD.search(text, end.end())
        if word is None:
            return
        if following > word.start() or _has_marks(end):
            yield end, word[0]


def _has_marks(end: re.Match[str]) -> bool:
    """Whether markers stand before or behind a full stop: then it is one, and no abbreviation."""
    return (
        bool(end[2])
        or _MARK_BEFORE.search(end.string, max(0, end.start() - 2), end.start()) is not None
    )


def _quotation(closing: str, text: str) -> str:
    """What would close the quotation that is open behind the text, if any is."""
    for sign in _QUOTE.findall(text):
        if not closing:
            closing = _QUOTES.get(sign, "")
        elif sign in closing:
            closing = ""
    return closing


def _ends_sentence(text: str, start: int, end: re.Match[str], word: str) -> bool:
    if word.islower():
        return False
    if _has_marks(end) or end[1][-1] in "。！？｡":
        return True
    if end[1] != "." or not end[3]:
        return bool(end[3])
    last_words = " ".join(text[max(start, end.end(1) - _LAST_WORDS) : end.end(1)].split())
    return not _ORDINAL.search(last_words) and _is_full_stop(last_words, word)


@functools.lru_cache(maxsize=4096)  # a growing reply asks the same again with each chunk
def _is_full_stop(last_words: str, word: str) -> bool:
    import sentencex

    pieces = list(sentencex.segment("en", f"{last_words} {word}"))
    return bool(pieces[-1].strip() == word)


def _tidy(piece: str, signs: Mapping[str, str]) -> str:
    piece = _substituted(" ".join(piece.translate(_NO_SIGNS).split()), _TIDY)
    if _ODD.search(piece):
        piece = " ".join(_substituted(piece, _PART).split())
        piece = _BRACKETED.sub(
            lambda word: f" {word[1]} " if _folded(word[1]) in signs else word[0], piece
        )
    return " ".join(piece.split()).lstrip(" ,;:)]").rstrip(" ([„")


def _substituted(text: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, instead in rules:
        text = pattern.sub(instead, text)
    return text
