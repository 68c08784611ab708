"""Retrievers: every one keeps the contract; filters act inside; copies are folded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from qa import fusion, store
from qa.library import Library
from qa.protocols import Retriever
from qa.retrieval import DenseRetriever, HybridRetriever, LexicalRetriever
from qa.settings import Settings
from qa.testing import RetrieverContract, WordEmbedder
from qa.types import Article, Filters

SIZES = {
    "small": (1000, 0, 0),
    "large, few left by a filter": (0, 1000, 0),
    "large, many left by a filter": (0, 0, 1000),
    "very large": (0, 0, 0),
}


@pytest.fixture(params=SIZES, autouse=True)
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How vectors are compared depends on the size of the library, what is found does not."""
    limits = ("EXACT_PASSAGES", "FILTERED_PASSAGES", "FILTERED_IN_MEMORY")
    for name, value in zip(limits, SIZES[request.param], strict=True):
        monkeypatch.setattr(store, name, value)
    return str(request.param)


class TestEveryRetriever(RetrieverContract):
    @pytest.fixture(params=["lexical", "dense", "hybrid", "collapsing"])
    def retriever(self, request: pytest.FixtureRequest, library: Library) -> Retriever:
        opened = library._matching_store()
        lexical = LexicalRetriever(opened.catalog, opened.lexical)
        dense = DenseRetriever(opened.catalog, opened, library.embedder)
        retrievers: dict[str, Retriever] = {
            "lexical": lexical,
            "dense": dense,
            "hybrid": HybridRetriever(opened.catalog, lexical, dense),
            "collapsing": library._retriever,
        }
        return retrievers[request.param]

    @pytest.fixture
    def query(self) -> str:
        return "town library open until nine"


def found(library: Library, query: str, filters: Filters) -> set[str]:
    return {hit.article.id for hit in library.search(query, 10, filters)}


def test_filters_by_publisher_date_and_article(library: Library) -> None:
    query = "the harbour wall, the town library and the ferry"
    assert found(library, query, Filters()) == {"harbour", "library", "undated"}
    assert found(library, query, Filters(publishers=("Town News",))) == {"library"}
    assert found(library, query, Filters(publishers=("Town News", "Check Gazette"))) == {
        "harbour",
        "library",
    }
    assert found(library, query, Filters(after=date(2031, 5, 20))) == {"library"}
    assert found(library, query, Filters(before=date(2031, 3, 4))) == {"harbour"}
    assert found(library, query, Filters(after=date(2031, 3, 5), before=date(2031, 5, 19))) == set()
    assert found(library, query, Filters(article_ids=("undated", "harbour"))) == {
        "undated",
        "harbour",
    }


def test_a_filter_acts_before_the_cut(tmp_path: Path) -> None:
    many = [Article(f"a{n}", "Tram", "The tram runs to Lindenhoe.") for n in range(150)]
    wanted = Article("b", "Tram", "The tram may run to Lindenhoe one day.", publisher="Rare Press")
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        library.add([*many, wanted])
        hits = library.search("tram to Lindenhoe", 5, Filters(publishers=("Rare Press",)))
        assert [hit.article.id for hit in hits] == ["b"]
        assert set(hits[0].ranks) == {"lexical", "dense"}


def test_a_date_of_reduced_precision_counts_as_its_first_day(tmp_path: Path) -> None:
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        library.add([Article("a", "Tram", "The tram runs.", published="2024-05")])
        assert found(library, "tram", Filters(after=date(2024, 5, 1))) == {"a"}
        assert found(library, "tram", Filters(after=date(2024, 5, 2))) == set()
        assert library.article("a").published == "2024-05"


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Library]:
    lead = "The river Sorrel burst its banks on Friday night and flooded the town of Varnholt. "
    body = (
        "Firemen carried forty people from their homes by boat, and the school hall was opened for "
        "those who had to leave. The water stood two metres high in Corn Square by midnight. "
        "Nobody was hurt, the brigade said, and the river fell again towards the morning."
    )
    other = "The river authority said that the gauge at Pell had failed an hour before the flood."
    with Library(
        Settings(library=tmp_path / "copies"), embedder=WordEmbedder(max_tokens=200)
    ) as library:
        library.add(
            [
                Article("wire", "River floods town", lead + body, publisher="Wire"),
                Article("courier", "Flood in Varnholt", lead.replace("Friday", "Saturday") + body),
                Article("authority", "Gauge failed", other),
            ]
        )
        yield library


def test_near_identical_copies_are_one_hit(copies: Library) -> None:
    hits = copies.search("When did the river Sorrel flood the town?")
    first = hits[0]
    assert {first.article.id, *first.copies} == {"wire", "courier"}
    assert [hit.article.id for hit in hits[1:]] == ["authority"]
    assert hits[1].copies == ()


def test_names_and_numbers_are_found_exactly(library: Library) -> None:
    assert library.search("4.2 million")[0].article.id == "harbour"
    assert library.search("Oda Rehn")[0].article.id == "library"


def test_other_scripts_are_found(tmp_path: Path) -> None:
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        library.add(
            [
                Article("zh", "茶园", "云岭茶园去年收获了三百公斤春茶。"),
                Article("el", "Λιμάνι", "Το λιμάνι άνοιξε ξανά τον Μάιο."),
            ]
        )
        assert library.search("春茶")[0].article.id == "zh"
        assert library.search("λιμάνι")[0].article.id == "el"


def test_words_nobody_wrote_find_nothing_lexically(library: Library) -> None:
    opened = library._matching_store()
    assert LexicalRetriever(opened.catalog, opened.lexical).retrieve("zyx", 5, Filters()) == []


def test_lexical_scores_of_given_passages_agree_with_the_search(library: Library) -> None:
    index = library._matching_store().lexical
    searched = dict(index.search("harbour wall ferries", 10, Filters()))
    assert searched
    assert index.score("harbour wall ferries", list(searched)) == pytest.approx(searched)


def test_fusion_weighs_coverage_and_cosine() -> None:
    weight = fusion.LEXICAL_WEIGHT
    fused = fusion.fuse({"a": 5.0, "b": 0.0}, {"a": 0.2, "b": 0.4}, best_lexical=10.0)
    assert fused == pytest.approx({"a": weight * 0.5 + (1 - weight) * 0.2, "b": (1 - weight) * 0.4})
    assert fusion.ranking({"x": 1.0, "b": 2.0, "a": 2.0}) == ["a", "b", "x"]


def test_containment_is_the_share_of_shared_shingles() -> None:
    def contained(text: str) -> float:
        others = fusion.shingles("the river burst its banks".split())
        return fusion.containment(fusion.shingles(text.split()), others)

    assert contained("the river burst its") == 1.0
    assert contained("the river burst its dam") == 0.5
    assert contained("too few words") == 0.0


def test_a_passage_without_a_vector_is_ranked_by_its_words() -> None:
    fused = fusion.fuse({"a": 5.0, "b": 4.0}, {"b": 0.1}, best_lexical=10.0)
    assert fused["a"] == pytest.approx(0.5)
    assert fusion.ranking(fused) == ["a", "b"]
