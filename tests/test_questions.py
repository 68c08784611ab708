"""What a question asks for, and where a text holds it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from qa.questions import OPEN_END, analyse, periods, read, stem, typed, words


@pytest.mark.parametrize(
    ("question", "wants"),
    [
        ("When did the bridge reopen?", "date"),
        ("In what year was the mill built?", "date"),
        ("Who won the chess final in Oslo?", "person"),
        ("To whom was the contract given?", "person"),
        ("What is the name of the farmer who lost two ewes?", "person"),
        ("Where was the astrolabe found?", "place"),
        ("In which town does the tram end?", "place"),
        ("How many people signed the petition?", "number"),
        ("By how much had visits to the library risen?", "number"),
        ("How old is the mayor?", "number"),
        ("What percentage of the votes did she get?", "number"),
        ("How much did the work on the harbour wall cost?", "money"),
        ("What does a ticket cost?", "money"),
        ("How long were the repairs?", "duration"),
        ("How many years was the wall closed?", "duration"),
        ("Why was the line closed?", "reason"),
        ("What caused the fire?", "reason"),
        ("How did the thief get in?", "method"),
        ("What is a limes?", "definition"),
        ("Did the council agree?", "yesno"),
        ("Which club did he play for?", "thing"),
        ("the tram line", "thing"),
        ("When the storm hit, who led the council?", "person"),
        ("Wie hoch ist der Turm?", "thing"),
        ("東京はどこですか", "thing"),
        ("?", "thing"),
    ],
)
def test_the_type_of_answer_is_told_from_the_question(question: str, wants: str) -> None:
    assert analyse(question).wants == wants


def test_terms_are_content_words_and_years_are_a_period() -> None:
    asked = analyse("Who led the Harbour Board of Tellin from May 1999 to 2004?")
    assert asked.surface == ("led", "harbour", "board", "tellin")
    assert asked.names == tuple(stem(word) for word in ("harbour", "board", "tellin"))
    assert asked.period == (12 * 1999 + 4, 12 * 2004 + 11)


def test_the_noun_that_is_counted_is_the_focus() -> None:
    assert analyse("How many firefighters came?").focus == stem("firefighters")
    assert analyse("What year was it?").focus == stem("year")
    assert analyse("What year did the mill open?").surface == ("mill", "open")


def test_what_is_measured() -> None:
    assert analyse("How old is she?").measure == "age"
    assert analyse("How far is Corrick?").measure == "length"
    assert analyse("What time does it open?").measure == "clock"
    assert analyse("How many came?").measure == ""


def test_the_present_and_denial_are_noticed() -> None:
    assert analyse("Who is the mayor now?").newest
    assert not analyse("Who was the mayor?").newest
    assert analyse("Why did the tram not open?").negative
    assert not analyse("Why did the tram open?").negative


def test_words_are_folded_and_numbers_kept_whole() -> None:
    assert words("The Café’s 4.2 million, 1,200 U.S. guests — Ünïcode!") == [
        "the", "cafe", "4.2", "million", "1,200", "us", "guests", "unicode",
    ]  # fmt: skip


def test_forms_of_one_word_share_a_stem() -> None:
    assert stem("won") == stem("win") == stem("winning")
    assert stem("rose") == stem("risen") == stem("rises")
    assert stem("1,200") == stem("1200")
    assert stem("eleven") == stem("11")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opened in 1999.", [(12 * 1999, 12 * 1999 + 11)]),
        ("It opened in May 2003.", [(12 * 2003 + 4, 12 * 2003 + 4)]),
        ("(4 June 2018 – 19 December 2019)", [(12 * 2018 + 5, 12 * 2019 + 11)]),
        ("captain 1993–99", [(12 * 1993, 12 * 1999 + 11)]),
        ("mayor (2015–present)", [(12 * 2015, OPEN_END)]),
        ("in the 1990s", [(12 * 1990, 12 * 1999 + 11)]),
        ("1,955 people and 2000.5 tonnes", []),
    ],
)
def test_periods_are_read_from_text(text: str, expected: list[tuple[int, int]]) -> None:
    assert list(periods(text)) == expected


def strongest(text: str, question: str) -> str:
    asked = analyse(question)
    found = typed(text, asked.wants, asked.measure)
    return read(text).raw[max(found, key=lambda item: item[1])[0]] if found else ""


def test_answers_of_a_type_are_found_in_a_text() -> None:
    text = "In 2019 coach Greta Winther, 48, paid 300 euros for 12 balls in Harle."
    assert strongest(text, "Who paid?") in {"Greta", "Winther"}
    assert strongest(text, "When was that?") == "2019"
    assert strongest(text, "How old is she?") == "48"
    assert strongest(text, "How much did she pay?") == "300"
    assert strongest(text, "Where did she pay?") == "Harle"


def test_a_year_is_hardly_a_count_and_a_street_hardly_a_person() -> None:
    assert all(strength < 0.5 for _, strength in typed("It was built in 1911.", "number"))
    assert all(strength < 0.5 for _, strength in typed("They met in Tanner Street.", "person"))


def test_stems_are_the_same_from_many_threads() -> None:
    """A stemmer that threads share mixes up their words."""
    endings = ("", "s", "ed", "ing", "er", "ation", "ational", "iveness", "fulness", "ically")
    vocabulary = [
        f"{start}{end}" for start in ("walk", "open", "flood", "relat") for end in endings
    ]
    right = [stem.__wrapped__(word) for word in vocabulary]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(
                threads.map(lambda _: [stem.__wrapped__(w) for w in vocabulary], range(24))
            )
    finally:
        sys.setswitchinterval(before)
    assert all(stems == right for stems in found)
