"""What a trace tells, where it goes, and that it never costs an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import (
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from openinference.semconv import trace as semconv
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from scripted_endpoint import SOURCE_KEY

from qa import tracing
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Draft, Hit, Turn

COST = "How much did the work on the harbour wall cost?"
ABSENT = "Who painted the ceiling of the opera?"
KEY = "sk-not-for-the-trace-4711"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans of a program that has set a TracerProvider of its own."""
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield kept
    provider.shutdown()


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = (span for span in spans.get_finished_spans() if span.name == name)
    return found


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def trace_of(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.trace_id)


def parents(spans: InMemorySpanExporter) -> dict[str, str]:
    """The name of each span's parent, by its own."""
    finished = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished if span.context}
    return {s.name: names[s.parent.span_id] if s.parent else "" for s in finished}


def words(spans: InMemorySpanExporter) -> str:
    """All that the spans tell, as text."""
    return " ".join(span.to_json() for span in spans.get_finished_spans())


# What it tells


def test_question_is_one_tree_of_steps(library: Library, spans: InMemorySpanExporter) -> None:
    answer = library.ask(COST)
    assert parents(spans) == {
        "ask": "",
        "retrieve": "ask",
        "embed": "retrieve",
        "lexical": "retrieve",
        "dense": "retrieve",
        "generate": "ask",
        "check": "ask",
    }
    kinds = {span.name: told(span)[tracing.KIND] for span in spans.get_finished_spans()}
    assert kinds["ask"] == kinds["generate"] == "CHAIN"
    assert (kinds["retrieve"], kinds["embed"], kinds["check"]) == (
        *("RETRIEVER", "EMBEDDING", "GUARDRAIL"),
    )
    root = told(named(spans, "ask"))
    assert (root["input.value"], root["output.value"]) == (COST, answer.text)
    assert (root["qa.status"], root["qa.generator"]) == ("answered", "extractive")


def test_documents_are_what_was_found(library: Library, spans: InMemorySpanExporter) -> None:
    answer = library.ask(COST)
    found, best = told(named(spans, "retrieve")), answer.hits[0]
    first = "retrieval.documents.0.document"
    assert found[f"{first}.id"] == best.passage.id
    assert found[f"{first}.score"] == best.score
    assert found[f"{first}.content"] == best.passage.text
    place = json.loads(found[f"{first}.metadata"])
    article = library.article(place["article_id"])
    assert article.text[place["start"] : place["end"]] == best.passage.text
    assert sum(name.endswith("document.id") for name in found) == len(answer.hits)


def test_search_and_follow_up_are_traced(library: Library, spans: InMemorySpanExporter) -> None:
    library.search("ferry", 2)
    assert parents(spans)["retrieve"] == ""
    spans.clear()
    library.ask("And how long did it take?", [Turn(COST, "4.2 million crowns.")])
    rewritten = told(named(spans, "rewrite"))
    assert rewritten["input.value"] == "And how long did it take?"
    assert COST in rewritten["output.value"]


def test_names_are_those_of_openinference() -> None:
    known = {
        value
        for holder in vars(semconv).values()
        if isinstance(holder, type)
        for value in vars(holder).values()
        if isinstance(value, str)
    }
    known |= {kind.value for kind in semconv.OpenInferenceSpanKindValues}
    ours = {
        name: value
        for name, value in vars(tracing).items()
        if name[0].isupper() and isinstance(value, str) and name not in ("EXTRA", "REQUEST", "T")
    }
    assert len(ours) > 20
    assert set(ours.values()) <= known


class Telling(CustomLLM):
    """Writes a sentence behind it the first key of its prompt, or fails with ``failure``."""

    failure: str = ""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="telling", context_window=4096)

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> CompletionResponseGen:
        if self.failure:
            raise RuntimeError(self.failure)
        text = f"The work cost 4.2 million crowns. [{SOURCE_KEY.findall(prompt)[0]}]"
        yield CompletionResponse(text=text, delta=text)


def test_language_model_tells_its_name_messages_and_tokens(
    library: Library, spans: InMemorySpanExporter
) -> None:
    with Library(library.settings, embedder=WordEmbedder(), llm=Telling()) as opened:
        assert opened.ask(COST).generator == "llm"
    assert parents(spans)["llm"] == "generate"
    model = told(named(spans, "llm"))
    assert (model["llm.model_name"], model[tracing.KIND]) == ("telling", "LLM")
    assert model["llm.input_messages.0.message.role"] == "system"
    assert COST in model["llm.input_messages.1.message.content"]
    assert "4.2 million" in model["llm.output_messages.0.message.content"]
    sent, written = model["llm.token_count.prompt"], model["llm.token_count.completion"]
    assert 100 < sent < 4096
    assert 5 < written < 50
    assert model["llm.token_count.total"] == sent + written


