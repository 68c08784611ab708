"""Workers that are processes on this machine.

Each has a pipe of its own to the process that adds. The pools of the standard library share pipes
and locks among workers, and may wait for ever when one is killed in the middle of an answer.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from qa import networks, workers
from qa.errors import InputError, WorkerError
from qa.types import Article
from qa.workers import Cut, Recipe, Texts

if TYPE_CHECKING:
    from qa.protocols import Embedder, Vectors

BATCH = 32  # texts a worker gets at a time: about a second's work
ARTICLES, CHARACTERS = 16, 50_000  # that a worker gets at a time
AHEAD = 2  # batches that a worker has: it need not wait for the next one
WINDOW = 1_024  # passages for each worker
DEATHS = 3  # in a row, before it is given up

Task = tuple[Callable[[Any, Any], Any], Any]  # a function of this module, and what it is given

_log = logging.getLogger(__name__)


class Processes:
    """So many processes, each with an embedder of its own that uses one core.

    A process that is killed is replaced and what it was at is done again; after three deaths
    without a result between them WorkerError is raised.
    """

    def __init__(self, embedder: Embedder, recipe: Recipe, count: int) -> None:
        self.embedder = embedder
        self.count = count or networks.workers()
        self.window = WINDOW * self.count
        self._recipe = _packed(recipe, embedder)
        self._crew: list[_Worker] = []
        self._deaths = 0

    def cut(self, articles: Iterable[Article]) -> Iterator[Cut]:
        bundles = workers.bundles(articles, ARTICLES, CHARACTERS)
        for cuts in self._spread((_cut, bundle) for bundle in bundles):
            yield from cuts

    def embed(self, texts: Mapping[bytes, str]) -> Iterator[dict[bytes, Vectors]]:
        # The longest first: what is left at the end is short, and no one waits for long.
        ordered = sorted(texts.items(), key=lambda each: -len(each[1]))
        return self._spread((_embed, batch) for batch in workers.batches(ordered, BATCH))

    def close(self, *, at_once: bool) -> None:
        while self._crew:
            self._crew.pop().leave(at_once=at_once)

    def _spread(self, tasks: Iterator[Task]) -> Iterator[Any]:
        """The results as they come. Tasks are taken as workers get free."""
        again = deque[Task]()
        while True:
            for worker in self._all() * AHEAD:
                if len(worker.tasks) < AHEAD:
                    # What has killed a worker, if it was that, comes last.
                    task = next(tasks, None) or (again.popleft() if again else None)
                    if task:
                        worker.give(task)
            busy = {worker.connection: worker for worker in self._crew if worker.tasks}
            if not busy:
                return
            for ready in wait_for(list(busy)):
                worker = busy[ready]  # type: ignore[index]  # only connections were waited for
                try:
                    done, result = worker.take()
                except (EOFError, OSError):
                    again.extend(worker.tasks)
                    self._lose(worker)
                    continue
                self._deaths = 0
                if not done:
                    raise result
                yield result

    def _all(self) -> list[_Worker]:
        while len(self._crew) < self.count:
            self._crew.append(_Worker(self._recipe))
        return self._crew

    def _lose(self, worker: _Worker) -> None:
        self._crew.remove(worker)
        worker.leave(at_once=True)
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise WorkerError(
                f"Worker processes ended {DEATHS} times in a row before they were done: they were "
                "killed, perhaps for want of memory, or a program adds without the guard "
                "'if __name__ == \"__main__\"'. What was added is safe; use fewer workers, or none."
            )
        _log.warning("qa: a worker process was lost; what it was at is done again")


class _Worker:
    """A process, our end of its pipe, and what it has not answered yet."""

    def __init__(self, recipe: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.tasks = deque[Task]()
        self._process = context.Process(target=_work, args=(theirs, recipe), daemon=True)
        with _interrupts_held():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def give(self, task: Task) -> None:
        self.tasks.append(task)
        with suppress(OSError):  # it has ended: taking says so
            self.connection.send(task)

    def take(self) -> tuple[bool, Any]:
        """Whether the first of its tasks was done, and the result or the error."""
        found: tuple[bool, Any] = self.connection.recv()
        self.tasks.popleft()
        return found

    def leave(self, *, at_once: bool) -> None:
        if at_once:
            self._process.kill()
        self.connection.close()  # it ends when it sees this
        self._process.join()
        self._process.close()


def _work(connection: Connection, recipe: bytes) -> None:
    """The life of a worker, from before anything heavy is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"  # torch's threads, and by qa.networks onnxruntime's
    own: Recipe = pickle.loads(recipe)
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    while True:
        function, given = tasks.get()
        try:
            answer = True, function(given, own.embedder())
        except Exception as error:
            answer = False, _portable(error)
        connection.send(answer)


def _portable(error: Exception) -> Exception:
    """The error, or its words where it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return WorkerError(f"{type(error).__name__}: {error}")
    return error


def _receive(connection: Connection, tasks: SimpleQueue[Task]) -> None:
    """Takes tasks at any time, so that neither end waits for the other to read.

    The pipe ends when the process that adds lets this one go, and also when it is killed.
    """
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


def _cut(articles: list[Article], embedder: Embedder) -> list[Cut]:
    return [workers.cut(article, embedder) for article in articles]


def _embed(texts: Texts, embedder: Embedder) -> dict[bytes, Vectors]:
    return workers.embedded(texts, embedder)


def _packed(recipe: Recipe, embedder: Embedder) -> bytes:
    try:
        return pickle.dumps(recipe)
    except Exception as error:  # whatever the objects inside it raise
        raise InputError(
            f"The embedder {embedder.name} cannot be sent to other processes ({error}). "
            "Make its class one that can be pickled, or add without workers."
        ) from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started inside never see Ctrl-C: the one that started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would let them through when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    # Another thread may be told of it, and Python then interrupts this one all the same.
    at_once = threading.current_thread() is threading.main_thread()
    held: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if at_once:
        signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        if at_once:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if held:
        signal.raise_signal(signal.SIGINT)
