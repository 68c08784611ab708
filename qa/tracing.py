"""Traces through OpenTelemetry, with the attribute names of OpenInference; off by default.

Spans go to the TracerProvider that the program has set, or else to the exporter that
:func:`exporting` has started. Without either they cost next to nothing and import nothing.
OPENINFERENCE_HIDE_INPUTS and OPENINFERENCE_HIDE_OUTPUTS keep all words out of them.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from qa.types import Answer, Hit, Message

T = TypeVar("T")

# The names of OpenInference, as the package openinference-semantic-conventions has them: a test
# compares. They are written here so that a program with a TracerProvider needs no extra for them.
CHAIN, RETRIEVER, EMBEDDING, LLM, GUARDRAIL = "CHAIN RETRIEVER EMBEDDING LLM GUARDRAIL".split()
KIND = "openinference.span.kind"
INPUT, OUTPUT = "input.value", "output.value"
SESSION = "session.id"
METADATA = "metadata"
DOCUMENTS = "retrieval.documents"
DOCUMENT_ID, DOCUMENT_SCORE = "document.id", "document.score"
DOCUMENT_CONTENT, DOCUMENT_METADATA = "document.content", "document.metadata"
EMBEDDING_MODEL, EMBEDDING_TEXT = "embedding.model_name", "embedding.text"
EMBEDDINGS = "embedding.embeddings"
LLM_MODEL = "llm.model_name"
MESSAGES_IN, MESSAGES_OUT = "llm.input_messages", "llm.output_messages"
ROLE, CONTENT = "message.role", "message.content"
PROMPT_TOKENS, REPLY_TOKENS = "llm.token_count.prompt", "llm.token_count.completion"
TOTAL_TOKENS = "llm.token_count.total"
REQUEST = "qa.request_id"  # ours: the id under which the log speaks of the same request

SHOWN = 20  # documents of a span: OpenTelemetry keeps 128 attributes
FLUSH = 2.0  # seconds that the end of a program waits for its last spans to be sent
EXTRA = "pip install 'cited-qa[otel]'"
_REDACTED = "__REDACTED__"  # what OpenInference puts where something is hidden
_END = object()

_about: ContextVar[Mapping[str, str]] = ContextVar("qa-about")
_untraced: ContextVar[bool] = ContextVar("qa-untraced", default=False)
logger = logging.getLogger("qa.tracing")


# Spans


class Span:
    """A step of the work. As a context manager, what is opened within it becomes its child.

    Without a real span, which is how it is when nobody traces, it does nothing.
    """

    __slots__ = ("_context", "_real", "_token")

    def __init__(self, real: Any = None) -> None:
        self._real = real
        if real is not None:
            from opentelemetry import trace

            self._context = trace.set_span_in_context(real)

    def __bool__(self) -> bool:
        return self._real is not None

    def __enter__(self) -> Self:
        if self._real is not None:
            from opentelemetry import context

            self._token = context.attach(self._context)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._real is not None:
            from opentelemetry import context

            context.detach(self._token)
            self.end(error)

    @contextmanager
    def current(self) -> Iterator[None]:
        """What is opened within becomes its child; it does not end."""
        from opentelemetry import context

        token = context.attach(self._context)
        try:
            yield
        finally:
            context.detach(token)

    def end(self, error: BaseException | None = None) -> None:
        """Ends it, with what went wrong; a reader who leaves is noted and no error."""
        try:
            if isinstance(error, GeneratorExit):
                self._real.set_attribute("qa.stopped", True)
            elif error is not None:
                _record(self._real, error)
            self._real.end()
        except Exception:  # of the program's own exporter: an answer is worth more than its trace
            logger.debug("a span could not be ended", exc_info=True)

    def set(self, name: str, value: str | float | None) -> None:
        """An attribute that holds no words of questions, articles or answers."""
        if self._real is not None and value is not None:
            self._real.set_attribute(name, _sendable(value))

    def read(self, words: str, name: str = INPUT) -> None:
        """Words that went in; hidden where inputs are."""
        if self._real is not None:
            self.set(name, _REDACTED if _hides("INPUTS") else words)

    def wrote(self, words: str, name: str = OUTPUT) -> None:
        """Words that came out; hidden where outputs are."""
        if self._real is not None:
            self.set(name, _REDACTED if _hides("OUTPUTS") else words)

    def found(self, hits: Sequence[Hit]) -> None:
        """What a retriever found; where outputs are hidden, its ids and scores."""
        if self._real is None:
            return
        for number, hit in enumerate(hits[:SHOWN]):
            name = f"{DOCUMENTS}.{number}"
            self.set(f"{name}.{DOCUMENT_ID}", hit.passage.id)
            self.set(f"{name}.{DOCUMENT_SCORE}", float(hit.score))
            if not _hides("OUTPUTS"):
                self.set(f"{name}.{DOCUMENT_CONTENT}", hit.passage.text)
                self.set(f"{name}.{DOCUMENT_METADATA}", json.dumps(_place(hit)))

    def talked(
        self, model: str, messages: Sequence[Message], reply: str, count: Callable[[str], int]
    ) -> None:
        """What a language model was sent and wrote; ``count`` estimates the tokens of a text."""
        if self._real is None:
            return
        sent = sum(count(message.content) for message in messages)
        written = count(reply)
        self.set(LLM_MODEL, model)
        self.set(PROMPT_TOKENS, sent)
        self.set(REPLY_TOKENS, written)
        self.set(TOTAL_TOKENS, sent + written)
        # It is sent passages, which are outputs, and may write a question, which is an input.
        hides = _hides("INPUTS") or _hides("OUTPUTS")
        prompt = "\n\n".join(message.content for message in messages)
        self.set(INPUT, _REDACTED if hides else prompt)
        self.set(OUTPUT, _REDACTED if hides else reply)
        if not hides:
            self._messages(MESSAGES_IN, messages)
            self._messages(MESSAGES_OUT, [Message("assistant", reply)])

    def embedded(self, model: str, text: str) -> None:
        """Which model made a vector of which text; the vector itself is not kept."""
        if self._real is not None:
            self.set(EMBEDDING_MODEL, model)
            self.read(text, f"{EMBEDDINGS}.0.{EMBEDDING_TEXT}")

    def answered(self, answers: Sequence[Answer]) -> None:
        """How a question ended: in the last of these."""
        answer = answers[-1] if answers else None
        if self._real is not None and answer and not answer.stage:
            self.wrote(answer.text)
            self.set("qa.status", answer.status)
            self.set("qa.generator", answer.generator)
            self.set("qa.confidence", float(answer.confidence))
            self.set("qa.citations", len(answer.citations))

    def _messages(self, name: str, messages: Sequence[Message]) -> None:
        for number, message in enumerate(messages[:SHOWN]):
            self.set(f"{name}.{number}.{ROLE}", message.role)
            self.set(f"{name}.{number}.{CONTENT}", message.content)


_OFF = Span()


def span(name: str, kind: str, given: str | None = None) -> Span:
    """A span of this kind, to be used with ``with`` where nothing is yielded; see :func:`over`.

    ``given`` are the words that go in.
    """
    tracer = None if _untraced.get() else _tracer()
    if tracer is None:
        return _OFF
    started = Span(tracer.start_span(name, attributes={KIND: kind, **about()}))
    if given is not None:
        started.read(given)
    return started


def over(
    name: str,
    kind: str,
    given: str | None,
    source: Iterator[T],
    tell: Callable[[Span, Sequence[T]], None],
) -> Iterator[T]:
    """What a generator yields, in a span that lasts from its first step to its end or close.

    The span is current only while the generator works, so that it may be stepped by any thread, and
    nothing of it leaks to who reads. ``tell`` notes on it, at its end, what was yielded.
    """
    opened = span(name, kind, given)
    if not opened:
        yield from source
        return
    failure: BaseException | None = None
    yielded: list[T] = []
    try:
        with closing(_stepped(source, opened.current)) as steps:
            for item in steps:
                yielded.append(item)
                yield item
    except BaseException as error:
        failure = error
        raise
    finally:
        try:
            tell(opened, yielded)
        except Exception:  # an answer is worth more than its trace
            logger.debug("a span could not be described", exc_info=True)
        opened.end(failure)


def _stepped(
    source: Iterator[T], within: Callable[[], AbstractContextManager[None]]
) -> Generator[T]:
    """Each step of a generator, and its close, within a context of its own."""
    try:
        while True:
            with within():
                item: Any = next(source, _END)
            if item is _END:
                return
            yield item
    finally:
        with within():
            getattr(source, "close", lambda: None)()


def _record(real: Any, error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    kind = type(error).__name__
    if _hides("INPUTS") or _hides("OUTPUTS"):  # a message may quote what was asked or read
        real.add_event("exception", {"exception.type": kind})
        real.set_status(StatusCode.ERROR, kind)
    else:
        stack = "".join(traceback.format_exception(error))
        told = {"exception.message": str(error), "exception.stacktrace": stack}
        real.record_exception(error, {name: _sendable(text) for name, text in told.items()})
        real.set_status(StatusCode.ERROR, _sendable(f"{kind}: {error}"))


def _place(hit: Hit) -> dict[str, Any]:
    article, passage = hit.article, hit.passage
    place = {"article_id": article.id, "start": passage.start, "end": passage.end}
    told = {"title": article.title, "publisher": article.publisher, "url": article.url}
    return {**place, **told, "published": article.published, "ranks": dict(hit.ranks)}


def _sendable(value: str | float) -> str | float:
    """Halves of surrogate pairs cannot be sent: with one, a whole batch of spans would be lost."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _hides(what: str) -> bool:
    return os.environ.get(f"OPENINFERENCE_HIDE_{what}", "").strip().lower() in ("true", "1")