def test_failure_of_a_model_is_recorded_without_what_it_said(
    library: Library, spans: InMemorySpanExporter
) -> None:
    llm = Telling(failure=f"Authorization: Bearer {KEY}")
    with Library(library.settings, embedder=WordEmbedder(), llm=llm) as opened:
        assert opened.ask(COST).generator == "extractive"
    model = named(spans, "llm")
    assert model.status.status_code is trace.StatusCode.ERROR
    assert "telling failed" in str(model.status.description)
    assert told(model)["llm.model_name"] == "telling"
    assert KEY not in words(spans)


@pytest.mark.parametrize(
    ("hidden", "gone", "there"),
    [
        (("INPUTS",), [COST], ["4.2 million crowns"]),
        (("OUTPUTS",), ["Ines Falk"], [COST]),
        (("INPUTS", "OUTPUTS"), [COST, "million", "Falk", "Harbour"], []),
    ],
)
def test_words_can_be_kept_out(
    library: Library,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    hidden: Sequence[str],
    gone: Sequence[str],
    there: Sequence[str],
) -> None:
    for what in hidden:
        monkeypatch.setenv(f"OPENINFERENCE_HIDE_{what}", "true")
    library.ask(COST)
    if len(hidden) == 2:
        with Library(library.settings, embedder=WordEmbedder(), llm=Telling()) as opened:
            opened.ask(COST, [Turn("Who is Ines Falk?", "The mayor.")])
    everything = words(spans)
    assert [word for word in gone if word in everything] == []
    assert [word for word in there if word not in everything] == []
    assert "retrieval.documents.0.document.id" in everything


class Rewriting(Telling):
    """Writes a question of its own."""

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> CompletionResponseGen:
        text = "How much did Ferdinand's work on the harbour wall cost?"
        yield CompletionResponse(text=text, delta=text)


