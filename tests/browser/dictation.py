"""A language model that says what a test dictates, when the test dictates it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from scripted_endpoint import DONE, Exchange, ScriptedEndpoint

LONGEST = 60.0  # seconds; a request that does not come must not hold up a test run


class Dictation:
    """A script for :class:`ScriptedEndpoint`; each request waits for words of its own."""

    def __init__(self) -> None:
        self._calls: list[SimpleQueue[str | None]] = []
        self._new = threading.Condition()

    def __call__(self, exchange: Exchange) -> None:
        mine: SimpleQueue[str | None] = SimpleQueue()
        exchange.start()
        with self._new:
            self._calls.append(mine)
            self._new.notify_all()
        while True:
            try:
                words = mine.get(timeout=0.05)
            except Empty:
                exchange.wait(0)  # ends here where the endpoint is being closed
                continue
            exchange.write(_event({"content": exchange.fill(words)} if words else {}, not words))
            if not words:
                exchange.write(DONE)
                return

    @property
    def calls(self) -> int:
        return len(self._calls)

    def wait_for_call(self, number: int) -> None:
        """Until the model has been asked so many times."""
        with self._new:
            assert self._new.wait_for(lambda: len(self._calls) >= number, LONGEST)

    def say(self, words: str, end: bool = False) -> None:
        """To whoever asked last; ``end`` ends the answer."""
        self._calls[-1].put(words)
        if end:
            self.end()

    def end(self) -> None:
        self._calls[-1].put(None)

    def end_all(self) -> None:
        """Lets every request come to its end."""
        for call in self._calls:
            call.put(None)


def _event(delta: dict[str, str], last: bool) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"


@contextmanager
def dictating() -> Iterator[tuple[Dictation, ScriptedEndpoint]]:
    dictation = Dictation()
    with ScriptedEndpoint(dictation) as endpoint:
        yield dictation, endpoint
        dictation.end_all()
