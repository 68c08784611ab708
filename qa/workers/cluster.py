"""Workers of an existing Ray cluster, by Ray Data; the only file that knows ray."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from qa import workers
from qa.errors import InputError, QaError, WorkerError
from qa.types import Article
from qa.workers import Cut, Recipe

if TYPE_CHECKING:
    from ray.data import Dataset

    from qa.protocols import Embedder, Vectors

    Table = Any  # of pyarrow, which has no types

BATCH = 64  # texts of one block: some seconds' work for one core
ARTICLES, CHARACTERS = 16, 100_000  # of one block
BLOCKS = 64  # of articles that are sent at a time, for each core
# Passages that are sent at a time, for each core; actors load the model anew each time.
WINDOW, LARGEST_WINDOW = 5_000, 50_000
LOSSES = 3  # in a row without a result, before it is given up
PATIENCE = 10  # seconds for a connection
STANDSTILL = 120  # seconds without any result until we begin anew; longer than one block takes
# Half a core an actor, as many actors as cores: those of a lost node start again on the others,
# where Ray would else wait for a free core with their work in hand.
SHARE = 0.5

_log = logging.getLogger(__name__)


class Cluster:
    """Cutting as tasks, embedding as actors that load the model once.

    Every node needs this package, in the same version, and the model. ``most`` is how many cores
    are used, 0 for all. Raises WorkerError where the cluster cannot be reached.
    """

    def __init__(self, embedder: Embedder, recipe: Recipe, address: str, most: int) -> None:
        self.embedder = embedder
        self._recipe = recipe
        self._connected = _connect(address)
        cores = _cores()
        self.count = min(most or cores, cores)
        self.window = min(WINDOW * self.count, LARGEST_WINDOW)

    def cut(self, articles: Iterable[Article]) -> Iterator[Cut]:
        most = BLOCKS * self.count
        for sent in workers.bundles(articles, ARTICLES * most, CHARACTERS * most):
            left = {article.id: article for article in sent}
            for row in self._results(partial(_articles, left), self._cutting):
                for cut in pickle.loads(row["cuts"]):
                    if left.pop(cut.article_id, None):
                        yield cut

    def embed(self, texts: Mapping[bytes, str]) -> Iterator[dict[bytes, Vectors]]:
        import numpy as np

        left = dict(texts)
        for row in self._results(partial(_texts, left), self._embedding):
            if left.pop(row["key"], None) is not None:
                yield {row["key"]: np.frombuffer(row["vector"], dtype=np.float32)}

    def close(self, *, at_once: bool) -> None:
        """Leaves the cluster, unless the program was connected before."""
        import ray

        if self._connected:
            ray.shutdown()

    def _cutting(self, sent: Dataset) -> Dataset:
        from ray.data import TaskPoolStrategy

        return sent.map_batches(
            partial(_cut, recipe=self._recipe),
            batch_size=None,
            batch_format="pyarrow",
            compute=TaskPoolStrategy(self.count),
            num_cpus=1,
        )

    def _embedding(self, sent: Dataset) -> Dataset:
        from ray.data import ActorPoolStrategy

        return sent.map_batches(
            _Embedding,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_kwargs={"recipe": self._recipe},
            compute=ActorPoolStrategy(min_size=1, max_size=self.count, initial_size=self.count),
            num_cpus=SHARE,
        )

    def _results(
        self, blocks: Callable[[], list[Table]], step: Callable[[Dataset], Dataset]
    ) -> Iterator[dict[str, Any]]:
        """The rows of the results as they come; ``blocks`` makes those that are still to do.

        Ray does again what a lost node or process was at. Where it gives up, we begin again with
        what is left.
        """
        import ray
        from ray.data.exceptions import ExecutionTimeoutError
        from ray.exceptions import RayError

        losses = 0
        while left := blocks():
            try:
                done = step(ray.data.from_arrow(left))
                tables: Iterable[Table] = done.iter_batches(batch_size=None, batch_format="pyarrow")
                for table in tables:
                    losses = 0
                    yield from table.to_pylist()
                return
            except (RayError, ExecutionTimeoutError) as error:
                losses += 1
                _raise_own(error)
                if losses >= LOSSES:
                    raise WorkerError(
                        f"The Ray cluster gave up {LOSSES} times in a row: {_line(error)}. What "
                        "was added is safe; look at the cluster (ray status), then run this again."
                    ) from error
                _log.warning("qa: the Ray cluster lost workers; what they were at is done again")
                self.count = min(self.count, _cores())


class _Embedding:
    """An actor with its embedder."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __call__(self, block: Table) -> Table:
        import numpy as np
        import pyarrow

        keys = block["key"].to_pylist()
        texts = [text.decode("utf-8", "surrogatepass") for text in block["text"].to_pylist()]
        found = workers.embedded(list(zip(keys, texts, strict=True)), self._recipe.embedder())
        vectors = [np.asarray(vector, np.float32).tobytes() for vector in found.values()]
        return pyarrow.table({"key": list(found), "vector": vectors})


