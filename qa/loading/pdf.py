"""PDF: the text that pypdf finds, without what repeats on every page, its lines joined again."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qa.errors import UnreadableError
from qa.loading.fields import file_article, first_words
from qa.loading.reading import read_bytes
from qa.types import Article

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PDF_BYTES = 200_000_000  # Pictures weigh; the text of a report does not.

# So many lines at the top and bottom of a page can be headers, footers and page numbers.
_EDGE_LINES = 2
_FURNITURE_LENGTH = 100
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st"})
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SENTENCE_END = (".", "!", "?", ":", "”", '"', "»", "。")
_BULLET = re.compile(r"(?:[•‣▪●·*\u2013-]|\(?\d{1,2}[.)])\s")


def read(path: Path) -> Article:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    data = read_bytes(path, MAX_PDF_BYTES)
    if not data.strip():
        raise UnreadableError("the file is empty")
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        _unlock(reader)
        pages = [page.extract_text() for page in reader.pages]
        info = {key: _info(reader, key) for key in ("title", "author")}
    except UnreadableError:
        raise
    except Exception as error:  # A broken file makes pypdf fail in all kinds of ways.
        raise UnreadableError(f"broken PDF ({_brief(error)}); try to save it anew") from error
    text = joined(without_furniture([_page_lines(page) for page in pages]))
    if not text:
        raise UnreadableError("no text in it, only images (a scan?); run text recognition first")
    title = _plausible_title(info["title"]) or _first_block(text)
    return file_article(path, {"author": info["author"]}, text, title)


def _unlock(reader: PdfReader) -> None:
    """Files that only restrict printing or copying open with an empty password."""
    from pypdf.errors import DependencyError

    if not reader.is_encrypted:
        return
    try:
        opened = reader.decrypt("")
    except DependencyError as error:
        raise UnreadableError("encrypted with AES; pip install cryptography to read it") from error
    if not opened:
        raise UnreadableError("encrypted; save a copy without a password")


def _info(reader: PdfReader, key: str) -> str | None:
    value = getattr(reader.metadata, key, None)
    return value if isinstance(value, str) else None


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _page_lines(page: str) -> list[str]:
    clean = _UNPRINTABLE.sub(" ", page.translate(_LIGATURES))
    lines = [" ".join(line.split()) for line in clean.split("\n")]
    return _trimmed(lines)


def _trimmed(lines: list[str]) -> list[str]:
    """Without empty lines at either end."""
    while lines and not lines[0]:
        lines = lines[1:]
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def without_furniture(pages: list[list[str]]) -> list[str]:
    """The lines of all pages without headers, footers and page numbers.

    A line is one of them when it stands at the edge of at least three pages and of two in five,
    numbers aside; a document of one or two pages keeps every line.
    """
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_pattern(line) for line in page[:_EDGE_LINES] + page[-_EDGE_LINES:]})
    often = max(3, len(pages) * 0.4)
    furniture = {p for p, n in edges.items() if n >= often and 0 < len(p) <= _FURNITURE_LENGTH}
    return [line for page in pages for line in _without_edges(page, furniture)]


def _pattern(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def _without_edges(page: list[str], furniture: set[str]) -> list[str]:
    last = len(page) - _EDGE_LINES
    return [
        line
        for number, line in enumerate(page)
        if not ((number < _EDGE_LINES or number >= last) and _pattern(line) in furniture)
    ]


def joined(lines: list[str]) -> str:
    """Paragraphs from wrapped lines, blank lines between them."""
    width = _line_width(lines)
    words = set(re.findall(r"\w+-\w+", " ".join(lines)))
    paragraphs: list[str] = []
    previous = ""
    for line in lines:
        if not line or not previous or _begins_block(previous, line, width):
            paragraphs.append(line)
        else:
            paragraphs[-1] = _continued(paragraphs[-1], line, words)
        previous = line
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _line_width(lines: Iterable[str]) -> int:
    """The length of a full line: nine in ten are not longer."""
    lengths = sorted(len(line) for line in lines if line)
    return lengths[len(lengths) * 9 // 10] if lengths else 0


def _begins_block(previous: str, line: str, width: int) -> bool:
    """A line that stops short ends its block: after a sentence, or above a capital (a heading)."""
    if _BULLET.match(line):
        return True
    room = width - len(previous)
    if previous.endswith(_SENTENCE_END):
        return room > width * 0.15
    return room > width * 0.4 and not line[0].islower()


def _continued(paragraph: str, line: str, words: set[str]) -> str:
    """The line added; a word cut at the line end is whole again, with its hyphen if it has one."""
    left = re.search(r"(\w+)[-\u00ad\u2010]\Z", paragraph)
    right = re.match(r"\w+", line)
    if not left or not right or not line[0].islower():
        return f"{paragraph} {line}"
    if f"{left[1]}-{right[0]}" in words:
        return f"{paragraph[:-1]}-{line}"
    return paragraph[:-1] + line


def _plausible_title(title: str | None) -> str:
    """A title somebody wrote: not a file's name, and not a program's default."""
    words = " ".join((title or "").split())
    is_default = re.match(r"(?i)(untitled|microsoft \w+ - |document\d*$|.*\.\w{2,4}$)", words)
    return "" if is_default else words


def _first_block(text: str) -> str:
    first = text.partition("\n\n")[0]
    return first_words(first) if len(first) <= _FURNITURE_LENGTH else ""
