"""Files to articles: which files a source names, and what each of them holds.

Reading never raises for what a file holds: what cannot be read is a failure with its reason, and
the next line, row or file goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from qa.errors import UnreadableError
from qa.loading import csv, html, jsonl, markdown, pdf, text
from qa.loading.discovery import SUFFIXES, discover
from qa.loading.fields import row_article
from qa.loading.reading import absolute, is_folder, opened, printable
from qa.types import Article, Failure

__all__ = ["SUFFIXES", "Loaded", "digest", "discover", "load"]

DIGEST_BYTES = 1 << 20
_ONE_ARTICLE = {
    ".txt": text.read,
    ".md": markdown.read,
    ".html": html.read,
    ".htm": html.read,
    ".pdf": pdf.read,
}
_MANY_ARTICLES = {".jsonl": jsonl.read, ".csv": csv.read}


@dataclass(frozen=True, slots=True)
class Loaded:
    """An article or the reason why there is none; exactly one of the two is set.

    ``source`` is the absolute path, for one line or row of many followed by ``:`` and its line.
    """

    source: str
    article: Article | None = None
    failure: Failure | None = None


def load(path: Path) -> Iterator[Loaded]:
    """The articles of one file, in its order."""
    path = absolute(path)
    source = printable(path)
    try:
        if path.suffix.lower() in _MANY_ARTICLES:
            for line, row in _MANY_ARTICLES[path.suffix.lower()](path):
                yield _loaded_row(f"{source}:{line}", row)
        else:
            yield Loaded(source, article=_one_article(path))
    except UnreadableError as error:
        yield _failed(source, error)


def digest(path: Path) -> bytes | None:
    """Of a file's content and of the programs that read it; None where it cannot be read."""
    found = _readers().copy()
    try:
        with opened(absolute(path)) as file:
            while block := file.read(DIGEST_BYTES):
                found.update(block)
    except UnreadableError:
        return None
    return found.digest()


@cache
def _readers() -> hashlib._Hash:
    """What makes articles of files: another version may make others of the same file."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    names = [f"{name} {version(name)}" for name in ("trafilatura", "pypdf", "dateparser")]
    parts = [*(path.read_bytes() for path in sources), *(name.encode() for name in names)]
    return hashlib.sha256(b"\0".join(parts))


def _one_article(path: Path) -> Article:
    if path.suffix.lower() not in _ONE_ARTICLE:
        what = "the folder may not be listed (permission denied); make it readable"
        # A folder here is one that discover could not look into.
        raise UnreadableError(what if is_folder(path) else "this kind of file cannot be read")
    return _ONE_ARTICLE[path.suffix.lower()](path)


def _loaded_row(source: str, row: Mapping[str, object] | UnreadableError) -> Loaded:
    if isinstance(row, UnreadableError):
        return _failed(source, row)
    try:
        return Loaded(source, article=row_article(row))
    except UnreadableError as error:
        return _failed(source, error)


def _failed(source: str, error: UnreadableError) -> Loaded:
    return Loaded(source, failure=Failure(source, str(error)))
