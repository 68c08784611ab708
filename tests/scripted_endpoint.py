"""A chat endpoint on loopback that misbehaves by script, so that no test needs a real model.

It speaks the OpenAI-compatible protocol, as one JSON object or as server-sent events. What it
answers is decided by a script, a plain function of one exchange: `reply` and `replies` make decent
ones, `obey` a model that does whatever an article tells it, `fault` all that goes wrong in life.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import json
import random
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, AnyStr, Self

# How a prompt announces the key of a source: change these when the prompt changes.
SOURCE_KEY = re.compile(
    r"^\[?source key[^\w]+([a-z0-9]{4,8})\b", flags=re.MULTILINE | re.IGNORECASE
)
# What ends the text of a source where no further key follows; without it, the message ends it.
SOURCE_END = re.compile(
    r"^\s*(?:\[/|</|[\[<(-]*\s*end of )(?:the )?(?:source|article|data)s?\b.*$",
    flags=re.MULTILINE | re.IGNORECASE,
)
# What a model is told to say when the sources hold no answer: stands in for {sentinel}.
SENTINEL = "NO ANSWER"

MOST_CONNECTIONS = 64
MOST_CHUNKS = 5_000
MOST_BODY_BYTES = 16 * 1024 * 1024
LONGEST_WAIT = 120.0  # seconds; a forgotten wait must not outlive a test run
FAULT_TEXT = "The tram line opened on Monday. [{key1}] It is nine kilometres long. [{key1}]"

Json = dict[str, Any]
Script = Callable[["Exchange"], None]
Maker = Callable[..., Script]


class Ended(Exception):  # noqa: N818 - no error: the way out of a script when nobody listens
    """The endpoint is being closed, or the connection is cut: the script stops where it is."""


@dataclass(frozen=True)
class Received:
    """One request as it arrived; the names of the headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: Json


# --- one exchange, as a script sees it


class Exchange:
    """One request and the means to answer it, well or badly.

    A script that returns has its answer completed for it, unless it cut the connection.
    """

    def __init__(self, handler: _Handler, received: Received, number: int) -> None:
        self.body = received.body
        self.headers = received.headers
        self.number = number  # among the requests for a completion: 1, 2, 3 …
        self.stream = received.body.get("stream") is True
        self.started = False
        self._handler = handler
        self._endpoint = handler.server.endpoint
        self._chunked = False
        self._cut = False

    @property
    def keys(self) -> list[str]:
        """The citation keys of the prompt, each once, in the order of their first appearance."""
        found = (SOURCE_KEY.findall(text) for text in self.messages("system", "user"))
        return list(dict.fromkeys(itertools.chain.from_iterable(found)))

    def messages(self, *roles: str) -> list[str]:
        """The texts of the messages in these roles, whether given as strings or as parts."""
        given = self.body.get("messages")
        messages = [m for m in given if isinstance(m, dict)] if isinstance(given, list) else []
        return [_text_of(each.get("content")) for each in messages if each.get("role") in roles]

    def fill(self, text: str) -> str:
        """The text with its placeholders filled in; see `fill` below. Failures are recorded."""
        filled, unknown = fill(text, self)
        self._endpoint.unfilled.extend(unknown)
        return filled

    def start(
        self,
        status: int = 200,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Sends status and headers; without a length, what follows is sent in chunks."""
        usual = "text/event-stream" if self.stream else "application/json"
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type or usual)
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._chunked = length is None
        if length is None:
            self._handler.send_header("Transfer-Encoding", "chunked")
        else:
            self._handler.send_header("Content-Length", str(length))
        self._handler.end_headers()
        self.started = True

    def write(self, data: bytes) -> None:
        """Sends a piece of the body: framed as an HTTP chunk where the headers announced that."""
        if data:
            self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def raw(self, data: bytes) -> None:
        """Sends bytes as they are, past all framing."""
        if self._cut or self._endpoint.closing.is_set():
            raise Ended
        self.started = True
        self._handler.wfile.write(data)

    def send(self, status: int, data: bytes, content_type: str, **headers: str) -> None:
        """A whole answer at once; an underscore in the name of a header stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.start(status, content_type, named, length=len(data))
        self.write(data)

    def send_json(self, status: int, payload: Json, **headers: str) -> None:
        self.send(status, json.dumps(payload).encode(), "application/json", **headers)

    def wait(self, seconds: float) -> None:
        """Pauses; closing the endpoint ends the pause, and the script with it."""
        if self._endpoint.closing.wait(min(seconds, LONGEST_WAIT)):
            raise Ended

    def cut(self) -> None:
        """Closes the connection in an orderly way at an untimely moment."""
        self._cut = True
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Has the connection end in a TCP reset rather than in an orderly close."""
        self._cut = True
        self._handler.close_connection = True
        _reset_when_closed(self._handler.connection)

    def complete(self) -> None:
        """Ends the body properly; a script that sent nothing at all gets its connection cut."""
        if self._cut:
            return
        if not self.started:
            self.cut()
        elif self._chunked:
            self.raw(b"0\r\n\r\n")


def _text_of(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _reset_when_closed(connection: socket.socket) -> None:
    """With lingering on for zero seconds, closing sends a reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- placeholders in replies


_PLACEHOLDER = re.compile(
    r"\{(?:(key|KEY)([1-9]\d?)(?:_(head|tail|wide|alike))?|(system|api_key|sentinel))\}"
)
_LOOKALIKES = str.maketrans("aceghijknopsuwxy", "асеɡһіјκոорѕυԝху")
_WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("!"), ord("~") + 1)})


