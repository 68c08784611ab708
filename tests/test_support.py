"""What the support check says of a sentence beside its quotes; every case is worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.support import Verdict, check
from qa.types import Article, Quote


def judged(sentence: str, *quotes: str, title: str = "") -> Verdict:
    """The verdict on a sentence by quotes that are each the whole text of an article."""
    articles = [Article(f"a{n}", title, text) for n, text in enumerate(quotes)]
    return check(sentence, [Quote(each, 0, len(each.text)) for each in articles])


BORNE_OUT = {
    "numbers": [
        ("The new pool holds 1200 people.", "The new pool holds 1,200 people."),
        ("The orchard has twelve pear trees.", "The orchard has 12 pear trees."),
        ("The orchard has 12 pear trees.", "The orchard has twelve pear trees."),
        ("The dam cost $4 million.", "The dam cost $4m."),
        ("The dam cost 4,000,000 euros.", "The dam cost 4 million euros."),
        ("The tower is 300 metres tall.", "The tower is 300 m tall."),
        ("The queue was about 300 people long.", "The queue was 312 people long."),
        ("A quarter of the pupils walk.", "25 percent of the pupils walk."),
        ("The team walked 3 kilometres.", "The team walked 3,000 metres."),
        ("They trained for eighteen months.", "They trained for 18 months."),
        ("The choir sang a hundred and twenty songs.", "The choir sang 120 songs."),
        ("The race lasted two hours.", "The race lasted 120 minutes."),
        ("He died aged 81.", "He died at the age of 81."),
        ("The vote passed 7-4.", "The vote passed by seven votes to four."),
        ("Osk won twice.", "Osk won two times."),
        ("The school has over 300 pupils.", "The school has more than 300 pupils."),
        ("The town has no more than 40 boats.", "The town has at most 40 boats."),
        ("The farm covers 3.5 hectares.", "The farm covers three and a half hectares."),
        ("The ship carried 1.2 million tonnes.", "The ship carried 1,200,000 tonnes."),
    ],
    "percent": [
        ("Rents rose by 5% in Quell.", "Rents rose by 5 per cent in Quell."),
        ("Rents rose by 5 percent in Quell.", "Rents rose by 5% in Quell."),
        ("Rents rose by five percent in Quell.", "Rents rose by 5 percent in Quell."),
    ],
    "ordinals": [
        ("She lives on the 5th floor.", "She lives on the fifth floor."),
        ("She lives on the twentieth floor.", "She lives on the 20th floor."),
    ],
    "times of day": [
        ("The gate opens at 9 a.m. on market days.", "The gate opens at 9am on market days."),
        ("The train leaves at 14:30.", "The train leaves at 2:30 p.m."),
    ],
    "dates": [
        ("The mill burnt down on March 3, 1990.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down on 3 March 1990.", "The mill burnt down on 1990-03-03."),
        ("The mill burnt down in March 1990.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down in 1990.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down on the 3rd of March.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down in the 1990s.", "The mill burnt down in 1994."),
        ("The shop shut in the mid-1990s.", "The shop shut in the mid 1990s."),
        ("The mill was open from 1994 to 1998.", "The mill was open 1994-1998."),
    ],
    "names": [
        ("Mr Tolland opened the shop.", "Piet Tolland opened the shop."),
        ("Piet Tolland opened the shop.", "Dr Piet Tolland opened the shop."),
        ("Jean-Luc Marr won the prize.", "Jean-Luc Marr won the prize on Sunday."),
        ("Zoe Müller won the prize.", "Zoë Muller won the prize."),
        ("Marr's brother won the prize.", "The prize was won by the brother of Marr."),
        ("The U.S. government signed the deal.", "The US government signed the deal."),
        ("St. Alder's was repaired.", "St Alder's was repaired."),
        ("Dr. Lorn called it a miracle.", "Dr Lorn called it a miracle."),
        ("The Osk-based firm hired 40 people.", "The firm, based in Osk, hired 40 people."),
        ("The German boat won.", "The boat from Germany won."),
    ],
    "negation": [
        ("The bridge was not closed.", "The bridge wasn't closed."),
        ("The bridge did not reopen in May.", "In May the bridge did not reopen."),
        ("She did not come to Osk.", "She didn't come to Osk."),
    ],
    "rank": [
        ("It was the first snow of the year.", "It was the year's first snow."),
        ("Only Hanna came to the meeting.", "Hanna alone came to the meeting."),
        ("It is the largest lake in the county.", "It is the county's biggest lake."),
    ],
    "changes": [
        ("Fares fell from 6 to 4 crowns.", "Fares fell from 6 crowns to 4 crowns."),
        ("Fares fell to 4 crowns from 6.", "Fares fell from 6 crowns to 4 crowns."),
    ],
    "plans": [
        ("The council plans to close the pool.", "The council plans to close the town pool."),
        ("The pool will close in May.", "The pool is to close in May."),
    ],
    "quotations": [
        ("She called it “a lovely mess”.", "“It was a lovely mess,” she called out."),
        ('She called it "a lovely mess".', "She called it “a lovely mess”, and laughed."),
    ],
    "frames": [
        ("According to the article, the ferry sank.", "The ferry sank."),
        ("The article says that the ferry sank.", "The ferry sank."),
        ("It is reported that the ferry sank.", "The ferry sank in the night."),
    ],
    "other words": [
        ("The old mayor resigned on Friday.", "On Friday, the old mayor resigned."),
        ("The ferry sank near Osk.", "Near Osk, late at night, the ferry sank."),
    ],
}

NOT_BORNE_OUT = {
    "numbers": [
        ("The new pool holds 1,300 people.", "The new pool holds 1,200 people."),
        ("The dam cost 4 billion crowns.", "The dam cost 4 million crowns."),
        ("The dam cost 4 crowns.", "The dam cost 4 million crowns."),
        ("The tower is 300 kilometres tall.", "The tower is 300 metres tall."),
        ("The dam cost £4 million.", "The dam cost $4 million."),
        ("The orchard has eleven pear trees.", "The orchard has 12 pear trees."),
        ("The queue was about 500 people long.", "The queue was 312 people long."),
        ("He waited for 40 days.", "He waited for 40 hours."),
        ("A third of the pupils walk.", "A quarter of the pupils walk."),
        ("The cut is 4.5 metres deep.", "The cut is 45 metres deep."),
        ("The river is 40 miles long.", "The river is 40 kilometres long."),
        ("The 40-year-old won the race.", "The 14-year-old won the race."),
        ("The tax was doubled.", "The tax was tripled."),
    ],
    "percent": [
        ("Rents rose by 15% in Quell.", "Rents rose by 5% in Quell."),
        ("Rents rose by 5 crowns in Quell.", "Rents rose by 5% in Quell."),
        ("Rents rose by a third.", "Rents rose by a half."),
    ],
    "ordinals": [
        ("She lives on the sixth floor.", "She lives on the fifth floor."),
        ("She lives on the 21st floor.", "She lives on the 20th floor."),
    ],
    "times of day": [
        ("The gate opens at 9 p.m. on market days.", "The gate opens at 9 a.m. on market days."),
        ("The train leaves at 14:35.", "The train leaves at 14:30."),
    ],
    "dates": [
        ("The mill burnt down in 1991.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down in April 1990.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down on 4 March 1990.", "The mill burnt down on 3 March 1990."),
        ("The mill burnt down in 1990.", "The mill burnt down on 3 March."),
        ("The mill burnt down in the 1980s.", "The mill burnt down in 1994."),
    ],
    "names": [
        ("Piet Harrow opened the shop.", "Piet Tolland opened the shop."),
        ("Mr Harrow opened the shop.", "Mr Tolland opened the shop."),
        ("The ferry sank near Quell.", "The ferry sank near Osk."),
        ("The prize went to Jean-Luc Marr.", "The prize went to Jean-Paul Marr."),
    ],
    "negation": [
        ("The bridge was not closed.", "The bridge was closed."),
        ("The bridge was closed.", "The bridge was not closed."),
        ("The bridge was never closed.", "The bridge was closed."),
        ("Nobody was hurt in the fire.", "Three people were hurt in the fire."),
        ("The board accepted the offer.", "The board refused to accept the offer."),
        ("The club paid its rent.", "The club failed to pay its rent."),
        ("The mill has a roof.", "The mill lacks a roof."),
        ("The mill has no roof.", "The mill has a roof."),
        ("He was found guilty.", "He was found not guilty."),
    ],
    "opposites": [
        ("Rents rose by 5 crowns.", "Rents fell by 5 crowns."),
        ("The ban was lifted before the storm.", "The ban was lifted after the storm."),
        ("The northern gate is locked.", "The southern gate is locked."),
        ("Osk won the final against Quell.", "Osk lost the final against Quell."),
        ("More than 40 boats took part.", "Fewer than 40 boats took part."),
        ("The school has at least 300 pupils.", "The school has at most 300 pupils."),
        ("In winter the ferry runs daily.", "In summer the ferry runs daily."),
        ("Until 1990 the mill was open.", "Since 1990 the mill has been open."),
        ("The board accepted the offer.", "The board rejected the offer."),
    ],
    "rank": [
        ("It was the last snow of the year.", "It was the first snow of the year."),
        ("Hanna was the first to arrive.", "Hanna was the second to arrive."),
        ("It is the largest lake in the county.", "It is a large lake in the county."),
        ("Only Hanna came to the meeting.", "Hanna came to the meeting."),
        ("All of the pupils passed.", "Some of the pupils passed."),
        ("Nobody in Osk voted.", "Many in Osk voted."),
        ("The pool opens every day.", "The pool opens on most days."),
    ],
    "changes": [
        ("Fares went from 4 to 6 crowns.", "Fares went from 6 to 4 crowns."),
        ("Fares went to 6 crowns from 4.", "Fares went from 6 to 4 crowns."),
    ],
    "plans": [
        ("The council sold the town pool.", "The council plans to sell the town pool."),
        ("The firm built a new plant.", "The firm hopes to build a new plant."),
        ("Hanna stole the silver cup.", "Hanna is accused of stealing the silver cup."),
    ],
    "quotations": [
        ("She called it “a dreadful mess”.", "She called it “a lovely mess”."),
    ],
    "frames": [
        ("According to the article, the ferry sank in 1990.", "The ferry sank."),
    ],
    "something else": [
        ("The choir toured Spain in the autumn.", "The ferry sank near Osk."),
        ("The ferry's captain was fined by a court.", "The ferry sank near Osk."),
    ],
}


def _cases(table: dict[str, list[tuple[str, str]]]) -> list[object]:
    return [pytest.param(*case, id=f"{kind}: {case[0]}") for kind in table for case in table[kind]]


@pytest.mark.parametrize(("sentence", "quote"), _cases(BORNE_OUT))
def test_what_a_quote_says_is_supported(sentence: str, quote: str) -> None:
    verdict = judged(sentence, quote)
    assert verdict.support == "supported", verdict


@pytest.mark.parametrize(("sentence", "quote"), _cases(NOT_BORNE_OUT))
def test_what_a_quote_does_not_say_is_not(sentence: str, quote: str) -> None:
    verdict = judged(sentence, quote)
    assert verdict.support == "unsupported", verdict
    assert verdict.reason


@pytest.mark.parametrize(
    "text",
    [
        "Der Fährmann kam nicht um 9 Uhr, sondern erst am 3. März.",
        "Le maire n’a pas signé le contrat de 4,5 millions d’euros.",
        "市长没有在三月三日签署合同。",
        "市長は3月3日に契約に署名しなかった。",
        "Мэр не подписал договор 3 марта 1990 года.",
        "لم يوقع العمدة العقد في 3 مارس.",
        "Ο δήμαρχος δεν υπέγραψε τη σύμβαση.",
        "महापौर ने अनुबंध पर हस्ताक्षर नहीं किए।",
    ],
)
def test_in_any_language_its_own_words_support_a_sentence(text: str) -> None:
    assert judged(text, f"… {text} …").support == "supported"
    assert judged(text, "The ferry sank near Osk.").support == "unsupported"


@pytest.mark.parametrize("quotes", [(), ("",), (" \n ",), ("", "")])
def test_nothing_supports_nothing(quotes: tuple[str, ...]) -> None:
    assert judged("The ferry sank.", *quotes).support == "unsupported"


@pytest.mark.parametrize("sentence", ["", " ", "\n\t"])
def test_a_sentence_without_words_is_unsupported(sentence: str) -> None:
    assert judged(sentence, "The ferry sank.").support == "unsupported"


def test_several_quotes_are_taken_together() -> None:
    sentence = "The ferry Dunlin sank near Osk with 40 passengers."
    parts = ("The ferry Dunlin sank near Osk.", "She had 40 passengers on board.")
    assert judged(sentence, *parts).support == "supported"
    assert judged(sentence, parts[0]).support == "unsupported"


def test_the_title_may_name_what_the_quote_calls_it() -> None:
    said, quote = "The Dunlin sank in the night.", "She sank in the night."
    assert judged(said, quote).support == "unsupported"
    assert judged(said, quote, title="Ferry Dunlin lost").support != "unsupported"


def test_white_space_does_not_matter() -> None:
    assert judged("The ferry\nsank  near Osk.", "Late on, the ferry sank\nnear Osk.") == judged(
        "The ferry sank near Osk.", "Late on, the ferry sank near Osk."
    )


def test_the_score_orders_sentences_by_how_much_is_said() -> None:
    quote = "The old ferry sank near Osk in a storm on Sunday."
    near = judged("The old ferry sank in a storm.", quote).score
    part = judged("The old ferry sank with a cargo of timber.", quote).score
    none = judged("The choir toured the islands.", quote).score
    assert near > part > none


sentences = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60
).filter(str.strip)


@given(sentences, st.text(max_size=40), st.text(max_size=40))
def test_a_sentence_that_stands_in_the_quote_is_supported(
    sentence: str, before: str, after: str
) -> None:
    """A sentence of its own: what comes before in the same sentence may take it back."""
    assert judged(sentence, f"{before}. {sentence} {after}").support == "supported"


@pytest.mark.parametrize(
    "quote",
    [
        "Nobody believes that the bridge is safe.",
        "It is not true that the bridge is safe.",
        "If the bridge is safe, the fair will move.",
    ],
)
def test_words_that_are_taken_back_support_nothing(quote: str) -> None:
    assert judged("The bridge is safe.", quote).support == "unsupported"


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=3))
def test_any_text_gets_a_verdict(sentence: str, quotes: list[str]) -> None:
    verdict = judged(sentence, *quotes)
    assert 0 <= verdict.score <= 1
    assert bool(verdict.reason) == (verdict.support != "supported")


_WORDS = st.sampled_from(
    'not no 4 4.5 4m $4 5% 12,000 1990 1990s March 3 may first last only third half dozen “ ” " '
    "from to before after won lost Osk St Jean-Luc a.m. 9:30 o'clock plans alleged million . , — "
    "According to the article, ’s n't".split()
)


@given(st.lists(_WORDS, max_size=14), st.lists(_WORDS, max_size=14))
def test_any_heap_of_telling_words_gets_a_verdict(said: list[str], quoted: list[str]) -> None:
    assert 0 <= judged(" ".join(said), " ".join(quoted)).score <= 1
