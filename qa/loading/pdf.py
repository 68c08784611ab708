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
    data = read_bytes(path, MAX_PDF_BYTES)
    if not data.strip():
        raise UnreadableError("the file is empty")
    pages, info = _parsed(data)
    text = joined(without_furniture([_page_lines(page) for page in pages]))
    if not text:
        raise UnreadableError("no text in it, only images (a scan?); run text recognition first")
    title = _plausible_title(info["title"]) or _first_block(text)
    return file_article(path, {"author": info["author"]}, text, title)


def _parsed(data: bytes) -> tuple[list[str], dict[str, str | None]]:
    """The text of each page, and what the document says about itself."""
    import pypdf
    from pypdf.errors import DependencyError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        # Files that only restrict printing or copying open with an empty password.
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("encrypted; save a copy without a password")
        pages = [page.extract_text() for page in reader.pages]
        return pages, {key: _info(reader, key) for key in ("title", "author")}
    except UnreadableError:
        raise
    except DependencyError as error:
        raise UnreadableError("encrypted with AES; pip install cryptography to read it") from error
    except Exception as error:  # A broken file makes pypdf fail in all kinds of ways.
        raise UnreadableError(f"broken PDF ({_brief(error)}); try to save it anew") from error


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

    A line is one of them that stands at the edge of at least three pages and of two in five, word
    for word or with a number that counts the pages. Rows of a table that goes on over pages look
    much alike, but none of their numbers grows by one a page.
    """
    edges: Counter[str] = Counter()
    for number, page in enumerate(pages):
        at_edge = {*page[:_EDGE_LINES], *page[-_EDGE_LINES:]}
        edges.update({form for line in at_edge for form in _forms(line, number)})
    often = max(3, len(pages) * 0.4)
    furniture = {form for form, count in edges.items() if count >= often}
    kept = (_without_edges(page, number, furniture) for number, page in enumerate(pages))
    return [line for page in kept for line in page]


def _forms(line: str, page: int) -> set[str]:
    """The line itself, and with each of its numbers in turn counted from the number of the page."""
    if not 0 < len(line) <= _FURNITURE_LENGTH:
        return set()
    counted = {
        f"{line[: m.start()]}\0{int(m[0]) - page}\0{line[m.end() :]}"
        for m in re.finditer(r"(?<!\d)\d{1,5}(?!\d)", line)
    }
    return {line, *counted}


def _without_edges(page: list[str], number: int, furniture: set[str]) -> list[str]:
    """Without its outermost lines while they are furniture: text has no furniture beyond it."""
    is_furniture = [bool(furniture & _forms(line, number)) for line in page]
    first, last = 0, len(page)
    while first < min(_EDGE_LINES, last) and is_furniture[first]:
        first += 1
    while last > max(first, len(page) - _EDGE_LINES) and is_furniture[last - 1]:
        last -= 1
    return page[first:last]


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
