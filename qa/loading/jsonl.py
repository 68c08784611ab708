"""JSON Lines: one article a line, its text exactly as it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from qa.errors import UnreadableError
from qa.loading.reading import MAX_BYTES, opened

Row = Mapping[str, object] | UnreadableError


def read(path: Path) -> Iterator[tuple[int, Row]]:
    """Every line that is not blank, counted from 1."""
    some = False
    with opened(path) as stream:
        for number, raw in enumerate(_lines(stream), 1):
            line = _first_line(raw) if number == 1 else raw
            if line.strip():
                some = True
                yield number, _parse(line)
    if not some:
        raise UnreadableError("the file is empty")


def _first_line(line: bytes) -> bytes:
    """The same without a BOM; refuses what is another kind of file as a whole."""
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("it is UTF-16; save it as UTF-8")
    line = line.removeprefix(b"\xef\xbb\xbf")
    if line.strip() in {b"[", b"{"}:
        raise UnreadableError("it is JSON over several lines; write one object on each line")
    return line


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most MAX_BYTES + 1; the rest of a longer one is skipped."""
    while line := stream.readline(MAX_BYTES + 1):
        rest = line
        while len(rest) > MAX_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_BYTES + 1)
        yield line


def _parse(line: bytes) -> Row:
    if len(line) > MAX_BYTES:
        return UnreadableError(f"too large for one article (over {MAX_BYTES // 1_000_000} MB)")
    try:
        # NaN is what some exports write for a missing value.
        value = json.loads(line.decode("utf-8"), parse_constant=lambda _: None)
    except UnicodeDecodeError:
        return UnreadableError("not UTF-8; save the file as UTF-8")
    except json.JSONDecodeError as error:
        return UnreadableError(f"broken JSON ({error.msg} at character {error.pos + 1})")
    except (ValueError, RecursionError):
        return UnreadableError("broken JSON (a number is too long, or it is nested too deep)")
    if not isinstance(value, dict):
        return UnreadableError('not a JSON object; write {"text": "…", "title": "…"}')
    return value
