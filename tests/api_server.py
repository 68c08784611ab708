"""The HTTP API on a real server in this process, for tests that talk to it over loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from conftest import HARBOUR, LIBRARY, UNDATED
from fastapi import FastAPI

from qa.library import Library
from qa.protocols import Generator
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Draft, Hit
from qa.web import api, chat
from qa.web.conversation import Chat
from qa.web.line import Line

START = 60  # seconds
KEY = "a key of more than sixteen letters"
OTHER_KEY = "another key of more than sixteen"
COST = "How much did the work at the harbour wall cost?"
FOREIGN = Article(
    "places/far away?&#%",
    "![x](http://evil.invalid/i.png) [a](http://evil.invalid) <b>",
    "The kiln at Orbel Lane fired ![x](http://evil.invalid/i.png) 12,000 bricks in 1931.",
    url="javascript:alert(1)",
)
ARTICLES = (HARBOUR, LIBRARY, UNDATED, FOREIGN)


def needs_curl() -> None:
    """Skips the test where curl is missing; in continuous integration that is a failure."""
    if not shutil.which("curl"):
        missing = "curl is not installed; install it with: apt-get install curl"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)


def make_library(folder: Path, generator: Generator | None = None, **settings: Any) -> Library:
    """A few articles over the word embedder."""
    given = Settings(library=folder / "library", **settings)
    library = Library(given, embedder=WordEmbedder(), generator=generator)
    library.add(ARTICLES)
    return library


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server that runs the app until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START)


@contextmanager
def whole_app(folder: Path, **settings: Any) -> Iterator[tuple[str, Library]]:
    """The app with its page, and the library, which is also this process's."""
    library = make_library(folder, **settings)

    async def made() -> FastAPI:
        return chat.build(library)  # within a loop, or else Gradio makes some and leaves them open

    with serving(asyncio.run(made())) as url:
        yield url, library


@contextmanager
def bare_api(
    folder: Path, generator: Generator | None = None, places: int = 2, **settings: Any
) -> Iterator[tuple[str, Library]]:
    """The API alone, which starts at once; one may wait in its line."""
    library = make_library(folder, generator, **settings)
    talking, line = Chat(library), Line(places, 1)
    try:
        with serving(api.build(talking, line)) as url:
            yield url, library
    finally:
        line.close()
        talking.close()


class Endless:
    """Never ends an answer to a question with “endless” in it; says when it is stopped."""

    name = "endless"

    def __init__(self) -> None:
        self.began, self.stopped = threading.Event(), threading.Event()

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        del hits
        if "endless" not in question:
            yield Draft()
            return
        never = threading.Event()
        try:
            while not never.wait(0.01):
                self.began.set()
                yield Draft(stage="Working…")
        finally:
            self.stopped.set()
