"""The web chat: one FastAPI app, the page mounted in it, and the server that runs it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from qa.errors import LibraryError, SettingsError
from qa.library import Library
from qa.settings import Settings
from qa.store import Store
from qa.web import conversation, rendering
from qa.web.conversation import Conversation
from qa.web.security import SecurityHeaders, headers

TITLE = "Ask the articles"
STATIC = Path(__file__).parent / "static"
HEAD = (
    '<link rel="stylesheet" href="/static-qa/chat.css">'
    '<script src="/static-qa/chat.js" defer></script>'
)
SPACE = "https://huggingface.co"  # shows its Spaces in a frame
AT_ONCE = 8  # questions worked on at the same time; more of them wait in Gradio's queue
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
# The page's own elements are morphed in place, so one listener on what stays will do.
ON_EXAMPLE = """element.addEventListener('click', event => {
    const example = event.target.closest('.qa-example');
    if (example) trigger('click', {question: example.dataset.question});
});"""


def build(library: Library, framed_by: str = "") -> FastAPI:
    """The app for one library, which it closes when it shuts down."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(library):
            yield

    app = FastAPI(title=TITLE, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityHeaders, given=headers(framed_by))
    app.mount("/static-qa", StaticFiles(directory=STATIC))

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page(library),
        path="/",
        theme=gr.themes.Base(font=SANS, font_mono=MONO),
        head=HEAD,
        favicon_path=str(STATIC / "favicon.svg"),
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        max_file_size="1mb",
    )
    return mounted


def page(library: Library) -> gr.Blocks:
    """The layout, and what happens on it."""
    blocks: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        past = gr.State(())
        head = _html("qa-head")
        with gr.Row(elem_id="qa-layout"):
            with gr.Column(elem_id="qa-main"):
                thread = _html("qa-conversation", ON_EXAMPLE)
                with gr.Column(elem_id="qa-composer"):
                    box, clear, chosen = _composer(library)
            with gr.Column(elem_id="qa-side"):
                panel = _html("qa-sources")

        shown = [box, thread, panel, past]
        quiet: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": "ask"}
        quiet["concurrency_limit"] = AT_ONCE

        def ask(
            question: str, past: Conversation, publishers: list[str], after: str, before: str
        ) -> Iterator[tuple[Any, ...]]:
            yield from _ask(library, question, past, publishers, after, before)

        def ask_example(event: gr.EventData, *given: Any) -> Iterator[tuple[Any, ...]]:
            yield from _ask(library, event.question, *given)

        box.submit(ask, [box, past, *chosen], shown, api_name="ask", **quiet)
        thread.click(ask_example, [past, *chosen], shown, api_visibility="private", **quiet)
        opened = [head, thread, panel, past, chosen[0]]
        blocks.load(lambda: _opened(library), None, opened, api_visibility="private", **quiet)
        clear.click(lambda: _opened(library), None, opened, api_visibility="private", **quiet)
    return blocks


def _composer(library: Library) -> tuple[gr.Textbox, gr.Button, list[Any]]:
    box = gr.Textbox(
        label="Your question",
        placeholder="Ask the articles…",
        max_lines=6,
        submit_btn="Ask",
        autofocus=True,
        elem_id="qa-question",
    )
    with gr.Row(elem_id="qa-tools"):
        with gr.Accordion("Filters", open=False, elem_id="qa-filters"):
            publishers = gr.Dropdown(
                conversation.publishers(library), multiselect=True, label="Publishers", value=[]
            )
            with gr.Row():
                after = gr.Textbox(label="From", placeholder="2024-01-01", max_length=10)
                before = gr.Textbox(label="To", placeholder="2024-12-31", max_length=10)
        clear = gr.Button("New conversation", elem_id="qa-clear", size="sm")
    return box, clear, [publishers, after, before]


def _html(name: str, on_load: str | None = None) -> gr.HTML:
    return gr.HTML("", elem_id=name, js_on_load=on_load, apply_default_css=False)


# What the events do


def _ask(
    library: Library,
    question: str,
    past: Conversation,
    publishers: list[str],
    after: str,
    before: str,
) -> Iterator[tuple[Any, ...]]:
    """Updates of the question box, the thread, the sources and the conversation."""
    try:
        filters = conversation.filters_of(publishers, after, before)
    except Exception as error:
        yield (question, *_shown((*past, conversation.failed(len(past) + 1, question, error))))
        return
    for now in conversation.ask(library, past, question, filters):
        yield ("", *_shown(now))


def _shown(now: Conversation) -> tuple[str, str, Conversation]:
    groups = [exchange.sources for exchange in now if exchange.sources]
    panel = rendering.panel(groups) if groups else ""
    return rendering.thread(exchange.html for exchange in now), panel, now


def _opened(library: Library) -> tuple[Any, ...]:
    """A page without a conversation: the head, the welcome, no sources, and the publishers."""
    overview = conversation.overview(library)
    examples = []
    if overview.articles:
        with suppress(LibraryError):  # examples are a kindness; the question box says what is wrong
            examples = conversation.examples(library)
    welcome = rendering.welcome(overview, examples, str(library.path))
    choices = gr.Dropdown(conversation.publishers(library), value=[])
    return rendering.header(overview), welcome, "", (), choices


# The server


class _Server(uvicorn.Server):
    """Says where it is as soon as it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            _say(f"The chat answers at {_address(each)} (stop it with Ctrl+C)")


def serve(settings: Settings) -> None:
    """Runs the chat until it is stopped. Raises QaError where it cannot start."""
    listening = _listen(settings.host, settings.port)
    with closing(listening), Library.open(settings=settings) as library:
        _prepare(library)
        framed_by = SPACE if "SPACE_ID" in os.environ else ""
        config = uvicorn.Config(build(library, framed_by), log_level="warning", access_log=False)
        with suppress(KeyboardInterrupt):
            _Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        number = error.errno or 0  # negative where a name is not found
        reason = os.strerror(number) if number > 0 else error.strerror
        raise SettingsError(
            f"The chat cannot listen on {host} port {port}: {reason}. "
            "Stop what uses it, or choose another with --port (or QA_PORT), --host (or QA_HOST)."
        ) from error


def _prepare(library: Library) -> None:
    """Loads the model and opens the stores, so that the first question does not wait for them."""
    if not Store.exists(library.path):
        if library.path.exists() and not library.path.is_dir():
            raise LibraryError(
                f"{library.path} is a file, and a library is a folder. Choose another: --library"
            )
        _say(f"There are no articles in {library.path} yet. Add some: qa add FOLDER")
        return
    _say("Loading the library and its model…")
    library.search("Is everything ready?", 1)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
