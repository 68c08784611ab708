"""Answers: cited by exact spans, never from nothing, follow-ups understood."""

from __future__ import annotations

import pytest

from qa import citations, support
from qa.assistant import find, stand_alone
from qa.library import Library
from qa.testing import FirstSentence
from qa.types import (
    ABSTENTION,
    Article,
    Draft,
    DraftSentence,
    Filters,
    Hit,
    Passage,
    Quote,
    Turn,
)

TEXT = "The bridge reopened in May. It cost 4.2 million crowns."
BRIDGE = Article("bridge", "Bridge", TEXT)
HIT = Hit(Passage("p", "bridge", 0, len(TEXT), TEXT), BRIDGE, 1.0)


def sentence(text: str, *spans: tuple[int, int], article: Article = BRIDGE) -> DraftSentence:
    return DraftSentence(text, tuple(Quote(article, start, end) for start, end in spans))


def test_every_citation_is_an_exact_span(library: Library) -> None:
    for question in ("How much did the work on the harbour wall cost?", "Who is Oda Rehn?"):
        answer = library.ask(question)
        for citation in answer.citations:
            text = library.article(citation.article.id).text
            assert text[citation.start : citation.end] == citation.quote != ""
        used = {number for each in answer.sentences for number in each.citations}
        assert used == {citation.number for citation in answer.citations}


def test_the_answer_holds_the_answer_and_its_source(library: Library) -> None:
    answer = library.ask("How much did the work on the harbour wall cost?")
    assert answer.status == "answered"
    assert "4.2 million" in answer.text
    assert answer.text.endswith("[1]")
    assert answer.citations[0].article.published == "2031-03-04"
    assert set(answer.timings_ms) == {"retrieve", "generate", "total"}


def test_a_refusal_has_no_citation_and_shows_the_nearest(library: Library) -> None:
    answer = library.ask("Who won the chess final in Oslo?")
    assert (answer.status, answer.sentences, answer.citations) == ("abstained", (), ())
    assert answer.text == ABSTENTION
    assert 1 <= len(answer.nearest) <= 3


def test_filters_hold_for_answers(library: Library) -> None:
    answer = library.ask(
        "How much did the work on the harbour wall cost?",
        filters=Filters(publishers=("Town News",)),
    )
    assert answer.status == "abstained"
    assert {hit.article.id for hit in answer.nearest} <= {"library"}


def test_streamed_answers_grow_and_end_with_what_ask_gives(library: Library) -> None:
    question = "By how much had visits to the library risen?"
    *_, last = list(library.stream(question))
    asked = library.ask(question)
    assert (last.sentences, last.citations) == (asked.sentences, asked.citations)
    assert "18 percent" in last.text


def test_another_generator_takes_the_place_of_the_configured_one(library: Library) -> None:
    other = Library(library.settings, embedder=library.embedder, generator=FirstSentence())
    answer = other.ask("harbour wall")
    assert (answer.generator, answer.status) == ("first", "answered")
    assert answer.citations[0].quote == answer.sentences[0].text
    other.close()


def test_citations_are_numbered_by_first_use_and_shared() -> None:
    first, second = (0, 27), (28, len(TEXT))
    draft = Draft(
        (
            sentence("It cost 4.2 million crowns.", second),
            sentence("The bridge reopened in May.", first),
            sentence("It cost 4.2 million crowns.", second),
        )
    )
    cited = citations.cite(draft, [HIT])
    assert [s.citations for s in cited.sentences] == [(1,), (2,), (1,)]
    assert [(c.number, c.quote) for c in cited.citations] == [(1, TEXT[28:]), (2, TEXT[:27])]


def test_a_quote_that_adds_nothing_is_left_out() -> None:
    draft = Draft((sentence("The bridge reopened in May.", (0, 27), (28, len(TEXT))),))
    assert [c.quote for c in citations.cite(draft, [HIT]).citations] == [TEXT[:27]]


def test_of_a_passage_only_the_words_that_bear_a_sentence_out_are_cited() -> None:
    draft = Draft((sentence("The bridge reopened in May.", (0, len(TEXT))),))
    assert [c.quote for c in citations.cite(draft, [HIT]).citations] == [TEXT[:27]]


