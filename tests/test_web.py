"""The web chat: over HTTP as a browser or a program would use it, and its parts below the page."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.server import HARBOUR, Chat, make_library, running_chat
from gradio_client import Client

from qa import cli
from qa.errors import InputError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Draft, DraftSentence, Filters, Hit, Quote
from qa.web import conversation, rendering, security

WHEN = "When did the harbour wall at Tellin reopen?"
COST = "How much did the work cost?"


@pytest.fixture(scope="session")
def chat(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return running_chat(pytestconfig, tmp_path_factory)


@pytest.fixture
def client(chat: Chat) -> Iterator[Client]:
    """A program's own session; each has a conversation of its own."""
    with_session = Client(chat.url, verbose=False)
    yield with_session
    with_session.close()


def ask(client: Client, question: str, *filters: Any) -> tuple[str, str, str]:
    """What is left in the question box, the thread and the sources, when all is done."""
    box, thread, panel = client.predict(question, *(filters or ([], "", "")), api_name="/ask")
    return box, thread, panel


# The running app


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/static-qa/chat.js", "/theme.css", "/gradio_api/info", "/no/such"]
)
def test_every_response_has_the_security_headers(chat: Chat, path: str) -> None:
    response = httpx.get(chat.url + path)
    assert (
        security.headers().items()
        <= {name: response.headers.get(name) for name in security.headers()}.items()
    )
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


def test_health(chat: Chat) -> None:
    response = httpx.get(chat.url + "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_page_names_no_font_or_script_of_another_host(chat: Chat) -> None:
    page = httpx.get(chat.url).text
    fetched = re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"']?([^\"' >]+)", page)
    assert fetched
    assert not [address for address in fetched if "//" in address]
    assert "fonts.g" not in page


def test_question_is_answered_with_citations(client: Client) -> None:
    box, thread, panel = ask(client, WHEN)
    assert box == ""
    assert "reopened on 4 March 2031" in thread
    assert 'href="#qa-source-1-1"' in thread
    assert 'id="qa-source-1-1"' in panel
    end = HARBOUR.text.index(".") + 1
    assert f"<mark>{HARBOUR.text[:end]}</mark>" in panel


def test_answer_streams_through_its_stages(client: Client) -> None:
    job = client.submit(WHEN, [], "", "", api_name="/ask")
    job.result(timeout=60)
    threads = [thread for _, thread, _ in job.outputs()]
    assert conversation.SEARCHING in threads[0]
    assert "qa-working" not in threads[-1]


def test_follow_up_is_shown_as_it_was_understood(client: Client) -> None:
    ask(client, WHEN)
    _, thread, _ = ask(client, "How much did it cost?")
    assert "Understood as: <bdi>How much did it cost? (" in thread
    assert "qa-turn-2" in thread


def test_abstention_shows_the_nearest_passages(client: Client) -> None:
    _, thread, panel = ask(client, "What is the capital of Peru?")
    assert "The articles do not say." in thread
    assert "They do not answer the question." in panel
    assert "<mark>" not in panel


@pytest.mark.parametrize("question", ["", "   ", "why " * 2000])
def test_question_that_cannot_be_asked_is_one_line(client: Client, question: str) -> None:
    _, thread, _ = ask(client, question)
    assert "qa-problem" in thread
    assert len(thread) < 3000
    assert "4 March 2031" in ask(client, WHEN)[1]


def test_filters_are_applied_and_named(client: Client) -> None:
    _, thread, _ = ask(client, WHEN, ["Check Gazette"], "2031-01-01", "")
    assert "Only: Check Gazette, from 2031-01-01" in thread
    _, thread, _ = ask(client, WHEN, [], "", "soon")
    assert "wants a date like 2024-05-31, not “soon”" in thread


