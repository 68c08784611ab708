"""Promises of the store: nothing acknowledged is lost, one writer, indexes that can be rebuilt."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from qa import places, store
from qa.errors import LibraryError, LockedError, ModelMismatchError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Hit

ADDING = """
import sys
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article
from pathlib import Path

library = Library(Settings(library=Path(sys.argv[1])), embedder=WordEmbedder())
for n in range(10_000):
    text = "\\n\\n".join(f"Article {n} has paragraph {m} on matter {n * m}." for m in range(12))
    library.add([Article(f"a{n}", f"Article {n}", text)])
    print(n, flush=True)
"""


def reopened(library: Library) -> Library:
    return Library(library.settings, embedder=library.embedder)


def spans(hits: list[Hit]) -> list[tuple[str, int, int]]:
    return [(hit.article.id, hit.passage.start, hit.passage.end) for hit in hits]


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "library"
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.stdout.close()
    process.wait()
    with Library(Settings(library=path), embedder=WordEmbedder()) as library:
        ids = [listing.id for listing in library.articles()]
        assert {f"a{n}" for n in acknowledged} <= set(ids)
        for key in ids:  # none is half there
            passages = "".join(passage.text for passage in library.passages(key))
            assert "".join(passages.split()) == "".join(library.article(key).text.split())
        library.add([Article("after", "After", "Added after the kill.")])
        assert [check for check in library.check() if not check.ok] == []
        assert library.search("added after the kill")[0].article.id == "after"


def test_a_second_writer_is_refused_by_name(library: Library) -> None:
    with places.writing(library.path), pytest.raises(LockedError, match=str(os.getpid())) as caught:
        reopened(library).add([Article("b", "B", "Text.")])
    assert caught.value.exit_code == 3
    assert len(library.articles()) == 3
    library.add([Article("b", "B", "Text.")])
    assert len(library.articles()) == 4


def test_a_reader_sees_what_another_process_adds(library: Library) -> None:
    assert library.search("zeppelin")[0].article.id != "z"
    code = (
        "import sys; from pathlib import Path; from qa.library import Library; "
        "from qa.settings import Settings; from qa.testing import WordEmbedder; "
        "from qa.types import Article; "
        "Library(Settings(library=Path(sys.argv[1])), embedder=WordEmbedder())"
        ".add([Article('z', 'Zeppelin', 'A zeppelin landed on Corn Square.')])"
    )
    subprocess.run([sys.executable, "-c", code, str(library.path)], check=True)
    hit = library.search("zeppelin")[0]
    assert hit.article.id == "z"
    assert set(hit.ranks) == {"lexical", "dense"}


def test_removed_articles_are_gone_everywhere(library: Library) -> None:
    library.remove(["harbour"])
    assert "harbour" not in {listing.id for listing in library.articles()}
    assert "harbour" not in {hit.article.id for hit in library.search("harbour wall reopened")}
    assert all(check.ok for check in library.check())


@pytest.mark.parametrize("name", ["lexical", "chroma"])
def test_a_lost_index_is_noticed_and_rebuilt_without_embedding(
    library: Library, embedder: WordEmbedder, name: str
) -> None:
    before = spans(library.search("harbour wall storm"))
    library.close()
    shutil.rmtree(library.path / name)
    broken = [check for check in library.check() if not check.ok]
    assert broken
    assert all("qa rebuild" in check.fix for check in broken)
    if name == "lexical":
        with pytest.raises(LibraryError, match="qa rebuild"):
            library.search("harbour")
    else:  # a small library compares the catalog's own vectors
        assert spans(library.search("harbour wall storm")) == before
    embedder.embedded.clear()
    assert library.rebuild() == sum(listing.passages for listing in library.articles())
    assert embedder.embedded == []
    assert spans(library.search("harbour wall storm")) == before
    assert all(check.ok for check in library.check())


def test_a_large_library_without_its_vectors_says_what_to_do(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "EXACT_PASSAGES", 0)
    library.close()
    shutil.rmtree(library.path / "chroma")
    with pytest.raises(LibraryError, match="qa rebuild"):
        library.search("harbour")


def test_vectors_that_do_not_find_themselves_are_noticed(library: Library) -> None:
    passage = library.passages("harbour")[0]
    wrong = WordEmbedder().embed_query("quite different words altogether")
    assert library._store.vectors is not None
    library._store.vectors.upsert([(passage, library.article("harbour"), wrong)])
    failed = [check for check in library.check() if not check.ok]
    assert [check.name for check in failed] == ["vectors"]
    assert "1 vectors lost or changed" in failed[0].detail


def test_vectors_missing_from_the_index_are_noticed(library: Library) -> None:
    assert library._store.vectors is not None
    library._store.vectors.delete([library.passages("harbour")[0].id])
    failed = [check for check in library.check() if not check.ok]
    assert [(check.name, check.fix) for check in failed] == [("vectors", "Run: qa rebuild")]


def test_another_model_is_refused_with_both_names_and_the_way_out(library: Library) -> None:
    library.close()
    other = Library(library.settings, embedder=WordEmbedder(name="fake/other"))
    for use in (lambda: other.search("harbour"), lambda: other.add([Article("b", "B", "Text.")])):
        with pytest.raises(ModelMismatchError, match="qa rebuild --embed") as caught:
            use()
        assert "fake/words" in str(caught.value)
        assert "fake/other" in str(caught.value)
    assert other.rebuild(embed=True) > 0
    assert other.search("harbour wall")[0].article.id == "harbour"
    assert all(check.ok for check in other.check())
    with pytest.raises(ModelMismatchError):
        library.search("harbour")
    other.close()


def test_spans_are_exact_after_a_new_model_and_a_rebuild(library: Library) -> None:
    library.rebuild()
    with Library(library.settings, embedder=WordEmbedder(name="x", max_tokens=12)) as other:
        other.rebuild(embed=True)
        for listing in other.articles():
            text = other.article(listing.id).text
            found = other.passages(listing.id)
            assert found
            assert all(text[p.start : p.end] == p.text for p in found)


def test_a_crash_between_index_and_catalog_leaves_no_ghost(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = library._store

    def full_disk(records: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(opened.catalog, "publish", full_disk)
        with pytest.raises(LibraryError, match="disk is full"):
            library.add([Article("ghost", "Ghost", "A ghost walks on Corn Square.")])
    assert "ghost" not in {listing.id for listing in library.articles()}
    assert all(hit.article.id != "ghost" for hit in library.search("ghost walks"))
    library.add([Article("b", "B", "Another text.")])
    assert opened.catalog.journal() == []
    assert all(check.ok for check in library.check())


def test_a_library_of_another_version_is_refused(library: Library) -> None:
    library.close()
    with sqlite3.connect(library.path / "catalog.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LibraryError, match="99"):
        library.search("harbour")


def test_a_damaged_catalog_is_a_clear_error(library: Library) -> None:
    library.close()
    (library.path / "catalog.db").write_bytes(b"not a database at all" * 100)
    for name in ("catalog.db-wal", "catalog.db-shm"):
        (library.path / name).unlink(missing_ok=True)
    with pytest.raises(LibraryError, match="cannot be"):
        library.search("harbour")


def test_the_folder_is_private(library: Library) -> None:
    assert library.path.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_a_clear_error_and_loses_nothing(library: Library, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: every store meets the same refusal."""
    library.close()
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "big", "text": "' + "A sentence of some words here. " * 40_000 + '"}')
    code = (
        "import resource, sys; from qa import cli; from qa import library as l; "
        "from qa.testing import WordEmbedder; "
        "l.embedding.choose = lambda name, graphs: WordEmbedder(); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); "
        "sys.exit(cli.run(['--library', sys.argv[1], 'add', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(library.path), str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "free space" in done.stderr
    assert "Traceback" not in done.stderr
    assert {listing.id for listing in library.articles()} == {"harbour", "library", "undated"}
    library.add([rows])
    assert len(library.articles()) == 4
    assert all(check.ok for check in library.check())
