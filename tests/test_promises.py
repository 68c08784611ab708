"""The promises hold wherever a library is: in a folder, or its parts on servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import chroma_server
import postgres_server
import pytest

from qa import store
from qa.errors import LibraryError, LockedError
from qa.library import Library
from qa.settings import Settings, load_settings
from qa.testing import WordEmbedder
from qa.types import Article, Filters, Hit

PLACES = ["folder", "folder, Chroma", "PostgreSQL", "PostgreSQL, Chroma"]
ADDING = """
import sys
from qa.library import Library
from qa.settings import load_settings
from qa.testing import WordEmbedder
from qa.types import Article

library = Library(load_settings(), embedder=WordEmbedder())
for n in range(10_000):
    text = "\\n\\n".join(f"Article {n} has paragraph {m} on matter {n * m}." for m in range(12))
    library.add([Article(f"a{n}", f"Article {n}", text)])
    print(n, flush=True)
"""
ODD = Article(
    "odd/€ 1",
    "The “odd” one's title \\ % _",
    "It has a tab\there, a NUL\x00there, an emoji 📚 and 東京タワー in one line.\r\n\r\n"
    "It's quoted: 'single', \"double\", back\\slash, and costs 4.2 million crowns.",
    publisher="O'Reilly & 東京",
    published="2031-02",
    metadata={"kind": "odd", "list": [1, 2], "nul": "a\x00b"},
)

Asking = Callable[[Library], object]


def environment(request: pytest.FixtureRequest, where: str, folder: Path) -> dict[str, str]:
    """The settings of a new library there, as environment variables."""
    found = {"QA_LIBRARY": str(folder / "library")}
    if "PostgreSQL" in where:
        server = postgres_server.shared(request)
        found["QA_DATABASE_URL"] = server.database(f"t{uuid.uuid4().hex[:12]}")
    if "Chroma" in where:
        found["QA_CHROMA_URL"] = chroma_server.shared(request).url
    return found


@pytest.fixture(params=PLACES)
def where(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A new place, which the environment names, and in which vectors are not held in memory."""
    found = environment(request, request.param, tmp_path)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "EXACT_PASSAGES", 0)
    monkeypatch.setattr(store, "FILTERED_IN_MEMORY", 0)
    monkeypatch.setattr(store, "FILTERED_PASSAGES", 0)
    return found


@pytest.fixture
def library(where: dict[str, str], articles: list[Article]) -> Iterator[Library]:
    with Library(load_settings(), embedder=WordEmbedder()) as opened:
        opened.add([*articles, ODD])
        yield opened


@pytest.fixture
def plain(tmp_path: Path, articles: list[Article]) -> Iterator[Library]:
    """The same articles in a folder."""
    with Library(Settings(library=tmp_path / "plain"), embedder=WordEmbedder()) as opened:
        opened.add([*articles, ODD])
        yield opened


def again(library: Library) -> Library:
    return Library(library.settings, embedder=WordEmbedder())


def found(hits: list[Hit]) -> list[tuple[str, int, int]]:
    return [(hit.article.id, hit.passage.start, hit.passage.end) for hit in hits]


def assert_well(library: Library) -> None:
    assert [check for check in library.check() if not check.ok] == []


def test_every_article_comes_back_as_it_was_given(
    library: Library, articles: list[Article]
) -> None:
    for article in [*articles, ODD]:
        assert library.article(article.id) == article
        spans = library.passages(article.id)
        assert spans
        assert all(article.text[p.start : p.end] == p.text for p in spans)
    assert_well(library)


def test_citations_are_exact_also_after_everything_was_built_anew(library: Library) -> None:
    question = "How many crowns did the work on the harbour wall cost?"
    before = library.ask(question)
    library.rebuild()
    assert_well(library)
    library.rebuild(embed=True)
    answer = library.ask(question)
    assert answer.status == "answered"
    assert answer.text == before.text
    for citation in answer.citations:
        article = library.article(citation.article.id)
        assert article.text[citation.start : citation.end] == citation.quote != ""


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(publishers=("Check Gazette", "O'Reilly & 東京")),
        Filters(after=date(2031, 3, 1)),
        Filters(before=date(2031, 3, 4)),
        Filters(after=date(2031, 3, 4), before=date(2031, 3, 4)),
        Filters(article_ids=("library", "odd/€ 1")),
        Filters(publishers=("Town News",), article_ids=("harbour",)),
    ],
)
def test_hits_and_answers_are_those_of_a_folder(
    library: Library, plain: Library, filters: Filters
) -> None:
    for query in ("harbour wall repairs crowns", "chairs library visits", "ferry sundays", "東京"):
        ours, theirs = (each.search(query, 10, filters) for each in (library, plain))
        assert {h.passage.id for h in ours} == {h.passage.id for h in theirs}
        assert found(ours)[:1] == found(theirs)[:1]
        for hit in ours:
            assert hit.article.text[hit.passage.start : hit.passage.end] == hit.passage.text
    question = "How long had the harbour wall been under repair?"
    answers = [each.ask(question, filters=filters) for each in (library, plain)]
    assert len({(answer.status, answer.text) for answer in answers}) == 1


