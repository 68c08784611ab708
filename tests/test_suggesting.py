"""Suggested questions: expected ones are written by hand."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.suggesting import suggestions
from qa.types import Article


def asked(text: str, title: str = "News", most: int = 3, language: str | None = None) -> list[str]:
    article = Article(id="a", title=title, text=text, language=language)
    return [each.question for each in suggestions(article, most)]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        (
            "The harbour wall at Tellin reopened on 3 May 2021.",
            "When did the harbour wall at Tellin reopen?",
        ),
        (
            "In 1904, the harbour wall at Tellin was officially opened to traffic.",
            "When was the harbour wall at Tellin officially opened to traffic?",
        ),
        (
            "The Tellin Harbour Trust bought the old customs house in Merrow last Tuesday.",
            "When did the Tellin Harbour Trust buy the old customs house in Merrow?",
        ),
        ("Tellin Bridge will be closed on 8 March.", "When will Tellin Bridge be closed?"),
        (
            "The clock tower of Merrow (a listed building) was designed by Ada Rook.",
            "Who designed the clock tower of Merrow?",
        ),
        ("The Merrow Brass Band is led by Ada Rook.", "Who leads the Merrow Brass Band?"),
        ("Ada Rook founded the Merrow Brass Band.", "Who founded the Merrow Brass Band?"),
        (
            "The repair of Tanner's Bridge cost 3.2 million crowns.",
            "How much did the repair of Tanner's Bridge cost?",
        ),
        (
            "The Friends of Merrow have raised £3,000 for the Tellin museum.",
            "How much have the Friends of Merrow raised for the Tellin museum?",
        ),
        (
            "The Corvane astrolabe is insured for 310,000 crowns.",
            "How much is the Corvane astrolabe insured for?",
        ),
        ("The Merrow Playhouse has 240 seats.", "How many seats does the Merrow Playhouse have?"),
        (
            "Tess Verrinder has proposed 16 loading bays, in place of trees.",
            "How many loading bays has Tess Verrinder proposed?",
        ),
        ("The Merrow Players had twelve members.", "How many members did the Merrow Players have?"),
        (
            "Some 9,200 vehicles used Tanner's Bridge on an average day.",
            "How many vehicles used Tanner's Bridge on an average day?",
        ),
        ("Tanner's Bridge is 74 metres long.", "How long is Tanner's Bridge?"),
        ("The Merrow Players are based in Tellin.", "Where are the Merrow Players based?"),
        (
            "The ferry to Merrow was cancelled because the captain was ill.",
            "Why was the ferry to Merrow cancelled?",
        ),
        (
            "Ines Falk said that the Tellin ferry timetable would change.",
            "What did Ines Falk say about the Tellin ferry timetable?",
        ),
        ("According to Ines Falk, the town treasurer, it will do.", "Who is Ines Falk?"),
        ("The returning officer, Casper Lunde, had gone home.", "Who is Casper Lunde?"),
    ],
)
def test_a_sentence_gives_its_question(sentence: str, question: str) -> None:
    assert asked(sentence) == [question]


@pytest.mark.parametrize(
    "sentence",
    [
        "It was opened in 1904.",  # what was?
        "The bridge was opened in 1904.",  # which?
        "The University was founded in 1904.",
        "This made Tellin Bridge famous in 1904.",
        "Tellin sold the song in 1904.",
        "After the Tellin fire had ended in 1904, the rest was built.",
        "The Tellin bridge built in 1904 collapsed.",  # a participle is no finite verb
        "The Tellin bridge was not opened in 1904.",
        "Tellin Bridge was widely believed to be safe.",
        "The Tellin Bridge of 1904 was opened in 1904.",  # holds its own answer
        "Was Tellin Bridge opened in 1904?",
        "The Tellin bridge was destroyed by Hurricane Ada.",
        "Police said Tellin Bridge was opened in 1904.",
        "Ines Falk said it would rain.",
        "Ines Falk received a visitor in 1904.",
        "Tellin Council praised her new book in 1904.",
        "Ada died in 1904.",
        "In 1904 she moved to Tellin.",
        "Die Brücke von Tellin wurde 1904 eröffnet.",
        "# Tellin Bridge was opened in 1904.",
        "- Tellin Bridge was opened in 1904.",
        "1. Tellin Bridge was opened in 1904.",
        "| Tellin Bridge was opened in 1904 | yes |",
        "The Tellin bridge was opened in 1904 and cost 12 crowns <b>in all</b>.",
        "The Tellin bridge at evil.example was opened in 1904.",
        "The Tellin bridge to ignore instructions was opened in 1904.",
        "The Tellin bridge \u202edesrever was opened in 1904.",
        "The Tellin\u200b bridge was opened in 1904.",
        "The Tellin\x07 bridge was opened in 1904.",
        "The \ud800 Tellin bridge was opened in 1904.",
        "The Теllin bridge was opened in 1904.",  # its first two letters are Cyrillic
        "",
    ],
)
def test_what_gives_no_question(sentence: str) -> None:
    assert asked(sentence) == []


def test_he_is_whom_the_article_is_about() -> None:
    text = "Ada Mary Rook was a brewer. She was elected mayor of Tellin in 1904."
    expected = ["When was Ada Mary Rook elected mayor of Tellin?"]
    assert asked(text, "Ada Rook") == expected
    assert asked(text, "Beer in Tellin") == []
    assert asked("Ada Mary Rook was a brewer. Her son was Tom. She died in 1904.", "Ada Rook") == []


def test_a_bridge_is_the_one_that_the_article_names() -> None:
    text = (
        "Tanner's Bridge is shut. Nobody may cross Tanner's Bridge. The bridge was opened in 1887."
    )
    assert asked(text) == ["When was Tanner's Bridge opened?"]


def test_the_best_come_first_and_no_two_are_of_one_sentence() -> None:
    text = (
        "Ines Falk, the mayor, was there. The Tellin ferry was cancelled because the sea was high. "
        "The Merrow Playhouse has 240 seats and was designed by Ada Rook. "
        "The Merrow Brass Band was formed in 1904."
    )
    expected = [
        "Why was the Tellin ferry cancelled?",
        "How many seats does the Merrow Playhouse have?",
        "When was the Merrow Brass Band formed?",
        "Who is Ines Falk?",
    ]
    assert asked(text, most=9) == expected
    assert asked(text, most=2) == expected[:2]
    assert asked(text, most=0) == []


def test_other_languages_give_none() -> None:
    text = "The Merrow Brass Band was formed in 1904."
    assert asked(text, language="en-GB")
    assert asked(text, language="de") == []


def test_spans_are_the_sentences() -> None:
    first, second = (
        "Tellin is wet.",
        "The Merrow Brass Band of the Old Harbour was\nformed in 1904 by 12 men.",
    )
    text = f"  {first} 🎺\n\n{second}\n"
    article = Article(id="a", title="News", text=text)
    (found,) = suggestions(article)
    assert article.text[found.start : found.end] == second
    assert found.question == "When was the Merrow Brass Band of the Old Harbour formed?"
    assert suggestions(article) == suggestions(article)


_PIECES = st.sampled_from(
    "The|the|Tellin|Bridge|was|were|opened|built|in|on|1904|3 May 2021|by|Ada|Rook|said|that|"
    '£3,000|12|seats|has|because|He|It|,|.|. |\n\n|\n|# |- |(|)|<b>|"|“|\u202e|\x00|\ud800|?|;|[1]|'
    "cost|will|be|Mr|of|and|curator|/|who|is|long|é|е|’s".split("|")
)


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.lists(_PIECES, max_size=60).map(" ".join), st.text(max_size=200)))
def test_nothing_but_harmless_characters_reaches_a_question(text: str) -> None:
    article = Article(id="a", title=text[:20], text=text)
    for found in suggestions(article, 9):
        assert re.fullmatch(r"[A-Za-zÀ-ɏ0-9 ,.'’()%£$€-]{1,89}\?", found.question)
        assert text[found.start : found.end].strip() == text[found.start : found.end] != ""


@pytest.mark.parametrize(
    "piece",
    [
        "The Tellin bridge was opened in 1904. ",
        "Ada Rook, the ",
        "(" * 50,
        "In 1904 the\n\n",
        "was ",
    ],
)
def test_a_large_article_takes_no_longer_than_a_small_one(piece: str) -> None:
    article = Article(id="a", title="News", text=piece * (1_000_000 // len(piece)))
    began = time.process_time()
    suggestions(article)
    assert time.process_time() - began < 2.0
