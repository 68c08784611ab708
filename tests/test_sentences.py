"""Sentences, headings, table rows and scraps, by exact offsets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import sentences

LONG = (
    "She was born in a house by the river in Pell, the third child of a ferryman and of a "
    "singer of songs"
)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(unit.kind, text[unit.start : unit.end]) for unit in sentences.split(text)]


def test_prose_is_split_at_sentence_ends_and_not_at_abbreviations() -> None:
    text = "Dr. Voigt paid 4.2 million crowns at 5 p.m. on Tuesday. “We ran out,” she said."
    assert kinds(text) == [
        ("prose", "Dr. Voigt paid 4.2 million crowns at 5 p.m. on Tuesday."),
        ("prose", "“We ran out,” she said."),
    ]


def test_headings_of_markdown_and_of_plain_text_exports() -> None:
    text = f"# The mine\n\nIt opened in 1804.\n\nEarly life.\n\n{LONG}"
    assert kinds(text) == [
        ("heading", "# The mine"),
        ("prose", "It opened in 1804."),
        ("heading", "Early life."),
        ("prose", LONG),
    ]


def test_a_short_last_line_is_text_and_not_a_heading() -> None:
    assert kinds("A single line") == [("prose", "A single line")]


def test_hard_wrapped_lines_are_one_sentence() -> None:
    text = (
        "The council voted on Thursday evening to postpone\nthe works until the spring. It rained."
    )
    assert [part for _, part in kinds(text)] == [
        "The council voted on Thursday evening to postpone\nthe works until the spring.",
        "It rained.",
    ]


def test_table_rows_stand_alone() -> None:
    text = "| Candidate | Votes |\n|---|---|\n| Joren Pike | 5,201 |"
    assert ("table", "| Joren Pike | 5,201 |") in kinds(text)


@pytest.mark.parametrize(
    "scrap",
    [
        "Share this article",
        "Share on Facebook",
        "Leave a Comment",
        "Read original article here",
        "[Read original article here](https://example.org/a)",
        "Photo: H. Dorrit / The Varnholt Gazette",
        "Sign up for our newsletter",
        "Advertisement",
        "Related: Bridge closes",
        "Filed under: Council",
        "© 2024 The Gazette. All rights reserved.",
        "Facebook | Twitter | WhatsApp",
        "5 min read",
        "3 Comments",
        "***",
    ],
)
def test_page_furniture_is_a_scrap(scrap: str) -> None:
    text = f"The bridge is closed.\n\n{scrap}\n\nIt reopens in May."
    assert ("scrap", scrap) in kinds(text)


@pytest.mark.parametrize(
    "sentence",
    [
        "Share prices fell by three percent.",
        "Search for the missing boy went on.",
        "Photographs of the bridge were shown.",
        "Home was a small house.",
        "Related costs rose to four million.",
        "Next year the bridge will open.",
        "Save the trees.",
        "Most read papers are sold here.",
        "Comments by the mayor angered many.",
    ],
)
def test_a_sentence_that_begins_like_a_scrap_is_none(sentence: str) -> None:
    assert not sentences.is_scrap(sentence)


def test_a_scrap_behind_a_sentence_on_the_same_line_is_found() -> None:
    text = "The bridge is closed, said the mayor. Read original article here."
    assert kinds(text)[-1] == ("scrap", "Read original article here.")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400))
def test_units_lie_in_order_and_lose_no_word(text: str) -> None:
    units = sentences.split(text)
    covered = "".join(text[unit.start : unit.end] for unit in units)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(units))
    assert all(text[u.start : u.end] == text[u.start : u.end].strip() != "" for u in units)