def fill(text: str, exchange: Exchange) -> tuple[str, list[str]]:
    """The text with its placeholders replaced, and those for which the request has nothing.

    {key1} is the first key of the prompt, {KEY1} the same in upper case, {key1_head} and
    {key1_tail} its halves, {key1_wide} full-width, {key1_alike} in look-alike letters; {system} is
    the system prompt, {sentinel} is SENTINEL, {api_key} the key of the Authorization header. Other
    braces stay as they are, and so does a placeholder without a value: a test can see it in
    `ScriptedEndpoint.unfilled`.
    """
    unknown: list[str] = []
    keys = exchange.keys

    def value(match: re.Match[str]) -> str:
        form, number, variant, other = match.groups()
        found = _other_value(other, exchange) if other else _key(keys, form, int(number), variant)
        if not found:
            unknown.append(match[0])
        return found or match[0]

    return _PLACEHOLDER.sub(value, text), unknown


def _key(keys: Sequence[str], form: str, number: int, variant: str | None) -> str:
    if number > len(keys):
        return ""
    key = keys[number - 1].upper() if form == "KEY" else keys[number - 1]
    half = len(key) // 2
    # A letter without a look-alike becomes full-width: no variant may equal the key itself.
    variants = {
        "head": key[:half],
        "tail": key[half:],
        "wide": key.translate(_WIDE),
        "alike": key.translate(_LOOKALIKES).translate(_WIDE),
    }
    return variants[variant] if variant else key


def _other_value(name: str, exchange: Exchange) -> str:
    if name == "sentinel":
        return SENTINEL
    if name == "system":
        return "\n".join(exchange.messages("system"))
    return exchange.headers.get("authorization", "").removeprefix("Bearer ")


# --- the pieces of a proper answer


def _event(payload: Json) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def _envelope(exchange: Exchange, kind: str, choices: Sequence[Json]) -> Json:
    model = exchange.body.get("model", "scripted")
    head = {"id": f"chatcmpl-{exchange.number}", "object": kind, "created": 1, "model": model}
    return {**head, "choices": list(choices)}


