"""When a text means, read against the day it was written."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.times import anchor_of, asked, mentions, written

FRIDAY = date(2023, 3, 10)  # Monday was the 6th, Sunday will be the 12th


def read(text: str, anchor: date | None = FRIDAY) -> list[tuple[str, str]]:
    return [(text[m.start : m.end], written(m.first, m.last)) for m in mentions(text, anchor)]


def days(text: str, anchor: date | None = FRIDAY) -> list[str]:
    return [day for _, day in read(text, anchor)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 2023-03-12", "12 March 2023"),
        ("at 2023-03-12T10:30:00Z", "12 March 2023"),
        ("in 2022-04", "April 2022"),
        ("on 12 March 2023.", "12 March 2023"),
        ("on March 12, 2023", "12 March 2023"),
        ("on Sunday, March 12th, 2023", "12 March 2023"),
        ("on the 12th of March 2023", "12 March 2023"),
        ("on 12 Mar 2023", "12 March 2023"),
        ("on Mar. 12, 2023", "12 March 2023"),
        ("in March 2023", "March 2023"),
        ("what opened in may 2023", "May 2023"),
        ("by mid-November 2022", "November 2022"),
        ("in 2023", "2023"),
        ("in early 2023", "2023"),
        ("since mid-2023", "2023"),
        ("the 2023 flood", "2023"),
        ("In 2023 people came.", "2023"),
        ("since about 1870", "1870"),
        ("in spring 2022", "1 March to 31 May 2022"),
        ("the autumn of 2022", "1 September to 30 November 2022"),
        ("the winter of 2022/23", "1 December 2022 to 28 February 2023"),
        ("the 1990s", "1 January 1990 to 31 December 1999"),
        ("the 1800s", "1 January 1800 to 31 December 1899"),
        ("the 19th century", "1 January 1801 to 31 December 1900"),
        ("mayor 1999-2003", "1 January 1999 to 31 December 2003"),
        ("the 2022/23 season", "1 January 2022 to 31 December 2023"),
        ("the 2003-04 season", "1 January 2003 to 31 December 2004"),
        ("from 1999 to 2003", "1 January 1999 to 31 December 2003"),
        ("between 1999 and 2003", "1 January 1999 to 31 December 2003"),
        ("12 to 18 March 2023", "12 to 18 March 2023"),
        ("March 12–18, 2023", "12 to 18 March 2023"),
        ("28 February to 6 March 2023", "28 February to 6 March 2023"),
        ("28 December to 3 January 2023", "28 December 2022 to 3 January 2023"),
        ("from January to March 1932", "1 January to 31 March 1932"),
        ("from 12 March 2021 to 3 April 2021", "12 March to 3 April 2021"),
    ],
)
def test_absolute_times_need_no_anchor(text: str, expected: str) -> None:
    assert days(text, None) == [expected]
    assert [mention.relative for mention in mentions(text, FRIDAY)] == [False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It happened yesterday.", "9 March 2023"),
        ("the day before yesterday", "8 March 2023"),
        ("the day after tomorrow", "12 March 2023"),
        ("tomorrow evening", "11 March 2023"),
        ("He spoke last night.", "9 March 2023"),
        ("She said this morning", "10 March 2023"),
        ("tonight", "10 March 2023"),
        ("last week", "27 February to 5 March 2023"),
        ("this week", "6 to 12 March 2023"),
        ("next week", "13 to 19 March 2023"),
        ("since last month", "February 2023"),
        ("earlier this month", "1 to 10 March 2023"),
        ("later this month", "10 to 31 March 2023"),
        ("at the end of the month", "March 2023"),
        ("last year's budget", "2022"),
        ("late last year", "2022"),
        ("next year", "2024"),
        ("this decade", "1 January 2020 to 31 December 2029"),
        ("this century", "1 January 2000 to 31 December 2099"),
        ("this weekend", "11 to 12 March 2023"),
        ("last weekend", "4 to 5 March 2023"),
        ("They met at the weekend.", "4 to 5 March 2023"),
        ("They will meet at the weekend.", "11 to 12 March 2023"),
        ("last summer", "1 June to 31 August 2022"),
        ("next spring", "1 March to 31 May 2024"),
        ("this winter", "1 December 2022 to 28 February 2023"),
        ("It was said in the summer.", "1 June to 31 August 2022"),
        ("It stays shut until the summer.", "1 June to 31 August 2023"),
        ("in the spring of last year", "1 March to 31 May 2022"),
        ("last November", "November 2022"),
        ("in March of last year", "March 2022"),
        ("on 13 March of last year", "13 March 2022"),
    ],
)
def test_relative_times(text: str, expected: str) -> None:
    assert days(text) == [expected]
    assert [mention.relative for mention in mentions(text, FRIDAY)] == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("On Tuesday the court ruled.", "7 March 2023"),
        ("Police said Tuesday that he fled.", "7 March 2023"),
        ("It rained on Friday.", "10 March 2023"),
        ("It rained on Saturday.", "4 March 2023"),
        ("last Tuesday night", "7 March 2023"),
        ("last Friday", "3 March 2023"),
        ("next Tuesday", "14 March 2023"),
        ("this Tuesday", "7 March 2023"),
        ("this Saturday", "11 March 2023"),
        ("It will open on Tuesday.", "14 March 2023"),
        ("On Tuesday, the museum will open.", "14 March 2023"),
        ("The museum opens on Tuesday.", "14 March 2023"),
        ("It stays closed until Tuesday.", "14 March 2023"),
        ("From Monday hoses may not be used.", "13 March 2023"),
        ("She said on Monday that it will close.", "6 March 2023"),
        ("It closed on Monday, and will open in time.", "6 March 2023"),
        ("On Monday he read it aloud, like a will.", "6 March 2023"),
        ("from Friday of next week", "17 March 2023"),
        ("Tuesday of last week", "28 February 2023"),
        ("They visit on Saturday week.", "18 March 2023"),
        ("Saturday's fair", "4 March 2023"),
    ],
)
def test_a_weekday_is_the_last_or_the_coming_one(text: str, expected: str) -> None:
    assert days(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two days ago", "8 March 2023"),
        ("two weeks ago", "20 to 26 February 2023"),
        ("a month ago", "February 2023"),
        ("a year ago", "2022"),
        ("twenty-one years ago", "2002"),
        ("a hundred years ago", "1923"),
        ("12 years ago", "2011"),
        ("two and a half years ago", "1 January 2020 to 31 December 2021"),
        ("a few days ago", "4 to 8 March 2023"),
        ("three days from now", "13 March 2023"),
        ("in two weeks' time", "20 to 26 March 2023"),
        ("It will open in three days.", "13 March 2023"),
        ("over the past three days", "7 to 10 March 2023"),
        ("for the last eight years", "10 March 2015 to 10 March 2023"),
        ("in the past year", "10 March 2022 to 10 March 2023"),
        ("the next two days", "10 to 12 March 2023"),
    ],
)
def test_counted_times(text: str, expected: str) -> None:
    assert days(text) == [expected]


@pytest.mark.parametrize(
    ("text", "anchor", "expected"),
    [
        ("on 12 March", FRIDAY, "12 March 2023"),
        ("on 30 December", FRIDAY, "30 December 2022"),
        ("in March", FRIDAY, "March 2023"),
        ("since March", date(2024, 9, 19), "March 2024"),
        ("between May and August", date(2023, 6, 16), "1 May to 31 August 2023"),
        ("It will close on 30 December.", FRIDAY, "30 December 2023"),
        ("It was closed in August.", date(2023, 3, 20), "August 2022"),
        ("It is to run until the end of October.", date(2024, 2, 15), "October 2024"),
        ("Next year's fair will be on 21 June.", date(2024, 6, 25), "21 June 2025"),
        ("on 29 February", FRIDAY, "29 February 2024"),
        ("on Sunday 12 March", FRIDAY, "12 March 2023"),
    ],
)
def test_a_date_without_a_year_takes_the_nearest(text: str, anchor: date, expected: str) -> None:
    assert days(text, anchor)[-1:] == [expected]
    assert not mentions(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "They may march on.",
        "Theresa May spoke to the March for Life.",
        "a song by June Carter",
        "the second group, for a second",
        "2023 people and 2,023 ewes",
        "over 2000 came with 1500 metres of rope for £2000",
        "the Monday group",
        "It is shut on Mondays.",
        "every Friday, one Friday, that Friday",
        "Open Monday to Friday.",
        "Tuesday evenings",
        "the Sunday Times",
        "on Good Friday",
        "He reads USA Today.",
        "On Tuesday, 3 November, the water came.",  # of 1931, as the weekday shows
        "the last summer of his life",
        "the next week he died",
        "her last year",
        "the last days of the war",
        "It took place in three weeks.",
        "the first win in five years",
        "It will be the first time in five years.",
        "this fall in prices",
        "two days later",
        "half past seven",
        "on 31 February",
        "9999 years ago",
        "Updated on Saturday: the number was corrected.",
        "of 0123-1999-2000",
        "page 2023, version 2.2023",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert read(text) == []


def test_mentions_stand_in_order_with_their_offsets() -> None:
    text = "📚 On Tuesday, 7 March 2023, it was shut; it will open again tomorrow or in June."
    assert read(text) == [
        ("Tuesday, 7 March 2023", "7 March 2023"),
        ("tomorrow", "11 March 2023"),
        ("June", "June 2023"),
    ]


def test_two_dates_are_no_range_when_one_gave_way_to_the_other() -> None:
    text = "The opening was moved from 12 March 2023 to 3 April 2023."
    assert days(text) == ["12 March 2023", "3 April 2023"]


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("2023-03-10", FRIDAY),
        ("2023-03", None),
        ("2023", None),
        ("2023-02-31", None),
        ("20230310", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_full_date_is_an_anchor(published: str | None, expected: date | None) -> None:
    assert anchor_of(published) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2023, 3, 12), date(2023, 3, 12), "12 March 2023"),
        (date(2023, 2, 1), date(2023, 2, 28), "February 2023"),
        (date(2024, 2, 1), date(2024, 2, 28), "1 to 28 February 2024"),
        (date(2023, 1, 1), date(2023, 12, 31), "2023"),
        (date(2023, 3, 12), date(2023, 3, 18), "12 to 18 March 2023"),
        (date(2023, 2, 28), date(2023, 3, 6), "28 February to 6 March 2023"),
        (date(2022, 12, 28), date(2023, 1, 3), "28 December 2022 to 3 January 2023"),
        (date(9999, 12, 1), date.max, "December 9999"),
    ],
)
def test_days_in_words(first: date, last: date, expected: str) -> None:
    assert written(first, last) == expected


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("What happened in 2023?", date(2023, 1, 1), date(2023, 12, 31)),
        ("What happened last month?", date(2023, 2, 1), date(2023, 2, 28)),
        ("What happened yesterday?", date(2023, 3, 9), date(2023, 3, 9)),
        ("what did the board decide on tuesday", date(2023, 3, 7), date(2023, 3, 7)),
        ("What has been built since March 2022?", date(2022, 3, 1), date.max),
        ("What has been built since the 2019 election?", date(2019, 1, 1), date.max),
        ("What came after March 2022?", date(2022, 4, 1), date.max),
        ("Who led it from May 2022 on?", date(2022, 5, 1), date.max),
        ("Who led it before 2020?", date.min, date(2019, 12, 31)),
        ("Who led it before the end of 2020?", date.min, date(2020, 12, 31)),
        ("Who led it until 12 March 2022?", date.min, date(2022, 3, 12)),
        ("How much was raised by mid-November 2022?", date.min, date(2022, 11, 30)),
        ("Who led it from 1999 to 2003?", date(1999, 1, 1), date(2003, 12, 31)),
        ("What closed between March and June 2022?", date(2022, 3, 1), date(2022, 6, 30)),
        ("Who led it after 2018 and before 2021?", date(2019, 1, 1), date(2020, 12, 31)),
        ("How did 2019 compare with 2021?", date(2019, 1, 1), date(2021, 12, 31)),
    ],
)
def test_the_period_that_a_question_asks_about(question: str, first: date, last: date) -> None:
    assert asked(question, FRIDAY) == (first, last)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Who is mayor now?",
        "What is open today?",
        "What is the latest price?",
        "Open on Mondays?",
    ],
)
def test_the_present_is_no_period(question: str) -> None:
    assert asked(question, FRIDAY) is None


# -- any text -------------------------------------------------------------------------------------

PIECES = (
    "May March 12 31 2023 1999 2100 0 9999 - – to and between of the last next this past few a an "
    "week weeks year years month day century ago in Monday Saturday's will until since mid-2023 "
    "summer winter weekend earlier today yesterday 1990s 21st , . ' time end Mar. 29 February"
).split()
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200) | st.lists(
    st.sampled_from([*PIECES, "\n", "📚"]), max_size=30
).map(" ".join)


@given(ANY_TEXT, st.dates())
def test_mentions_lie_in_the_text_and_in_order(text: str, anchor: date) -> None:
    found = mentions(text, anchor)
    assert all(0 <= m.start < m.end <= len(text) and m.first <= m.last for m in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(written(m.first, m.last) for m in found)


@given(ANY_TEXT)
def test_without_an_anchor_nothing_is_relative(text: str) -> None:
    assert not any(mention.relative for mention in mentions(text, None))


@given(ANY_TEXT, st.dates())
def test_a_period_has_an_order(question: str, today: date) -> None:
    period = asked(question, today)
    assert period is None or period[0] <= period[1]


@given(st.dates(), st.integers(min_value=0, max_value=800))
def test_what_is_written_is_read_as_the_same_days(first: date, length: int) -> None:
    first = first.replace(year=1500 + first.year % 600)
    last = first + timedelta(length)
    (mention,) = mentions(f"in {written(first, last)}.", None)
    assert (mention.first, mention.last) == (first, last)


@pytest.mark.parametrize(
    "piece", [" ", "1", "1 ", "12 to ", "March ", "12 March 2 ", "2023-", "a few ", "twenty-", "\n"]
)
def test_a_long_text_is_read(piece: str) -> None:
    text = (piece * 200_000)[:200_000] + "\n\nIt opened on 12 April 1950."
    assert read(text)[-1] == ("12 April 1950", "12 April 1950")
