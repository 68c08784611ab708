"""The web chat: one FastAPI app, the page mounted in it, and the server that runs it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles

from qa import doors, tracing
from qa.errors import LibraryError
from qa.library import Library
from qa.settings import Settings
from qa.web import api, hosting, logs
from qa.web.conversation import Chat
from qa.web.keys import Door
from qa.web.line import Line
from qa.web.logs import Requests
from qa.web.metrics import Faces, Metrics
from qa.web.page import I18N, TITLE, Desk, page
from qa.web.security import SameSite, SecurityHeaders, Uploads, headers

STATIC = Path(__file__).parent / "static"
HEAD = (
    '<link rel="stylesheet" href="/static-qa/chat.css">'
    '<script src="/static-qa/chat.js" defer></script>'
)
SPACE = "https://huggingface.co"  # shows its Spaces in a frame
WARMING = 5.0  # seconds that stopping waits for what the start has begun
LONGEST = 40  # questions that wait in line; more are told that it is too busy
ENDPOINT_PLACES = 8  # questions answered at once where a language model elsewhere does the work
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

logger = logging.getLogger(logs.SAID)


def build(library: Library, framed_by: str = "") -> FastAPI:
    """The app for one library, which it closes when it shuts down."""
    settings = library.settings
    readiness = hosting.Readiness(library)
    line, chat = Line(_places(settings), LONGEST), Chat(library)
    metrics = Metrics(library, line)
    library.watched = metrics.watched

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(chat), closing(line):
            warming = threading.Thread(target=chat.warm, name="qa-warm", daemon=True)
            warming.start()
            yield
            warming.join(WARMING)

    app = FastAPI(title=TITLE, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SameSite, but=api.is_within)
    app.add_middleware(Uploads, allowed=partial(hosting.editable, settings))
    app.add_middleware(Faces)
    app.add_middleware(Requests, done=metrics.requested, user=_signed_in(app))
    app.add_middleware(SecurityHeaders, given=headers(framed_by))  # the last is the outermost
    app.mount("/static-qa", StaticFiles(directory=STATIC))
    counts = Router([Route("/metrics", metrics.app(), methods=["GET"])])
    app.router.routes.append(Route("/metrics", Door(counts, settings, lambda _: 0)))

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        is_ready, reason = readiness()
        status = "ready" if is_ready else "not ready"
        return JSONResponse({"status": status, "reason": reason}, 200 if is_ready else 503)

    app.router.routes.append(api.Within(api.build(chat, line)))
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page(Desk(chat, line)),
        path="/",
        auth=hosting.authenticate(settings),
        theme=gr.themes.Base(font=SANS, font_mono=MONO),
        head=HEAD,
        favicon_path=str(STATIC / "favicon.svg"),
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        max_file_size=hosting.upload_limit(settings),
        i18n=I18N,
    )
    return mounted


def _signed_in(app: FastAPI) -> Callable[[HTTPConnection], str]:
    """Who has signed in on the page that is mounted in an app, by the cookie that Gradio gave."""

    def name(request: HTTPConnection) -> str:
        page = next((each.app for each in app.routes[::-1] if isinstance(each, Mount)), None)
        cookies = (
            f"access-token{kind}-{getattr(page, 'cookie_id', '')}" for kind in ("", "-unsecure")
        )
        token = next((request.cookies[each] for each in cookies if each in request.cookies), "")
        return str(getattr(page, "tokens", {}).get(token, ""))

    return name


def _places(settings: Settings) -> int:
    """Questions answered at once: as many as there are cores, where they are answered here."""
    elsewhere = settings.generator == "llm" and not settings.llm_file
    return ENDPOINT_PLACES if elsewhere else max(2, os.cpu_count() or 2)


# The server


class _Server(uvicorn.Server):
    """Says where it is as soon as it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            _say(f"The chat answers at {doors.address(each)} (stop it with Ctrl+C)")


def serve(settings: Settings) -> None:
    """Runs the chat until it is stopped. Raises QaError where it cannot start."""
    listening = doors.listen(settings.host, settings.port, "The chat")
    with (
        closing(listening),
        logs.running(settings),
        Library.open(settings=settings) as library,
    ):
        _prepare(library)
        for warning in hosting.warnings(settings):
            logger.warning(warning)
        framed_by = SPACE if "SPACE_ID" in os.environ else ""
        config = uvicorn.Config(
            build(library, framed_by), log_level="warning", log_config=None, access_log=False
        )
        with suppress(KeyboardInterrupt):
            _Server(config).run(sockets=[listening])


def _prepare(library: Library) -> None:
    """Loads the model and opens the stores, so that the first question does not wait for them."""
    if not library.exists:
        if library.path.exists() and not library.path.is_dir():
            raise LibraryError(
                f"{library.path} is a file, and a library is a folder. Choose another: --library"
            )
        _say(f"There are no articles in {library.place.name} yet. Add some: qa add FOLDER")
        return
    _say("Loading the library and its model…")
    with tracing.untraced():
        library.search("Is everything ready?", 1)


def _say(line: str) -> None:
    logger.info(line)
