"""A library in PostgreSQL: the same as in SQLite, one writer, and what if the server goes away."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import postgres_server
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_server import Server
from sqlalchemy import text

from qa import postgres
from qa.catalog import ArticleRecord, Catalog
from qa.catalog.postgres import PostgresCatalog
from qa.catalog.sqlite import SqliteCatalog
from qa.chunking import split_article
from qa.errors import LibraryError, LockedError, QaError, SettingsError
from qa.lexical.postgres import PostgresLexical
from qa.postgres import migrating
from qa.postgres.database import Database
from qa.postgres.tables import VERSION_TABLE, metadata, original, storable
from qa.testing import WordEmbedder
from qa.types import Article, Filters, Passage

ROOT = str(Path(__file__).parents[1])
ADDING = """
import sys
from qa import postgres
from qa.catalog import ArticleRecord
from qa.catalog.postgres import PostgresCatalog
from qa.types import Article, Passage

database = postgres.connect(sys.argv[1])
catalog = PostgresCatalog(database)
with database.writing():
    for n in range(int(sys.argv[2])):
        article = Article(f"a{n}", f"Article {n}", f"Matter {n} is settled. " * 20)
        passages = (Passage(f"p{n}", article.id, 0, len(article.text), article.text),)
        catalog.publish([ArticleRecord(article, "", "", passages, (b"%d" % n,))])
        print(n, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    return postgres_server.shared(request)


@pytest.fixture
def url(server: Server) -> str:
    return server.database("library")


@pytest.fixture
def connect() -> Iterator[Callable[[str], Database]]:
    """Closes what it has connected to."""
    opened: list[Database] = []

    def connected(url: str) -> Database:
        opened.append(postgres.connect(url))
        return opened[-1]

    yield connected
    for each in opened:
        each.close()


@pytest.fixture
def database(url: str, connect: Callable[[str], Database]) -> Database:
    made = connect(url)
    made.create("fake@1")
    return made


def record(article: Article, source: str = "s", root: str = "r") -> ArticleRecord:
    passages = tuple(split_article(article, WordEmbedder()))
    hashes = tuple(passage.id.encode() for passage in passages)
    return ArticleRecord(article, source, root, passages, hashes)


def whole(key: str, text: str) -> ArticleRecord:
    """One passage, which is the whole text."""
    passage = Passage(f"p-{key}", key, 0, len(text), text, text[:9])
    return ArticleRecord(Article(key, text, text), key, "", (passage,), (key.encode(),))


def adding(url: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDING, url, str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it still had to say on stderr."""
    _, said = process.communicate(timeout=60)
    return said


# The same as in SQLite


def _filled(catalog: Catalog, articles: list[Article]) -> None:
    """What adding, updating, moving and removing do."""
    records = [record(article, f"/f/{article.id}.md", "/f") for article in articles]
    records += [
        record(Article(f"many{n}", f"Über {n} 100%_~", f"Zeile {n}.\n\n東京。"), f"/f/m.jsonl:{n}")
        for n in range(3)
    ]
    coming = [passage.id for each in records for passage in each.passages]
    catalog.expect(coming)
    catalog.publish(records)
    keys = [key for each in records for key in each.embedding_hashes]
    catalog.put_embeddings({key: np.full(4, n, np.float32) for n, key in enumerate(keys[:-1])})
    catalog.put_embeddings({keys[0]: np.full(4, 9, np.float32)})
    catalog.publish([record(Article("many1", "Changed", "Other words now."), "/f/m.jsonl:1")])
    catalog.settle(coming[:2])
    catalog.move({"undated": ("/g/u.md", "/g"), "many0": ("/f/m.jsonl:0", "r")})
    catalog.note_files({("/f/m.jsonl", b"1"): {"many0": articles[0].content_hash}})
    held = {each.article.id: each.article.content_hash for each in records[:2]}
    catalog.note_files({("/f/two", b"2"): held, ("/f/none", b"3"): {}})
    catalog.remove(["many2"])
    catalog.note("colour", "green")


def _seen(catalog: Catalog) -> dict[str, Any]:
    """Everything that can be read of a catalog."""
    ids = sorted(catalog.all_passage_ids())
    owners, vectors = catalog.vectors_of()
    keys = [owner.embedded for owner in catalog.owners()]
    some, of_some = catalog.vectors_of(["harbour", "no-such"])
    everything = [
        Filters(),
        Filters(publishers=("Town News", "x")),
        Filters(after=date(2031, 4, 1)),
    ]
    everything += [Filters(before=date(2031, 4, 1), article_ids=("harbour", "library"))]
    return {
        "counts": (catalog.generation, catalog.article_count(), catalog.passage_count()),
        "count of": catalog.passage_count(["harbour", "x"]),
        "noted": (catalog.noted("colour"), catalog.noted("x"), catalog.fingerprint),
        "matching": [catalog.matching(each) for each in everything],
        "owners": sorted(catalog.owners()),
        "articles": catalog.articles(["harbour", "many1", "x"]),
        "listings": catalog.listings(),
        "found": [catalog.find(w, 2) for w in ("", "HARBOUR", "library town", "%_~", "über", "Ü")],
        "span": catalog.span(),
        "sources": [catalog.source_of(key) for key in ("undated", "many0", "x")],
        "from": [catalog.articles_from(f) for f in ("/f/m.jsonl", "/g/u.md", "/f")],
        "suggestions": [catalog.suggestions(None, 9), catalog.suggestions(["harbour", "x"], 1)],
        "publishers": catalog.publishers(),
        "passages": catalog.passages([*ids, "x"]),
        "of": [catalog.passages_of(key) for key in ("harbour", "x")],
        "hashes": catalog.content_hashes(["many1", "x"]),
        "read": [
            catalog.read_before(files)
            for files in ({"/f/m.jsonl": b"1", "/f/two": b"2", "/x": b"1"}, {"/f/two": b"3"}, {})
        ],
        "roots": (catalog.from_root("/f"), catalog.from_root("/g")),
        "embeddings": _plain(catalog.embeddings([*keys, b"x"])),
        "vectors": _plain(catalog.vectors([*ids, "x"])),
        "all vectors": sorted((o, v.tolist()) for o, v in zip(owners, vectors, strict=True)),
        "some vectors": sorted((o, v.tolist()) for o, v in zip(some, of_some, strict=True)),
        "every": [[p.id for p, _ in batch] for batch in catalog.every_passage(3)],
        "journal": (sorted(catalog.journal()), sorted(catalog.withdrawn())),
        "pending": (catalog.pending_count(), catalog.pending(3), catalog.missing_embeddings()),
        "pages": [
            catalog.pending(1),
            catalog.pending(9, ("harbour", 0)),
            catalog.pending(1, ("x", 9)),
        ],
        "count": [catalog.count(each) for each in everything],
        "damage": catalog.damage(),
    }


def _plain(vectors: dict[Any, Any]) -> dict[Any, list[float]]:
    return {key: vector.tolist() for key, vector in vectors.items()}


def test_every_method_answers_as_in_sqlite(
    database: Database, tmp_path: Path, articles: list[Article]
) -> None:
    ours = PostgresCatalog(database)
    theirs = SqliteCatalog.create(tmp_path / "catalog.db", "fake@1", {})
    for catalog in (ours, theirs):
        _filled(catalog, articles)
    assert _seen(ours) == _seen(theirs)
    for catalog in (ours, theirs):
        catalog.clear_journal(catalog.withdrawn())
        catalog.settle_embedded()
        catalog.drop_unused_embeddings()
        catalog.upgrade()
    assert _seen(ours) == _seen(theirs)
    for catalog in (ours, theirs):
        before = catalog.all_passage_ids()
        catalog.reset_model("fake@2", [record(articles[0])])
        assert set(catalog.journal()) == before | catalog.all_passage_ids()
        assert catalog.pending_count() == catalog.passage_count() > 0
    assert _seen(ours) == _seen(theirs)
    theirs.close()


def test_what_is_withdrawn_is_told(
    database: Database, tmp_path: Path, articles: list[Article]
) -> None:
    theirs = SqliteCatalog.create(tmp_path / "catalog.db", "fake@1", {})
    for catalog in (PostgresCatalog(database), theirs):
        first = record(articles[0])
        assert catalog.publish([first]) == []
        catalog.put_embeddings({key: np.ones(4, np.float32) for key in first.embedding_hashes})
        kept, *gone = first.passages
        assert gone
        shorter = ArticleRecord(first.article, "", "", (kept,), first.embedding_hashes[:1])
        assert sorted(catalog.publish([shorter])) == sorted(each.id for each in gone)
        assert catalog.embeddings(first.embedding_hashes).keys() == {first.embedding_hashes[0]}
        assert catalog.remove([first.article.id, "x"]) == [kept.id]
        assert catalog.embeddings(first.embedding_hashes) == {}
        assert sorted(catalog.withdrawn()) == sorted(each.id for each in first.passages)
    theirs.close()


def test_long_names_fit_into_the_indexes(database: Database) -> None:
    chance = random.Random(3)
    long = "/" + "".join(chance.choices("abcdefghijklmnop€", k=6_000))  # no way to compress it
    catalog = PostgresCatalog(database)
    article = Article(long[:1_900].replace("€", "e"), "T", "Text.", publisher=long)
    other = Article("other", "T", "Text.", publisher=long[:5_999])
    catalog.publish([record(article, long, long), record(other, long, long[:5_999])])
    catalog.note_files({(long, b"1"): {article.id: article.content_hash}})
    assert catalog.matching(Filters(publishers=(long,))) == {article.id}
    assert set(catalog.from_root(long[:5_999])) == {"other"}
    assert [kept.id for kept in catalog.read_before({long: b"1"})[long]] == [article.id]
    catalog.note_files({(long, b"2"): {}})
    assert catalog.read_before({long: b"1"}) == {}
    plan = "EXPLAIN SELECT 1 FROM qa_articles WHERE left(root, 500) = 'r' AND root = 'r'"
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        assert "qa_articles_by_root" in str(connection.exec_driver_sql(plan).all())


TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from("\0\x1a\ud800\udfff0af'\\"))
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXTS.filter(bool))
def test_any_text_comes_back_as_it_was(database: Database, text: str) -> None:
    catalog = PostgresCatalog(database)
    made = whole(text, text)
    catalog.publish([made])
    assert catalog.articles([text]) == {text: made.article}
    assert catalog.passages([f"p-{text}"]) == {f"p-{text}": (made.passages[0], made.article)}
    assert catalog.source_of(text) == text
    catalog.remove([text])
    assert catalog.article(text) is None


@given(TEXTS)
def test_only_what_postgresql_refuses_is_escaped(text: str) -> None:
    stored = storable(text)
    assert original(stored) == text
    assert "\0" not in stored
    stored.encode()  # no halves of pairs are left
    if not set(text) & {"\0", "\x1a"} and text.isprintable():
        assert stored == text


# One writer


def test_a_second_writer_is_refused_by_name_until_the_first_is_gone(
    url: str, database: Database
) -> None:
    process = adding(url, 2)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
    with pytest.raises(LockedError, match=rf"process {process.pid} on .*since \d\d:\d\d") as caught:
        PostgresCatalog(database).remove(["a0"])
    assert "s3cret" not in str(caught.value)
    process.send_signal(signal.SIGKILL)
    ended(process)
    with database.writing():
        PostgresCatalog(database).remove(["a0"])
    assert PostgresCatalog(database).article_count() == 1


def test_threads_of_one_program_take_turns_too(database: Database) -> None:
    second = database.writing()
    with database.writing(), pytest.raises(LockedError, match=f"process {os.getpid()} "), second:
        pass
    catalog = PostgresCatalog(database)
    with database.writing():  # what its own threads write is the one writer's
        threads = [
            threading.Thread(target=catalog.publish, args=([whole(f"t{n}", f"Text {n}.")],))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert catalog.article_count() == 4


def test_libraries_in_two_schemas_do_not_meet(
    server: Server, url: str, database: Database, connect: Callable[[str], Database]
) -> None:
    server.execute("CREATE SCHEMA other", "library")
    other = connect(f"{url}?options=-csearch_path%3Dother")
    assert not other.exists()
    other.create("fake@2")
    with database.writing(), other.writing():
        PostgresCatalog(other).publish([whole("one", "Only here.")])
    assert PostgresCatalog(database).article_count() == 0
    assert PostgresCatalog(other).fingerprint == "fake@2"
    server.execute("CREATE SCHEMA third", "library")
    third = connect(f"{url}?options=-csearch_path%3Dthird,public")
    assert not third.exists()
    third.create("fake@3", {"vectors": "memory"})
    assert PostgresCatalog(third).fingerprint == "fake@3"
    assert PostgresCatalog(third).noted("vectors") == "memory"
    assert PostgresCatalog(database).fingerprint == "fake@1"
    missing = connect(f"{url}?options=-csearch_path%3Dnowhere")
    with pytest.raises(LibraryError, match="does not exist"):
        missing.create("fake@1")


def test_a_writer_that_lost_its_lock_writes_no_more(server: Server, database: Database) -> None:
    catalog = PostgresCatalog(database)
    with database.writing():
        catalog.publish([whole("before", "Acknowledged.")])
        ending = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        server.execute(ending)
        with pytest.raises(LibraryError, match=r"lost.*reported as added are safe"):
            catalog.publish([whole("without", "Not locked any more.")])
        with pytest.raises(LibraryError, match=r"lost.*run this again"):
            catalog.publish([whole("still", "Not locked.")])
        assert catalog.article_count() == 1  # reading goes on
    catalog.publish([whole("after", "A new writer.")])
    assert [each.id for each in catalog.listings()] == ["after", "before"]


def test_a_pooler_that_swaps_sessions_is_noticed(database: Database) -> None:
    with database.writing():
        held = database._writer
        with database._writers.connect() as another:
            database._writer = another
            with pytest.raises(LibraryError, match="session mode"):
                PostgresCatalog(database).publish([whole("x", "Text.")])
        database._writer = held


def test_what_fails_in_the_middle_leaves_nothing(database: Database) -> None:
    catalog = PostgresCatalog(database)
    catalog.publish([whole("one", "First words.")])
    before = _seen(catalog)
    same = whole("two", "Second words.")
    with pytest.raises(LibraryError, match="duplicate key"):
        catalog.publish([whole("one", "Changed."), same, same])
    assert _seen(catalog) == before
    _check_counts(database)


# Going away


def test_a_server_that_is_restarted_is_read_again(server: Server, database: Database) -> None:
    catalog, lexical = PostgresCatalog(database), PostgresLexical(database)
    catalog.publish([whole("one", "A zeppelin landed.")])
    server.stop()
    for use in (catalog.listings, lambda: lexical.search("zeppelin", 3, Filters())):
        with pytest.raises(LibraryError, match=r"postgresql://127\.0\.0\.1:\d+/library") as caught:
            use()
        assert "s3cret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    server.start()
    assert catalog.passages(["p-one"])  # on connections that are all dead
    server.stop()
    server.start()
    assert lexical.search("zeppelin", 3, Filters())[0][0] == "p-one"
    server.stop()
    server.start()
    assert len(catalog.vectors_of()[0]) == 0
    assert catalog.article_count() == 1


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    connect: Callable[[str], Database],
) -> None:
    server = Server(durable=True)
    try:
        url = server.database("library")
        database = connect(url)
        database.create("fake@1")
        process = adding(url, 10_000)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        server.kill()
        left, said = process.communicate(timeout=60)
        acknowledged += [int(line) for line in left.split()]
        assert "Articles reported as added are safe" in said.splitlines()[-1]
        assert "s3cret" not in said
        server.start()
        catalog = PostgresCatalog(database)
        assert {f"a{n}" for n in acknowledged} <= {each.id for each in catalog.listings()}
        assert catalog.passage_count() == catalog.article_count()
        _check_counts(database)
        catalog.publish([whole("after", "After the crash.")])
    finally:
        server.close()


def test_a_server_that_is_not_there_is_said_in_one_line(
    connect: Callable[[str], Database],
) -> None:
    for host in ("127.0.0.1:9", "no-such-host.invalid", "[::1]:9"):
        database = connect(f"postgresql://qa:s3cret-word@{host}/news")
        with pytest.raises(LibraryError, match=r"/news cannot be used\. .*reached") as caught:
            database.exists()
        assert "s3cret" not in f"{caught.value}{database!r}{database.engine.url}"
        assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there_or_not_ours_to_use(
    server: Server, url: str, connect: Callable[[str], Database]
) -> None:
    with pytest.raises(LibraryError, match="createdb"):
        connect(server.url("absent")).exists()
    empty = connect(url)
    assert not empty.exists()
    with pytest.raises(LibraryError, match="qa add"):
        PostgresCatalog(empty)
    server.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN OTHERS THEN END $$")
    guest = connect(url.replace("qa:s3cret-word", "guest"))
    with pytest.raises(LibraryError, match=r"may not do this \(permission denied"):
        guest.create("fake@1")
    server.execute("CREATE DATABASE \"latin\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with pytest.raises(LibraryError, match="encoding SQL_ASCII"):
        connect(server.url("latin")).create("fake@1")
    server.execute("DROP DATABASE latin WITH (FORCE)")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:s3cret@h/d", "begins with mysql://"),
        ("sqlite:///x.db", "only PostgreSQL"),
        ("postgresql+asyncpg://u:s3cret@h/d", "only PostgreSQL"),
        ("postgresql://u:s3cret@h", "names no database"),
        ("u:s3cret@h/d", "cannot be read"),
        ("postgresql://u:s3cret@h:port/d", "cannot be read"),
    ],
)
def test_other_urls_are_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        postgres.connect(url)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_the_driver_pass_through(url: str, connect: Callable[[str], Database]) -> None:
    database = connect(
        f"{url.replace('postgresql:', 'postgresql+psycopg:')}?sslmode=disable&application_name=me"
    )
    assert not database.exists()
    unknown = connect(f"{url}?options=-cnonsense%3D1")
    with pytest.raises(LibraryError, match=r"refuses a parameter .*nonsense.* QA_DATABASE_URL"):
        unknown.exists()
    slow = connect(f"{url}?options=-cstatement_timeout%3D7s")
    for opened, wanted in ((slow, "7s"), (database, "5min")):
        with opened.engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == wanted
            interval = connection.exec_driver_sql("SHOW client_connection_check_interval").scalar()
            assert interval == "5s"
    secure = connect(f"{url}?sslmode=require")
    with pytest.raises(LibraryError, match="SSL"):
        secure.exists()


def test_only_what_is_wrong_with_the_files_is_damage(connect: Callable[[str], Database]) -> None:
    server = Server()
    try:
        database = connect(f"{server.database('library')}?options=-cstatement_timeout%3D200ms")
        database.create("fake@1")
        catalog = PostgresCatalog(database)
        catalog.publish([whole("one", "Text.")])
        (path,) = server.execute("SELECT pg_relation_filepath('qa_articles')", "library")[0]
        assert database.patiently(lambda each: each.scalar(text("SELECT 1 FROM pg_sleep(0.4)")))
        with pytest.raises(LibraryError, match="took too long"):
            database.read(lambda each: each.scalar(text("SELECT 1 FROM pg_sleep(0.4)")))
        assert catalog.damage() == ""
        server.stop()
        with pytest.raises(LibraryError, match="reached"):
            catalog.damage()
        with (server._data / path).open("r+b") as file:
            file.write(b"\xff" * 100)
        server.start()
        assert "invalid page" in catalog.damage()
    finally:
        server.close()


# Migrations


def test_tables_are_brought_up_to_date_when_no_older_program_writes(
    url: str,
    database: Database,
    connect: Callable[[str], Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(migrating.FOLDER, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "v0002.py").write_text(
        "from alembic import op\n\nrevision, down_revision = '0002', '0001'\n\n"
        "def upgrade(): op.execute('ALTER TABLE qa_journal ADD later INTEGER')\n"
    )
    monkeypatch.setattr(migrating, "FOLDER", tmp_path / "migrations")
    monkeypatch.setattr("qa.postgres.database.DDL_PATIENCE", "100ms")
    reader = connect(url)
    older = rf"older version .* written by process {os.getpid()} on .*brings it up to date"
    with database.writing(), pytest.raises(LockedError, match=older):
        PostgresCatalog(reader)
    looking = "SELECT * FROM qa_journal"
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as held:
        held.exec_driver_sql(looking)
        with pytest.raises(LibraryError, match="tables are in use"):
            PostgresCatalog(reader)
    with reader.writing():  # the writer's own program
        PostgresCatalog(reader)
    with database.engine.connect() as connection:
        assert list(connection.exec_driver_sql(looking).keys()) == ["passage_id", "later"]


def test_tables_are_made_once_by_whoever_comes_first(
    server: Server, url: str, connect: Callable[[str], Database]
) -> None:
    code = (
        "import sys; from qa import postgres; database = postgres.connect(sys.argv[1]); "
        "print('ready', flush=True); sys.stdin.readline(); database.create(sys.argv[2])"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, f"fake@{n}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert ended(process) == ""
        assert process.returncode == 0
    database = connect(url)
    catalog = PostgresCatalog(database)
    assert catalog.fingerprint in {"fake@0", "fake@1", "fake@2"}
    catalog.publish([whole("one", "Kept.")])
    database.create("fake@4")
    database.upgrade()
    assert catalog.article_count() == 1
    assert catalog.fingerprint != "fake@4"
    assert server.execute(f"SELECT count(*) FROM {VERSION_TABLE}", "library") == [(1,)]


def test_the_tables_are_those_that_the_code_describes(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_a_library_of_a_newer_program_is_refused(server: Server, database: Database) -> None:
    server.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "library")
    for use in (lambda: PostgresCatalog(database), lambda: database.create("fake@1")):
        with pytest.raises(LibraryError, match=r"newer version.*9999.*Update this program"):
            use()


# Counts


def test_counts_of_words_never_drift(database: Database) -> None:
    chance = random.Random(7)
    catalog, lexical = PostgresCatalog(database), PostgresLexical(database)
    vocabulary = [f"word{n}" for n in range(40)] + ["東京", "4.5", "O'Brien", "back\\slash"]

    def article(number: int) -> Article:
        words = " ".join(chance.choices(vocabulary, k=chance.randint(1, 400)))
        title = " ".join(chance.choices(vocabulary, k=chance.randint(0, 5)))
        return Article(f"a{number}", title, f"# {chance.choice(vocabulary)}\n\n{words}.")

    with database.writing():
        for _ in range(40):
            numbers = {chance.randrange(12) for _ in range(chance.randint(1, 4))}
            if chance.random() < 0.3:
                catalog.remove([f"a{number}" for number in numbers])
            else:
                catalog.publish([record(article(number)) for number in numbers])
            if chance.random() < 0.2:
                lexical.upsert(catalog.passages(list(catalog.all_passage_ids())[:5]).values())
        _check_counts(database)
        catalog.remove([f"a{number}" for number in range(12)])
    _check_counts(database)
    assert lexical.document_count() == 0


def _check_counts(database: Database) -> None:
    """Counting everything anew finds what was kept up to date."""

    def counts() -> list[Any]:
        with database.engine.connect() as connection:
            kept = connection.exec_driver_sql("SELECT * FROM qa_terms ORDER BY term").all()
            totals = "SELECT * FROM qa_manifest WHERE key LIKE '%%total' ORDER BY key"
            return [*kept, *connection.exec_driver_sql(totals).all()]

    before = counts()
    PostgresLexical(database).recount()
    assert before == counts()


def test_readers_see_one_state(database: Database) -> None:
    """While a writer changes an article again and again, its passages fit its text."""
    catalog = PostgresCatalog(database)
    texts = [f"{letter} stands here. " * (20 + 17 * n) for n, letter in enumerate("ABC")]
    records = [record(Article("one", "Changing", text)) for text in texts]
    catalog.publish([records[0]])
    done = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            passages = catalog.passages_of("one")
            if " ".join(p.text for p in passages).split() not in [text.split() for text in texts]:
                wrong.append("passages_of")
            found = catalog.passages([passage.id for passage in passages])
            wrong.extend("passages" for p, a in found.values() if a.text[p.start : p.end] != p.text)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with database.writing():
            for n in range(30):
                catalog.publish([records[n % 3]])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_every_error_is_ours(database: Database) -> None:
    wrong = pytest.raises(QaError, match="division by zero")
    with database.engine.connect() as connection, wrong, database.errors():
        connection.exec_driver_sql("SELECT 1 / 0")
