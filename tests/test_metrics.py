"""What Prometheus is told, who may ask for it, and that no label can be made up by a stranger."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import httpx
import pytest
from browser.server import Chat as Served
from browser.server import running_chat
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.routing import Route
from starlette.testclient import TestClient

from qa.errors import InputError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Draft, Hit
from qa.web import api
from qa.web.conversation import Chat
from qa.web.keys import Door
from qa.web.line import Line
from qa.web.logs import Requests
from qa.web.metrics import KEPT, LONGEST, Counts, Faces, Metrics

COST = "How much did the work on the harbour wall cost?"
ABSENT = "Who painted the ceiling of the opera in 1789?"
KEY = "a-key-of-32-characters-0123456789"


@contextmanager
def served(
    library: Library,
    settings: Settings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[TestClient]:
    """The API and its counts, as the chat's app has them."""
    with closing(Chat(library)) as chat, closing(Line(2, 2)) as line:
        metrics, app = Metrics(library, line, clock), FastAPI()
        library.watched = metrics.watched
        door = Door(metrics.app(), settings or library.settings, lambda _: 0)
        app.router.routes.append(Route("/metrics", door))
        app.router.routes.append(api.Within(api.build(chat, line)))
        app.add_middleware(Faces)
        app.add_middleware(Requests, done=metrics.requested)
        yield TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 1))


