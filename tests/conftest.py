"""Fixtures that many tests share: small articles, a library over fakes, one over the real model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article

HARBOUR = Article(
    "harbour",
    "Harbour wall reopens",
    "The harbour wall at Tellin reopened on Tuesday after eleven months of repairs. The work cost "
    "4.2 million crowns, said mayor Ines Falk.\n\nThe wall had been closed since a storm in April "
    "of last year. Ferries will run again from May.\n\nShare this article",
    url="https://example.org/harbour",
    publisher="Check Gazette",
    published="2031-03-04",
)
LIBRARY = Article(
    "library",
    "Library extends hours",
    "The town library will stay open until nine in the evening from June. Librarian Oda Rehn said "
    "that visits had risen by 18 percent. “We ran out of chairs,” she said — twice. 📚",
    publisher="Town News",
    published="2031-05-20",
)
UNDATED = Article("undated", "Ferry notice", "The ferry does not run on Sundays in winter.")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's QA_* variables nor a qa.toml reach a test."""
    for name in list(os.environ):
        if name.startswith("QA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def articles() -> list[Article]:
    return [HARBOUR, LIBRARY, UNDATED]


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def library(tmp_path: Path, embedder: WordEmbedder, articles: list[Article]) -> Iterator[Library]:
    """Three articles in a library over the word embedder."""
    with Library(Settings(library=tmp_path / "library"), embedder=embedder) as opened:
        opened.add(articles)
        yield opened