def _chunk(exchange: Exchange, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event(_envelope(exchange, "chat.completion.chunk", [choice]))


def _completion(exchange: Exchange, message: Json, finish: str = "stop", copies: int = 1) -> Json:
    message = {"role": "assistant", **message}
    choices = [{"index": n, "message": message, "finish_reason": finish} for n in range(copies)]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {**_envelope(exchange, "chat.completion", choices), "usage": usage}


def _frames(
    exchange: Exchange, text: str, pieces: int = 8, finish: str = "stop", copies: int = 1
) -> list[bytes]:
    """A proper answer in the pieces in which it is sent: events, or parts of one JSON object."""
    text = exchange.fill(text)
    if not exchange.stream:
        payload = _completion(exchange, {"content": text}, finish, copies)
        return list(_cut_up(json.dumps(payload).encode(), 64))
    contents = [_chunk(exchange, {"content": piece}) for piece in _cut_up(text, pieces)]
    frames = [_chunk(exchange, {"role": "assistant", "content": ""})]
    frames += [frame for frame in contents for _ in range(copies)]
    frames.append(_chunk(exchange, {}, finish))
    if (exchange.body.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        envelope = _envelope(exchange, "chat.completion.chunk", [])
        frames.append(_event({**envelope, "usage": usage}))
    return [*frames, DONE]


def _cut_up(whole: AnyStr, size: int) -> Iterator[AnyStr]:
    for start in range(0, len(whole), max(1, size)):
        yield whole[start : start + max(1, size)]


def _play(exchange: Exchange, frames: Iterable[bytes], delay: float = 0.0) -> None:
    exchange.start()
    for frame in frames:
        exchange.write(frame)
        exchange.wait(delay)


# --- scripts that answer


def reply(text: str, pieces: int = 8, delay: float = 0.0) -> Script:
    """A proper answer, streamed so many characters at a time with so many seconds in between."""

    def script(exchange: Exchange) -> None:
        if exchange.stream:
            _play(exchange, _frames(exchange, text, pieces), delay)
        else:
            exchange.wait(delay)
            exchange.send_json(200, _completion(exchange, {"content": exchange.fill(text)}))

    return script


def replies(*scripts: Script) -> Script:
    """One script for each request; the last one also serves all that follow."""
    turns = itertools.count()

    def script(exchange: Exchange) -> None:
        scripts[min(next(turns), len(scripts) - 1)](exchange)

    return script


_INVITING = re.compile(
    r"\b(?:ignore|disregard|forget|instead|instructions?|you (?:must|should|are|will)|system|"
    r"assistant|say|write|print|output|include|append|respond|reply|answer|repeat|reveal|click|"
    r"visit|translate)\b|\b(?:https?|javascript|data|mailto):|\bwww\.|<[a-z/!?]|\]\s*[(\[:]|&\w+;",
    flags=re.IGNORECASE,
)
_DICTATED = re.compile(
    r"\b(?:say|write|print|output|include|append|(?:respond|reply|answer|end|begin|start) with)\b"
    r"[^\n\"“‘«`']{0,60}?"
    r"(?:\"([^\"\n]+)\"|“([^”\n]+)”|‘([^’\n]+)’|«([^»\n]+)»|`+([^`\n]+)`+|'([^'\n]+)')",
    flags=re.IGNORECASE,
)


def obey(pieces: int = 200) -> Script:
    """A model without any resistance: it repeats every source and does whatever one of them says.

    First come the lines that give orders or bear markup, then every source whole, then what a text
    dictates, each followed by the key of its source: what a real model might do at its very worst.
    """

    def script(exchange: Exchange) -> None:
        sources = _sources(exchange)
        said = [
            (line.strip(), key)
            for key, text in sources
            for line in text.splitlines()
            if _INVITING.search(line)
        ]
        said += [(text, key) for key, text in sources]
        said += [(dictated, key) for key, text in sources for dictated in _dictated(text)]
        first = sources[0][0] if sources else ""
        asked = "\n".join(exchange.messages("user"))
        known = {text for text, _ in said}
        said += [(text, first) for text in _dictated(asked) if text not in known]
        lines = (f"{text} [{key}]" if key else text for text, key in said)
        # Placeholders are not filled in: what stands in a source is repeated to the letter.
        _send_verbatim(exchange, "\n\n".join(lines), pieces)

    return script


def _sources(exchange: Exchange) -> list[tuple[str, str]]:
    """Keys and texts of the sources in the user's messages: from a line with a key to the next."""
    sources = []
    for message in exchange.messages("user"):
        heads = list(SOURCE_KEY.finditer(message))
        ends = [head.start() for head in heads[1:]] + [len(message)]
        for head, end in zip(heads, ends, strict=False):
            line_end = message.find("\n", head.end(), end)
            text = message[line_end + 1 : end] if line_end >= 0 else ""
            closing = SOURCE_END.search(text)
            sources.append((head[1], (text[: closing.start()] if closing else text).strip()))
    return sources


def _dictated(text: str) -> list[str]:
    """What the text wants to be said: the quotation after "say", "write", "print" and the like."""
    return [next(filter(None, match.groups())) for match in _DICTATED.finditer(text)]


def _send_verbatim(exchange: Exchange, text: str, pieces: int) -> None:
    if not exchange.stream:
        exchange.send_json(200, _completion(exchange, {"content": text}))
        return
    contents = [_chunk(exchange, {"content": piece}) for piece in _cut_up(text, pieces)]
    head = _chunk(exchange, {"role": "assistant", "content": ""})
    _play(exchange, [head, *contents, _chunk(exchange, {}, "stop"), DONE])


# --- scripts that fail


def _error(message: str, kind: str = "server_error", code: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _status(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    code: str | None = None,
    retry_after: str = "",
) -> Script:
    """An error with the JSON body in which such servers explain themselves."""

    def script(exchange: Exchange) -> None:
        extra = {"Retry_After": retry_after} if retry_after else {}
        exchange.send_json(status, _error(message, kind, code), **extra)

    return script


def _then_ok(
    status: int, message: str, text: str = FAULT_TEXT, times: int = 1, retry_after: str = "0"
) -> Script:
    failures = [_status(status, message, "server_error", retry_after=retry_after)] * times
    return replies(*failures, reply(text))


def _page(status: int, title: str) -> Script:
    """An HTML page, as a proxy or the log-in of a hotel network sends it."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body>"
    return lambda exchange: exchange.send(status, page.encode(), "text/html; charset=utf-8")


def _redirect(to: str = "") -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send(302, b"", "text/plain", Location=to or f"{refused_url()}/chat/completions")

    return script


def _malformed_json() -> Script:
    def script(exchange: Exchange) -> None:
        broken = b'{"id": "1", "choices": [{"index": 0, "delta": {"content": "The tram'
        _play(exchange, [b"data: " + broken + b"\n\n", DONE] if exchange.stream else [broken])

    return script


def _malformed_sse_line(text: str = FAULT_TEXT) -> Script:
    def script(exchange: Exchange) -> None:
        frames = _frames(exchange, text)
        middle = len(frames) // 2
        broken = b'data: {"choices": [{"delta": \n\nno field at all\n\n'
        _play(exchange, [*frames[:middle], broken, *frames[middle:]])

    return script


def _nothing_in(choices: Sequence[Json]) -> Script:
    """A well-formed answer with these choices, whether they are to be streamed or not."""

    def script(exchange: Exchange) -> None:
        kind = "chat.completion.chunk" if exchange.stream else "chat.completion"
        payload = _envelope(exchange, kind, choices)
        if exchange.stream:
            _play(exchange, [_event(payload), DONE])
        else:
            exchange.send_json(200, payload)

    return script


def _null_content() -> Script:
    nothing = {"role": "assistant", "content": None}
    return _nothing_in(
        [{"index": 0, "delta": nothing, "message": nothing, "finish_reason": "stop"}]
    )


def _role_only() -> Script:
    role = {"role": "assistant"}

    def script(exchange: Exchange) -> None:
        if exchange.stream:
            roles = [_chunk(exchange, role)] * 5
            _play(exchange, [*roles, _chunk(exchange, {}, "stop"), DONE])
        else:
            exchange.send_json(200, _completion(exchange, role))

    return script


def _empty_body() -> Script:
    return lambda exchange: exchange.start(length=None if exchange.stream else 0)


def _no_done_marker(text: str = FAULT_TEXT) -> Script:
    """Without streaming there is no such marker, and the answer is a proper one."""
    return lambda exchange: _play(exchange, [f for f in _frames(exchange, text) if f != DONE])


def _halved(interlude: Callable[[Exchange], None], text: str, share: float = 0.5) -> Script:
    """An answer with something in the midst of it; a share of 0 means: before the first token."""

    def script(exchange: Exchange) -> None:
        frames = _frames(exchange, text)
        middle = int(len(frames) * share)
        exchange.start(length=None if exchange.stream else len(b"".join(frames)))
        for frame in frames[:middle]:
            exchange.write(frame)
        interlude(exchange)
        for frame in frames[middle:]:
            exchange.write(frame)

    return script


def _cut_before(text: str = FAULT_TEXT) -> Script:
    return _halved(Exchange.cut, text, share=0)


def _cut_in_the_middle(text: str = FAULT_TEXT) -> Script:
    return _halved(Exchange.cut, text)


def _slow_first_token(seconds: float = 60.0, text: str = FAULT_TEXT) -> Script:
    return _halved(lambda exchange: exchange.wait(seconds), text, share=0)


def _stalls_in_the_middle(seconds: float = 60.0, text: str = FAULT_TEXT) -> Script:
    return _halved(lambda exchange: exchange.wait(seconds), text)


def _endless(text: str = "and so on ", most: int = MOST_CHUNKS, delay: float = 0.001) -> Script:
    """Neither the events nor the JSON string ever come to an end, only the connection does."""

    def script(exchange: Exchange) -> None:
        piece = exchange.fill(text)
        exchange.start()
        if not exchange.stream:
            exchange.write(b'{"choices": [{"index": 0, "message": {"content": "')
        frame = _chunk(exchange, {"content": piece}) if exchange.stream else piece.encode()
        for _ in range(min(most, MOST_CHUNKS)):
            exchange.write(frame)
            exchange.wait(delay)
        exchange.cut()

    return script


def _endless_blank_lines(most: int = 3_000, delay: float = 0.02) -> Script:
    """Signs of life without content: they keep a client's timeout for reading from ever ending."""

    def script(exchange: Exchange) -> None:
        exchange.start()
        for n in range(min(most, MOST_CHUNKS)):
            exchange.write(b": keep-alive\n\n" if n % 2 and exchange.stream else b"\n")
            exchange.wait(delay)
        exchange.cut()

    return script


def _binary_garbage(size: int = 4_096) -> Script:
    """The same bytes at every run, among them line ends, zeros and what is no UTF-8."""
    return lambda exchange: _play(exchange, [random.Random(7).randbytes(size)])


def _huge(characters: int = 2_000_000) -> Script:
    text = ("The tram line is long. " * (characters // 23 + 1))[:characters]
    return lambda exchange: _send_verbatim(exchange, text, pieces=characters)


def _error_event(message: str = "The engine died.", text: str = FAULT_TEXT) -> Script:
    """Without streaming, the error comes as the body of a 200, as some proxies have it."""

    def script(exchange: Exchange) -> None:
        if exchange.stream:
            frames = _frames(exchange, text)
            _play(exchange, [*frames[: len(frames) // 2], _event(_error(message)), DONE])
        else:
            exchange.send_json(200, _error(message))

    return script


def _tool_call() -> Script:
    def script(exchange: Exchange) -> None:
        function = {"name": "web_search", "arguments": '{"query": "tram"}'}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        if exchange.stream:
            end = _chunk(exchange, {}, "tool_calls")
            _play(exchange, [_chunk(exchange, message), end, DONE])
        else:
            exchange.send_json(200, _completion(exchange, message, "tool_calls"))

    return script


def _finished(finish: str, text: str) -> Script:
    return lambda exchange: _play(exchange, _frames(exchange, text, finish=finish))


def _finish_length(
    text: str = "The tram line opened on Monday. [{key1}] It is nine kilom",
) -> Script:
    return _finished("length", text)


def _finish_filter(text: str = "The tram line opened on Monday. [{key1}]") -> Script:
    return _finished("content_filter", text)


def _duplicate_chunks(text: str = FAULT_TEXT) -> Script:
    """Without streaming, the whole choice comes twice."""
    return lambda exchange: _play(exchange, _frames(exchange, text, copies=2))


def _secrets_echoed(status: int = 401) -> Script:
    def script(exchange: Exchange) -> None:
        header = exchange.headers.get("authorization", "none")
        message = f"Incorrect API key provided. The header was: Authorization: {header}"
        exchange.send_json(status, _error(message, "invalid_request_error", "invalid_api_key"))

    return script


@dataclass(frozen=True)
class ResetOnConnect:
    """Answers the connection itself with a reset; among `replies`, the request."""

    def __call__(self, exchange: Exchange) -> None:
        exchange.reset()


_CONTEXT = (
    "This model's maximum context length is 4096 tokens. However, your messages resulted in 5231 "
    "tokens. Please reduce the length of the messages."
)
_RATE = "Rate limit reached for requests."
_make = functools.partial

FAULTS: dict[str, Maker] = {
    # The prompt is longer than the model's context.
    "http_400_context": _make(
        _status, 400, _CONTEXT, "invalid_request_error", "context_length_exceeded"
    ),
    # The API key is wrong.
    "http_401": _make(_status, 401, "Incorrect API key provided.", code="invalid_api_key"),
    # The API key is right but may not do this.
    "http_403": _make(_status, 403, "You are not allowed to sample from this model."),
    # There is no such model.
    "http_404_model": _make(
        _status, 404, "The model `scripted` does not exist.", code="model_not_found"
    ),
    # The server grew tired of waiting for the request.
    "http_408": _make(_status, 408, "Request timeout."),
    # Another request stands in the way.
    "http_409": _make(_status, 409, "The model is being loaded by another request."),
    # A proxy thinks the request too large.
    "http_413": _make(_status, 413, "Request entity too large."),
    # The server does not know a field of the request.
    "http_422": _make(_status, 422, "Extra inputs are not permitted: stream_options."),
    # Too many requests, may be sent again at once.
    "http_429": _make(_status, 429, _RATE, "requests", "rate_limit_exceeded", "0"),
    # Too many requests, to be sent again in an hour.
    "http_429_long": _make(_status, 429, _RATE, "requests", "rate_limit_exceeded", "3600"),
    # Too many requests once (or `times`), then an answer.
    "http_429_then_ok": _make(_then_ok, 429, _RATE),
    # The server broke.
    "http_500": _make(_status, 500, "The server had an error.", "server_error"),
    # The server broke once (or `times`), then an answer.
    "http_500_then_ok": _make(_then_ok, 500, "The server had an error."),
    # A proxy in front of the server explains in HTML that it is down.
    "http_502_html": _make(_page, 502, "502 Bad Gateway"),
    # The server is overloaded.
    "http_503": _make(_status, 503, "The model is overloaded.", "server_error"),
    # The server is overloaded once (or `times`), then an answer.
    "http_503_then_ok": _make(_then_ok, 503, "The model is still being loaded."),
    # A proxy gave up on the server.
    "http_504": _make(_status, 504, "Gateway timeout.", "server_error"),
    # Sent on to another port, by default one where nobody listens, or to the URL `to`.
    "redirect_elsewhere": _redirect,
    # A 200 whose JSON breaks off, with or without streaming.
    "malformed_json": _malformed_json,
    # Two broken lines among proper events; without streaming, broken JSON.
    "malformed_sse_line": _malformed_sse_line,
    # A 200 with nothing after the headers.
    "empty_body": _empty_body,
    # A 200 with an empty list of choices.
    "empty_choices": _make(_nothing_in, []),
    # A 200 whose content is null.
    "null_content": _null_content,
    # A 200 whose content is white space only.
    "whitespace_reply": _make(reply, " \n\t\u00a0\n ", pieces=1),
    # All of the answer, but the stream ends without [DONE].
    "no_done_marker": _no_done_marker,
    # The connection closes after the headers.
    "cut_before_first_token": _cut_before,
    # The connection closes after half of the answer.
    "cut_in_the_middle": _cut_in_the_middle,
    # Content without end, until the client closes or 5,000 chunks are sent.
    "endless_reply": _endless,
    # Comments and blank lines without content, for a minute at most.
    "endless_blank_lines": _endless_blank_lines,
    # Headers at once, the first token after so many `seconds`.
    "slow_first_token": _slow_first_token,
    # Half an answer, the rest after so many `seconds`.
    "stalls_in_the_middle": _stalls_in_the_middle,
    # A 200 with an HTML page, as from a log-in page that catches all traffic.
    "wrong_content_type": _make(_page, 200, "Please log in"),
    # A 200 under the proper content type with random bytes.
    "binary_garbage": _binary_garbage,
    # Two million characters in one chunk.
    "huge_single_chunk": _huge,
    # Half an answer, then an event that is an error.
    "error_event_in_stream": _error_event,
    # The model calls a tool that nobody offered, in place of content.
    "tool_call_reply": _tool_call,
    # The answer breaks off in a word because it reached the limit of tokens.
    "finish_length": _finish_length,
    # The answer breaks off because a filter stopped it.
    "finish_content_filter": _finish_filter,
    # Every piece of content comes twice.
    "duplicate_chunks": _duplicate_chunks,
    # Pieces that name the role and hold no content.
    "role_only_chunks": _role_only,
    # An error that repeats the Authorization header it got.
    "secrets_echoed": _secrets_echoed,
    # A TCP reset as soon as the connection is there.
    "reset_on_connect": ResetOnConnect,
}


def fault(name: str, **options: Any) -> Script:
    """A script for one of FAULTS; the options are those of its maker, such as seconds or text."""
    return FAULTS[name](**options)


# --- servers


class _Tracking(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A server that knows its connections and threads, so that it can end them all at once."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._handling: list[threading.Thread] = []
        super().__init__(("127.0.0.1", 0), handler)
        loop = functools.partial(self.serve_forever, poll_interval=0.02)
        self._loop = threading.Thread(target=loop, daemon=True)
        self._loop.start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Registers the connection before its thread starts, or closing could miss it."""
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments, daemon=True)
        with self._lock:
            self._open.add(request)
            self._handling = [each for each in self._handling if each.is_alive()] + [thread]
            # Started under the lock: a thread that has yet to start does not count as alive.
            thread.start()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return len(self._open) < MOST_CONNECTIONS

    def shutdown_request(self, request: Any) -> None:
        """Closes without the usual half-close first, which would spoil a reset."""
        with self._lock:
            self._open.discard(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report; scripts report their errors themselves."""

    def end(self) -> None:
        """Ends the loop, wakes whatever reads or writes, and waits a second for it to be gone."""
        deadline = time.monotonic() + 1.0
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in [self._loop, *self._handling]:
            thread.join(max(0.0, deadline - time.monotonic()))


class _HttpServer(_Tracking, ThreadingHTTPServer):
    def __init__(self, endpoint: ScriptedEndpoint) -> None:
        self.endpoint = endpoint
        super().__init__(_Handler)

    def server_bind(self) -> None:
        """Binds without the look-up of the host's name, which may take seconds offline."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.port

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if isinstance(self.endpoint.script, ResetOnConnect):
            _reset_when_closed(request)
            return False
        return super().verify_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Scripted"
    disable_nagle_algorithm = True
    timeout = 30.0  # for a client that neither reads nor writes nor closes
    server: _HttpServer

    def do_GET(self) -> None:
        model = {"id": "scripted", "object": "model", "created": 1, "owned_by": "tests"}
        self._answer("/v1/models", {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        self._answer("/v1/chat/completions", None)

    def _answer(self, expected: str, fixed: Json | None) -> None:
        endpoint = self.server.endpoint
        body = self._body()
        received = Received(
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            body if body is not None else {},
        )
        exchange = Exchange(self, received, endpoint.record(received, counted=fixed is None))
        path = self.path.partition("?")[0]
        script = endpoint.script
        if path != expected:
            script = _status(404, f"Nothing at {path}.")
        elif body is None:
            script = _status(400, "The body is no JSON object with a Content-Length.")
        elif fixed is not None:
            listing = fixed
            script = endpoint.models_script or (lambda each: each.send_json(200, listing))
        self._run(script, exchange)

    def _run(self, script: Script, exchange: Exchange) -> None:
        try:
            script(exchange)
            exchange.complete()
        except (Ended, OSError):
            exchange.cut()
        except Exception as error:
            # Kept for the test: in this thread nobody would see it.
            self.server.endpoint.errors.append(error)
            exchange.cut()

    def _body(self) -> Json | None:
        """The object in the body: none if it is unreadable, empty for a request without one."""
        length = self.headers.get("Content-Length", "0")
        sound = length.isdecimal() and int(length) <= MOST_BODY_BYTES
        if not sound or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            return None
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def log_message(self, *_: object, **__: object) -> None:
        """Tests print nothing."""


class ScriptedEndpoint:
    """The endpoint while its context lasts; afterwards all of its threads are gone.

    `script` may be changed at any time and serves the next request. `models_script` takes the place
    of the list of models. A script that raises fails the test at the end of the context.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or reply(FAULT_TEXT)
        self.models_script: Script | None = None
        self.requests: list[Received] = []
        self.unfilled: list[str] = []  # placeholders for which a request had no value
        self.errors: list[Exception] = []  # what scripts raised
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._completions = 0
        self._server = _HttpServer(self)
        self.base_url = f"http://127.0.0.1:{self._server.port}/v1"

    def record(self, received: Received, counted: bool) -> int:
        """Notes a request and says which one it is among those for a completion."""
        with self._lock:
            self.requests.append(received)
            self._completions += counted
            return self._completions

    def close(self) -> None:
        self.closing.set()
        self._server.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise AssertionError("a script of the endpoint failed") from self.errors[0]


# --- addresses that never answer well


@functools.cache
def refused_url() -> str:
    """A loopback address where nobody listens.

    The port stays taken while the tests run, or somebody else might come to listen on it.
    """
    taken = socket.socket()
    atexit.register(taken.close)
    taken.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def dns_failure_url() -> str:
    """An address under a name that, by RFC 2606, no resolver ever finds."""
    return "http://no-such-host.invalid/v1"


class _PlainAnswer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Reads the hello first, since closing with unread bytes would reset the connection."""
        with contextlib.suppress(OSError):
            self.request.settimeout(30.0)
            self.request.recv(65_536)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


class TlsGarbage:
    """A server that answers the hello of TLS with plain HTTP, as behind a wrong https://."""

    def __init__(self) -> None:
        self._server = _Tracking(_PlainAnswer)
        self.base_url = f"https://127.0.0.1:{self._server.port}/v1"

    def close(self) -> None:
        self._server.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
