"""Servers and replicas that die in the middle: said clearly, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import chroma_server
import postgres_server
import pytest
from pydantic import SecretStr

from qa import store
from qa.errors import LibraryError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article

if TYPE_CHECKING:
    from qa.protocols import Vectors

MANY = [
    Article(
        f"a{n}", f"Article {n}", "\n\n".join(f"Part {m} of {n} is on {n * m}." for m in range(9))
    )
    for n in range(120)
]


class Interrupted(WordEmbedder):
    """Does something terrible before it embeds a batch."""

    def __init__(self, terrible: Callable[[], object], batch: int) -> None:
        super().__init__()
        self._terrible, self._batches = terrible, batch

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self._batches -= 1
        if self._batches == 0:
            self._terrible()
        return super().embed_passages(texts)


@pytest.fixture
def chroma() -> Iterator[chroma_server.Server]:
    server = chroma_server.Server()
    yield server
    server.close()


@pytest.fixture
def postgres() -> Iterator[postgres_server.Server]:
    server = postgres_server.Server(durable=True)
    yield server
    server.close()


@pytest.fixture
def settings(
    tmp_path: Path,
    chroma: chroma_server.Server,
    postgres: postgres_server.Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    monkeypatch.setattr(store, "EXACT_PASSAGES", 0)
    url = SecretStr(postgres.database(f"t{uuid.uuid4().hex[:12]}"))
    return Settings(library=tmp_path / "library", chroma_url=chroma.url, database_url=url)


def assert_whole(settings: Settings, wanted: Sequence[Article]) -> None:
    with Library(settings, embedder=WordEmbedder()) as library:
        assert {each.id for each in library.articles()} == {each.id for each in wanted}
        assert all(library.article(each.id) == each for each in wanted)
        assert [check for check in library.check() if not check.ok] == []


def said(error: pytest.ExceptionInfo[LibraryError]) -> str:
    line = str(error.value)
    assert "\n" not in line
    assert "s3cret-word" not in line
    return line


@pytest.mark.parametrize("which", ["chroma", "postgres"])
def test_a_server_that_dies_while_articles_are_added(
    which: str, settings: Settings, chroma: chroma_server.Server, postgres: postgres_server.Server
) -> None:
    server: chroma_server.Server | postgres_server.Server
    server = chroma if which == "chroma" else postgres
    with Library(settings, embedder=WordEmbedder()) as library:
        library.add(MANY[:20])
    embedder = Interrupted(server.kill, batch=3)
    with Library(settings, embedder=embedder) as library:
        with pytest.raises(LibraryError, match="run this again") as caught:
            library.add(MANY)
        assert "Articles reported as added are safe" in said(caught)
        server.start()
        report = library.add(MANY)  # the same object goes on where it was stopped
        assert report.failed == ()
        assert report.count("unchanged") >= 20
    assert_whole(settings, MANY)
    # What was embedded before the crash and saved was not embedded again, but for a batch or two.
    assert len(embedder.embedded) < len(set(embedder.embedded)) + 2 * 128


@pytest.mark.parametrize("which", ["chroma", "postgres"])
def test_a_server_that_dies_while_questions_are_asked(
    which: str, settings: Settings, chroma: chroma_server.Server, postgres: postgres_server.Server
) -> None:
    server: chroma_server.Server | postgres_server.Server
    server = chroma if which == "chroma" else postgres
    question = "What is part 3 of 7 on?"
    with Library(settings, embedder=WordEmbedder()) as library:
        library.add(MANY)
        before = library.ask(question)
        server.kill()
        with pytest.raises(LibraryError) as caught:
            library.ask(question)
        assert "127.0.0.1" in said(caught)  # which one it is
        server.start()
        assert library.ask(question).text == before.text


def test_a_dead_database_is_one_line_on_the_command_line(
    settings: Settings, postgres: postgres_server.Server, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("One article.", "utf-8")
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    postgres.stop()
    for command in (["ask", "Who?"], ["add", "one.txt"], ["list"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "-m", "qa.cli", *command],
            env={**os.environ, "QA_DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "s3cret-word" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "QA_DATABASE_URL" in done.stderr


WRITER = """
import sys
from qa.library import Library
from qa.settings import load_settings
from qa.testing import WordEmbedder
from qa.types import Article

library = Library(load_settings(), embedder=WordEmbedder())
with library.place.writing():
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_writer_that_is_killed_leaves_the_lock_to_the_next(settings: Settings) -> None:
    assert settings.database_url is not None
    env = {**os.environ, "QA_LIBRARY": str(settings.library)}
    env["QA_DATABASE_URL"] = settings.database_url.get_secret_value()
    with Library(settings, embedder=WordEmbedder()) as library:
        library.add(MANY[:3])
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    with Library(settings, embedder=WordEmbedder()) as library:
        with pytest.raises(LibraryError, match=str(process.pid)):
            library.add(MANY[:5])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert library.add(MANY[:5]).count("added") == 2
    process.stdin.close()
    process.stdout.close()
    assert_whole(settings, MANY[:5])
