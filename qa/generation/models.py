"""Language models: any LlamaIndex LLM, and through one any OpenAI-compatible endpoint.

A model is never waited for without end, nothing it answers with is trusted, and no key, header or
server's text reaches a message: an error says in our words what went wrong and what to do.
"""

from __future__ import annotations

import contextlib
import contextvars
import queue
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qa import prompts, tracing
from qa.errors import ModelError, SettingsError
from qa.settings import Settings
from qa.types import Message

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

ATTEMPTS = 3  # in all; only while nothing was written yet
LONGEST_PAUSE = 10.0  # seconds; a server that wants to be left alone for longer has failed
HEARTBEAT = 0.25  # seconds between signs of life while a model is silent
MOST_CHARACTERS = 16_000  # of a reply; what goes on longer is cut
REPLY_TOKENS = 512
DEFAULT_CONTEXT = 4096


class LanguageModelError(ModelError):
    """A model did not answer, or broke off. ``retry_after``: seconds, where trying again may help;
    ``too_long``: the prompt was longer than its context."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, too_long: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.too_long = too_long


def reply_tokens(context: int) -> int:
    """Tokens of a context that are kept for the reply."""
    return min(REPLY_TOKENS, context // 4)


class LanguageModel:
    """Any LlamaIndex LLM as a stream of text with deadlines.

    ``timeout`` are the seconds that it may be silent, before the first word and between words.
    """

    def __init__(
        self,
        llm: LLM,
        where: str = "",
        timeout: float = 60.0,
        context: int | None = None,
        connections: Connections | None = None,
    ) -> None:
        own = connections or Connections()
        self.close = weakref.finalize(self, own.close)  # connections do not outlive the model
        self._hang_up = own.hang_up
        self._llm = llm
        self._where = where
        self._timeout = timeout
        self._context = context

    @property
    def name(self) -> str:
        return str(self._llm.metadata.model_name or type(self._llm).__name__)

    @property
    def room(self) -> int:
        """Tokens that a prompt may have, so that the reply still fits in the context."""
        context = int(self._context or self._llm.metadata.context_window or DEFAULT_CONTEXT)
        return context - reply_tokens(context)

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The reply in pieces, empty ones as signs of life while the model is silent.

        Raises LanguageModelError where none comes or where it breaks off. Tries again, three times
        in all, where that may help and nothing was written yet.
        """

        def tell(span: tracing.Span, pieces: Sequence[str]) -> None:
            span.talked(self.name, messages, "".join(pieces), prompts.estimate_tokens)

        return tracing.over("llm", tracing.LLM, None, self._tried(messages), tell)

    def _tried(self, messages: Sequence[Message]) -> Iterator[str]:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        began = False
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception(lambda error: not began and _may_help(error)),
            wait=lambda state: _pause(state.outcome.exception() if state.outcome else None, state),
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                for piece in self._once(messages):
                    began = began or bool(piece.strip())
                    yield piece

    def complete(self, messages: Sequence[Message]) -> str:
        """The whole reply at once. Raises LanguageModelError where there is none."""
        reply = "".join(self.stream(messages))
        if not reply.strip():
            raise LanguageModelError(f"{self._called} wrote nothing. Check QA_LLM_MODEL.")
        return reply

    def _once(self, messages: Sequence[Message]) -> Iterator[str]:
        arrived: queue.Queue[str | BaseException | None] = queue.Queue()
        stop = threading.Event()
        within = contextvars.copy_context()  # what traces requests there finds whose they are
        work = threading.Thread(
            target=within.run,
            args=(_pump, lambda: self._open(messages), arrived, stop),
            daemon=True,
        )
        work.start()
        try:
            yield from self._heard(arrived)
        finally:
            stop.set()
            self._hang_up(work.ident or 0)  # a thread that waits for a silent server would stay

    def _heard(self, arrived: queue.Queue[str | BaseException | None]) -> Iterator[str]:
        length, heard = 0, time.monotonic()
        while True:
            try:
                item = arrived.get(timeout=HEARTBEAT)
            except queue.Empty:
                item = ""
            if item is None:
                return
            if isinstance(item, BaseException):
                # Not "from item": its text may hold what a server was sent, keys included.
                raise explain(item, self._called) from None
            heard = time.monotonic() if item else heard
            if time.monotonic() - heard > self._timeout:
                raise LanguageModelError(
                    f"{self._called} was silent for {self._timeout:g} s. Try again, or give it "
                    "longer: QA_LLM_TIMEOUT."
                )
            length += len(item)
            if length > MOST_CHARACTERS:
                yield item[: MOST_CHARACTERS - length + len(item)]
                raise LanguageModelError(
                    f"{self._called} did not stop writing and was cut off. Try again, or choose "
                    "another QA_LLM_MODEL."
                )
            yield item

    @property
    def _called(self) -> str:
        return f"The language model {self.name}{self._where}"

    def _open(self, messages: Sequence[Message]) -> Iterator[str]:
        from llama_index.core.llms import ChatMessage

        written = [ChatMessage(role=m.role, content=m.content) for m in messages]
        ended = ""
        for part in self._llm.stream_chat(written):
            ended = _finish_reason(part.raw) or ended
            yield part.delta or ""
        if ended in _STOPPED:
            raise LanguageModelError(f"{self._called} {_STOPPED[ended]}.")


