"""Articles that give different values for what is asked: which count as rivals, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from qa.questions import analyse
from qa.rivals import Value, rivals, values
from qa.selection import Candidate, weigh
from qa.types import Article, Hit, Passage

HOMES = "How many homes were flooded in Osk?"
BEST = "In Osk 412 homes were flooded."
OTHER = "In Osk 347 homes were flooded."


class Forty:
    """A library of forty passages, two of which hold any given word."""

    def document_count(self) -> int:
        return 40

    def document_frequency(self, word: str) -> int:
        del word
        return 2


def candidate(
    text: str, name: str = "a", score: float = 0.8, read: float = 2.0, **more: Any
) -> Candidate:
    """A sentence that is the whole of its article."""
    article = Article(name, more.get("title", ""), text)
    passage = Passage(name, name, 0, len(text), text)
    hit = Hit(passage, article, 0.5, copies=more.get("copies", ()))
    return Candidate(hit, 0, len(text), score, read=read)


def found(question: str, *given: Candidate) -> list[Value]:
    return rivals(weigh(analyse(question), Forty()), given)


def given_values(question: str, *texts: str) -> list[str]:
    """The values of the rivals among sentences of articles a, b, c …"""
    given = [candidate(text, name) for text, name in zip(texts, "abcdef", strict=False)]
    return [value.words for value in found(question, *given)]


@pytest.mark.parametrize(
    ("question", "texts", "expected"),
    [
        (HOMES, [BEST, OTHER], ["412", "347"]),
        (HOMES, [BEST, "The flood left 347 homes in Osk flooded."], ["412", "347"]),
        (HOMES, [BEST, OTHER, "In Osk 400 homes were flooded."], ["412", "347", "400"]),
        (
            "How much did the wall at Osk cost?",
            ["The wall at Osk cost 4 million crowns.", "The wall at Osk cost 5 million crowns."],
            ["4 million crowns", "5 million crowns"],
        ),
        (
            "When did the wall at Osk reopen?",
            [
                "The wall at Osk reopened on 4 March 2031.",
                "The wall at Osk reopened on 5 May 2031.",
            ],
            ["4 March 2031", "5 May 2031"],
        ),
        (
            "How long did the work in Osk take?",
            ["The work in Osk took eleven months.", "The work in Osk took twelve months."],
            ["eleven months", "twelve months"],
        ),
        (
            "What share of pupils in Osk walk?",
            ["In Osk 25 percent of pupils walk.", "In Osk 30% of pupils walk."],
            ["25 percent", "30%"],
        ),
    ],
)
def test_different_values_are_rivals(question: str, texts: list[str], expected: list[str]) -> None:
    assert given_values(question, *texts) == expected


def test_values_in_different_units_of_one_measure_are_rivals() -> None:
    texts = ["The work in Osk took eleven months.", "The work in Osk took two years."]
    question = "How long did the work in Osk take?"
    assert given_values(question, *texts) == ["eleven months", "two years"]


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        (HOMES, [BEST, "The council counted 412 flooded homes in Osk."]),
        (HOMES, [BEST, "In Osk about 400 homes were flooded."]),  # 412, rounded
        (HOMES, [BEST, "In Osk 412 homes were flooded and 347 saved."]),  # holds it, too
        (HOMES, [BEST, "In Osk 9 of 347 homes were flooded."]),  # two values: which is it?
        (HOMES, [BEST, "In Tellin 347 homes were flooded."]),
        (HOMES, [BEST, "In Osk 347 homes have a garden."]),
        (HOMES, [BEST, "In Osk 347 crowns were paid."]),
        (HOMES, [BEST, "In Osk homes were flooded."]),
        (HOMES, [BEST]),
        (
            "How much did the wall at Osk cost?",
            ["The wall at Osk cost 4 million crowns.", "The wall at Osk cost 4,000,000 crowns."],
        ),
        (
            "How long did the work in Osk take?",
            ["The work in Osk took 18 months.", "The work in Osk took one and a half years."],
        ),
        (
            "When did the wall at Osk reopen?",
            [
                "The wall at Osk reopened on 4 March 2031.",
                "The wall at Osk reopened in March 2031.",
            ],
        ),
        (
            "When did the wall at Osk reopen?",
            ["The wall at Osk reopened on 4 March 2031.", "The wall at Osk reopened in 2031."],
        ),
        (
            "How many homes were flooded in Osk in 2031?",
            ["In Osk 412 homes were flooded in 2031.", "In Osk 347 homes were flooded in 2019."],
        ),
    ],
)
def test_what_agrees_or_speaks_of_something_else_is_no_rival(
    question: str, texts: list[str]
) -> None:
    assert len(given_values(question, *texts)) == 1


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (HOMES, "In Osk many homes were flooded."),
        (HOMES, "In Osk 412 of 900 homes were flooded."),  # two values, so none is sure
        ("Who is the mayor of Osk?", "The mayor of Osk is Ines Falk."),
        ("Why were homes flooded in Osk?", "A dam broke above Osk on 4 March 2031."),
        (f"According to the council, {HOMES.lower()}", BEST),
        ("As reported by the Gazette, how many homes were flooded in Osk?", BEST),
    ],
)
def test_without_one_sure_value_nothing_is_compared(question: str, text: str) -> None:
    assert given_values(question, text, OTHER) == []


def test_nothing_given_nothing_found() -> None:
    assert found(HOMES) == []


@pytest.mark.parametrize(
    "weak",
    [
        candidate(OTHER, "b", score=0.07),  # less than a tenth of the best
        candidate(OTHER, "b", read=-3.4),
        candidate(OTHER, "a"),  # the same article
        candidate(OTHER, "b", copies=("a",)),
    ],
    ids=["low score", "reader disbelieves", "same article", "copy"],
)
def test_a_weak_candidate_is_no_rival(weak: Candidate) -> None:
    assert len(found(HOMES, candidate(BEST), candidate(OTHER, "b"))) == 2
    assert len(found(HOMES, candidate(BEST), weak)) == 1


def test_only_the_ten_best_are_looked_at() -> None:
    agreeing = [candidate(BEST, f"n{number}") for number in range(9)]
    assert len(found(HOMES, candidate(BEST), *agreeing[:8], candidate(OTHER, "b"))) == 2
    assert len(found(HOMES, candidate(BEST), *agreeing, candidate(OTHER, "b"))) == 1


def test_a_title_may_say_what_the_sentence_leaves_out() -> None:
    other = candidate("In all, 347 homes were flooded.", "b", title="Osk under water")
    assert [value.words for value in found(HOMES, candidate(BEST), other)] == ["412", "347"]
    elsewhere = candidate("In all, 347 homes were flooded.", "b", title="Tellin under water")
    assert [value.words for value in found(HOMES, candidate(BEST), elsewhere)] == ["412"]


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        (HOMES, "On 4 March 412 homes and 9 shops in Osk were flooded.", ["412"]),
        (HOMES, "Osk counted 412 flooded homes.", ["412"]),
        ("How much did it cost?", "It cost 4 million crowns and took 9 months.",
         ["4 million crowns"]),
        ("How long did it take?", "It cost 4 million crowns and took 9 months.", ["9 months"]),
        ("When did it open?", "It opened on 4 March 2031 with 9 stops.", ["4 March 2031"]),
        ("How many stops does it have?", "It is nine kilometres long and has 14 stops.", ["14"]),
        ("How many stops does it have?", "It has many stops.", []),
    ],
)  # fmt: skip
def test_a_value_is_what_the_question_asks_for(
    question: str, text: str, expected: list[str]
) -> None:
    assert [value.words for value in values(analyse(question), candidate(text))] == expected
