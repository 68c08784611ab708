"""From the fields that a file gives, in whatever format, to an Article."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from qa.errors import UnreadableError
from qa.loading.dates import parse_date
from qa.types import Article

MAX_ID = 300
MAX_SLUG = 60
MAX_TITLE = 300
# A few references in YAML can stand for billions of values.
_MAX_VALUES = 10_000
_MAX_DEPTH = 50

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TEXT_FIELDS = ("title", "author", "language", "url")
_ARTICLE_FIELDS = {*_TEXT_FIELDS, "id", "published", "updated"}
_BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def file_article(path: Path, fields: Mapping[str, object], text: str, title: str) -> Article:
    """An article that is a whole file. ``title`` is what its text suggests, else empty."""
    fallback = title or humanised(path.stem)
    return _article(fields, text, fallback, path.stem, os.fsencode(path.absolute().as_posix()))


def row_article(fields: Mapping[str, object]) -> Article:
    """An article that is one row or one line of many; ``text`` is taken exactly as it is."""
    text = fields.get("text")
    if text is None:
        raise UnreadableError('"text" is missing')
    if not isinstance(text, str):
        raise UnreadableError(f'"text" must be a string, it is {_kind(text)}')
    if not text.strip():
        raise UnreadableError('"text" is empty')
    others = {key: value for key, value in fields.items() if key != "text"}
    return _article(others, text, first_words(text), None, b"")


def with_aliases(fields: Mapping[str, object]) -> dict[str, object]:
    """Field names in any case, and ``date`` for ``published``."""
    named = {str(key).strip(): value for key, value in fields.items()}
    known = {*_ARTICLE_FIELDS, "publisher", "source", "date"}
    lowered = {k.lower() if k.lower() in known else k: v for k, v in named.items()}
    if _is_blank(lowered.get("published")) and "date" in lowered:
        lowered["published"] = lowered.pop("date")
    return lowered


def humanised(name: str) -> str:
    """A title from a file's name: ``harbour-lights_2`` is ``Harbour lights 2``."""
    words = " ".join(re.sub(r"[-_]+", " ", name).split()) or name
    return without_surrogates(words[:1].upper() + words[1:])


def first_words(text: str, limit: int = 80) -> str:
    """The first line of a text, cut at a word where it is long."""
    line = " ".join(text.strip().split("\n", 1)[0].lstrip("# ").split()) or text.strip()[:limit]
    if len(line) <= limit:
        return line
    return line[: limit - 1].rsplit(" ", 1)[0] + "…"


def slug(text: str) -> str:
    """Lower-case words joined by hyphens, in ASCII where the letters have an ASCII form."""
    decomposed = unicodedata.normalize("NFKD", text)
    ascii_words = re.findall(r"[a-z0-9]+", decomposed.encode("ascii", "ignore").decode().lower())
    if not re.search(r"[a-z]", "".join(ascii_words)):
        kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in text.lower())
        ascii_words = unicodedata.normalize("NFC", "".join(kept)).split() or ["article"]
    return "-".join(ascii_words)[:MAX_SLUG].strip("-")


def without_surrogates(text: str) -> str:
    """Lone surrogates cannot be encoded, so neither stored nor sent."""
    return _SURROGATES.sub("\ufffd", text)


def _article(
    fields: Mapping[str, object], text: str, fallback: str, stem: str | None, place: bytes
) -> Article:
    clean = without_surrogates(text)
    given = {key: _text_field(fields, key) for key in _TEXT_FIELDS}
    title = without_surrogates(given["title"] or _one_line(fallback) or "Untitled")[:MAX_TITLE]
    url = given["url"] if given["url"] and _is_web_address(given["url"]) else None
    publisher_key = "source" if _is_blank(fields.get("publisher")) else "publisher"
    metadata = _metadata(fields, {*_ARTICLE_FIELDS, publisher_key})
    if given["url"] and not url:
        metadata["url_raw"] = given["url"]
    dates = {key: _date_field(fields, key, metadata) for key in ("published", "updated")}
    derived = _derived_id(url, title, clean, stem, place)
    return Article(
        id=_given_id(fields.get("id")) or derived,
        title=title,
        text=clean,
        url=url,
        publisher=_text_field(fields, publisher_key),
        author=given["author"],
        published=dates["published"],
        updated=dates["updated"],
        language=given["language"],
        metadata=metadata,
    )


def _text_field(fields: Mapping[str, object], key: str) -> str | None:
    value = fields.get(key)
    if key == "author" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = ", ".join(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableError(f'"{key}" must be a string, it is {_kind(value)}')
    return without_surrogates(_one_line(value)) or None


def _date_field(fields: Mapping[str, object], key: str, metadata: dict[str, Any]) -> str | None:
    value = fields.get(key)
    if _is_blank(value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnreadableError(f'"{key}" must be a date, it is {_kind(value)}')
    parsed = parse_date(value)
    if parsed is None:
        metadata[f"{key}_raw"] = without_surrogates(str(value))
    return parsed


def _given_id(value: object) -> str | None:
    if _is_blank(value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnreadableError(f'"id" must be a string, it is {_kind(value)}')
    text = str(value).strip()
    if len(text) > MAX_ID:
        raise UnreadableError(f'"id" has {len(text)} characters; at most {MAX_ID} are allowed')
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise UnreadableError('"id" contains control characters; use letters and digits')
    if _BIDI_CONTROLS & set(text):
        raise UnreadableError('"id" contains characters that reverse the text around them')
    return text


def _derived_id(url: str | None, title: str, text: str, stem: str | None, place: bytes) -> str:
    """An id that stays the same over re-adding: from the link, else the place, else the words."""
    if url:
        parts = urlsplit(url)
        page = PurePosixPath(parts.path).stem  # not the title, which a correction may change
        return f"{slug(page or parts.netloc)}-{_digest(url.encode())}"
    if stem is not None:
        return f"{slug(without_surrogates(stem))}-{_digest(place)}"
    return f"{slug(title)}-{_digest((title + text).encode())}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_web = parts.scheme.lower() in {"http", "https"} and bool(parts.netloc)
    return is_web and url.isprintable() and " " not in url


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _one_line(text: str) -> str:
    """Without line breaks and control characters, which could forge lines of a terminal."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _metadata(fields: Mapping[str, object], taken: set[str]) -> dict[str, Any]:
    rest = {str(k): v for k, v in fields.items() if k not in taken and not _is_blank(v)}
    plain = _plain(rest, [_MAX_VALUES], 0)
    return dict(plain)


def _plain(value: object, left: list[int], depth: int) -> Any:
    """The same value made of JSON's types only."""
    left[0] -= 1
    if left[0] < 0 or depth > _MAX_DEPTH:
        raise UnreadableError("its metadata is too large or nested too deep")
    if isinstance(value, Mapping):
        return {without_surrogates(str(k)): _plain(v, left, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v, left, depth + 1) for v in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int) or _is_finite(value):
        return value
    return without_surrogates(str(value))


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and value - value == 0


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object" if isinstance(value, Mapping) else "something else")
