"""Counts for Prometheus at /metrics: requests, answers, the waiting line and the library.

Labels are few and fixed: no question, no id and no path that somebody typed is among them.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import qa
from qa.library import Library
from qa.types import Answer
from qa.web.line import Line
from qa.web.logs import Done

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
CHAT = "chat"
KEPT = 5.0  # seconds that the counts of the library hold: who asks often costs nothing
LONGEST = 1.0  # seconds that somebody waits for them to be counted anew
FACES = {"/api": "api", "/v1": "v1"}  # where the faces live that are not the page

_face: ContextVar[str] = ContextVar("qa-face", default=CHAT)
logger = logging.getLogger("qa.answer")


class Faces:
    """Middleware that notes through which face a request comes in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = "/" + scope.get("path", "").lstrip("/").partition("/")[0]
        token = _face.set(FACES.get(first, CHAT))
        try:
            await self._app(scope, receive, send)
        finally:
            _face.reset(token)


class Metrics:
    """The counts of one app, in a registry of its own."""

    def __init__(
        self, library: Library, line: Line, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "qa_http_requests", "Requests.", ("method", "route", "status"), registry=registry
        )
        self._durations = Histogram(
            "qa_http_request_duration_seconds",
            "From the request to the last byte of its response.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "qa_answers",
            "Questions by how they ended: answered, abstained, failed or stopped.",
            ("face", "status"),
            registry=registry,
        )
        self._whole = self._histogram("qa_answer_duration_seconds", "To the whole answer.", "face")
        self._first = self._histogram(
            "qa_answer_first_sentence_seconds", "To the first sentence that is shown.", "face"
        )
        self._stages = self._histogram("qa_stage_duration_seconds", "In one stage.", "stage")
        built = Info("qa_build", "What runs here.", registry=registry)
        built.info({"version": qa.__version__, "python": platform.python_version()})
        registry.register(_State(Counts(library, clock), line))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

    def _histogram(self, name: str, what: str, label: str) -> Histogram:
        return Histogram(name, what, (label,), buckets=SECONDS, registry=self.registry)

    def requested(self, done: Done) -> None:
        """Counts a request."""
        self._requests.labels(done.method, done.route, str(done.status)).inc()
        self._durations.labels(done.method, done.route).observe(done.seconds)

    def watched(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        """Answers as they come, counted and logged when the last one has come."""
        # A generator: a question that nobody reads the answer of is not counted.
        face, started, first, last = _face.get(), time.perf_counter(), 0.0, None
        status = "stopped"
        try:
            for last in answers:
                if last.sentences and not first:
                    first = time.perf_counter() - started
                yield last
            status = last.status if last else "failed"
        except Exception:
            status = "failed"
            raise
        finally:
            self._ended(face, status, time.perf_counter() - started, first)
            if last and status in ("answered", "abstained"):
                self._timed(last)

    def _ended(self, face: str, status: str, seconds: float, first: float) -> None:
        self._answers.labels(face, status).inc()
        if status in ("answered", "abstained"):
            self._whole.labels(face).observe(seconds)
        told = {"face": face, "status": status, "duration_ms": round(seconds * 1000, 1)}
        if first:
            self._first.labels(face).observe(first)
            told["first_ms"] = round(first * 1000, 1)
        logger.info("answer", extra=told)

    def _timed(self, answer: Answer) -> None:
        for stage in ("retrieve", "generate"):
            if stage in answer.timings_ms:
                self._stages.labels(stage).observe(answer.timings_ms[stage] / 1000)

    def app(self) -> ASGIApp:
        """What answers with the counts."""
        return _Page(self.registry)


class _Page:
    """The counts as a response; a thread collects them, for a store may let it wait."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encode, kind = choose_encoder(Headers(scope=scope).get("accept", ""))
        text = await run_in_threadpool(encode, self._registry)
        await Response(text, headers={"content-type": kind})(scope, receive, send)


class Counts:
    """Generation, articles and passages of a library, looked up at most once in five seconds.

    One thread at a time looks; where it takes longer than a second, as when the library's server
    hangs, the counts before are told. None where they cannot be looked up, or are not yet.
    """

    def __init__(self, library: Library, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._starting = threading.Lock()
        self._looking: threading.Thread | None = None
        self._looked = float("-inf")
        self._known: tuple[int, int, int] | None = None

    def __call__(self) -> tuple[int, int, int] | None:
        with self._starting:
            if self._clock() - self._looked >= KEPT and not self._looking:
                self._looking = threading.Thread(target=self._look, name="qa-counts", daemon=True)
                self._looking.start()
            looking = self._looking
        if looking:
            looking.join(LONGEST)
        return self._known

    def _look(self) -> None:
        try:
            self._known = self._counted() if self._library.exists else None
        except Exception:  # it is being rebuilt, is broken, or its server is away: /readyz tells
            self._known = None
        finally:
            self._looked, self._looking = self._clock(), None

    def _counted(self) -> tuple[int, int, int]:
        generation, before = self._library.generation, self._known
        if before and before[0] == generation:  # counting passages takes a while in a large library
            return before
        return generation, *self._library.size()


class _State(Collector):
    """What is looked up when somebody asks; what cannot be, is left out."""

    def __init__(self, counts: Counts, line: Line) -> None:
        self._counts = counts
        self._line = line

    def collect(self) -> Iterator[Metric]:
        for name, what, value in (
            ("qa_questions_waiting", "Questions that wait in line.", self._line.waiting),
            ("qa_questions_running", "Questions that are being answered.", self._line.running),
            ("qa_places", "Questions that can be answered at once.", self._line.places),
        ):
            yield GaugeMetricFamily(name, what, value=value)
        names = ("qa_library_generation", "qa_articles", "qa_passages")
        about = ("Grows with every change of the articles.", "Articles.", "Passages.")
        for name, what, value in zip(names, about, self._counts() or (), strict=False):
            yield GaugeMetricFamily(name, what, value=value)
