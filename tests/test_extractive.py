"""The extractive generator through the library, as a user meets it."""

from __future__ import annotations

from qa.generation.extractive import ExtractiveGenerator
from qa.library import Library
from qa.types import Draft


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
