"""Workers that are processes on this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any, TypeVar

from qa import networks, workers
from qa.errors import InputError, WorkerError
from qa.types import Article
from qa.workers import Cut, Recipe, Texts

if TYPE_CHECKING:
    from qa.protocols import Embedder, Vectors

BATCH = 32  # texts a worker gets at a time: about a second's work
ARTICLES, CHARACTERS = 16, 50_000  # that a worker gets at a time
AHEAD = 2  # batches that wait or are worked on, for each worker
WINDOW = 1_024  # passages for each worker
DEATHS = 3  # in a row, before it is given up

Task = TypeVar("Task")
Result = TypeVar("Result")

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
        self._pool: ProcessPoolExecutor | None = None
        self._deaths = 0

    def cut(self, articles: Iterable[Article]) -> Iterator[Cut]:
        for cuts in self._spread(_cut, workers.bundles(articles, ARTICLES, CHARACTERS)):
            yield from cuts

    def embed(self, texts: Mapping[bytes, str]) -> Iterator[dict[bytes, Vectors]]:
        # The longest first: what is left at the end is short, and no one waits for long.
        ordered = sorted(texts.items(), key=lambda each: -len(each[1]))
        return self._spread(_embed, workers.batches(ordered, BATCH))

    def close(self, *, at_once: bool) -> None:
        if self._pool is None:
            return
        children = list((self._pool._processes or {}).values()) if at_once else []
        for child in children:
            child.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def _spread(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """The results as they come. Tasks are taken as workers get free."""
        coming = iter(tasks)
        again = deque[Task]()
        running: dict[Future[Result], Task] = {}
        while True:
            while len(running) < AHEAD * self.count:
                task = again.popleft() if again else next(coming, None)
                if task is None:
                    break
                running[self._submit(function, task)] = task
            if not running:
                return
            done = wait(running, return_when=FIRST_COMPLETED).done
            if any(map(_lost, done)):  # then no other comes back either
                done = wait(running).done
            for future in done:
                task = running.pop(future)
                if _lost(future):
                    again.append(task)
                else:
                    self._deaths = 0
                    yield future.result()
            if again:
                self._replace()

    def _submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Where the pool is broken, a future that says so."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self.count, context, initializer=_begin, initargs=(self._recipe,)
            )
        try:
            with _interrupts_held():
                return self._pool.submit(function, task)
        except BrokenProcessPool as error:
            broken = Future[Result]()
            broken.set_exception(error)
            return broken

    def _replace(self) -> None:
        self.close(at_once=False)
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise WorkerError(
                f"Worker processes ended {DEATHS} times in a row before they were done: they were "
                "killed, perhaps for want of memory, or a program adds without the guard "
                "'if __name__ == \"__main__\"'. What was added is safe; use fewer workers, or none."
            )
        _log.warning("qa: a worker process was lost; what it was at is done again")


_recipe: Recipe | None = None  # of this worker


def _begin(recipe: bytes) -> None:
    """In a new worker, before anything heavy is imported."""
    global _recipe  # noqa: PLW0603  a worker has one
    os.environ["OMP_NUM_THREADS"] = "1"  # torch's threads, and by qa.networks onnxruntime's
    _recipe = pickle.loads(recipe)
    parent = multiprocessing.parent_process()
    if parent is not None:
        watch = threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True)
        watch.start()


def _end_with(sentinel: Any) -> None:
    """Whoever kills the process that adds is rid of its workers, too."""
    wait_for([sentinel])
    os._exit(1)


def _own() -> Embedder:
    assert _recipe is not None  # _begin has run
    return _recipe.embedder()


def _cut(articles: list[Article]) -> list[Cut]:
    return [workers.cut(article, _own()) for article in articles]


def _embed(texts: Texts) -> dict[bytes, Vectors]:
    return workers.embedded(texts, _own())


def _lost(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
