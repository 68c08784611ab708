"""Passages: whole sentences, exact offsets, nothing cut by the model."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa import chunking, embedding, loading
from qa.protocols import Embedder
from qa.sentences import split
from qa.settings import DEFAULT_MODEL
from qa.testing import WordEmbedder
from qa.types import Article

CORPUS = Path(__file__).parent.parent / "corpus"


def passages(text: str, title: str = "") -> list[str]:
    found = chunking.split_article(Article("a", title, text), WordEmbedder(max_tokens=12))
    assert all(text[p.start : p.end] == p.text for p in found)
    return [p.text for p in found]


def test_whole_sentences_are_packed_under_the_limit() -> None:
    sentences = ["One two three four five.", "Six seven eight nine ten.", "Eleven twelve thirteen."]
    assert passages(" ".join(sentences[:2])) == [" ".join(sentences[:2])]
    two = passages(" ".join(sentences))
    assert len(two) == 2
    assert " ".join(two) == " ".join(sentences)
    assert all(part.endswith(".") for part in two)


def test_the_title_counts() -> None:
    text = "One two three four five. Six seven eight nine ten. Eleven."
    assert passages(text, "A title") == [
        "One two three four five.",
        "Six seven eight nine ten. Eleven.",
    ]


def test_a_scrap_is_in_no_passage() -> None:
    text = "The bridge is closed.\n\nShare this article\n\nIt reopens in May."
    assert passages(text) == ["The bridge is closed.", "It reopens in May."]
    assert passages("Share this article\n\nLeave a Comment") == []


def test_headings_begin_a_passage_and_are_kept() -> None:
    article = Article("a", "Mine", "## Opening\n\nIn 1804.\n\n## Closing\n\nIn 1962 it closed.")
    found = chunking.split_article(article, WordEmbedder())
    assert [(p.heading, p.text) for p in found] == [
        ("Opening", "## Opening\n\nIn 1804."),
        ("Closing", "## Closing\n\nIn 1962 it closed."),
    ]


def test_a_sentence_longer_than_a_passage_is_divided_and_lost_nowhere() -> None:
    text = " ".join(f"word{n}" for n in range(100)) + "."
    assert " ".join(passages(text)) == text


def test_repeated_paragraphs_have_their_own_places_and_ids() -> None:
    text = "\n\n".join(["The same words again and again here.", "Another one stands between."] * 6)
    article = Article("a", "", text)
    found = chunking.split_article(article, WordEmbedder(max_tokens=8))
    assert len({p.id for p in found}) == len(found) == 12
    assert [p.start for p in found] == sorted({p.start for p in found})


def test_an_edited_paragraph_moves_only_passages_around_it() -> None:
    paragraphs = [
        f"Paragraph {n} tells of thing {n * 7} and of its colour. It has {n} legs and sings."
        for n in range(60)
    ]
    before = "\n\n".join(paragraphs)
    paragraphs[20] = "This one was written anew, with quite some other words than it had before."
    after = "\n\n".join(paragraphs)
    embedder = WordEmbedder(max_tokens=60)
    old, new = (
        {p.text for p in chunking.split_article(Article("a", "", text), embedder)}
        for text in (before, after)
    )
    assert 1 <= len(new - old) <= 3


@given(
    st.lists(st.text(alphabet="abc .,\n#|é字", max_size=60), max_size=12),
    st.text(alphabet="tT \n", max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_any_text_gives_exact_ordered_passages_within_the_limit(
    parts: list[str], title: str
) -> None:
    article = Article("a", title, "\n\n".join(parts))
    embedder = WordEmbedder(max_tokens=10)
    found = chunking.split_article(article, embedder)
    assert all(article.text[p.start : p.end] == p.text for p in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    texts = [chunking.embedding_text(title, p, embedder) for p in found]
    assert all(count <= 10 for count in embedder.count_tokens(texts))


@pytest.fixture(scope="module")
def real_embedder() -> Embedder:
    return embedding.choose(DEFAULT_MODEL, Path())


def corpus_articles() -> list[Article]:
    found = (item.article for path in loading.discover(str(CORPUS)) for item in loading.load(path))
    return [article for article in found if article is not None]


def test_nothing_of_the_corpus_is_cut_by_the_real_model(
    real_embedder: Embedder,
) -> None:
    articles = corpus_articles()
    assert len(articles) >= 48
    for article in articles:
        found = chunking.split_article(article, real_embedder)
        texts = [chunking.embedding_text(article.title, p, real_embedder) for p in found]
        assert max(real_embedder.count_tokens(texts), default=0) <= real_embedder.max_tokens == 256
        words = "".join("".join(p.text.split()) for p in found)
        own = [u for u in split(article.text, article.language) if u.kind in ("prose", "table")]
        for unit in own:
            assert "".join(article.text[unit.start : unit.end].split()) in words
