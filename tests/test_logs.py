"""The log of a served app: what each line tells, and what none of them ever does."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from browser.server import Chat as Served
from browser.server import make_library
from fastapi import FastAPI
from gradio_client import Client
from httpx import Response, post, stream
from pydantic import SecretStr
from starlette.testclient import TestClient

from qa import tracing
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Draft, Hit
from qa.web import api, logs
from qa.web.conversation import Chat as Conversing
from qa.web.line import Line
from qa.web.logs import Requests, Scrubber

KEY = "a-key-of-32-characters-0123456789"
PASSWORD = 'pass"word/with @ all'
QUESTION = "How many homes were flooded in Tellin?"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a service logs."""
    kept = io.StringIO()
    with logs.running(Settings(), kept):
        yield kept


def events(kept: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kept.getvalue().splitlines()]


def small() -> TestClient:
    """An app that works, breaks, and streams."""
    app = FastAPI()

    @app.get("/works/{what}")
    def works(what: str) -> dict[str, str]:
        logging.getLogger("qa.web").warning("working on it")
        return {"request": tracing.about()[tracing.REQUEST], "what": what}

    @app.get("/breaks")
    def breaks() -> None:
        raise ValueError(f"Authorization: Bearer {KEY}")

    @app.get("/healthz")
    def healthz() -> None: ...

    app.add_middleware(Requests, done=lambda _: None, user=lambda _: "ada")
    return TestClient(app)


# Requests


def test_request_is_one_line_under_one_id(lines: io.StringIO) -> None:
    response = small().get("/works/secretly?q=whisper", headers={"x-request-id": "from-proxy-1"})
    assert response.headers["x-request-id"] == response.json()["request"] == "from-proxy-1"
    working, request = events(lines)
    assert working["event"] == "working on it"
    assert working["request_id"] == request["request_id"] == "from-proxy-1"
    assert {name: request[name] for name in ("level", "method", "route", "status", "user")} == {
        "level": "info",
        "method": "GET",
        "route": "/works/{what}",
        "status": 200,
        "user": "ada",
    }
    assert request["client"] == "testclient"
    assert request["duration_ms"] > 0
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", request["time"])
    assert "secretly" not in lines.getvalue()
    assert "whisper" not in lines.getvalue()


@pytest.mark.parametrize("given", ["", "abc", "a b c d e", "x" * 65, "a\tb\tc\td", "<b>1234</b>"])
def test_odd_id_is_replaced(given: str, lines: io.StringIO) -> None:
    response = small().get("/works/1", headers={"x-request-id": given} if given else {})
    made = response.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert events(lines)[-1]["request_id"] == made


def test_what_breaks_is_told_with_the_id_and_logged_with_the_trace(lines: io.StringIO) -> None:
    response = small().get("/breaks")
    made = response.headers["x-request-id"]
    assert response.status_code == 500
    assert made in response.text
    assert "ValueError" not in response.text
    error, request = events(lines)
    assert (error["event"], error["level"], error["request_id"]) == (f"error {made}", "error", made)
    assert "ValueError" in error["exception"]
    assert (request["status"], request["request_id"]) == (500, made)
    assert KEY not in lines.getvalue()


def test_health_and_unknown_paths(lines: io.StringIO) -> None:
    client = small()
    client.get("/healthz")
    client.get("/" + KEY)
    (unknown,) = events(lines)
    assert (unknown["route"], unknown["status"]) == (logs.ELSEWHERE, 404)


def test_terminal_is_quiet_about_requests() -> None:
    terminal = Terminal()
    with logs.running(Settings(), terminal):
        logging.getLogger(logs.SAID).info("The chat answers at http://127.0.0.1:1")
        small().get("/works/1")
    said, warned = terminal.getvalue().splitlines()
    assert said == "The chat answers at http://127.0.0.1:1"
    assert re.match(r'\d\d:\d\d:\d\d warning: working on it request_id="[0-9a-f]{16}"', warned)


def test_nothing_is_left_set_up() -> None:
    root, hook = logging.getLogger(), threading.excepthook
    before = (list(root.handlers), root.level, logging.getLogger("qa.request").level)
    with logs.running(Settings(), io.StringIO()):
        assert list(root.handlers) != before[0]
    assert (list(root.handlers), root.level, logging.getLogger("qa.request").level) == before
    assert threading.excepthook is hook