@pytest.mark.parametrize("hidden", ["INPUTS", "OUTPUTS"])
def test_what_a_language_model_is_sent_and_writes_is_hidden_with_either(
    library: Library, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setenv(f"OPENINFERENCE_HIDE_{hidden}", "true")
    with Library(library.settings, embedder=WordEmbedder(), llm=Rewriting()) as opened:
        opened.ask("And how much did it cost?", [Turn("Who is Ines Falk?", "The mayor.")])
    models = [span.to_json() for span in spans.get_finished_spans() if span.name == "llm"]
    assert len(models) == 2
    for word in ("Ferdinand", "Falk", "crowns", "harbour"):
        assert word not in " ".join(models)
    assert "llm.token_count.prompt" in models[0]


def test_half_a_surrogate_pair_loses_no_spans(spans: InMemorySpanExporter) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    with tracing.span("ask", tracing.CHAIN, "How old is the \ud83d kiln?") as span:
        span.wrote("It is \ud83d old.")
    with pytest.raises(ValueError, match="kiln"), tracing.span("check", tracing.GUARDRAIL):
        raise ValueError("the \ud83d kiln")
    (event,) = named(spans, "check").events
    assert (event.attributes or {})["exception.message"] == "the ? kiln"
    assert encode_spans(spans.get_finished_spans()).SerializeToString()
    assert told(named(spans, "ask"))["input.value"] == "How old is the ? kiln?"


# Generators


def test_reader_who_leaves_ends_the_span(library: Library, spans: InMemorySpanExporter) -> None:
    answers = library.stream(COST)
    next(answers)
    assert "ask" not in [span.name for span in spans.get_finished_spans()]
    answers.close()  # type: ignore[attr-defined]
    root = named(spans, "ask")
    assert told(root)["qa.stopped"] is True
    assert root.status.status_code is trace.StatusCode.UNSET


def test_steps_in_different_threads_leak_nothing(
    library: Library, spans: InMemorySpanExporter
) -> None:
    answers = [library.stream(COST), library.stream(ABSENT)]
    done = [False, False]
    leaked: list[bool] = []

    def step(which: int) -> None:
        done[which] = next(answers[which], None) is None
        leaked.append(trace.get_current_span().get_span_context().is_valid)

    while not all(done):
        for which in (0, 1):  # the two take turns, each step in a thread of its own
            thread = threading.Thread(target=step, args=(which,))
            thread.start()
            thread.join()
    assert not any(leaked)
    roots = [span for span in spans.get_finished_spans() if span.name == "ask"]
    assert {told(root)["input.value"] for root in roots} == {COST, ABSENT}
    assert all(root.parent is None for root in roots)
    asked = {trace_of(root): told(root)["input.value"] for root in roots}
    for span in spans.get_finished_spans():
        if span.name in ("retrieve", "generate", "lexical"):
            assert told(span)["input.value"] == asked[trace_of(span)]


class Breaks:
    """A generator that fails after its first draft."""

    name = "breaks"

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        yield Draft(stage="…")
        raise ZeroDivisionError(question)


def test_span_that_cannot_be_ended_costs_no_answer(
    library: Library, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SimpleSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise OSError(span.name)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken(spans))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    assert library.ask(COST).status == "answered"


def test_error_is_recorded_on_the_way_up(
    library: Library, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library(library.settings, embedder=WordEmbedder(), generator=Breaks()) as opened:
        with pytest.raises(ZeroDivisionError):
            opened.ask(COST)
        for name in ("ask", "generate"):
            span = named(spans, name)
            assert span.status.status_code is trace.StatusCode.ERROR
            assert span.status.description == f"ZeroDivisionError: {COST}"
            assert [event.name for event in span.events] == ["exception"]
        spans.clear()
        monkeypatch.setenv("OPENINFERENCE_HIDE_INPUTS", "true")
        with pytest.raises(ZeroDivisionError):
            opened.ask(COST)
    assert COST not in words(spans)
    assert "ZeroDivisionError" in words(spans)


def test_spans_stand_below_those_of_the_program(
    library: Library, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("a program").start_as_current_span("its own"):
        library.ask(COST)
    assert parents(spans)["ask"] == "its own"


def test_what_it_concerns_is_on_every_span(library: Library, spans: InMemorySpanExporter) -> None:
    answers = tracing.of(tracing.SESSION, "conversation-1", library.stream(COST))
    with tracing.concerning(tracing.REQUEST, "request-1"):
        *_, _ = answers
    for span in spans.get_finished_spans():
        assert told(span)["session.id"] == "conversation-1"
        assert told(span)["qa.request_id"] == "request-1"
    assert tracing.about() == {}


def test_what_the_program_asks_itself_is_not_traced(
    library: Library, spans: InMemorySpanExporter
) -> None:
    assert library.questions()
    assert spans.get_finished_spans() == ()


# Off


def test_without_a_provider_nothing_is_imported() -> None:
    code = (
        "import sys\nfrom qa import tracing\n"
        "with tracing.exporting(), tracing.span('a', 'CHAIN', 'b') as span: span.wrote('c')\n"
        "assert not span\n"
        "assert list(tracing.over('a', 'CHAIN', '', iter('xy'), print)) == ['x', 'y']\n"
        "print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_off_costs_next_to_nothing() -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(1000):
            with tracing.span("a", tracing.CHAIN, "b") as span:
                span.wrote("c")
        times.append((time.perf_counter() - began) / 1000)
    assert not span
    assert min(times) < 50e-6


# Sent from the command line


class Collector:
    """An OTLP endpoint on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        received: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library over the default model."""
    folder = tmp_path_factory.mktemp("traced") / "library"
    with Library(Settings(library=folder)) as library:
        library.add(
            [Article("kiln", "The kiln", "The kiln at Orbel Lane burnt 900 bricks in 1931.")]
        )
    return folder


def ask(shelf: Path, *code: str, **env: str) -> subprocess.CompletedProcess[str]:
    program = code or ("from qa.cli import main; main()",)
    words = ["ask", "How many bricks did the kiln burn in 1931?", "--library", str(shelf)]
    return subprocess.run(
        [sys.executable, "-c", *program, *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command_line_sends_its_trace(shelf: Path) -> None:
    collector = Collector()
    try:
        done = ask(shelf, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    finally:
        collector.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "900 bricks" in done.stdout
    assert [path for path, _ in collector.received] == ["/v1/traces"]
    sent = ExportTraceServiceRequest.FromString(collector.received[0][1])
    (resource,) = sent.resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert about["service.name"] == "cited-qa"
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert {"ask", "retrieve", "embed", "generate", "check"} <= set(spans)
    assert spans["retrieve"].parent_span_id == spans["ask"].span_id
    output = {each.key: each.value.string_value for each in spans["ask"].attributes}
    assert "900 bricks" in output["output.value"]


def test_dead_endpoint_costs_a_line_and_two_seconds(shelf: Path) -> None:
    began = time.monotonic()
    plain = ask(shelf)
    without = time.monotonic() - began
    began = time.monotonic()
    dead = "http://user:hunter2secret@127.0.0.1:9"
    done = ask(shelf, OTEL_EXPORTER_OTLP_ENDPOINT=dead)
    assert time.monotonic() - began < without + tracing.FLUSH + 8
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Traces cannot be sent to http://127.0.0.1:9")
    assert "hunter2secret" not in line


@pytest.mark.parametrize("env", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_traces_can_be_switched_off(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with tracing.exporting():
        assert not tracing.span("a", tracing.CHAIN)


def test_missing_extra_is_named_and_the_question_answered(shelf: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "from qa.cli import main; main()"
    )
    done = ask(shelf, code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "900 bricks" in done.stdout
    (line,) = done.stderr.splitlines()
    assert "pip install 'cited-qa[otel]'" in line
