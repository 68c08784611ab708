"""Plain text: the title from its first line, facts from header lines where it begins with some."""

from __future__ import annotations

import re
from pathlib import Path

from qa.loading.fields import file_article, with_aliases
from qa.loading.reading import read_text, strip_blank_lines
from qa.types import Article

MAX_TITLE_LINE = 100

_HEADER_LINE = re.compile(
    r"(id|title|date|published|updated|author|source|publisher|url|language):[ \t]*(.*)",
    re.IGNORECASE,
)


def read(path: Path) -> Article:
    text = strip_blank_lines(read_text(path))
    fields, body = split_header(text)
    return file_article(path, with_aliases(fields), body, title_line(body))


def split_header(text: str) -> tuple[dict[str, object], str]:
    """Header lines (``Title: …``) and the text below them; no fields where there is no header.

    One line that happens to begin with ``Source:`` is no header: a title or a second line makes it
    one, and there has to be text below.
    """
    head, _, rest = text.partition("\n\n")
    lines = [_HEADER_LINE.fullmatch(line.strip()) for line in head.split("\n")]
    fields: dict[str, object] = {m[1].lower(): m[2] for m in lines if m}
    is_header = len(fields) == len(lines) and (len(lines) > 1 or "title" in fields)
    body = strip_blank_lines(rest)
    return (fields, body) if is_header and body else ({}, text)


def title_line(text: str) -> str:
    """The first line where it is a Markdown heading, or short and set off by a blank line."""
    first, _, rest = text.partition("\n")
    if heading := re.fullmatch(r"\s*#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*", first):
        return heading[1]
    is_set_off = bool(re.match(r"[^\S\n]*\n", rest))
    return first.strip() if is_set_off and len(first.strip()) <= MAX_TITLE_LINE else ""