def test_other_sources_have_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("%s failed", "it", extra={"color_message": "it"})
    logging.getLogger("httpx").info("a request of ours")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("getting old", UserWarning, stacklevel=1)
    broken = threading.Thread(target=lambda: 1 / 0, name="qa-broken")
    broken.start()
    broken.join()
    server, warning, thread = events(lines)
    assert (server["event"], server["logger"]) == ("it failed", "uvicorn.error")
    assert "color_message" not in server
    assert "getting old" in warning["event"]
    assert "ZeroDivisionError" in thread["exception"]


# Secrets


def settings() -> Settings:
    return Settings(
        llm_api_key=SecretStr("llm-key-abcdef"),
        api_keys=(SecretStr(KEY),),
        sign_in={"ada": SecretStr(PASSWORD)},
        database_url=SecretStr("postgresql+psycopg://qa:db%40pass@db.example.org/qa"),
    )


def test_every_secret_setting_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-collector=token-of-collector")
    assert logs.secrets_of(settings()) == {
        "llm-key-abcdef",
        KEY,
        PASSWORD,
        "postgresql+psycopg://qa:db%40pass@db.example.org/qa",
        "db%40pass",
        "token-of-collector",
    }


@pytest.mark.parametrize(
    "text",
    [
        f"the key {KEY} is here",
        f"GET /x?q=1&api_key={KEY}",
        repr({"word": PASSWORD}),
        "password%22: pass%22word%2Fwith%20%40%20all",
        "could not connect to postgresql+psycopg://qa:db%40pass@db.example.org/qa",
        "password authentication failed: db%40pass",
    ],
)
def test_known_secrets_are_taken_out(text: str) -> None:
    cleaned = Scrubber(logs.secrets_of(settings()))(text)
    assert logs.HIDDEN in cleaned
    for word in (KEY, "word/with", "word%2Fwith", "db%40pass"):
        assert word not in cleaned


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-123456", "abc.def"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlc"),
        ("{'cookie': 'access-token=s3cr3t; b=2'}", "s3cr3t"),
        ("[(b'host', b'x'), (b'cookie', b'access-token=s3cr3t')]", "s3cr3t"),
        ("Set-Cookie: session=s3cr3t; HttpOnly", "s3cr3t"),
        ("https://ada:s3cr3t@example.org/path", "s3cr3t"),
        ("GET /v1?key=s3cr3t&x=1", "s3cr3t"),
        ("POST /v1?access_token=s3cr3t", "s3cr3t"),
        ("llm_api_key='s3cr3t' was refused", "s3cr3t"),
        ('{"password": "s3cr3t"}', "s3cr3t"),
        ("invalid key sk-proj-abcdef012345", "abcdef012345"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, secret: str) -> None:
    cleaned = Scrubber()(text)
    assert secret not in cleaned
    assert logs.HIDDEN in cleaned


def test_plain_words_stay() -> None:
    scrub = Scrubber(["abc"])  # too short to be taken out of all words
    for text in (
        "There is no article key: x, and no token",
        "bearer of bad news; basic settings; abcabc",
        "https://example.org/a:b@c and http://127.0.0.1:7860/",
        "The cookie factory opened",
    ):
        assert scrub(text) == text
    assert scrub({"n": 1, "none": None, "list": (1.5, True)}) == {
        "n": 1,
        "none": None,
        "list": [1.5, True],
    }


def test_secret_under_a_telling_name_is_hidden() -> None:
    given = {"api_key": "x", "nested": [{"Authorization": "y"}], "monkey": "z"}
    assert Scrubber()(given) == {
        "api_key": logs.HIDDEN,
        "nested": [{"Authorization": logs.HIDDEN}],
        "monkey": "z",
    }


def test_long_text_takes_no_time() -> None:
    import time

    scrub = Scrubber(logs.secrets_of(settings()))
    for text in (
        "a" * 200_000,
        "a://" * 50_000,
        "key=" * 50_000,
        "cookie:" * 30_000,
        "sk-" * 60_000,
    ):
        began = time.perf_counter()
        scrub(text)
        assert time.perf_counter() - began < 5, text[:8]


