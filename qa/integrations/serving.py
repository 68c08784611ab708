"""The MCP server, run: over standard input and output, or over HTTP."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qa import doors
from qa.errors import SettingsError
from qa.integrations.mcp import build_mcp_server
from qa.settings import Settings

if TYPE_CHECKING:
    from qa.library import Library

GRACE = 2  # seconds that requests have to end when the server is stopped
PORT = 7861  # unless QA_PORT is set: at its default answers the chat


def serve_mcp(library: Library, *, http: bool = False, writing: bool = False) -> None:
    """Serves until the other side or Ctrl-C ends it.

    With ``http`` at QA_HOST and QA_PORT (7861 where that is not set), for holders of a key of
    QA_API_KEYS where there are any. Raises SettingsError where it cannot listen, where others would
    need no key or one that can be guessed, and for ``writing`` where QA_READ_ONLY forbids it.
    """
    settings = library.settings
    if writing and settings.read_only:
        raise SettingsError(
            "QA_READ_ONLY is true, and --allow-writing lets clients add and remove articles. "
            "Leave one of them out."
        )
    if not http:
        _over_pipes(build_mcp_server(library, writing=writing))
        return
    host, port = settings.host, settings.port if "port" in settings.model_fields_set else PORT
    if not settings.api_keys and doors.is_public(host):
        raise SettingsError(
            f"Other machines can reach the MCP server at {host}, and nobody would need a key. "
            "Set QA_API_KEYS, or listen on 127.0.0.1."
        )
    app = http_app(build_mcp_server(library, writing=writing, keys=settings.api_keys), settings)
    with closing(doors.listen(host, port, "The MCP server")) as listening:
        config = uvicorn.Config(
            app,
            log_level="warning",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE,
        )
        _say(f"The MCP server answers at {doors.address(listening)}/mcp (stop it with Ctrl+C)")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def http_app(server: MCPServer[Any], settings: Settings) -> ASGIApp:
    """Streamable HTTP at /mcp, behind a :class:`Door`."""
    # The package's own check lets any port of this machine ask, and no proxy of a key's holder.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return Door(server.streamable_http_app(transport_security=unchecked), settings)


class Door:
    """Slows down who guesses keys. Without keys, lets in programs of this machine that name it as
    such (no DNS rebinding), but no page of another origin and nothing that a proxy passes on."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._host = settings.host
        self._keys = doors.Keys(settings.api_keys)
        self._guesses = doors.Rate(settings.api_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if self._keys:
            token = headers.get("authorization", "").partition(" ")[2]
            if self._keys.named(token):
                return None  # the server itself looks what kind of token it is
            is_free, told = self._guesses.take(doors.network((scope.get("client") or ("",))[0]))
            return None if is_free else PlainTextResponse("Too many wrong keys.", 429, told)
        own = f"http://{headers.get('host', '')}"
        if doors.from_here(self._host, headers) and headers.get("origin", own) == own:
            return None
        return PlainTextResponse(
            "Without keys only programs on the server's own machine are answered. Set QA_API_KEYS "
            "on the server, and send one of them.",
            403,
        )


def _over_pipes(server: MCPServer[Any]) -> None:
    # The thread that reads standard input cannot be interrupted, and would be waited for.
    with suppress(ValueError):  # not the main thread, which is the one that Ctrl-C reaches
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if sys.stdin.isatty():
        _say(
            "An MCP client must start this and speak to it (docs/integrations.md). For HTTP: --http"
        )
    server.run("stdio")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
