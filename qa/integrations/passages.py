"""Passages on their way to other programs, and from them: as articles, their words counted."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

from qa.errors import UnreadableError
from qa.loading.fields import humanised, row_article
from qa.questions import read
from qa.types import Article, Hit

BLOCK = 1_000  # characters of a document that count as a passage
MOST_KNOWN = 100_000  # texts that words are counted in
K1, B = 1.2, 0.75  # of BM25, as the library's own

# Under which names programs keep what an article has a field for; the first that is there counts.
# Not among the dates: creation_date, last_modified_date and the like, which are those of a file.
_NAMES = {
    "title": "title file_name filename name",
    "url": "url source_url link source",
    "publisher": "publisher site_name source",
    "author": "author authors",
    "published": "published published_date publication_date published_at pub_date date",
    "language": "language lang",
}
_ISO_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?(?=$|[T ])")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_PLACE = re.compile(r"[/\\]|\.\w{1,5}$")  # a path or the name of a file


def metadata(hit: Hit) -> dict[str, Any]:
    """What travels with a passage: ``start`` and ``end`` are places in the article's text."""
    article, passage = hit.article, hit.passage
    return {
        "article_id": article.id,
        "title": article.title,
        "url": article.url,
        "publisher": article.publisher,
        "author": article.author,
        "published": article.published,
        "start": passage.start,
        "end": passage.end,
        "heading": passage.heading,
        "ranks": dict(hit.ranks),
        "copies": list(hit.copies),
    }


def article(key: str, text: str, metadata: Mapping[str, Any]) -> Article:
    """A text as an article, with what its metadata say of it.

    The text keeps its length. Fields that do not hold what their name promises are left out.
    """
    fields = {field: _field(field, names, metadata) for field, names in _NAMES.items()}
    known = {field: value for field, value in fields.items() if value}
    for given in ({"id": key, **known}, known, {}):
        try:
            return row_article({**given, "text": text})
        except UnreadableError:
            continue
    raise UnreadableError("a passage without words cannot be cited")


def heading(metadata: Mapping[str, Any]) -> str:
    """The heading that a passage stands under, as LlamaIndex's Markdown parser or ours tells it."""
    path = metadata.get("heading") or metadata.get("header_path")
    return str(path).strip("/").rsplit("/", 1)[-1][:300] if isinstance(path, str) else ""


def _field(field: str, names: str, metadata: Mapping[str, Any]) -> str:
    found = (_fitting(field, metadata.get(name)) for name in names.split())
    return next((value for value in found if value), "")


def _fitting(field: str, value: object) -> str:
    if field == "author" and isinstance(value, list):
        value = ", ".join(each for each in value if isinstance(each, str))
    if field == "published":
        iso = value.isoformat() if isinstance(value, date | datetime) else value
        found = _ISO_DATE.match(iso) if isinstance(iso, str) else None
        return found.group() if found else ""
    if not isinstance(value, str):
        return ""
    if (field == "url") != bool(_WEB.match(value)):
        return ""
    is_place = bool(_PLACE.search(value))
    if field == "title" and is_place and " " not in value:
        return humanised(PurePath(value).stem)
    return "" if field == "publisher" and is_place else value[:2_000].strip()


class Words:
    """How common words are in the texts it has been shown; a word's inflections count as one."""

    def __init__(self) -> None:
        self._learning = threading.Lock()
        self._known: set[str] = set()
        self._count = self._length = 0
        self._holding: Counter[str] = Counter()

    def learn(self, key: str, text: str) -> None:
        """Counts a text in blocks, once for each key."""
        with self._learning:
            if key in self._known or len(self._known) >= MOST_KNOWN:
                return
            self._known.add(key)
            for at in range(0, len(text), BLOCK):
                stems = read(text[at : at + BLOCK])
                self._count += 1
                self._length += len(stems.stems)
                self._holding.update(stems.all)

    def document_count(self) -> int:
        return self._count

    def document_frequency(self, word: str) -> int:
        return min((self._holding[stem] for stem in read(word).all), default=0)

    def bm25(self, query: str, text: str) -> float:
        """How well a text matches, on the scale of the library's own lexical scores."""
        own = read(text)
        times, mean = Counter(own.stems), self._length / max(self._count, 1) or 1.0
        damping = K1 * (1 - B + B * len(own.stems) / mean)
        asked = read(query).content
        return sum(
            self._idf(stem) * times[stem] * (K1 + 1) / (times[stem] + damping) for stem in asked
        )

    def _idf(self, stem: str) -> float:
        held = self._holding[stem]
        return math.log(1 + max(self._count - held + 0.5, 0.5) / (held + 0.5))