def test_secrets_in_traces_fields_and_arguments() -> None:
    for kept in (io.StringIO(), Terminal()):
        with logs.running(settings(), kept):
            log = logging.getLogger("qa.web")
            try:
                raise RuntimeError(f"refused {KEY}")
            except RuntimeError:
                log.exception("with %s", PASSWORD, extra={"given": {"deep": [KEY]}})
        text = kept.getvalue()
        assert "RuntimeError" in text
        for secret in (KEY, PASSWORD, json.dumps(PASSWORD)[1:-1]):
            assert secret not in text


# Forged lines

FORGED = (
    'x\n{"level": "info", "event": "forged"}\r\n12:00:00 error: forged\u2028forged\x1b[2J\u202e'
)


def test_no_value_begins_a_line() -> None:
    for kept in (io.StringIO(), Terminal()):
        with logs.running(Settings(), kept):
            log = logging.getLogger("qa.web")
            log.warning("no user %s", FORGED, extra={"more": FORGED})
            try:
                raise ValueError(FORGED)
            except ValueError:
                log.exception("failed")
        text = kept.getvalue()
        begun = [line for line in text.splitlines() if not line.startswith("    ")]
        assert len(begun) == 2
        assert not any(sign in text for sign in ("\x1b", "\u202e", "\u2028", "\r"))


# The served app


class Breaks:
    """A generator that fails."""

    name = "breaks"

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        yield Draft(stage="…")
        raise ZeroDivisionError(question)


def test_reader_is_shown_the_id_of_the_log(library: Library, lines: io.StringIO) -> None:
    opened = Library(library.settings, embedder=WordEmbedder(), generator=Breaks())
    app = FastAPI()
    with closing(Conversing(opened)) as chat, closing(Line(1, 1)) as line:
        app.router.routes.append(api.Within(api.build(chat, line)))
        app.add_middleware(Requests, done=lambda _: None)
        client = TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 1))
        response = client.post("/api/ask", json={"question": QUESTION})
    made = response.headers["x-request-id"]
    assert response.status_code == 500
    assert made in response.text
    error = next(each for each in events(lines) if each["event"] == f"error {made}")
    assert error["request_id"] == made
    assert "ZeroDivisionError" in error["exception"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app as a service: its log is no terminal."""
    started = Served(make_library(tmp_path_factory.mktemp("logged")), QA_API_KEYS=f'["{KEY}"]')
    yield started
    started.stop()


def ask_api(served: Served) -> Response:
    headers = {"authorization": f"Bearer {KEY}", "x-request-id": "ask-by-api"}
    given = {"question": "How much did the work on the harbour wall cost?"}
    return post(served.url + "/api/ask", json=given, headers=headers, timeout=60)


def test_log_of_a_service(served: Served) -> None:
    assert ask_api(served).status_code == 200
    client = Client(served.url, verbose=False)
    client.predict("How much did the work on the harbour wall cost?", api_name="/ask")
    client.close()
    assert post(served.url + "/api/ask?key=" + KEY, json={}).status_code == 401
    assert served.stop() == 0
    told = [json.loads(line) for line in served.lines]
    by_api = [each for each in told if each.get("request_id") == "ask-by-api"]
    assert [each["event"] for each in by_api] == ["answer", "request"]
    assert (by_api[0]["face"], by_api[0]["status"]) == ("api", "answered")
    (by_page,) = (each for each in told if each.get("face") == "chat")
    joined = next(each for each in told if each.get("route", "").endswith("/queue/join"))
    assert by_page["request_id"] == joined["request_id"]
    text = "".join(served.lines)
    assert KEY not in text
    assert "harbour" not in text


def test_terminal_of_who_starts_it_stays_quiet(tmp_path: Path) -> None:
    import subprocess
    import sys

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "qa.cli", "chat", "--port", "0"],
        env={**os.environ, "QA_LIBRARY": str(make_library(tmp_path))},
        stdout=subprocess.DEVNULL,
        stderr=follower,
    )
    os.close(follower)
    text = ""
    try:
        while "Ctrl+C" not in text:
            text += os.read(leader, 4096).decode()
        found = re.search(r"answers at (\S+)", text)
        assert found
        with stream("GET", found[1]) as response:
            assert response.headers["x-request-id"]
    finally:
        process.send_signal(2)
        assert process.wait(30) == 0
        os.close(leader)
    first, second = text.splitlines()
    assert first == "Loading the library and its model…"
    assert second.startswith("The chat answers at http://127.0.0.1:")
