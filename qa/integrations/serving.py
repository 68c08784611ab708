"""The MCP server, run: over standard input and output, or over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from qa.errors import SettingsError
from qa.integrations.mcp import build_mcp_server

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from qa.library import Library

GRACE = 2  # seconds that requests have to end when the server is stopped


def serve_mcp(library: Library, *, http: bool = False, writing: bool = False) -> None:
    """Serves until the other side or Ctrl-C ends it.

    With ``http`` at QA_HOST and QA_PORT, for holders of a key of QA_API_KEYS where there are any.
    Raises SettingsError where it cannot listen, or where others would need no key.
    """
    keys = [key.get_secret_value() for key in library.settings.api_keys]
    if not http:
        _over_pipes(build_mcp_server(library, writing=writing))
        return
    host, port = library.settings.host, library.settings.port
    if not (keys or is_loopback(host)):
        raise SettingsError(
            f"Other machines can reach the MCP server at {host}, and nobody would need a key. "
            "Set QA_API_KEYS, or listen on 127.0.0.1."
        )
    with closing(_listen(host, port)) as listening:
        app = http_app(build_mcp_server(library, writing=writing, keys=keys), host)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE
        )
        _say(f"The MCP server answers at {_address(listening)}/mcp (stop it with Ctrl+C)")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def http_app(server: MCPServer[Any], host: str) -> Starlette:
    """Streamable HTTP at /mcp; on loopback only for requests that name this machine (no DNS
    rebinding), elsewhere whatever name it goes by."""
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    protected = TransportSecuritySettings(
        enable_dns_rebinding_protection=is_loopback(host),
        allowed_hosts=[entry for name in names for entry in (name, f"{name}:*")],
        allowed_origins=[f"http://{name}:*" for name in names],
    )
    return server.streamable_http_app(transport_security=protected, host=host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there; a name other than localhost may not."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _over_pipes(server: MCPServer[Any]) -> None:
    # The thread that reads standard input cannot be interrupted, and would be waited for.
    with suppress(ValueError):  # not the main thread, which is the one that Ctrl-C reaches
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if sys.stdin.isatty():
        _say(
            "An MCP client must start this and speak to it (docs/integrations.md). For HTTP: --http"
        )
    server.run("stdio")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        number = error.errno or 0  # negative where a name is not found
        reason = os.strerror(number) if number > 0 else error.strerror
        raise SettingsError(
            f"The MCP server cannot listen on {host} port {port}: {reason}. "
            "Stop what uses it, or choose another with --port, --host."
        ) from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
