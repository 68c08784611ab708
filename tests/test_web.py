"""The web chat: over HTTP as a browser or a program would use it, and its parts below the page."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from qa.web.languages import words

WHEN = "When did the harbour wall at Tellin reopen?"
ENGLISH = words("en")
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


def ask(
    client: Client, question: str, conversation: str = "", **filters: Any
) -> tuple[str, str, str, str]:
    """What is left in the question box, the thread, the sources and the conversation's id."""
    given = {"publishers": [], "articles": [], "after": "", "before": "", "at": 0, **filters}
    box, thread, panel, kept, _ = client.predict(
        question, conversation, *given.values(), api_name="/ask"
    )
    return box, thread, panel, kept


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
    _, thread, panel, _ = ask(client, WHEN)
    assert "reopened on 4 March 2031" in thread
    assert 'href="#qa-source-1-1"' in thread
    assert 'id="qa-source-1-1"' in panel
    end = HARBOUR.text.index(".") + 1
    assert f"<mark>{HARBOUR.text[:end]}</mark>" in panel


def test_answer_streams_through_its_stages(client: Client) -> None:
    job = client.submit(WHEN, api_name="/ask")
    job.result(timeout=60)
    boxes = [box for box, *_ in job.outputs()]
    threads = [thread for _, thread, *_ in job.outputs()]
    assert boxes[0] == ""
    assert "" not in boxes[1:], "what is typed meanwhile must stay"
    assert "Searching the articles…" in threads[0]
    assert "qa-stop" in threads[0]
    assert "qa-working" not in threads[-1]


def test_follow_up_is_shown_as_it_was_understood(client: Client) -> None:
    kept = ask(client, WHEN)[3]
    _, thread, _, again = ask(client, "How much did it cost?", kept)
    assert "Understood as: <bdi>How much did it cost? (" in thread
    assert "qa-turn-2" in thread
    assert again == kept


def test_question_is_put_in_the_place_of_another(client: Client) -> None:
    kept = ask(client, WHEN)[3]
    ask(client, COST, kept)
    _, thread, _, _ = ask(client, "Who designed the clock tower of Merrow?", kept, at=1)
    assert "Ida Lorn" in thread
    assert thread.count("qa-asked") == 1


def test_conversation_of_another_is_not_shown(client: Client) -> None:
    secret = ask(client, WHEN)[3]
    _, thread, _, own = ask(client, COST, secret[:-1] + ("0" if secret[-1] != "0" else "1"))
    assert "4 March" not in thread
    assert own != secret


def test_abstention_shows_the_nearest_passages(client: Client) -> None:
    _, thread, panel, _ = ask(client, "What is the capital of Peru?")
    assert "The articles do not say." in thread
    assert "They do not answer the question." in panel
    assert "<mark>" not in panel


@pytest.mark.parametrize("question", ["", "   ", "why " * 2000])
def test_question_that_cannot_be_asked_is_one_line(client: Client, question: str) -> None:
    thread = ask(client, question)[1]
    assert "qa-problem" in thread
    assert len(thread) < 3000
    assert "4 March 2031" in ask(client, WHEN)[1]


def test_filters_are_applied_and_named(client: Client) -> None:
    chosen: dict[str, Any] = {"publishers": ["Check Gazette"], "after": "2031-01-01"}
    assert "Only: Check Gazette, from 2031-01-01" in ask(client, WHEN, **chosen)[1]
    box, thread, *_ = ask(client, WHEN, before="soon")
    assert "wants a date like 2024-05-31, not “soon”" in thread
    assert box == WHEN, "a question that was not taken goes back into its box"


def test_filters_that_leave_nothing_say_which_to_relax(client: Client) -> None:
    chosen: dict[str, Any] = {"publishers": ["Check Gazette"], "after": "2035-01-01"}
    thread = ask(client, WHEN, **chosen)[1]
    assert "No article passes these filters." in thread
    assert "Articles without the dates: 1" in thread
    assert "without the choice of publishers" not in thread


def test_ready_once_the_library_can_be_searched(chat: Chat) -> None:
    response = httpx.get(chat.url + "/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ready")


