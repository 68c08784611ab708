"""The words of the page: every language has them all, and the browser's wish decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qa.assistant import CHECKING, READING, REWRITING
from qa.generation.llm import WAITING, WRITING
from qa.types import ABSTENTION
from qa.web import keeping, languages
from qa.web.languages import CODES, words

WEB = Path(languages.__file__).parents[1]
_HOLES = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("code", CODES)
def test_every_language_says_everything(code: str) -> None:
    english, other = words("en").texts, words(code).texts
    assert list(other) == list(english)
    for key, text in english.items():
        if isinstance(text, str):
            assert other[key].strip()
            assert sorted(_HOLES.findall(other[key])) == sorted(_HOLES.findall(text)), key
    assert len(other["months"]) == 12
    assert other["direction"] in ("ltr", "rtl")


def test_every_word_that_is_used_is_there_and_no_other() -> None:
    sources = [*WEB.glob("*.py"), *WEB.glob("templates/*.html"), *WEB.glob("languages/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(re.findall(r"[\"']([a-z_]+)[\"']", text))
    used |= {f"reason_{reason}" for reason in keeping.REASONS}
    used |= {f"file_{status}" for status in ("added", "updated", "unchanged")}
    said = {READING, REWRITING, CHECKING, WAITING, WRITING, ABSTENTION}
    for key, words_of_it in words("en").texts.items():
        assert key in used or words_of_it in said, f"nothing says “{key}”"
    for key in re.findall(r"\bt\(\"([a-z_]+)\"[,)]", text):
        assert key in words("en").texts


def test_what_the_core_says_is_translated() -> None:
    for said in (REWRITING, CHECKING, WAITING, WRITING):
        assert words("ar").said(said) != said
    assert words("ar").said("Something new.") == "Something new."


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("ar", "ar"),
        ("ar-EG,ar;q=0.9,en;q=0.8", "ar"),
        ("en-GB,en;q=0.9,ar;q=0.8", "en"),
        ("fr;q=0.9, ar;q=0.5, en;q=0.4", "ar"),
        ("de,fr", "en"),
        ("ar;q=0, en", "en"),
        ("ar;q=x", "en"),
        ("", "en"),
        (None, "en"),
        (",;=," * 50, "en"),
    ],
)
def test_browser_chooses_the_language(header: str | None, code: str) -> None:
    assert languages.chosen(header).code == code


def test_days_are_written_in_the_language() -> None:
    assert words("ar").day("2024-07-16") == "16 يوليو 2024"
    assert words("ar").direction == "rtl"
