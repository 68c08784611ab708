"""The log of a served app: one line a request, all under its id, and no secret in any of them.

Everything goes through standard logging; only here is it decided how lines look. Whoever reads them
in a terminal gets warnings and errors; a service that collects them gets JSON, requests included.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO
from urllib.parse import quote, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qa import tracing
from qa.settings import Settings

HEADER = "x-request-id"
UNLOGGED = frozenset(("/healthz", "/readyz", "/metrics"))  # asked all the time, by machines
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
ELSEWHERE = "(none)"  # the route of what is none of ours: its path could be anything
LEAST = 6  # characters; a shorter secret stands in too many words to be taken out of them
HIDDEN = "[redacted]"
SAID = "qa.chat"  # the logger of what the server says to who started it
QUIET_IN_TERMINAL = ("qa.request", "qa.answer")

logger = logging.getLogger("qa.request")


# The id of a request


def request_id() -> str:
    """The id of the request that is being answered; a new one where there is none."""
    return tracing.about().get(tracing.REQUEST) or _new_id()


def given_id(given: str | None) -> str:
    """The id that a client or a proxy has given, if it looks like one; else a new one."""
    return given if given and re.fullmatch(r"[A-Za-z0-9._-]{4,64}", given) else _new_id()


def _new_id() -> str:
    return secrets.token_hex(8)


# Requests


class Done(NamedTuple):
    """A request that has been answered; ``seconds`` until its last byte."""

    method: str
    route: str
    status: int
    seconds: float


class Requests:
    """Middleware that gives each request its id, logs it, and tells ``done`` how it went.

    The id comes back as X-Request-ID, also where something has failed. Streams pass as they are.
    """

    def __init__(
        self,
        app: ASGIApp,
        done: Callable[[Done], None],
        user: Callable[[HTTPConnection], str] = lambda _: "",
    ) -> None:
        self._app = app
        self._done = done
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key = given_id(Headers(scope=scope).get(HEADER))
        asked = MutableHeaders(scope=scope)  # those behind, Gradio's events too, find it there
        asked[HEADER] = key
        scope["headers"] = asked.raw
        with tracing.concerning(tracing.REQUEST, key):
            await self._answer(scope, receive, send, key)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, key: str) -> None:
        started, status = time.perf_counter(), 0
        path = scope["path"]

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = key
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("error %s", key)
            if status:
                raise  # half is sent: the server breaks off
            told = PlainTextResponse(f"Something went wrong. The log tells more: {key}", 500)
            await told(scope, receive, send_with_id)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            seconds = time.perf_counter() - started
            done = Done(method, route_of(scope), status or 499, seconds)
            self._done(done)
            if path not in UNLOGGED:
                self._log(scope, done)

    def _log(self, scope: Scope, done: Done) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        told: dict[str, Any] = {"method": done.method, "route": done.route, "status": done.status}
        told["duration_ms"] = round(done.seconds * 1000, 1)
        told["client"] = (scope.get("client") or ("",))[0]
        if user := self._user(HTTPConnection(scope)):
            told["user"] = user
        logger.info("request", extra=told)


def route_of(scope: Scope) -> str:
    """The template of a request's route, which is one of few, and never what was typed."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str) and path:
        return path
    whole = scope["path"]
    if whole in UNLOGGED:
        return str(whole)
    return "/static-qa" if whole.startswith("/static-qa/") else ELSEWHERE


# Secrets


