"""Where sentences, headings, table rows and scraps lie in an article, by exact offsets.

Sentence boundaries come from `sentencex`; what this module adds is what articles copied from web
pages need: blocks (paragraphs, hard-wrapped lines), headings, table rows and scraps. A scrap is
page furniture ("Share this article", a photo credit) that stays in the stored text, so that
offsets hold, but is never a passage, a hit or an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prose", "heading", "table", "scrap"]

HEADING_CHARACTERS = 90
HEADING_WORDS = 12
CLOSED_HEADING_WORDS = 4
WRAPPED_LINE = 40  # a line shorter than this ended on purpose; a longer one may be hard-wrapped
SCRAP_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Unit:
    """``text[start:end]`` is one sentence, heading, table row or scrap, without outer white space.

    ``block`` counts the paragraphs of the text from 0.
    """

    start: int
    end: int
    kind: Kind
    block: int


_PLATFORM = r"(?:facebook|twitter|x|linkedin|whatsapp|reddit|instagram|pinterest|e-?mail|telegram)"
_ITEM = r"(?:article|story|post|page|piece|video|item|report)"
_RELATED = (
    r"(?:related|recommended|trending|most (?:read|popular|viewed)|more (?:from|on|in|like this)|"
    r"you (?:may|might) (?:also )?(?:like|be interested in)|see also|don't miss|up next|"
    r"editor's picks?|latest(?: news)?|top stories)"
)
_PICTURE = (
    r"(?:file |stock |main |lead |cover |header |featured )?"
    r"(?:photo|image|picture|photograph|illustration|graphic|video|credit|caption)s?"
)
# Each pattern is the whole of a line or of a sentence, never a part of one.
_SCRAP_PATTERNS = (
    # reading on, and where the text came from
    r"(?:read|view|see|find) (?:the )?(?:original|full|whole|complete|rest of the)"
    rf"(?: {_ITEM})?(?: (?:here|at|on|in)\b.*)?",
    r"(?:read|see) (?:more|also|next)(?: (?:here|on|about|stories)\b.*|\s*[:>»].*)?",
    r"(?:continue|keep) reading\b.*",
    rf"this {_ITEM} (?:was )?(?:first|originally) (?:appeared|published|posted)\b.*",
    r"(?:the post .{0,120} )?(?:appeared first|first appeared) on .*",
    r"originally (?:published|posted) (?:at|on|in|by)\b.*",
    # comments
    r"leave a (?:comment|reply)|post a comment|add (?:a |your )?comments?",
    r"(?:no|\d+|view(?: all)?|show|join the) (?:comments?|conversation|discussion)",
    r"comments?(?: \(?\d+\)?| (?:are )?(?:closed|off)| section)?|be the first to comment",
    # sharing and following
    rf"share(?: (?:this|it))?(?: {_ITEM})?(?: (?:on|via|with|to)\b.{{0,60}})?",
    rf"share(?: this)?(?: {_ITEM})?\s*:.*|copy link",
    rf"(?:tweet|pin it|print|e-?mail|like|save)(?: this)?(?: {_ITEM})?",
    rf"(?:{_PLATFORM}[\s|,·•/]*){{1,9}}",
    r"(?:follow|like|find|join) (?:us|me|@\w+) (?:on|at)\b.*",
    rf"follow (?:the )?[\w .]{{2,40}} on {_PLATFORM}.*|download (?:our|the) app.*",
    # pictures and rights
    rf"{_PICTURE}(?: credits?| courtesy| by| from| of)*\s*[:/©|].*",
    r"(?:photo(?:graph)?|image)s? (?:by|courtesy(?: of)?) .{2,80}",
    r"©.*|\(c\) \d{4}.*|copyright (?:©|\(c\)|\d{4}).*|.{0,60}\ball rights reserved\b.*",
    r".{0,60}/ ?(?:getty images|reuters|afp|ap|epa|pa|shutterstock)",
    # newsletters, advertising, signing in
    r"(?:sign|signing) up (?:for|to)\b.{0,90}",
    r"subscribe(?: (?:to|now|today|for|here)\b.{0,90})?",
    r"get (?:our|the) .{0,60}newsletter.*|(?:our )?newsletter(?: sign-?up)?|enter your e-?mail.*",
    r"already a subscriber\?.*|log ?in(?: to .{0,40})?|register(?: now)?",
    r"advertisements?(?: [-–—]+.*)?|sponsored(?: content)?|promoted(?: content| stories)?",
    r"scroll (?:down )?to continue.*|story continues below.*|article continues.*",
    # links to other pages, and filing
    rf"{_RELATED}(?: (?:{_ITEM}s?|stories|news|content|reading|topics?|coverage|links?))*"
    r"(?:\s*:.*)?",
    r"(?:filed (?:under|in)|posted in|tag(?:s|ged)?(?: (?:with|as))?)\s*:.*",
    r"(?:categor(?:y|ies)|topics?|keywords?|reading time)\s*:.*",
    r"posted (?:by|on) .{2,60}|last (?:updated|modified)\s*:?.{0,40}",
    # navigation
    r"(?:click|tap) here\b.{0,90}|skip to (?:main )?content|back to top",
    r"(?:go )?back to .{0,30}home.*|(?:main )?menu|home|search|close|toggle navigation",
    r"(?:next|prev(?:ious)?)(?: article| page)?|load(?:ing)?(?: more)?\W*|show more",
    r".{0,60}\buses? cookies\b.*|(?:accept|reject|manage)(?: all)? cookies.*",
    r"cookie (?:policy|settings|preferences)|privacy policy",
    r"terms (?:of (?:use|service)|and conditions)",
    r"listen to (?:this )?article.*|\d+[ -]min(?:ute)?s? (?:read|listen)",
)
_SCRAPS = re.compile("|".join(_SCRAP_PATTERNS), re.IGNORECASE)
_WORDLESS = re.compile(r"[\W_]*")
_TABLE_ROW = re.compile(r"\s*\|.*\|\s*|.*\t.*\t.*|.*\S ?\| \S.* \| .*")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•–]\s|\d{1,3}[.)]\s|>|\|)")
_SENTENCE_WORD = re.compile(
    r"[,;\"“”]|\b(?:i|you|he|she|it|we|they|this|that|there|one|who|is|was|are|were|be|been|has|"
    r"have|had|did|do|does|will|would|can|could|may|might|must|should|not|no|yes)\b|\w+ed\.$",
    re.IGNORECASE,
)
_MARKDOWN_HEADING = re.compile(r"\s{0,3}#{1,6}\s+\S")
_SENTENCE_END = tuple('.!?:;…。！？؟।"”’»)')
_CLOSED = re.compile(r"[.!?…。！？؟।][\"”’»)\]]*$")


def split(text: str, language: str | None = None) -> list[Unit]:
    """All units of ``text`` in order; white space between them belongs to none.

    ``language`` is an ISO 639-1 code, English where None. Wordless lines ("***") are scraps.
    """
    units: list[Unit] = []
    blocks = [span for paragraph in _paragraphs(text) for span in _blocks(text, paragraph)]
    lengths = [end - start for start, end, _ in blocks[1:]] + [0]
    for number, ((start, end, alone), following) in enumerate(zip(blocks, lengths, strict=False)):
        kind = _block_kind(text[start:end], alone=alone, following=following)
        if kind == "prose":
            units.extend(_prose(text, start, end, number, language))
        else:
            units.append(Unit(start, end, kind, number))
    return units


def is_scrap(text: str) -> bool:
    """Whether these words, as a whole, are page furniture and not the article's own."""
    words = text.strip().strip("*_#>[]()•-–— ").rstrip(".!…»›> ")
    if not words:
        return _WORDLESS.fullmatch(text) is not None
    return len(words) <= SCRAP_CHARACTERS and _SCRAPS.fullmatch(words) is not None