def test_lists_counts_and_notes_are_those_of_a_folder(library: Library, plain: Library) -> None:
    asked: list[Asking] = [
        lambda each: each.articles(),
        lambda each: each.find_articles("e", 2),
        lambda each: each.find_articles("_ %", 9),
        lambda each: each.find_articles("HARBOUR gazette", 9),
        lambda each: each.span(),
        lambda each: each.size(),
        lambda each: each.publishers(),
        lambda each: each.count(Filters(after=date(2031, 3, 1))),
        lambda each: each.questions(),
        lambda each: each.articles_from("nowhere"),
        lambda each: {w: each.statistics.document_frequency(w) for w in ("the", "wall", "nil")},
    ]
    for question in asked:
        assert question(library) == question(plain)


def test_adding_updating_removing_leave_what_they_should(library: Library) -> None:
    report = library.add([ODD, replace(ODD, text="Now it is on a zeppelin.")][1:])
    assert report.count("updated") == 1
    assert library.add([replace(ODD, text="Now it is on a zeppelin.")]).count("unchanged") == 1
    assert library.search("zeppelin", 1)[0].article.id == ODD.id
    library.remove(["harbour"])
    assert "harbour" not in {hit.article.id for hit in library.search("harbour wall", 10)}
    assert [each.id for each in library.articles()] == ["library", ODD.id, "undated"]
    assert_well(library)


def test_files_are_read_once_and_pruned(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.txt").write_text(f"The text of {name} is about submarines.", "utf-8")
    assert library.add([folder]).count("added") == 2
    with again(library) as other:
        assert other.add([folder]).count("unchanged") == 2
    (folder / "two.txt").unlink()
    assert [each.status for each in library.add([folder]).vanished] == ["removed"]
    assert library.add([folder], prune=True).count("removed") == 1
    assert len(library.articles()) == 5
    assert_well(library)


def test_a_reader_sees_what_another_process_writes(library: Library) -> None:
    assert library.search("zeppelin")[0].article.id != "z"
    generation = library.generation
    code = (
        "from qa.library import Library; from qa.settings import load_settings; "
        "from qa.testing import WordEmbedder; from qa.types import Article; "
        "library = Library(load_settings(), embedder=WordEmbedder()); "
        "library.add([Article('z', 'Zeppelin', 'A zeppelin flew over Tellin.')]); "
        "library.remove(['harbour']); library.close()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert library.generation > generation
    assert library.search("zeppelin")[0].article.id == "z"
    assert "harbour" not in {hit.article.id for hit in library.search("harbour wall", 10)}
    assert_well(library)


def test_one_writes_at_a_time(library: Library) -> None:
    with library.place.writing():
        with again(library) as other, pytest.raises(LockedError, match=str(os.getpid())) as caught:
            other.add([Article("b", "B", "Text.")])
        assert caught.value.exit_code == 3
    assert len(library.articles()) == 4
    assert library.add([Article("b", "B", "Text.")]).count("added") == 1


def test_what_was_acknowledged_is_there_after_a_kill(where: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.stdout.close()
    process.wait()
    with Library(load_settings(), embedder=WordEmbedder()) as library:
        ids = [listing.id for listing in library.articles()]
        assert {f"a{n}" for n in acknowledged} <= set(ids)
        for key in ids:  # none is half there
            passages = "".join(passage.text for passage in library.passages(key))
            assert "".join(passages.split()) == "".join(library.article(key).text.split())
        library.add([Article("after", "After", "Added after the kill.")])
        assert_well(library)
        assert library.search("added after the kill")[0].article.id == "after"


def test_a_library_moves_between_places_without_embedding_anything(
    request: pytest.FixtureRequest, tmp_path: Path, articles: list[Article]
) -> None:
    """The catalog stays; the vectors go to a server and back, and are not looked for elsewhere."""
    here = Settings(library=tmp_path / "library")
    there = Settings(library=tmp_path / "library", chroma_url=chroma_server.shared(request).url)
    embedder = WordEmbedder()
    with Library(here, embedder=embedder) as library:
        library.add(articles)
    paid = len(embedder.embedded)
    for settings, other in ((there, here), (here, there)):
        with Library(settings, embedder=embedder) as library:
            checks = {check.name: check for check in library.check()}
            assert not checks["vectors"].ok
            assert "qa rebuild" in checks["vectors"].fix
            library.rebuild()
            assert_well(library)
            assert library.search("harbour wall", 1)[0].article.id == "harbour"
        with (
            Library(other, embedder=embedder) as library,
            pytest.raises(LibraryError, match="qa rebuild"),
        ):
            library.place.vectors(library._store.catalog)
    assert len(embedder.embedded) == paid
