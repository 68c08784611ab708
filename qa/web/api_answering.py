"""Questions of programs: they wait in the line of the chat, and their answers come in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from qa.types import Answer
from qa.web.conversation import Chat
from qa.web.line import Line

PACE = 0.2  # seconds between two updates for one who listens: five a second
KEEP_ALIVE = 10.0  # seconds of silence after which a comment keeps the connection open
STILL_HERE = b": still at work\n\n"

READERS = 4  # searches and lists at once; each takes some hundredths of a second

T = TypeVar("T")
Work = Callable[[], Iterator[Answer]]


class Counter:
    """What the operations work with: the chat, its line, and threads for what needs no line."""

    def __init__(self, chat: Chat, line: Line) -> None:
        self.library = chat.library
        self.line = line
        self._chat = chat
        self._reading, self._writing = CapacityLimiter(READERS), CapacityLimiter(1)

    async def read(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._reading)

    async def write(self, work: Callable[[], T]) -> T:
        """One at a time; what the page holds of articles is made anew after it."""
        try:
            return await to_thread.run_sync(work, limiter=self._writing)
        finally:
            self._chat.forget_html()


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far a question has come in the line, from 1."""

    position: int


Update = Answer | Waiting | None  # None: nothing for a while
Writer = Callable[[AsyncIterator[Update]], AsyncIterator[bytes]]


async def updates(line: Line, work: Work) -> AsyncGenerator[Update, None]:
    """What comes of a question: the newest, not too often; the last answer is final.

    Raises FullError, and what the work raises. To close it is to leave the line or the place.
    """
    newest: list[Update] = []
    changed = asyncio.Event()

    async def listen() -> None:
        async with aclosing(cast(Any, line.run(work, Waiting))) as running:
            async for update in running:
                newest[:] = [update]
                changed.set()

    listening = asyncio.create_task(listen())
    listening.add_done_callback(lambda _: changed.set())
    try:
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await changed.wait()
            except TimeoutError:
                yield None
                continue
            changed.clear()
            has_ended = listening.done()  # asked before the newest is taken: none comes after it
            for update in [newest.pop() for _ in newest[:]]:
                yield update
            if has_ended:
                listening.result()
                return
            await asyncio.wait({listening}, timeout=PACE)
    finally:
        listening.cancel()
        await asyncio.wait({listening})


async def final(request: Request, line: Line, work: Work) -> Answer:
    """The last answer. Raises ClientDisconnect as soon as nobody waits for it any more."""

    async def answered() -> Answer:
        async with aclosing(updates(line, work)) as heard:
            (*_, last) = [update async for update in heard if isinstance(update, Answer)]
        return last

    answering, leaving = asyncio.create_task(answered()), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()
        await asyncio.wait({answering, leaving})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Events(StreamingResponse):
    """Server-sent events that ``write`` makes of the updates; whoever leaves ends the question."""

    media_type = "text/event-stream"

    def __init__(self, first: Update, rest: AsyncGenerator[Update, None], write: Writer) -> None:
        self._rest = rest
        unbuffered = {"X-Accel-Buffering": "no"}  # nginx would else wait for more
        super().__init__(write(_joined(first, rest)), headers=unbuffered)

    @classmethod
    async def begin(cls, line: Line, work: Work, write: Writer) -> Events:
        """Waits for the first update, so that what cannot begin has a status of its own."""
        heard = updates(line, work)
        return cls(await anext(heard), heard, write)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()


async def _joined(first: Update, rest: AsyncIterator[Update]) -> AsyncIterator[Update]:
    yield first
    async for update in rest:
        yield update