# What spans carry besides


def about() -> Mapping[str, str]:
    """What every span that is opened here carries."""
    return _about.get({})


def concern(name: str, value: str) -> None:
    """Spans opened from here on in this task or thread carry this, too, where it is not empty."""
    _about.set({**about(), name: value} if value else about())


@contextmanager
def concerning(name: str, value: str) -> Iterator[None]:
    """Spans opened within carry this, too, where it is not empty."""
    token = _about.set({**about(), name: value} if value else about())
    try:
        yield
    finally:
        _about.reset(token)


def of(name: str, value: str, source: Iterator[T]) -> Iterator[T]:
    """What a generator yields; the spans that it opens carry this, too."""
    return _stepped(source, lambda: concerning(name, value))


@contextmanager
def untraced() -> Iterator[None]:
    """Nothing within is traced: what the program asks itself, not what somebody asked."""
    token = _untraced.set(True)
    try:
        yield
    finally:
        _untraced.reset(token)


# Where they go


class _Place:
    """Our own provider while there is one, and the tracer of the provider that was used last."""

    own: Any = None
    last: tuple[Any, Any] = (None, None)


def _tracer() -> Any:
    """None where nobody asked for traces; then nothing is imported either."""
    provider = _Place.own
    if provider is None:
        api = sys.modules.get("opentelemetry.trace")
        if api is None or not hasattr(api, "get_tracer_provider"):
            return None  # not imported, or just being so: the program has set no provider
        provider = api.get_tracer_provider()
        if isinstance(provider, api.ProxyTracerProvider):
            return None
    known, tracer = _Place.last
    if known is not provider:
        tracer = provider.get_tracer("cited-qa")
        _Place.last = (provider, tracer)
    return tracer