class Scrubber:
    """Takes secrets out of what is logged: those it knows, and what looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        long = {each for each in known if len(each) >= LEAST}
        forms = long | {quote(each, safe="") for each in long} | {repr(each)[1:-1] for each in long}
        self._known = sorted(forms, key=len, reverse=True)

    def __call__(self, value: Any, name: str = "") -> Any:
        """The value without secrets; ``name`` is what it stands under."""
        if _SECRET_NAME.fullmatch(name) and value not in (None, "", False):
            return HIDDEN
        if isinstance(value, dict):
            return {self._text(str(k)): self(each, str(k)) for k, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self(each) for each in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self._text(value if isinstance(value, str) else str(value))

    def _text(self, text: str) -> str:
        for each in self._known:
            text = text.replace(each, HIDDEN)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


_SECRET_NAME = re.compile(
    r"(?:.*[-_.])?(?:authorization|cookies?|passw(?:or)?d|secret|(?:api[-_]?)?keys?|token)", re.I
)
_PATTERNS = (
    # a header, as text, in a dict or in a list of pairs of bytes
    (
        re.compile(
            r"""(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)\b"""
            r"""(['"]?\s{0,3}[:=]\s{0,3}|['"],\s{0,3})(?:b?'[^'\n]*'|b?"[^"\n]*"|[^'"\n]+)"""
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\b([Bb]earer)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    # a user and password in an address
    (
        re.compile(r"""\b([a-z][a-z0-9+.-]{0,30}://[^\s:/@'"]{0,200}):[^\s/@'"]{1,500}@""", re.I),
        rf"\1:{HIDDEN}@",
    ),
    # a parameter of an address
    (
        re.compile(
            r"""(?i)([?&](?:[a-z]+[-_])?(?:key|token|secret|password|sig|signature)=)"""
            r"""[^\s&#'"]+"""
        ),
        rf"\1{HIDDEN}",
    ),
    # a setting or a field
    (
        re.compile(
            r"""(?i)((?:api[-_]?key|(?:access|auth|refresh)[-_]?token|client[-_]?secret|passwd|"""
            r"""password)['"]?\s{0,3}[=:]\s{0,3})['"]?[^\s&'",;}\])]+['"]?"""
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), HIDDEN),
)


def secrets_of(settings: Settings) -> set[str]:
    """Every secret among the settings, the password within an address, and those of OTEL_*."""
    found: set[str] = set()
    for name in Settings.model_fields:
        found |= set(_secrets_in(getattr(settings, name)))
    for each in list(found):
        found |= set(_password(each))
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        pairs = os.environ.get(name, "").split(",")
        found |= {pair.partition("=")[2].strip() for pair in pairs}
    return found - {""}


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secrets_in(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _secrets_in(each)


def _password(address: str) -> Iterator[str]:
    try:
        word = urlsplit(address).password
    except ValueError:
        return
    if word:
        yield word


# How lines look


@contextmanager
def running(settings: Settings, stream: TextIO | None = None) -> Iterator[None]:
    """Sets up logging for as long as a server runs; nothing before, and nothing after."""
    out = stream or sys.stderr
    terminal = out.isatty()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter(Scrubber(secrets_of(settings)), terminal=terminal))
    root, levels = logging.getLogger(), {SAID: logging.INFO}
    levels |= dict.fromkeys(QUIET_IN_TERMINAL, logging.WARNING if terminal else logging.INFO)
    before = {name: logging.getLogger(name).level for name in levels}
    hook = threading.excepthook
    root.addHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _log_uncaught
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _log_uncaught(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None:
        name = given.thread.name if given.thread else "a thread"
        logging.getLogger("qa.web").error("%s has ended", name, exc_info=given.exc_value)


def formatter(scrub: Scrubber, *, terminal: bool) -> logging.Formatter:
    """Lines of JSON; in a terminal, lines for people."""
    from structlog import processors, stdlib

    return stdlib.ProcessorFormatter(
        foreign_pre_chain=[stdlib.add_log_level, stdlib.add_logger_name, stdlib.ExtraAdder()],
        processors=[
            stdlib.ProcessorFormatter.remove_processors_meta,
            processors.TimeStamper(fmt="iso", utc=True, key="time"),
            processors.format_exc_info,
            _with_request,
            lambda _, __, event: scrub(dict(event)),
            _readable if terminal else processors.JSONRenderer(default=str),
        ],
    )


def _with_request(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The parts in the order in which one reads them, and the id of the request."""
    event.pop("color_message", None)  # uvicorn's, the event once more
    first: dict[str, Any] = {name: event.pop(name, "") for name in ("time", "level", "logger")}
    first["event"] = event.pop("event", "")
    if key := tracing.about().get(tracing.REQUEST):
        first["request_id"] = key
    return {**first, **event}


def _readable(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """A line, and what went wrong indented below it: no value can pass itself off as a line."""
    trace = str(event.pop("exception", ""))
    what, source = _one_line(event.pop("event")), event.pop("logger")
    time_of_day, level = str(event.pop("time"))[11:19], event.pop("level")
    if source == SAID:
        return what
    values = "".join(f" {name}={json.dumps(each, default=str)}" for name, each in event.items())
    below = "".join(f"\n    {_one_line(line)}" for line in re.split(r"\r?\n", trace) if line)
    return f"{time_of_day} {level}: {what}{_one_line(values)}{below}"


def _one_line(text: object) -> str:
    """Text whose controls, line ends and marks of direction are written out."""
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]",
        lambda found: found.group().encode("unicode_escape").decode(),
        str(text),
    )
