"""A waiting line before the few places in which questions are answered at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from contextvars import Context, copy_context
from typing import Any, TypeVar

T = TypeVar("T")
TELL = 2.0  # seconds between two looks at how far the line has moved


class FullError(Exception):
    """So many wait that one more would wait for too long."""


class LeftError(Exception):
    """Who waited does not want to any more."""


def _always() -> bool:
    return True


class Line:
    """Places for ``places`` at once, and a line of at most ``longest``, first come first served.

    For one event loop. Work runs in threads of its own, as many as there are places.
    """

    def __init__(self, places: int, longest: int) -> None:
        self._free, self.places, self.longest = places, places, longest
        self._waiting: deque[asyncio.Event] = deque()
        self._threads = ThreadPoolExecutor(places, "qa-ask")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def idle(self) -> bool:
        """Whether a place is free, for work that nobody waits for."""
        return self._free > 0 and not self._waiting

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many have a place."""
        return self.places - self._free

    async def run(
        self,
        work: Callable[[], Iterator[T]],
        waiting: Callable[[int], T],
        wanted: Callable[[], bool] = _always,
    ) -> AsyncIterator[T]:
        """What ``work`` yields, once it has a place; until then ``waiting`` of its position.

        Positions count from 1. Raises FullError at once where the line is full, and LeftError where
        it is not ``wanted`` any more while it waits. Whoever leaves, leaves the line at once to
        the next, and the place once the work has come to the end of its step and is closed.
        """
        # Closed by hand: left to itself, a generator within another is closed at any time later.
        async with aclosing(self._enter(wanted)) as positions:
            async for position in positions:
                yield waiting(position)
        try:
            source = work()
        except BaseException:
            self._leave()
            raise
        async with aclosing(self._updates(source)) as updates:
            async for update in updates:
                yield update

    async def _enter(self, wanted: Callable[[], bool]) -> AsyncGenerator[int]:
        if self._free and not self._waiting:
            self._free -= 1
            return
        if len(self._waiting) >= self.longest:
            raise FullError
        turn = asyncio.Event()
        self._waiting.append(turn)
        try:
            told = 0
            while not turn.is_set():
                if not wanted():
                    raise LeftError
                position = self._waiting.index(turn) + 1
                if position != told:
                    told = position
                    yield position
                with suppress(TimeoutError):  # wait_for() of Python 3.11 can swallow a cancellation
                    async with asyncio.timeout(TELL):
                        await turn.wait()
        except BaseException:
            if turn.is_set():  # the place came as it left
                self._leave()
            else:
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1

    async def _updates(self, source: Iterator[T]) -> AsyncGenerator[T]:
        loop, end = asyncio.get_running_loop(), object()
        step = None
        try:
            while True:
                # Its thread knows whose request it works for, as what it logs then says.
                step = loop.run_in_executor(self._threads, copy_context().run, _next, source, end)
                update = await asyncio.shield(step)
                if update is end:
                    return
                yield update
        finally:
            # A place is left when its thread is free: a step that runs cannot be broken off, and
            # during one no generator can be closed.
            leaving = copy_context()
            if step and not step.done():
                step.add_done_callback(lambda _: _then(self._closed(source, leaving), self._leave))
            else:
                closed = self._closed(source, leaving)
                try:
                    await asyncio.shield(closed)
                finally:
                    _then(closed, self._leave)

    def _closed(self, source: Iterator[T], context: Context) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, context.run, _close, source)


def _then(future: asyncio.Future[None], do: Callable[[], None]) -> None:
    """Does it when the future is done; now, if it is."""
    if future.done():
        do()
    else:
        future.add_done_callback(lambda _: do())


def _next(source: Iterator[Any], end: object) -> Any:
    return next(source, end)


def _close(source: Iterator[T]) -> None:
    getattr(source, "close", lambda: None)()
