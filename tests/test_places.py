"""Where a library is: half-built indexes, changed settings, readers during a rebuild."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import chroma_server
import postgres_server
import pytest
from pydantic import SecretStr

from qa import places, store
from qa.errors import LibraryError, SettingsError
from qa.library import Library
from qa.settings import Settings, load_settings
from qa.testing import WordEmbedder
from qa.types import Article
from qa.vectors.server import Server

MANY = [
    Article(f"a{n}", f"Matter {n}", f"This one is about matter {n} of many.") for n in range(40)
]


def bad_checks(library: Library) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in library.check() if not check.ok]


@pytest.mark.parametrize("name", ["chroma", "lexical"])
def test_a_half_built_index_is_never_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A rebuild died just after it had swapped; the next one dies half way."""
    library = Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder())
    library.add(MANY)
    (library.path / f"{name}.whole").touch()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(library._store.catalog), "every_passage", die)
    with pytest.raises(KeyboardInterrupt):
        library.rebuild()
    monkeypatch.undo()
    library.close()
    with Library(library.settings, embedder=WordEmbedder()) as again:
        assert again.search("matter 7", 1)[0].article.id == "a7"
        assert bad_checks(again) == []


def test_an_index_that_was_whole_is_adopted_by_whoever_comes_next(tmp_path: Path) -> None:
    """A rebuild died between the mark and the swap."""
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        library.add(MANY)
    for name in ("chroma", "lexical"):
        (library.path / name).rename(library.path / f"{name}.new")
        (library.path / f"{name}.whole").touch()
    with Library(library.settings, embedder=WordEmbedder()) as again:
        assert again.search("matter 7", 1)[0].article.id == "a7"
        assert bad_checks(again) == []


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Settings]:
    """One library in a folder, and one in a database, each with and without a Chroma server."""
    url = chroma_server.shared(request).url
    database = postgres_server.shared(request).database(f"t{uuid.uuid4().hex[:12]}")
    folder, other = tmp_path / "library", tmp_path / "other"
    return {
        "folder": Settings(library=folder),
        "folder, Chroma": Settings(library=folder, chroma_url=url),
        "PostgreSQL": Settings(library=other, database_url=SecretStr(database)),
        "PostgreSQL, Chroma": Settings(
            library=other, database_url=SecretStr(database), chroma_url=url
        ),
    }


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ("folder", "folder, Chroma"),
        ("folder, Chroma", "folder"),
        ("PostgreSQL", "PostgreSQL, Chroma"),
        ("PostgreSQL, Chroma", "PostgreSQL"),
    ],
)
def test_a_writer_with_other_settings_changes_nothing(
    settings: dict[str, Settings], made: str, used: str
) -> None:
    embedder = WordEmbedder()
    with Library(settings[made], embedder=embedder) as library:
        library.add(MANY[:5])
        paid = len(embedder.embedded)
        with Library(settings[used], embedder=embedder) as other:
            for write in (lambda: other.add(MANY), lambda: other.remove(["a1"])):
                with pytest.raises(LibraryError, match="qa rebuild"):
                    write()
            assert len(embedder.embedded) == paid
            assert [each.id for each in library.articles()] == [each.id for each in MANY[:5]]
            assert bad_checks(library) == []
            other.rebuild()  # moves them
            assert other.add(MANY).count("added") == 35
            assert bad_checks(other) == []
            assert len(embedder.embedded) == len(set(embedder.embedded))


@pytest.mark.parametrize("where", ["folder", "folder, Chroma", "PostgreSQL, Chroma"])
def test_questions_are_answered_while_the_indexes_are_built_anew(
    settings: dict[str, Settings], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "EXACT_PASSAGES", 0)
    ended = threading.Event()
    failed: list[str] = []

    def search(library: Library) -> None:
        while not ended.is_set():
            try:
                assert library.search("matter 7", 1)[0].article.id == "a7"
            except Exception as error:
                failed.append(repr(error))

    with Library(settings[where], embedder=WordEmbedder()) as library:
        library.add(MANY)
        threads = [threading.Thread(target=search, args=(library,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            library.rebuild()
        ended.set()
        for thread in threads:
            thread.join()
        assert failed == []
        assert bad_checks(library) == []


@pytest.mark.parametrize("where", ["folder", "folder, Chroma", "PostgreSQL, Chroma"])
def test_checking_disturbs_nobody_who_adds(settings: dict[str, Settings], where: str) -> None:
    with Library(settings[where], embedder=WordEmbedder()) as library:
        library.add(MANY[:2])
        told: list[object] = []
        adding = threading.Thread(target=lambda: told.append(library.add(MANY)))
        adding.start()
        while adding.is_alive():
            library.check()
        adding.join()
        assert told
        assert len(library.articles()) == 40
        assert bad_checks(library) == []


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://x", "http://", "http://user:word@host:8000", "http://host/a/path"],
)
def test_an_address_that_is_none_of_a_chroma_server_is_one_line(url: str) -> None:
    with pytest.raises(SettingsError, match="QA_CHROMA_URL") as caught:
        Server(url)
    assert "word" not in str(caught.value)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QA_CHROMA_URL", "QA_SIGN_IN", "QA_API_KEYS", "QA_DATABASE_URL"):
        monkeypatch.setenv(name, "")
    assert places.place(load_settings()).name == "library"