def counts(text: str) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    return {
        " ".join(
            [sample.name, *(sample.labels[key] for key in sorted(sample.labels))]
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "le" not in sample.labels
    }


def scraped(client: TestClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    return counts(response.text)


def test_answers_are_counted_by_face_and_end(library: Library) -> None:
    with served(library) as client:
        for question in (COST, COST, ABSENT):
            client.post("/api/ask", json={"question": question})
        messages = [{"role": "user", "content": COST}]
        client.post("/v1/chat/completions", json={"model": "cited-qa", "messages": messages})
        library.ask(COST)
        told = scraped(client)
    assert told["qa_answers_total api answered"] == 2
    assert told["qa_answers_total api abstained"] == 1
    assert told["qa_answers_total v1 answered"] == 1
    assert told["qa_answers_total chat answered"] == 1
    assert told["qa_answer_duration_seconds_count api"] == 3
    assert told["qa_answer_first_sentence_seconds_count api"] == 2
    assert told["qa_stage_duration_seconds_count retrieve"] == 5
    assert 0 < told["qa_stage_duration_seconds_sum generate"] < 60


class Breaks:
    """A generator that fails."""

    name = "breaks"

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        yield Draft(stage="…")
        raise ZeroDivisionError(question)


def test_failed_stopped_and_refused(library: Library) -> None:
    opened = Library(library.settings, embedder=WordEmbedder(), generator=Breaks())
    with served(opened) as client:
        with pytest.raises(ZeroDivisionError):
            opened.ask(COST)
        reading = opened.stream(COST)
        next(reading)
        del reading
        with pytest.raises(InputError):  # is no question, and not counted as one
            opened.ask("  ")
        told = scraped(client)
    assert told["qa_answers_total chat failed"] == 1
    assert told["qa_answers_total chat stopped"] == 1
    assert not any(name.startswith("qa_answer_duration_seconds_count") for name in told)


def test_requests_are_counted_by_template(library: Library) -> None:
    with served(library) as client:
        client.get("/api/articles/harbour")
        client.get("/api/articles/nothing-of-this-name")
        client.request("PROPFIND", "/made/up/by/a/stranger")
        told = scraped(client)
        text = client.get("/metrics").text
    assert told["qa_http_requests_total GET /api/articles/{id:path} 200"] == 1
    assert told["qa_http_requests_total GET /api/articles/{id:path} 404"] == 1
    assert told["qa_http_requests_total OTHER (none) 404"] == 1
    assert told["qa_http_request_duration_seconds_count GET /api/articles/{id:path}"] == 2
    for word in ("stranger", "nothing-of-this-name", "PROPFIND", "harbour"):
        assert word not in text


def test_library_and_build_are_described(library: Library) -> None:
    now = 0.0
    with served(library, clock=lambda: now) as client:
        told = scraped(client)
        assert (told["qa_articles"], told["qa_places"]) == (3, 2)
        assert told["qa_passages"] >= 3
        library.remove(["undated"])
        assert scraped(client)["qa_articles"] == 3, "who asks often costs nothing"
        now = KEPT
        after = scraped(client)
        text = client.get("/metrics").text
    assert after["qa_articles"] == 2
    assert after["qa_library_generation"] > told["qa_library_generation"]
    assert 'qa_build_info{python="3.' in text
    assert "process_resident_memory_bytes" in text


def test_damaged_library_leaves_the_other_counts(library: Library) -> None:
    with served(library) as client:
        library.close()
        (library.path / "catalog.db").write_bytes(b"not a database" * 1000)
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (library.path / name).unlink(missing_ok=True)
        told = scraped(client)
    assert "qa_articles" not in told
    assert told["qa_questions_running"] == 0


class Hangs(Library):
    """A library whose server does not answer until it may."""

    def __init__(self, library: Library) -> None:
        super().__init__(library.settings, embedder=WordEmbedder())
        self.answers = threading.Event()
        self.answers.set()

    @property
    def exists(self) -> bool:
        assert self.answers.wait(30)
        return super().exists


def test_store_that_hangs_holds_up_neither_the_loop_nor_the_counts(library: Library) -> None:
    now = 0.0
    with Hangs(library) as hung, closing(Line(2, 2)) as line:
        metrics = Metrics(hung, line, lambda: now)

        async def scrape() -> tuple[dict[str, float], float]:
            """What is told, and how long the loop was held up at most meanwhile."""
            told = httpx.ASGITransport(metrics.app())
            async with httpx.AsyncClient(transport=told, base_url="http://test") as client:
                asking = asyncio.create_task(client.get("/metrics"))
                longest = 0.0
                while not asking.done():
                    began = time.monotonic()
                    await asyncio.sleep(0.01)
                    longest = max(longest, time.monotonic() - began)
                return counts((await asking).text), longest

        before, _ = asyncio.run(scrape())
        hung.answers.clear()
        now = KEPT
        try:
            told, longest = asyncio.run(scrape())
        finally:
            hung.answers.set()
    assert told["qa_articles"] == before["qa_articles"] == 3
    assert longest < LONGEST / 2


def test_one_thread_at_a_time_looks(library: Library) -> None:
    with Hangs(library) as hung:
        hung.answers.clear()
        counted = Counts(hung)
        try:
            assert counted() is None
            assert counted() is None
            looking = [each for each in threading.enumerate() if each.name == "qa-counts"]
            assert len(looking) == 1
        finally:
            hung.answers.set()
        looking[0].join(30)
        known = counted()
        assert known
        assert known[1] == 3


class Waits:
    """A generator that waits until it may go on."""

    name = "waits"

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        self.began.set()
        assert self.go_on.wait(30)
        yield Draft()


def test_questions_that_are_being_answered_are_told(library: Library) -> None:
    waits = Waits()
    opened = Library(library.settings, embedder=WordEmbedder(), generator=waits)
    with served(opened) as client:
        given = {"json": {"question": COST}}
        asking = threading.Thread(target=client.post, args=("/api/ask",), kwargs=given)
        asking.start()
        try:
            assert waits.began.wait(30)
            assert scraped(client)["qa_questions_running"] == 1
        finally:
            waits.go_on.set()
            asking.join()
        assert scraped(client)["qa_questions_running"] == 0


def test_apps_of_one_process_count_for_themselves(library: Library) -> None:
    other = Library(library.settings, embedder=WordEmbedder())
    with served(library) as first, served(other) as second:
        library.ask(COST)
        assert scraped(first)["qa_answers_total chat answered"] == 1
        assert "qa_answers_total chat answered" not in scraped(second)


def test_keys_guard_the_counts(library: Library) -> None:
    keyed = library.settings.model_copy(update={"api_keys": (SecretStr(KEY),)})
    with served(library, keyed) as client:
        assert client.get("/metrics").status_code == 401
        headers = {"authorization": f"Bearer {KEY}"}
        assert client.get("/metrics", headers=headers).status_code == 200


def test_without_keys_only_this_machine_sees_them(library: Library) -> None:
    with served(library) as client:
        assert client.get("/metrics", headers={"host": "qa.example.org"}).status_code == 403
        assert client.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"}).status_code == 403
    public = library.settings.model_copy(update={"host": "0.0.0.0"})
    with served(library, public) as client:
        assert client.get("/metrics").status_code == 403


@pytest.fixture
def running(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return running_chat(pytestconfig, tmp_path_factory)


def test_chat_serves_them(running: Served) -> None:
    httpx.get(running.url + "/static-qa/chat.css")
    response = httpx.get(running.url + "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    told = counts(response.text)
    assert told["qa_http_requests_total GET /static-qa 200"] >= 1
    assert told["qa_articles"] == 4