def test_a_sentence_without_a_quote_is_cited_where_a_hit_supports_it() -> None:
    draft = Draft((sentence("The bridge reopened in May."),))
    assert [c.quote for c in citations.cite(draft, [HIT]).citations] == [TEXT[:27]]


@pytest.mark.parametrize(
    "invented",
    [
        sentence("The bridge fell down.", (0, 27)),
        sentence("The bridge fell down."),
        sentence("The bridge reopened in May.", (0, 27), article=Article("x", "X", TEXT)),
        sentence("The bridge reopened in May.", (0, 10_000)),
        sentence("", (5, 5)),
    ],
    ids=["words not in the quote", "no quote", "not retrieved", "outside the text", "empty"],
)
def test_an_invented_citation_vanishes_with_its_sentence(invented: DraftSentence) -> None:
    assert citations.cite(Draft((invented,)), [HIT]) == citations.Cited(dropped=1)


def test_white_space_does_not_matter_to_support() -> None:
    quote = Quote(Article("a", "A", "The bridge\n  reopened in May."), 0, 29)
    assert support.check("The bridge reopened in May.", [quote]).support == "supported"
    assert support.check("The bridge reopened in June.", [quote]).support == "unsupported"
    assert support.check("The bridge reopened in May.", []).support == "unsupported"


def test_a_follow_up_carries_the_subject_over() -> None:
    history = [Turn("When did Tanner's Bridge close?", "In March 2023.")]
    assert (
        stand_alone("How much did it cost?", history) == "How much did it cost? (Tanner's Bridge)"
    )
    assert stand_alone("Who won the election in May 2023?", history) == (
        "Who won the election in May 2023?"
    )
    assert stand_alone("and why?", [Turn("when was the tram opened", "In 2024.")]) == (
        "and why? (when was the tram opened)"
    )
    assert stand_alone("How much did it cost?", []) == "How much did it cost?"


class Recorded:
    """Finds by exact query what it was given, and remembers the queries."""

    def __init__(self, found: dict[str, list[Hit]]) -> None:
        self.found = found
        self.queries: list[str] = []

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        del filters
        self.queries.append(query)
        return self.found.get(query, [])[:k]


def hit_of(name: str, score: float) -> Hit:
    return Hit(Passage(name, name, 0, 4, "Text"), Article(name, name, "Text"), score)


def test_a_follow_up_is_searched_for_alone_and_with_the_question_before() -> None:
    """Scores are the mean of both searches; a hit of one of them has half of its score."""
    history = [Turn("Who is Ines Falk?", "The mayor."), Turn("the tram to Hesk", "It runs.")]
    joined = "What do tickets cost? (the tram to Hesk)"
    found = {
        "What do tickets cost?": [hit_of("cinema", 0.9), hit_of("tram", 0.5)],
        joined: [hit_of("tram", 0.7), hit_of("Hesk", 0.6)],
    }
    retriever = Recorded(found)
    hits = find(retriever, "What do tickets cost?", history, 2)
    assert retriever.queries == ["What do tickets cost?", joined]
    assert [(h.article.id, round(h.score, 3)) for h in hits] == [("tram", 0.6), ("cinema", 0.45)]


def test_a_first_question_is_searched_for_as_it_is() -> None:
    retriever = Recorded({"trams?": [hit_of("tram", 0.5)]})
    assert [h.score for h in find(retriever, "trams?", [], 5)] == [0.5]
    assert retriever.queries == ["trams?"]


def test_a_very_long_question_before_does_not_drown_the_new_one() -> None:
    retriever = Recorded({})
    find(retriever, "What do tickets cost?", [Turn("tram " * 10_000, "It runs.")], 5)
    assert max(map(len, retriever.queries)) < 600


def test_a_follow_up_is_answered_from_the_earlier_subject(library: Library) -> None:
    history = [Turn("When did the harbour wall at Tellin reopen?", "On Tuesday.")]
    answer = library.ask("How much did it cost?", history)
    assert answer.question == "How much did it cost?"
    assert "Tellin" in answer.standalone_question
    assert "4.2 million" in answer.text
