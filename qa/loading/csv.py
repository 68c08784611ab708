"""CSV with a header: one article a row, in the column ``text`` (or ``body``, ``content``)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from qa.errors import UnreadableError
from qa.loading.fields import with_aliases
from qa.loading.reading import MAX_BYTES, SAMPLE_BYTES, encoding_of, opened, unix_lines

Row = Mapping[str, object] | UnreadableError

_DELIMITERS = ",;\t|"
_TEXT_COLUMNS = ("text", "body", "content")


def read(path: Path) -> Iterator[tuple[int, Row]]:
    """Every row that is not blank, with the line it begins on, counted from 1."""
    csv.field_size_limit(MAX_BYTES)
    with opened(path) as stream:
        lines = _decoded(stream)
        first = _first_line(lines)
        delimiter, header = _header(first)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        yield from _rows(rows, header, first.count("\n"))


def _decoded(stream: BinaryIO) -> io.TextIOWrapper:
    """Text of the stream; bytes that do not fit become surrogates, which _fields refuses."""
    sample = stream.read(SAMPLE_BYTES)
    stream.seek(0)
    if not sample.strip():
        raise UnreadableError("the file is empty")
    # Up to a line end, so that no character is cut in two.
    encoding = encoding_of(sample[: sample.rfind(b"\n") + 1] or sample)
    return io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")


def _first_line(lines: io.TextIOWrapper) -> str:
    """The header, with the blank lines above it."""
    blank = ""
    while (line := lines.readline(MAX_BYTES)) and not line.strip():
        blank += line
    return blank + line


def _header(line: str) -> tuple[str, list[str]]:
    """The delimiter is the one that finds a text column, and of several the most columns."""
    splits = {d: next(csv.reader([line.strip("\r\n")], delimiter=d), []) for d in _DELIMITERS}
    names = {d: [_column(name) for name in split] for d, split in splits.items()}
    fitting = [d for d in _DELIMITERS if set(_TEXT_COLUMNS) & set(names[d])]
    if not fitting:
        raise UnreadableError('there is no column "text" in its first line; name the columns there')
    delimiter = max(fitting, key=lambda d: len(names[d]))
    repeated = {name for name in names[delimiter] if names[delimiter].count(name) > 1}
    if repeated - {""}:
        raise UnreadableError(f'the column "{min(repeated - {""})}" appears twice')
    return delimiter, names[delimiter]


def _column(name: str) -> str:
    stripped = name.strip()
    return stripped.lower() if stripped.lower() in _TEXT_COLUMNS else stripped


def _rows(rows: Iterator[list[str]], header: list[str], above: int) -> Iterator[tuple[int, Row]]:
    while True:
        line = above + getattr(rows, "line_num", 0) + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, UnreadableError(f"broken CSV ({error}); check its quotation marks")
            continue
        if any(cell.strip() for cell in cells):
            yield line, _fields(header, cells)


def _fields(header: list[str], cells: list[str]) -> Row:
    if len(cells) > len(header):
        reason = f"it has {len(cells)} cells, the header names {len(header)}"
        return UnreadableError(f"{reason}; put text that contains the separator in quotes")
    if re.search("[\ud800-\udfff]", "".join(cells)):
        return UnreadableError("it contains bytes that are no text; save the file as UTF-8")
    named = dict(zip(header, (unix_lines(cell) for cell in cells), strict=False))
    fields = with_aliases({name: cell for name, cell in named.items() if cell})
    column = next(name for name in _TEXT_COLUMNS if name in header)
    text = fields.pop(column, None)
    return {**fields, "text": text}