_STOPPED = {
    "length": "was stopped by its limit of tokens. Give it more room: QA_LLM_CONTEXT",
    "content_filter": "was stopped by a filter there. Ask in other words, or another QA_LLM_MODEL",
}


def _finish_reason(raw: object) -> str:
    """Why a model stopped, where a piece of an OpenAI-like stream says so."""
    choices = getattr(raw, "choices", None)
    reason = getattr(choices[0], "finish_reason", None) if choices else None
    return str(reason or "")


def _pump(
    opened: Callable[[], Iterator[str]],
    arrived: queue.Queue[str | BaseException | None],
    stop: threading.Event,
) -> None:
    """Reads a stream in a thread of its own, since reading cannot be given a deadline.

    Once stopped it reads on to the end, which hanging up brings at once: a stream that is left in
    the middle is closed by the garbage collector, in whatever thread that runs, and if that thread
    is about to open a connection, both wait for one lock for ever.
    """
    ended: BaseException | None = None
    try:
        for text in opened():
            if not stop.is_set():
                arrived.put(text)
    except BaseException as error:  # handed on whole: the thread has nobody to tell
        ended = error
    arrived.put(ended)


def _may_help(error: BaseException) -> bool:
    return isinstance(error, LanguageModelError) and error.retry_after is not None


def _pause(error: BaseException | None, state: Any) -> float:
    wanted = error.retry_after if isinstance(error, LanguageModelError) else None
    return max(wanted or 0.0, 0.25 * 2.0 ** int(state.attempt_number - 1))


# -- what went wrong, in our words -------------------------------------------------------------

_BY_STATUS = {
    400: "did not accept the request (400). Check QA_LLM_MODEL, and QA_LLM_CONTEXT against the "
    "context that the model has",
    401: "does not accept the key (401). Check QA_LLM_API_KEY",
    403: "refuses access (403). Check QA_LLM_API_KEY and what it allows",
    404: "is not known there (404). Check QA_LLM_MODEL and QA_LLM_BASE_URL",
    302: "is not there: the address sends elsewhere (302). Check QA_LLM_BASE_URL",
    408: "took too long (408). Try again",
    409: "is busy (409). Try again",
    413: "did not accept a request this long (413). Lower QA_LLM_CONTEXT",
    422: "did not accept the request (422). Check QA_LLM_MODEL",
    429: "gets too many requests (429). Wait a little, or check your quota there",
}
_AGAIN = {408, 409, 429, 500, 502, 503, 504}


def explain(error: BaseException, called: str) -> LanguageModelError:
    """A failure in our words. Of the error's own text nothing is shown, only looked at."""
    if isinstance(error, LanguageModelError):
        return error
    chain = list(_chain(error))
    text = " ".join(str(each).lower() for each in chain)[:20_000]
    status = next(
        (s for each in chain if isinstance(s := getattr(each, "status_code", None), int)), 0
    )
    if "context" in text and any(word in text for word in ("length", "exceed", "maximum", "size")):
        message = f"{called} has no room for the passages. Set QA_LLM_CONTEXT to its context size."
        return LanguageModelError(message, too_long=True)
    if status:
        failed = _BY_STATUS.get(status, f"failed (HTTP {status}). Try again later")
        wanted = _retry_after(chain) if status in _AGAIN else None
        patient = wanted is not None and wanted <= LONGEST_PAUSE
        return LanguageModelError(f"{called} {failed}.", retry_after=wanted if patient else None)
    names = {type(each).__name__ for each in chain}
    return LanguageModelError(
        f"{called} {_unconnected(names, text)}.", retry_after=_again(names, text)
    )