def test_broken_library_is_a_line_and_no_crash(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    own = Chat(library)
    try:
        client = Client(own.url, verbose=False)
        (library / "catalog.db").write_bytes(b"not a database" * 1000)
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (library / name).unlink(missing_ok=True)
        box, thread, _ = ask(client, WHEN)
        assert (box, "qa-problem" in thread) == ("", True)
        assert "Traceback" not in thread
        assert ask(client, COST)[1].count("qa-problem") == 2
        assert httpx.get(own.url + "/healthz").status_code == 200
        client.close()
    finally:
        assert own.stop() == 0


# Starting


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which ``qa chat`` refuses to start."""
    assert cli.run([*arguments, "chat", "--port", "0"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("qa: ")]
    assert len(lines) == 1
    return lines[0]


def test_taken_port_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.run(["--library", str(tmp_path), "chat", "--port", port]) == 2
    error = capsys.readouterr().err
    assert f"127.0.0.1 port {port}" in error
    assert "--port" in error
    assert "Traceback" not in error


def test_library_of_another_model_is_refused(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, "--library", str(library.path))
    assert "fake/words" in line
    assert "qa rebuild --embed" in line


def test_library_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused(capsys, "--library", str(tmp_path / "file"))


# The conversation


class Drafts:
    """A generator of three ever longer drafts, or of an error after the first."""

    name = "drafts"

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        article, length = hits[0].article, 0
        for word in hits[0].passage.text.split()[:3]:
            length = article.text.index(word, length) + len(word)
            quote = Quote(article, 0, length)
            yield Draft((DraftSentence(quote.text, (quote,)),), 1.0)
            if self._fails:
                raise ValueError("secret: /etc/passwd")


def conversing(path: Path, generator: Drafts, articles: list[Article]) -> Library:
    library = Library(Settings(library=path), embedder=WordEmbedder(), generator=generator)
    library.add(articles)
    return library


def test_conversation_grows_by_one_exchange(tmp_path: Path, articles: list[Article]) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as library:
        *_, first = conversation.ask(library, (), "harbour wall", Filters())
        states = list(conversation.ask(library, first, "library hours", Filters()))
    assert {len(state) for state in states} == {2}
    assert all(state[0] is first[0] for state in states)
    assert conversation.SEARCHING in states[0][1].html
    last = states[-1][1]
    assert last.turn
    assert last.turn.question == "library hours"
    assert "qa-working" not in last.html


def test_unexpected_error_is_an_id_and_the_log_knows_it(
    tmp_path: Path, articles: list[Article], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        conversing(tmp_path / "l", Drafts(fails=True), articles) as library,
        caplog.at_level(logging.ERROR, "qa.web"),
    ):
        *_, last = conversation.ask(library, (), "harbour wall", Filters())
    assert "secret" not in last[0].html
    found = re.search(r"error ([0-9a-f]{8})", last[0].html)
    assert found
    assert found.group(1) in caplog.text
    assert last[0].turn is None


def test_updates_come_no_faster_than_the_pace() -> None:
    moments = iter([0.0, 0.0, 0.05, 0.1, 0.25, 0.25, 0.3, 0.4])
    paced = conversation.paced("abcdef", 0.2, lambda: next(moments))
    assert list(paced) == ["a", "d", "f"]


def test_pace_of_nothing_is_nothing() -> None:
    assert list(conversation.paced("")) == []


def test_library_that_is_not_there_yet_is_an_empty_one(tmp_path: Path) -> None:
    library = Library(Settings(library=tmp_path / "none"))
    assert conversation.overview(library) == rendering.Overview()
    assert conversation.publishers(library) == []


def test_overview_counts_and_dates(library: Library) -> None:
    assert conversation.overview(library) == rendering.Overview(3, "2031-03-04", "2031-05-20")
    assert conversation.publishers(library) == ["Check Gazette", "Town News"]


def test_examples_are_about_names_in_the_articles(library: Library) -> None:
    assert "What is known about Ines Falk?" in conversation.examples(library)


@pytest.mark.parametrize("text", ["soon", "2024", "2024-13-01", "31.5.2024"])
def test_filter_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="wants a date"):
        conversation.filters_of([], text, "")


def test_space_may_be_framed_by_its_host_alone() -> None:
    given = security.headers("https://huggingface.co")
    assert "frame-ancestors https://huggingface.co" in given["Content-Security-Policy"]
    assert "X-Frame-Options" not in given
