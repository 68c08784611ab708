"""The extractive generator through the library, as a user meets it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from qa.generation.extractive import ExtractiveGenerator
from qa.library import Library
from qa.protocols import Generator
from qa.reading import MiniLMReader
from qa.testing import GeneratorContract, WordReader
from qa.types import Article, Draft, Hit


def only_draft(library: Library, question: str) -> Draft:
    drafts = list(
        ExtractiveGenerator(library.statistics, MiniLMReader()).generate(
            question, library.search(question)
        )
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
    assert list(ExtractiveGenerator(library.statistics, MiniLMReader()).generate("Who?", [])) == [
        Draft()
    ]


def test_the_generator_is_named_for_the_answer() -> None:
    assert ExtractiveGenerator.name == "extractive"


class TestTheContract(GeneratorContract):
    @pytest.fixture(params=[MiniLMReader, WordReader])
    def generator(self, request: pytest.FixtureRequest, library: Library) -> Generator:
        return ExtractiveGenerator(library.statistics, request.param())

    @pytest.fixture
    def question(self) -> str:
        return "How much did the work on the harbour wall cost?"

    @pytest.fixture
    def hits(self, library: Library, question: str) -> Sequence[Hit]:
        return library.search(question)


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