def heading_text(text: str) -> str:
    """A heading without its Markdown signs and the full stop that some exports put after it."""
    return text.strip().strip("#*_ ").rstrip(".").strip()


def _paragraphs(text: str) -> Iterator[list[tuple[int, int]]]:
    """Runs of non-blank lines, each line as a span without outer white space."""
    lines: list[tuple[int, int]] = []
    position = 0
    for line in re.split(r"(?<=[\n\r\x0b\x0c\u2028\u2029])", text):
        stripped = line.strip()
        if stripped:
            start = position + line.index(stripped[0])
            lines.append((start, start + len(stripped)))
        elif lines:
            yield lines
            lines = []
        position += len(line)
    if lines:
        yield lines


def _blocks(text: str, lines: list[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """Joins hard-wrapped lines; yields start, end and whether it is a paragraph of its own."""
    start, end = lines[0]
    for next_start, next_end in lines[1:]:
        if not _wraps(text[start:end], text[next_start:next_end]):
            yield start, end, False
            start = next_start
        end = next_end
    yield start, end, start == lines[0][0]


def _wraps(block: str, following: str) -> bool:
    last_line = block.rsplit("\n", 1)[-1]
    if is_scrap(last_line) or is_scrap(following) or _TABLE_ROW.fullmatch(last_line):
        return False
    if _MARKDOWN_HEADING.match(last_line) or _LIST_ITEM.match(following):
        return False
    if _LIST_ITEM.match(block) and following[:1].islower():
        return True
    return len(last_line) >= WRAPPED_LINE and not last_line.endswith(_SENTENCE_END)


def _block_kind(block: str, *, alone: bool, following: int) -> Kind:
    """The kind of a block; ``following``: characters of the block behind it, 0 at the end."""
    if is_scrap(block):
        return "scrap"
    if _MARKDOWN_HEADING.match(block):
        return "heading"
    if _TABLE_ROW.fullmatch(block):
        return "table"
    short = len(block) <= HEADING_CHARACTERS and len(block.split()) <= HEADING_WORDS
    if not (alone and short and following) or _LIST_ITEM.match(block) or "\n" in block:
        return "prose"
    if _CLOSED.search(block):
        return "heading" if _is_closed_heading(block, following) else "prose"
    return "heading" if not block.endswith((":", ",", ";")) else "prose"


def _is_closed_heading(block: str, following: int) -> bool:
    """ "Early life." above a paragraph: how plain-text exports of encyclopedias write a heading.

    Told from a short sentence by what a sentence has: a pronoun or an auxiliary verb.
    """
    titled = block[:1].isupper() and block.endswith(".") and block.count(".") == 1
    brief = len(block.split()) <= CLOSED_HEADING_WORDS and following >= HEADING_CHARACTERS
    return titled and brief and not _SENTENCE_WORD.search(block)


def _prose(text: str, start: int, end: int, block: int, language: str | None) -> Iterator[Unit]:
    import sentencex

    position = start
    for piece in sentencex.segment(language or "en", text[start:end]):
        stripped = piece.strip()
        if stripped:
            at = position + piece.index(stripped[0])
            kind: Kind = "scrap" if is_scrap(stripped) else "prose"
            yield Unit(at, at + len(stripped), kind, block)
        position += len(piece)
    if (
        position != end
    ):  # the segmenter promises to lose nothing; a citation must never rest on hope
        raise AssertionError(f"sentence offsets drifted: {position} != {end}")
