"""The words of the page, a file a language; texts of articles and of the core stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

CODES = ("en", "ar")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True)
class Words:
    """One language: ``words("reading", count=3)`` fills in what the sentence leaves open."""

    code: str
    texts: Mapping[str, Any] = field(repr=False)

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return str(self.texts["direction"])

    def __call__(self, name: str, /, **values: object) -> str:
        text = str(self.texts[name])
        return text.format(**values) if values else text

    def said(self, text: str) -> str:
        """What the core says in English, in this language where it is known."""
        key = english_keys().get(text)
        return self(key) if key else text

    def day(self, published: str | None) -> str:
        """``2024-07-16`` as "16 July 2024", in the precision it has; unknown where it is."""
        if not published:
            return self("date_unknown")
        match = _DATE.fullmatch(published)
        if not match:
            return published
        year, month, day = match.groups()
        if not month or not 1 <= int(month) <= 12:
            return published
        name = self.texts["months"][int(month) - 1]
        return " ".join(part for part in (day and str(int(day)), name, year) if part)


@cache
def words(code: str) -> Words:
    """The words of one of :data:`CODES`."""
    text = resources.files(__name__).joinpath(f"{code}.json").read_text(encoding="utf-8")
    return Words(code, json.loads(text))


@cache
def english_keys() -> dict[str, str]:
    """The key of each English text."""
    texts = words("en").texts
    return {text: key for key, text in texts.items() if isinstance(text, str)}


def chosen(accept_language: str | None) -> Words:
    """The best of our languages for an ``Accept-Language`` header; English where none fits."""
    wanted = []
    for place, part in enumerate((accept_language or "").lower().split(",")[:20]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), place, tag.split("-")[0]))
        except ValueError:
            continue
    for weight, _, code in sorted(wanted):
        if code in CODES and weight < 0:
            return words(code)
    return words("en")
