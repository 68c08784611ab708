"""Neural networks as ONNX graphs without their weights; the only file that knows onnxruntime.

``NAME.onnx`` is the graph. ``NAME.json`` beside it names, for each weight of the graph, the tensor
of a safetensors file that it is. So a graph takes some ten kilobytes, and a model's weights stay in
the one file that its maker has published.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Array = NDArray[Any]

NUMBERS = {"F32": "<f4", "F16": "<f2", "I8": "i1", "I64": "<i8"}  # of safetensors, in numpy


class Network:
    """A graph with its weights, ready to run. Safe to share between threads.

    Raises KeyError where a tensor is missing, and onnxruntime's errors where the file is damaged.
    """

    def __init__(self, graph: Path, tensors: Mapping[str, Array]) -> None:
        import onnxruntime

        options = _options()
        # Held here: the session does not copy them all.
        self._weights = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(tensors[wanted])
            for name, wanted in about(graph)["weights"].items()
        }
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs in the graph's order, on one processor."""
        return cast("list[Array]", self._session.run(None, dict(inputs)))

    def run_each(self, inputs: Sequence[Mapping[str, Array]]) -> list[list[Array]]:
        """Runs for each, side by side on all processors, in the order given.

        Two texts on two processors are done sooner than both as one batch on both: nothing is
        padded, no processor waits for the other, and what comes out depends on one text alone.
        """
        if len(inputs) < 2:
            return [self.run(each) for each in inputs]
        return list(_pool().map(self.run, inputs))


def shipped(name: str) -> Path:
    """A graph that comes with this package."""
    return Path(str(files("qa").joinpath("graphs", f"{name}.onnx")))


def about(graph: Path) -> dict[str, Any]:
    """What the file beside a graph tells of it."""
    return cast("dict[str, Any]", json.loads(graph.with_suffix(".json").read_text("utf-8")))


def tensors(folder: Path) -> dict[str, Array]:
    """The tensors of a model's safetensors files by name, after the folders they lie in below it.

    They stay in the file and are read when they are touched; programs on one machine share them.
    The safetensors package would copy them. Raises ValueError where a file is no such file.
    """
    found: dict[str, Array] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        below = path.parent.relative_to(folder).as_posix()
        found |= mapped(path, "" if below == "." else f"{below}/")
    return found


def mapped(path: Path, prefix: str = "") -> dict[str, Array]:
    """The tensors of one safetensors file; see :func:`tensors`."""
    # The format: https://huggingface.co/docs/safetensors, "Format".
    import numpy as np

    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(content[:8], "little")
    found = {}
    for name, entry in json.loads(content[8:start]).items():
        kind = NUMBERS.get(entry.get("dtype", ""))
        if kind is not None:
            first, last = entry["data_offsets"]
            size = np.dtype(kind).itemsize
            flat = np.frombuffer(content, kind, (last - first) // size, start + first)
            found[prefix + name] = flat.reshape(entry["shape"])
    return found


@lru_cache(maxsize=4)
def tokenizer(folder: Path) -> Tokenizer:
    """A model's tokenizer, which neither cuts nor pads; one for all who use it in this process."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(folder / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@cache
def multiplies_bytes_exactly() -> bool:
    """Whether sums of products of 8-bit numbers come out right on this processor.

    x86 without VNNI adds pairs of them in 16 bits, which saturates: onnxruntime warns of it in its
    notes on quantisation. There, 8-bit networks are neither right nor fast.
    """
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(shipped("bytes")), _options(), providers=["CPUExecutionProvider"]
    )
    size = session.get_inputs()[0].shape[1]
    (found,) = session.run(None, {"left": np.full((1, size), 255, np.uint8)})
    return bool((np.asarray(found) == 255 * 127 * size).all())


def tokens(ids: Sequence[int]) -> dict[str, Array]:
    """The inputs ``ids`` and ``mask`` of one text, none of it padding: shapes (1, tokens)."""
    import numpy as np

    row = np.array([ids], dtype=np.int64)
    return {"ids": row, "mask": np.ones_like(row)}


def workers() -> int:
    """The processors that this program may use: OMP_NUM_THREADS of them, where that is set."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers(), thread_name_prefix="network")


def _options() -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # see run_each
    # Fusing more takes longer at every start and made nothing faster (docs/performance.md).
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return options
