"""The exact index: what it finds is what comparing one by one finds, whatever came before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.exact import ExactIndex, Owner
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Filters

if TYPE_CHECKING:
    from qa.protocols import Vectors


def vectors(count: int, seed: int = 0) -> Vectors:
    found = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def owners(count: int) -> list[Owner]:
    """Passages p0, p1, ... of articles a0, a1, a2 by turns."""
    return [Owner(f"p{n}", f"a{n % 3}", b"%d" % n) for n in range(count)]


@given(st.integers(0, 40), st.integers(1, 50), st.sets(st.sampled_from(["a0", "a1", "a2", "a9"])))
def test_the_nearest_of_the_wanted_articles_are_found(count: int, k: int, wanted: set[str]) -> None:
    rows, query = vectors(count), vectors(1, seed=1)[0]
    index = ExactIndex(owners(count), rows)
    for articles in (None, wanted):
        expected = sorted(
            (-float(row @ query), passage)
            for (passage, article, _), row in zip(owners(count), rows, strict=True)
            if articles is None or article in articles
        )[:k]
        found = index.search(query, k, articles)
        assert [passage for passage, _ in found] == [passage for _, passage in expected]
        assert [score for _, score in found] == pytest.approx([-s for s, _ in expected], abs=1e-5)


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_a_renewed_index_is_like_one_made_anew(before: set[int], after: set[int]) -> None:
    rows, query = vectors(21), vectors(1, seed=1)[0]

    def made(numbers: set[int]) -> ExactIndex:
        chosen = sorted(numbers)
        return ExactIndex([owners(21)[n] for n in chosen], rows[chosen])

    wanted = [owners(21)[n] for n in sorted(after)]
    old = made(before)
    missing = old.missing(wanted)
    assert set(missing) == {f"p{n}" for n in after - before}
    renewed = old.renewed(wanted, {key: rows[int(key[1:])] for key in missing})
    for articles in (None, {"a1"}):
        found = renewed.search(query, 30, articles)
        expected = made(after).search(query, 30, articles)
        assert [key for key, _ in found] == [key for key, _ in expected]


def test_of_equal_passages_the_order_does_not_depend_on_what_came_first() -> None:
    row = vectors(1)
    both = [Owner("b", "x", b"1"), Owner("a", "y", b"1")]
    one = ExactIndex(both, np.concatenate([row, row]))
    other = ExactIndex(both[::-1], np.concatenate([row, row]))
    assert one.search(row[0], 2) == other.search(row[0], 2)


def test_what_another_process_adds_and_removes_is_seen(library: Library) -> None:
    """The index in memory follows the catalog."""
    nearest = library._store.search
    query = WordEmbedder().embed_query("a kite over the dunes")
    assert nearest(query, 1, Filters())[0][1] < 0.9
    with Library(Settings(library=library.path), embedder=WordEmbedder()) as other:
        other.add([Article("kite", "Kites", "A kite over the dunes.")])
    assert library.search("a kite over the dunes")[0].article.id == "kite"
    assert len(nearest(query, 50, Filters())) == len(library._store.catalog.owners())
    with Library(Settings(library=library.path), embedder=WordEmbedder()) as other:
        other.remove(["kite"])
    assert all(hit.article.id != "kite" for hit in library.search("a kite over the dunes"))


def test_a_passage_under_a_new_title_gets_its_new_vector(library: Library) -> None:
    """Its id is that of its words, which have not changed; what is embedded has."""
    query = WordEmbedder().embed_query("Zeppelins over Tellin")
    before = dict(library._store.search(query, 50, Filters()))
    with Library(Settings(library=library.path), embedder=WordEmbedder()) as other:
        harbour = other.article("harbour")
        other.add([replace(harbour, title="Zeppelins over Tellin")])
    library.search("zeppelins")
    after = dict(library._store.search(query, 50, Filters()))
    first = library.passages("harbour")[0].id
    assert after[first] > before[first] + 0.1
