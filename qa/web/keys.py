"""The door of the HTTP API: who may come in, how often, and with how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qa import doors
from qa.doors import Keys, Rate
from qa.settings import Settings
from qa.web import hosting
from qa.web.api_errors import Failure, failure_of

CALLER = "qa.caller"  # where a request's scope tells who it is from
GUESSES = 20  # times the rate: wrong keys that are answered in a minute, of all senders together
FOREIGN = ("cross-site", "same-site")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from, by a name that gives no key away."""

    name: str
    has_key: bool

    def may_write(self, settings: Settings, headers: Mapping[str, str]) -> bool:
        """Whether it may add and delete articles.

        As QA_READ_ONLY says; unset, with a key, or from this machine where nobody has to sign in.
        """
        if settings.read_only is not None:
            return not settings.read_only
        return self.has_key or (not settings.sign_in and hosting.editable(settings, headers))


class Door:
    """Middleware before the API; ``most_bytes`` tells how large the body at a path may be."""

    def __init__(self, app: ASGIApp, settings: Settings, most_bytes: Callable[[str], int]) -> None:
        self._app = app
        self._keys = Keys(settings.api_keys)
        self._host = settings.host
        self._is_local = not doors.is_public(settings.host)
        self._rate = Rate(settings.api_rate)
        self._guesses = Rate(settings.api_rate * GUESSES)
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = {"Cache-Control": "no-store"}
        has_started = False

        async def send_on(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                MutableHeaders(scope=message).update(told)
            await send(message)

        try:
            scope[CALLER] = self._admit(scope, told)
            limited = self._measured(scope, receive)
            await self._app(scope, limited, send_on)
        except Exception as error:
            failure = failure_of(error)
            if not has_started:
                await failure.response()(scope, receive, send_on)

    def _admit(self, scope: Scope, told: dict[str, str]) -> Caller:
        """Who comes; adds to ``told`` how often it may still. Raises Failure for who may not."""
        headers, peer = Headers(scope=scope), (scope.get("client") or ("", 0))[0]
        try:
            caller = self._caller(headers, peer)
        except Failure:
            # Who guesses is slowed down, also under addresses that are made up.
            _count(self._rate, f"refused {doors.network(peer)}", {})
            _count(self._guesses, "all", {})
            raise
        _count(self._rate, caller.name, told)
        return caller

    def _caller(self, headers: Headers, peer: str) -> Caller:
        if self._keys:
            name = self._keys.named(_given(headers))
            if not name:
                raise Failure(
                    401,
                    "This needs a key of the server's QA_API_KEYS, as “Authorization: Bearer KEY” "
                    "or “X-API-Key: KEY”.",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            return Caller(name, has_key=True)
        is_here = self._is_local and _is_loopback(peer) and doors.from_here(self._host, headers)
        if not is_here or _is_foreign(headers):
            raise Failure(
                403,
                "Without keys the API answers only programs on its own machine. Set QA_API_KEYS on "
                "the server, and send one of them.",
                code="keys_not_set",
            )
        return Caller(peer, has_key=False)

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        """The body as it comes; raises Failure as soon as there is too much of it."""
        most, come = self._most_bytes(scope["path"]), 0
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > most:
            raise _too_large(most)

        async def limited() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > most:
                raise _too_large(most)
            return message

        return limited


def _count(rate: Rate, name: str, told: dict[str, str]) -> None:
    """Counts a request, and tells how many are left. Raises Failure where there are none."""
    is_free, headers = rate.take(name)
    told.update(headers)
    if not is_free:
        message = (
            f"More than {headers['RateLimit-Limit']} requests in a minute. Try again in "
            f"{headers['Retry-After']} seconds."
        )
        raise Failure(429, message, code="rate_limit_exceeded", headers=headers)


def _given(headers: Headers) -> str:
    """The key that a request carries; nothing where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site sends this; older browsers tell only where it is from."""
    if headers.get("sec-fetch-site") in FOREIGN:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _is_loopback(peer: str) -> bool:
    try:
        return doors.is_loopback(peer)
    except ValueError:  # a name, or nothing: no address
        return False


def _too_large(most: int) -> HTTPException:
    """Of the one kind that FastAPI lets through where it reads a body."""
    return HTTPException(413, f"The body has more than {most:,} bytes. Send less at once.")
