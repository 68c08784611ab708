"""The extractive generator through the library, as a user meets it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from qa import selection
from qa.generation.extractive import ExtractiveGenerator
from qa.library import Library
from qa.protocols import Generator
from qa.selection import Candidate
from qa.testing import GeneratorContract
from qa.types import Article, Draft, Hit, Passage


def only_draft(library: Library, question: str) -> Draft:
    drafts = list(
        ExtractiveGenerator(library.statistics).generate(question, library.search(question))
    )
    assert len(drafts) == 1
    return drafts[0]


def test_every_sentence_is_its_own_exact_quote(library: Library) -> None:
    draft = only_draft(library, "How much did the work on the harbour wall cost?")
    assert any("4.2 million" in sentence.text for sentence in draft.sentences)
    for sentence in draft.sentences:
        (quote,) = sentence.quotes
        assert quote.article.text[quote.start : quote.end] == sentence.text
        assert sentence.text in library.article(quote.article.id).text


def test_what_the_articles_do_not_say_gets_an_empty_draft_with_low_confidence(
    library: Library,
) -> None:
    draft = only_draft(library, "Who won the chess final in Oslo?")
    answered = only_draft(library, "By how much had visits to the library risen?")
    assert draft.sentences == ()
    assert answered.sentences
    assert draft.confidence < answered.confidence


def test_no_hits_no_answer(library: Library) -> None:
    assert list(ExtractiveGenerator(library.statistics).generate("Who?", [])) == [Draft()]


def test_the_generator_is_named_for_the_answer() -> None:
    assert ExtractiveGenerator.name == "extractive"


class TestTheContract(GeneratorContract):
    @pytest.fixture(params=["words alone", "words and meaning"])
    def generator(self, request: pytest.FixtureRequest, library: Library) -> Generator:
        embedder = None if request.param == "words alone" else library.embedder
        return ExtractiveGenerator(library.statistics, embedder)

    @pytest.fixture
    def question(self) -> str:
        return "How much did the work on the harbour wall cost?"

    @pytest.fixture
    def hits(self, library: Library, question: str) -> Sequence[Hit]:
        return library.search(question)


def candidates(*scores: float) -> list[Candidate]:
    text = "The first one. The second one.\n\nThe third one."
    spans = [(0, 14), (15, 30), (32, 46)]
    hit = Hit(Passage("p", "a", 0, len(text), text), Article("a", "A", text), 1.0)
    return [Candidate(hit, *span, score) for span, score in zip(spans, scores, strict=False)]


def test_meaning_moves_near_equals_and_keeps_the_sum() -> None:
    first, second, third = candidates(0.30, 0.28, 0.10)
    moved = selection.by_meaning([first, second, third], [0.2, 0.6])
    assert [c.text for c in moved] == [second.text, first.text, third.text]
    assert sum(c.score for c in moved) == pytest.approx(0.68)
    assert moved[2] == third
    sure = selection.by_meaning(candidates(0.9, 0.01), [0.2, 0.6])
    assert sure[0].text == first.text


def test_the_context_of_a_sentence_is_its_own_paragraph() -> None:
    _, second, third = candidates(0.3, 0.2, 0.1)
    assert selection.in_context(second) == "The first one. The second one."
    assert selection.in_context(third) == "The third one."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Sir,** The tram cost 44 million crowns.", "**Sir,** The tram cost 44 million crowns."),
        ("** The tram cost 44 million crowns.", "The tram cost 44 million crowns."),
        ("*Update: The tram cost 44 million crowns.", "Update: The tram cost 44 million crowns."),
        ("*The tram* cost 44 million crowns.", "*The tram* cost 44 million crowns."),
    ],
)
def test_half_an_emphasis_mark_is_not_part_of_an_answer(
    library: Library, text: str, shown: str
) -> None:
    library.add([Article("tram", "Tram", text)])
    answer = library.ask("How much did the tram cost?")
    assert answer.sentences[0].text == shown
