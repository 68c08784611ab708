"""Which words bear a sentence out: the fewest whole sentences, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.grounding import LONGEST_RUN, adopt, ground
from qa.sentences import split
from qa.types import Article, Quote

OPENED = "The tram line opened on Monday."
LENGTH = "It is nine kilometres long and has 14 stops."
COST = "The line cost 310 million crowns, said engineer Pia Odd."
HOURS = "Trams run every ten minutes from five in the morning."
TRAM = Article("tram", "Tram line opens", f"{OPENED} {LENGTH} {COST}\n\n{HOURS}")
REOPENED = "The harbour wall at Tellin reopened on Tuesday."
WORK = "The work took eleven months."
WALL = Article("wall", "Harbour wall reopens", f"{REOPENED} {WORK}")
TABLE = Article(
    "table", "Fares", "# Fares\n\n| Zone | Crowns |\n|---|---|\n| Inner | 12 |\n| Outer | 19 |\n"
)


def whole(article: Article) -> Quote:
    return Quote(article, 0, len(article.text))


def grounded(sentence: str, *articles: Article) -> tuple[str, list[str]]:
    verdict, quotes = ground(sentence, [whole(each) for each in articles])
    return verdict.support, [quote.text for quote in quotes]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (OPENED, [OPENED]),
        ("On Monday the tram line opened.", [OPENED]),
        ("The new tram line has 14 stops.", [f"{OPENED} {LENGTH}"]),
        ("According to the article, the line cost 310 million crowns.", [COST]),
        ("The tram line, nine kilometres long, opened on Monday.", [f"{OPENED} {LENGTH}"]),
        ("The tram line opened on Monday and cost 310 million crowns.",
         [f"{OPENED} {LENGTH} {COST}"]),
        ("The trams run every ten minutes.", [HOURS]),
        ("Trams run from five in the morning.", [HOURS]),
    ],
)  # fmt: skip
def test_the_fewest_whole_sentences_that_bear_it_out(sentence: str, expected: list[str]) -> None:
    assert grounded(sentence, TRAM) == ("supported", expected)


def test_a_short_sentence_is_borne_out_too() -> None:
    assert grounded("It has 14 stops.", TRAM) == ("supported", [LENGTH])


@pytest.mark.parametrize(
    "sentence",
    [
        "The tram line opened on Tuesday.",
        "The tram line opened in Ulm on Monday.",
        "The tram line has 15 stops.",
        "The tram line did not open on Monday.",
        "The line cost 310 billion crowns.",
        "A bishop blessed the cheese.",
        "",
        " ",
    ],
)
def test_what_is_not_borne_out_has_no_quotes(sentence: str) -> None:
    assert grounded(sentence, TRAM) == ("unsupported", [])


def test_without_quotes_nothing_is_borne_out() -> None:
    verdict, quotes = ground(OPENED, [])
    assert (verdict.support, quotes) == ("unsupported", ())
    assert verdict.reason


def test_a_quote_that_adds_nothing_is_left_out() -> None:
    assert grounded(OPENED, WALL, TRAM) == ("supported", [OPENED])
    assert grounded(OPENED, TRAM, WALL) == ("supported", [OPENED])


def test_every_quote_that_bears_it_out_alone_stays() -> None:
    other = Article("other", "Trams", f"It rained. {OPENED} It snowed.")
    verdict, quotes = ground(OPENED, [whole(TRAM), whole(other)])
    assert verdict.support == "supported"
    assert [(q.article.id, q.start, q.end) for q in quotes] == [("tram", 0, 31), ("other", 11, 42)]


def test_two_quotes_may_bear_out_together_what_neither_does_alone() -> None:
    sentence = "The tram line opened on Monday and the harbour wall at Tellin reopened on Tuesday."
    assert grounded(sentence, TRAM) != ("supported", [OPENED])
    assert grounded(sentence, TRAM, WALL) == ("supported", [OPENED, REOPENED])


def test_part_of_it_is_partial_with_the_words_of_that_part() -> None:
    support, quotes = grounded("The tram line opened on Monday after noisy, dusty digging.", TRAM)
    assert (support, quotes) == ("partial", [OPENED])


def test_an_invented_third_is_not_supported() -> None:
    assert grounded("The tram line opened on Monday with a brass band.", TRAM)[0] != "supported"


def test_a_whole_quote_word_for_word_is_its_own_quote() -> None:
    text = TRAM.text
    assert ground(text, [whole(TRAM)])[1] == (whole(TRAM),)


def test_places_are_those_of_the_article_not_of_the_quote() -> None:
    start = TRAM.text.index(LENGTH)
    part = Quote(TRAM, start, len(TRAM.text))
    (quote,) = ground("The line cost 310 million crowns.", [part])[1]
    assert (quote.start, quote.end) == (77, 133)
    assert quote.text == COST


def test_a_row_of_a_table_is_a_place_too() -> None:
    verdict, quotes = ground("Outer: 19 crowns.", [whole(TABLE)])
    assert verdict.support != "unsupported"
    assert all("| Outer | 19 |" in quote.text for quote in quotes)


def test_of_what_names_no_source_only_whole_support_is_adopted() -> None:
    verdict, quotes = adopt(OPENED, [whole(WALL), whole(TRAM)])
    assert (verdict.support, [quote.text for quote in quotes]) == ("supported", [OPENED])
    part = "The tram line opened on Monday after noisy, dusty digging."
    assert adopt(part, [whole(TRAM)])[1] == ()
    assert adopt(part, [whole(TRAM)])[0].support == "unsupported"
    assert adopt(OPENED, [])[0].support == "unsupported"


WORDS = st.sampled_from([*f"{OPENED} {LENGTH} {COST} {REOPENED}".split(), "not", "Ulm", "15", "é"])


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_quotes_are_runs_of_whole_sentences_inside_what_was_cited(sentence: str) -> None:
    verdict, quotes = ground(sentence, [whole(TRAM), whole(WALL)])
    assert (verdict.support == "unsupported") == (quotes == ())
    for quote in quotes:
        units = list(split(quote.article.text))
        starts, ends = [u.start for u in units], [u.end for u in units]
        assert quote.start in starts
        assert quote.end in ends
        assert 1 <= ends.index(quote.end) - starts.index(quote.start) + 1 <= LONGEST_RUN
    assert ground(sentence, [whole(TRAM), whole(WALL)]) == (verdict, quotes)
