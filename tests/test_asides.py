"""What a reader of another day must know of a sentence; the days are those of a calendar."""

from __future__ import annotations

import pytest

from qa.asides import asides
from qa.types import AnswerSentence, Article, Citation

WEDNESDAY = "2031-03-05"  # Tuesday was the 4th, Friday will be the 7th, Monday the 10th


def cite(text: str, published: str | None = WEDNESDAY, number: int = 1) -> Citation:
    article = Article(f"a{number}", "An article", text, published=published)
    return Citation(number, article, 0, len(text), text)


def noted(question: str, text: str, *citations: Citation) -> list[str]:
    given = citations or (cite(text),)
    sentence = AnswerSentence(text, tuple(each.number for each in given))
    return list(asides(question, sentence, given))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The wall reopened on Tuesday.", ["“Tuesday”: 4 March 2031"]),
        ("The wall reopened yesterday.", ["“yesterday”: 4 March 2031"]),
        ("The wall reopened last month.", ["“last month”: February 2031"]),
        ("The wall reopened last year.", ["“last year”: 2030"]),
        ("The wall will reopen on Friday.", ["“Friday”: 7 March 2031"]),
        ("The wall reopens next week.", ["“next week”: 10 to 16 March 2031"]),
        ("The wall reopened on 4 March 2031.", []),
        ("The wall reopened in 2029.", []),
        ("The wall reopened.", []),
        ("The Sunday Times wrote of the wall.", []),
    ],
)
def test_relative_words_are_told_by_the_day_of_the_source(text: str, expected: list[str]) -> None:
    assert noted("When did the wall reopen?", text) == expected


@pytest.mark.parametrize("published", [None, "2031", "2031-03", "last week", ""])
def test_a_source_without_a_day_gives_no_day(published: str | None) -> None:
    text = "The wall reopened on Tuesday."
    assert noted("When did the wall reopen?", text, cite(text, published)) == []


def test_words_that_only_the_quote_has_are_not_explained() -> None:
    quote = cite("The wall reopened on Tuesday.")
    assert noted("When did the wall reopen?", "The wall reopened.", quote) == []


def test_words_across_a_line_break_are_the_same_words() -> None:
    quote = cite("The wall reopened last\nmonth.")
    assert noted("When?", "The wall reopened last month.", quote) == ["“last month”: February 2031"]


def test_words_at_the_beginning_of_a_sentence_are_the_same_words() -> None:
    quote = cite("The wall reopened yesterday.")
    assert noted("When?", "Yesterday the wall reopened.", quote) == ["“Yesterday”: 4 March 2031"]


def test_only_the_sources_that_the_sentence_cites_are_read() -> None:
    text = "The wall reopened on Tuesday."
    first, second = cite(text), cite(text, "2031-04-03", 2)  # a Thursday
    sentence = AnswerSentence(text, (2,))
    assert asides("When?", sentence, [first, second]) == ("“Tuesday”: 1 April 2031",)
    assert asides("When?", AnswerSentence(text), [first, second]) == ()


def test_at_most_three_are_told() -> None:
    text = "It shut yesterday, opens on Friday, closes next week and moves next month."
    assert len(noted("When?", text)) == 3


FALK = "Ines Falk is the mayor."


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("Who is the mayor?", FALK, ["as of 5 March 2031"]),
        ("Who is the mayor now?", FALK, ["as of 5 March 2031"]),
        ("What is the latest on the mayor?", FALK, ["as of 5 March 2031"]),
        ("Who was the mayor?", FALK, []),
        ("Who was the mayor in 2031?", FALK, []),
        ("Who is the mayor in 2031?", FALK, []),
        ("Who was the mayor?", "Ines Falk is still the mayor.", ["as of 5 March 2031"]),
        ("Who was the mayor?", "So far, Ines Falk is the mayor.", ["as of 5 March 2031"]),
    ],
)
def test_what_is_about_the_present_tells_its_day(
    question: str, text: str, expected: list[str]
) -> None:
    assert noted(question, text) == expected


def test_what_is_about_the_present_and_relative_tells_both() -> None:
    text = "Ines Falk is the mayor since Tuesday."
    assert noted("Who is the mayor?", text) == ["as of 5 March 2031", "“Tuesday”: 4 March 2031"]


def test_a_source_without_a_date_is_no_day_to_tell() -> None:
    assert noted("Who is the mayor?", FALK, cite(FALK, None)) == []
    assert noted("Who is the mayor?", FALK, cite(FALK, "2031")) == ["as of 2031"]


def test_a_month_is_told_in_words() -> None:
    assert noted("Who is the mayor?", FALK, cite(FALK, "2031-03")) == ["as of March 2031"]


def test_of_several_sources_the_newest_day_is_told() -> None:
    older, newer = cite(FALK, "2030-03-05"), cite(FALK, "2031-03-05", 2)
    assert noted("Who is the mayor?", FALK, older, newer) == ["as of 5 March 2031"]