def test_damaged_library_is_a_line_and_no_crash(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    own = Chat(library)
    try:
        client = Client(own.url, verbose=False)
        (library / "catalog.db").write_bytes(b"not a database" * 1000)
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (library / name).unlink(missing_ok=True)
        _, thread, _, kept = ask(client, WHEN)
        assert "qa-problem" in thread
        assert "Traceback" not in thread
        assert ask(client, COST, kept)[1].count("qa-problem") == 2
        assert httpx.get(own.url + "/healthz").status_code == 200
        client.close()
    finally:
        assert own.stop() == 0


def test_sign_in_is_asked_for_and_opens_the_page(tmp_path: Path) -> None:
    own = Chat(
        make_library(tmp_path), QA_SIGN_IN='{"ada": "correct horse", "bob": "battery staple"}'
    )
    try:
        with httpx.Client(base_url=own.url) as browser:
            assert browser.get("/gradio_api/info").status_code == 401
            assert browser.get("/config").status_code == 401
            wrong = browser.post("/login", data={"username": "ada", "password": "battery staple"})
            assert wrong.status_code == 400
            right = browser.post("/login", data={"username": "ada", "password": "correct horse"})
            assert right.status_code == 200
            assert browser.get("/config").status_code == 200
            assert browser.get("/healthz").status_code == 200
        ada = Client(own.url, auth=("ada", "correct horse"), verbose=False)
        bob = Client(own.url, auth=("bob", "battery staple"), verbose=False)
        kept = ask(ada, WHEN)[3]
        assert "4 March" not in ask(bob, COST, kept)[1], "a conversation is its owner's"
        ada.close()
        bob.close()
    finally:
        assert own.stop() == 0


def test_nothing_is_uploaded_where_articles_are_only_read(tmp_path: Path) -> None:
    own = Chat(make_library(tmp_path), QA_READ_ONLY="true")
    try:
        sent = httpx.post(own.url + "/gradio_api/upload", files={"files": ("a.txt", b"x")})
        assert sent.status_code == 403
    finally:
        assert own.stop() == 0


def test_page_of_another_site_can_send_nothing(chat: Chat) -> None:
    asked = {"data": [WHEN, "", [], [], "", "", 0]}
    address = chat.url + "/gradio_api/call/ask"
    foreign = httpx.post(address, json=asked, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    own = httpx.post(address, json=asked, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200


def test_who_comes_through_a_proxy_without_sign_in_only_reads(chat: Chat) -> None:
    given = {"X-Forwarded-For": "203.0.113.9"}
    sent = httpx.post(
        chat.url + "/gradio_api/upload", files={"files": ("a.txt", b"x")}, headers=given
    )
    assert sent.status_code == 403


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
    """A generator of three ever longer drafts; then it may fail, or wait until it is let go on."""

    name = "drafts"

    def __init__(self, fails: bool = False, waits_for: threading.Event | None = None) -> None:
        self._fails = fails
        self._waits_for = waits_for

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        article, length = hits[0].article, 0
        for word in hits[0].passage.text.split()[:3]:
            length = article.text.index(word, length) + len(word)
            quote = Quote(article, 0, length)
            yield Draft((DraftSentence(quote.text, (quote,)),), 1.0)
            if self._fails:
                raise ValueError("secret: /etc/passwd")
            if self._waits_for:
                assert self._waits_for.wait(60)


READER = conversation.Reader()


@contextmanager
def conversing(
    path: Path, generator: Drafts, articles: list[Article]
) -> Iterator[conversation.Chat]:
    library = Library(Settings(library=path), embedder=WordEmbedder(), generator=generator)
    library.add(articles)
    chat = conversation.Chat(library)
    yield chat
    chat.close()


def until_a_sentence(views: Iterator[conversation.View]) -> conversation.View:
    return next(view for view in views if "qa-sentence" in view.thread)


def last_view(chat: conversation.Chat, kept: str, question: str, **more: Any) -> conversation.View:
    *_, last = chat.ask(kept, question, Filters(), READER, **more)
    return last


def test_conversation_grows_by_one_exchange_and_is_kept(
    tmp_path: Path, articles: list[Article]
) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as chat:
        first = last_view(chat, "", "harbour wall")
        states = list(chat.ask(first.conversation, "library hours", Filters(), READER))
        assert {state.thread.count("qa-asked") for state in states} == {2}
        assert "Searching the articles…" in states[0].thread
        assert "qa-working" not in states[-1].thread
        assert {state.conversation for state in states} == {first.conversation}
    with conversing(tmp_path / "l", Drafts(), articles) as again:
        assert again.view(first.conversation, READER) == states[-1]


def test_second_question_stops_the_first_and_keeps_it(
    tmp_path: Path, articles: list[Article]
) -> None:
    go_on = threading.Event()
    try:
        with conversing(tmp_path / "l", Drafts(waits_for=go_on), articles) as chat:
            first = chat.ask("", "harbour wall", Filters(), READER)
            view = until_a_sentence(first)
            with ThreadPoolExecutor(1) as thread:
                second = thread.submit(
                    lambda: next(iter(chat.ask(view.conversation, "library", Filters(), READER)))
                )
                assert list(first) == [], "the first says no more"
                thread_html = second.result(30).thread
        assert thread_html.index("Stopped.") < thread_html.index('id="qa-turn-2"')
    finally:
        go_on.set()


def test_stopping_keeps_what_is_there_and_does_not_wait(
    tmp_path: Path, articles: list[Article]
) -> None:
    go_on = threading.Event()
    try:
        with conversing(tmp_path / "l", Drafts(waits_for=go_on), articles) as chat:
            views = chat.ask("", "harbour wall", Filters(), READER)
            view = until_a_sentence(views)
            chat.running.stop(view.conversation)
            *_, last = views
            assert "Stopped. What was there is kept." in last.thread
            assert "qa-sentence" in last.thread
            assert "qa-working" not in last.thread
    finally:
        go_on.set()


def test_reader_who_leaves_finds_what_was_there(tmp_path: Path, articles: list[Article]) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as chat:
        views = chat.ask("", "harbour wall", Filters(), READER)
        view = until_a_sentence(views)
        views.close()  # type: ignore[attr-defined]
        thread = chat.view(view.conversation, READER).thread
    assert "qa-sentence" in thread
    assert "Stopped." in thread


def test_unexpected_error_is_an_id_and_the_log_knows_it(
    tmp_path: Path, articles: list[Article], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        conversing(tmp_path / "l", Drafts(fails=True), articles) as chat,
        caplog.at_level(logging.ERROR, "qa.web"),
    ):
        last = last_view(chat, "", "harbour wall")
        assert "secret" not in last.thread
        found = re.search(r"error ([0-9a-f]{8})", last.thread)
        assert found
        assert found.group(1) in caplog.text
        assert found.group(1) in chat.view(last.conversation, READER).thread


def test_answer_that_cannot_be_kept_is_shown_all_the_same(
    tmp_path: Path, articles: list[Article]
) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as chat:
        (tmp_path / "l" / "chat.db").write_bytes(b"no database" * 1000)
        last = last_view(chat, "", "harbour wall")
    assert "qa-sentence" in last.thread
    assert "chat.db" in last.thread, "and it says what is the matter"


def test_article_that_has_changed_is_told_apart(tmp_path: Path, articles: list[Article]) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as chat:
        last = last_view(chat, "", "harbour wall")
        cited = chat.kept.exchanges(last.conversation)[0].record["citations"][0]  # type: ignore[index]
        chat.library.remove([cited["article_id"]])
        chat.forget_html()
        panel = chat.view(last.conversation, READER).panel
    assert f"<mark>{cited['quote']}</mark>" in panel
    assert "no longer in the library" in panel
    assert "Show in the article" not in panel


def test_thumb_keeps_its_comment_until_it_is_taken_back(
    tmp_path: Path, articles: list[Article]
) -> None:
    with conversing(tmp_path / "l", Drafts(), articles) as chat:
        kept = last_view(chat, "", "harbour wall").conversation
        chat.rate(kept, 1, False, "", "Not this one.", READER)
        chat.rate(kept, 1, False, "wrong", None, READER)
        thread = chat.view(kept, READER).thread
        assert "Not this one." in thread
        chat.rate(kept, 1, None, "", None, READER)
        assert "Not this one." not in chat.view(kept, READER).thread


def test_updates_come_no_faster_than_the_pace() -> None:
    moments = iter([0.0, 0.0, 0.05, 0.1, 0.25, 0.25, 0.3, 0.4])
    paced = conversation.paced("abcdef", 0.2, lambda: next(moments))
    assert list(paced) == ["a", "d", "f"]


def test_pace_of_nothing_is_nothing() -> None:
    assert list(conversation.paced("")) == []


def test_library_that_is_not_there_yet_is_an_empty_one(tmp_path: Path) -> None:
    library = Library(Settings(library=tmp_path / "none"))
    assert conversation.overview(library, ENGLISH) == rendering.Overview()
    assert conversation.publishers(library) == []


def test_overview_counts_and_dates(library: Library) -> None:
    assert conversation.overview(library, ENGLISH) == rendering.Overview(
        3, "2031-03-04", "2031-05-20"
    )
    assert conversation.publishers(library) == ["Check Gazette", "Town News"]


@pytest.mark.parametrize("text", ["soon", "2024", "2024-13-01", "31.5.2024"])
def test_filter_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="wants a date"):
        conversation.filters_of([], [], text, "", ENGLISH)


def test_space_may_be_framed_by_its_host_alone() -> None:
    given = security.headers("https://huggingface.co")
    assert "frame-ancestors https://huggingface.co" in given["Content-Security-Policy"]
    assert "X-Frame-Options" not in given
