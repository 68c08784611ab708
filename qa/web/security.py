"""Headers on every response: nothing is fetched from elsewhere, nobody frames the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio needs inline styles, inline scripts and eval; what leaves or enters the page is shut.
POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "frame-src": "'none'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def headers(framed_by: str = "") -> dict[str, str]:
    """The headers; ``framed_by`` is the one origin that may show the page in a frame, if any."""
    policy = POLICY | ({"frame-ancestors": framed_by} if framed_by else {})
    given = {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return given if framed_by else given | {"X-Frame-Options": "DENY"}


class SecurityHeaders:
    """Middleware that sets the headers and leaves streams as they are."""

    def __init__(self, app: ASGIApp, given: dict[str, str]) -> None:
        self._app = app
        self._given = given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._given)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class SameSite:
    """Middleware that takes nothing that another site's page sends: it cannot ask or add for a
    reader who is signed in, or for who sits before a chat that only this machine can reach.

    ``but`` are the paths that see to this themselves.
    """

    def __init__(self, app: ASGIApp, but: Callable[[str], bool]) -> None:
        self._app = app
        self._but = but

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sends = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        minded = sends and not self._but(scope["path"])
        if minded and Headers(scope=scope).get("sec-fetch-site") in ("cross-site", "same-site"):
            refusal = PlainTextResponse("This was sent by the page of another site.", 403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Uploads:
    """Middleware that takes files only from those who may add articles, by their headers."""

    def __init__(self, app: ASGIApp, allowed: Callable[[Mapping[str, str]], bool]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        uploads = scope["type"] == "http" and scope["path"].rstrip("/").endswith("/upload")
        if uploads and not self._allowed(Headers(scope=scope)):
            refusal = PlainTextResponse("Articles cannot be added here.", 403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