def _cut(block: Any, recipe: Recipe) -> Any:
    import pyarrow

    embedder = recipe.embedder()
    cuts = [
        workers.cut(article, embedder)
        for packed in block["articles"].to_pylist()
        for article in pickle.loads(packed)
    ]
    return pyarrow.table({"cuts": [pickle.dumps(cuts)]})


def _articles(left: Mapping[str, Article]) -> list[Table]:
    import pyarrow

    return [
        pyarrow.table({"articles": [pickle.dumps(some)]})
        for some in workers.bundles(left.values(), ARTICLES, CHARACTERS)
    ]


def _texts(left: Mapping[bytes, str]) -> list[Table]:
    """The longest first: what is left at the end is short, and no one waits for long."""
    import pyarrow

    ordered = sorted(left.items(), key=lambda each: -len(each[1]))
    return [
        pyarrow.table(
            {
                "key": [key for key, _ in some],
                "text": [text.encode("utf-8", "surrogatepass") for _, text in some],
            }
        )
        for some in workers.batches(ordered, BATCH)
    ]


def _connect(address: str) -> bool:
    """Joins the cluster quietly; False where the program has done so already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of its C++, in this process
    try:
        import ray
        from ray.data import DataContext
    except ImportError as error:
        raise InputError(
            f"RAY_ADDRESS is set, and Ray Data is not installed ({error}). "
            "Install it: pip install 'cited-qa[ray]', or unset RAY_ADDRESS."
        ) from error
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = STANDSTILL
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return False
    try:
        _knock(address)
        with _hushed():
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        # Ray has no setting for this: it would tell of lost nodes on standard output, among data.
        ray._private.worker._worker_logs_enabled = False
    except Exception as error:  # Ray raises errors of many kinds, also of its own C++
        raise WorkerError(
            f"The Ray cluster at {address} cannot be reached: {_line(error)}. "
            "Check RAY_ADDRESS and ray status, or unset it to add without a cluster."
        ) from error
    return True


def _knock(address: str) -> None:
    """Ray itself tries for a minute, and aborts the process at the end of some of its tries."""
    place = address.partition("://")[2] or address
    host, colon, port = place.partition("/")[0].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), PATIENCE).close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Ray's C++ tells standard error what it was told by the environment; here nobody asks."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _cores() -> int:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    found = int(resources.get("CPU", 0))
    if not found:
        raise WorkerError(
            "The Ray cluster has no core to work on. Add a node (ray start --address …), "
            "then run this again."
        )
    return found


def _raise_own(error: BaseException) -> None:
    """Raises what our code has raised in a worker, if that is what happened."""
    cause: BaseException | None = error
    while cause is not None:
        inner = getattr(cause, "cause", None)
        if isinstance(inner, QaError):
            raise inner
        cause = inner or cause.__cause__


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
