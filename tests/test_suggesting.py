"""Questions made of an article's sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.suggesting import LONGEST, Suggestion, suggestions
from qa.types import Article


def made(text: str, most: int = 3) -> list[str]:
    return [each.question for each in suggestions(Article("a", "A", text), most)]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        (
            "The harbour wall at Tellin reopened on 4 March 2031 after repairs.",
            "When did the harbour wall at Tellin reopen?",
        ),
        (
            "The clock tower of Merrow was designed by Ida Lorn in 1888.",
            "Who designed the clock tower of Merrow?",
        ),
        ("St Brannoc's was opened in 1931 as a hospital.", "When was St Brannoc's opened?"),
        (
            "Ines Falk joined the council of Tellin in 2012.",
            "When did Ines Falk join the council of Tellin?",
        ),
        (
            "The repair of Tanner's Bridge cost 6.1 million crowns.",
            "How much did the repair of Tanner's Bridge cost?",
        ),
        (
            "The new Tellin tram will cost about $40 million.",
            "How much will the new Tellin tram cost?",
        ),
        (
            "According to the brigade, 412 homes were flooded in Varnholt.",
            "How many homes were flooded in Varnholt?",
        ),
        ("Varnholt has almost 41,000 inhabitants.", "How many inhabitants does Varnholt have?"),
        (
            "It was said by Edda Osk, the director of the Town Museum of Tellin, last week.",
            "Who is the director of the Town Museum of Tellin?",
        ),
        (
            "Nobody asked the captain of Tellin Rovers, Ada Lorn.",
            "Who is the captain of Tellin Rovers?",
        ),
        (
            "Tellin Rovers scored 41 goals in Merrow.",
            "How many goals did Tellin Rovers score in Merrow?",
        ),
        ("Leimen is a small town in the south.", "What is Leimen?"),
        (
            "The Corvane astrolabe, made of silver by Jost Corvane, is old.",
            "Who made the Corvane astrolabe?",
        ),
    ],
)
def test_plain_sentence_gives_its_question(sentence: str, question: str) -> None:
    assert made(sentence) == [question]


@pytest.mark.parametrize(
    "sentence",
    [
        "It was opened in 1931 by Queen Maud.",
        "He joined the council of Tellin in 2012.",
        "The work cost 4.2 million crowns.",
        "The bridge was closed in 1961.",
        "Work was completed on 30 March 1907, and the work was good.",
        "Planning for Tellin started on 30 April 1888.",
        "Which of the Tellin bridges opened in 1931?",
        "In 1931 the Tellin bridge opened.",
        "Those who built Tellin were married in 1931.",
        "Lana Turner was born Julia Jean Turner in 1921.",
        "# Tellin opened in 1931",
        "Mr Ferrow of Tellin retired in 1942.",
        "Die Brücke von Tellin wurde 1931 eröffnet.",
        "The council of Tellin said that its plan, which nobody liked, was approved in 1931.",
    ],
)
def test_what_cannot_be_asked_alone_gives_none(sentence: str) -> None:
    assert made(sentence) == []


def test_article_without_a_plain_sentence_is_asked_about_whom_it_names() -> None:
    text = (
        "Nobody liked Mr Ferrow. What did Nadja Ferrow say? They asked Nadja Ferrow, and Mr Ferrow."
    )
    assert made(text) == ["What is known about Nadja Ferrow?"]


def test_other_languages_give_none() -> None:
    text = "Varnholt has 41,000 inhabitants."
    assert suggestions(Article("a", "A", text, language="de")) == []
    assert suggestions(Article("a", "A", text, language="en"))


def test_best_come_first_and_no_more_than_wanted() -> None:
    text = (
        "Tellin has 900 inhabitants. The harbour wall at Tellin reopened in 2031. "
        "Varnholt has 41,000 inhabitants. Ines Falk joined the Tellin Council in 2012."
    )
    all_of_them = made(text, 9)
    assert len(all_of_them) == 4
    assert all_of_them[0] == "When did Ines Falk join the Tellin Council?"
    assert made(text, 2) == all_of_them[:2]


def test_span_is_the_sentence() -> None:
    text = "Nothing here.\n\n  Varnholt has 41,000 inhabitants. It rains."
    found = suggestions(Article("a", "A", text))
    assert found == [Suggestion("How many inhabitants does Varnholt have?", 17, 49)]
    assert text[17:49] == "Varnholt has 41,000 inhabitants."


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> was opened in 1931.",
        "Ignore <b>Tellin</b> was built by Ada in 1931.",
        "Tellin {{7*7}} was opened in 1931.",
        "The \u202eTellin\u202c bridge opened in 1931.",
        'The "Tellin" [1](javascript:alert(1)) bridge opened in 1931.',
        "Tellin\u0000 opened in 1931.",
    ],
)
def test_markup_never_becomes_a_question(text: str) -> None:
    assert made(text) == []


PIECES = st.sampled_from(
    "The Tellin bridge was were opened built by in on 1931 4 March Ada Lorn , . <b> \u202e cost "
    "$ 5 million has is a town of and 's ( ) \n".split(" ")
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=40))
def test_questions_are_short_and_plain_whatever_the_text(pieces: list[str]) -> None:
    text = " ".join(pieces)
    for each in suggestions(Article("a", "A", text)):
        assert re.fullmatch(r"[A-Za-zÀ-ž0-9 ,.'’()%£$€-]+\?", each.question)
        assert len(each.question) <= LONGEST
        assert 0 <= each.start < each.end <= len(text)


def test_long_text_takes_no_longer_than_its_beginning() -> None:
    text = "Tellin has 900 inhabitants. " + "The Tellin of Tellin of Tellin was " * 100_000
    assert made(text) == ["How many inhabitants does Tellin have?"]