# What stands in the text of an error, or in the name of its class, and what that means.
_BY_WORDS = (
    (("certificate", "ssl", "tls"), "cannot be reached safely (TLS). Check QA_LLM_BASE_URL, and "
     "whether it is https or http"),
    (("timeout",), "did not answer in time. Try again, or give it longer: QA_LLM_TIMEOUT"),
    (("refused",), "cannot be reached: nothing listens there. Start it, or check QA_LLM_BASE_URL"),
    (("name or service", "getaddrinfo", "name resolution", "nodename"),
     "cannot be reached: there is no such host. Check QA_LLM_BASE_URL"),
    (("json", "validationerror"), "answered with something that is no reply. Check "
     "QA_LLM_BASE_URL: it ends in /v1"),
    (("protocol", "connection", "readerror"), "broke off the connection. Try again"),
)  # fmt: skip


def _unconnected(names: set[str], text: str) -> str:
    told = f"{text} {' '.join(names).lower()}"
    for signs, meaning in _BY_WORDS:
        if any(sign in told for sign in signs):
            return meaning
    return "failed. Check QA_LLM_BASE_URL and QA_LLM_MODEL with: qa doctor"


def _again(names: set[str], text: str) -> float | None:
    lost = any("Protocol" in name or "ReadError" in name for name in names) or "reset" in text
    return 0.0 if lost and "refused" not in text else None


def _retry_after(chain: Sequence[BaseException]) -> float | None:
    """Seconds that a server wants to be left alone; 0 where it does not say."""
    for error in chain:
        headers = getattr(getattr(error, "response", None), "headers", None)
        wanted = headers.get("retry-after") if headers is not None else None
        if wanted is not None:
            try:
                return max(0.0, float(wanted))
            except ValueError:
                return None  # a date: longer than we wait
    return 0.0


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


class Connections:
    """The sockets of an HTTP client, by the thread that uses each; one connection a request."""

    def __init__(self) -> None:
        self._sockets: dict[int, Any] = {}
        self.on_close: Callable[[], None] = lambda: None

    def watch(self, request: Any) -> None:
        """An event hook of httpx: notes the socket of a request when it is connected."""

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                connected = info["return_value"].get_extra_info("socket")
                self._sockets[threading.get_ident()] = connected

        request.extensions["trace"] = trace

    def hang_up(self, thread: int) -> None:
        """Ends what a thread is reading or waiting for."""
        connected = self._sockets.pop(thread, None)
        if connected is not None:
            with contextlib.suppress(OSError):  # it has ended already
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.on_close()


# -- endpoints ---------------------------------------------------------------------------------


def endpoint(settings: Settings) -> LanguageModel:
    """The model of QA_LLM_BASE_URL and QA_LLM_MODEL. Raises SettingsError where one is missing."""
    if not settings.llm_base_url or not settings.llm_model:
        raise SettingsError(
            "QA_GENERATOR is llm, which needs QA_LLM_BASE_URL (an OpenAI-compatible address such "
            "as http://127.0.0.1:11434/v1) and QA_LLM_MODEL, or QA_LLM_FILE (a GGUF file)."
        )
    key = settings.llm_api_key
    return at(
        settings.llm_base_url,
        settings.llm_model,
        key.get_secret_value() if key else "",
        settings,
    )


def at(url: str, name: str, key: str, settings: Settings) -> LanguageModel:
    """A model behind an OpenAI-compatible address."""
    import httpx
    from llama_index.llms.openai_like import OpenAILike

    limits = httpx.Timeout(settings.llm_timeout, connect=min(10.0, settings.llm_timeout))
    # A server that sends us elsewhere gets nothing: the key is for the address that was set.
    connections = Connections()
    client = httpx.Client(
        timeout=limits,
        follow_redirects=False,
        limits=httpx.Limits(max_keepalive_connections=0),
        event_hooks={"request": [connections.watch]},
    )
    connections.on_close = client.close
    llm = OpenAILike(
        model=name,
        api_base=url.rstrip("/"),
        api_key=key or "none",
        is_chat_model=True,
        context_window=settings.llm_context,
        max_tokens=reply_tokens(settings.llm_context),
        temperature=0.0,
        max_retries=0,  # tried again by us, and only while nothing was written
        timeout=settings.llm_timeout,
        http_client=client,
    )
    where = f" at {_shown(url)}"
    return LanguageModel(llm, where, settings.llm_timeout, settings.llm_context, connections)


def _shown(url: str) -> str:
    """An address without a user and password, or a query, that it may hold."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "its address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