@contextmanager
def exporting() -> Iterator[None]:
    """Sends the spans of a program to where OpenTelemetry's environment variables say, if they do.

    OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; over HTTP with protobuf. A
    program that has set a TracerProvider keeps it. Nothing that fails here fails the program: it is
    said in a line, once; and its end waits two seconds at most for the last spans.
    """
    if not _wanted() or _tracer() is not None:
        yield
        return
    unsent = _Unsent()
    noisy = logging.getLogger("opentelemetry")
    before = noisy.propagate
    noisy.addHandler(unsent)
    noisy.propagate = False  # its tracebacks are not for who asks a question
    _Place.own = _provider()
    try:
        yield
    finally:
        if _Place.own is not None:
            _shut_down(_Place.own, unsent)
        _Place.own, _Place.last = None, (None, None)
        noisy.removeHandler(unsent)
        noisy.propagate = before


def _address() -> str:
    given = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    return given or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()


def _wanted() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    other = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none"
    return bool(_address()) and not disabled and not other


def _provider() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("Traces are asked for and cannot be sent: install them with %s", EXTRA)
        return None
    named = "OTEL_SERVICE_NAME" in os.environ
    named = named or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    try:
        resource = Resource.create({} if named else {"service.name": "cited-qa"})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except Exception as error:  # a variable that it cannot read
        logger.warning("Traces cannot be sent, check the OTEL_* variables: %s", error)
        return None
    return provider


def _shut_down(provider: Any, unsent: _Unsent) -> None:
    """Sends what is left, unless that takes too long: who waits has the answer already."""
    ending = threading.Thread(target=provider.shutdown, daemon=True)
    ending.start()
    ending.join(FLUSH)
    if ending.is_alive():
        unsent.say()


class _Unsent(logging.Handler):
    """Turns what OpenTelemetry logs about sending into one line, said once."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._said = False

    def emit(self, record: logging.LogRecord) -> None:
        del record  # it may hold what the server answered, and a traceback
        self.say()

    def say(self) -> None:
        if not self._said:
            self._said = True
            logger.warning(
                "Traces cannot be sent to %s; questions are answered without.", _shown(_address())
            )


def _shown(url: str) -> str:
    """An address without the user, password and query that it may hold."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "their address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
