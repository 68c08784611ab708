"""What else could be done, and what it would bring: ``python -m benchmarks tried``"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.figures import Row, seconds
from benchmarks.synthetic import TEXTS
from qa import networks, packaged
from qa.embedding import DEFAULT_GRAPH, SentenceTransformerEmbedder

PASSAGES, QUERIES, RUNS = 64, 200, 5
QUERY = "When does the bridge over the river open again?"
Graph = Any  # an onnxruntime session


def rows() -> list[Row]:
    """Each beside what is in use: an embedder's graph, one text a run, one core a text."""
    texts = _texts()
    model = SentenceTransformerEmbedder().model
    tokenizer = networks.tokenizer(packaged.folder())
    passages = [tokenizer.encode(text).ids[:256] for text in texts[:PASSAGES]]
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        _save_whole(whole)
        session = _session(whole, 1)
        used = _side_by_side(session, passages)
        return [
            Row("in use: one text a run, one core a text", _rate(used), value=1.0),
            *_other_runs(whole, passages, used),
            *_bytes(whole, Path(folder) / "bytes.onnx", passages, used, tokenizer),
            *_torch(model, texts[:PASSAGES], used),
            *_openvino(whole, passages, used),
            _batched_queries(session, [tokenizer.encode(QUERY).ids]),
            _half_precision(),
        ]


def _texts() -> list[str]:
    lines = [line for line in TEXTS.read_text("utf-8").split("\n") if line]
    chosen = random.Random(0).sample(lines, QUERIES + PASSAGES)
    return [json.loads(line)["text"][:1100] for line in chosen]


def _save_whole(path: Path) -> None:
    """The shipped graph with its weights in it, as other programs want it."""
    import onnx
    from onnx import numpy_helper

    graph = networks.shipped(DEFAULT_GRAPH)
    made = onnx.load(graph, load_external_data=False)
    weights = networks.tensors(packaged.folder())
    names = networks.about(graph)["weights"]
    for weight in made.graph.initializer:
        if weight.name in names:
            weight.CopyFrom(numpy_helper.from_array(weights[names[weight.name]], weight.name))
    values = {w.name: numpy_helper.to_array(w) for w in made.graph.initializer}
    turned = [node for node in made.graph.node if node.op_type == "Transpose"]
    for node in (node for node in turned if node.input[0] in values):
        value = np.ascontiguousarray(values[node.input[0]].T)
        made.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        made.graph.node.remove(node)
    onnx.save(made, path)


def _session(path: Path, threads: int, *, spinning: bool = False, level: int = 1) -> Graph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(level)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Graph, rows: Sequence[list[int]]) -> Any:
    width = max(map(len, rows))
    ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return session.run(None, {"ids": ids, "mask": mask})[0]


def _times(work: Callable[[], object]) -> float:
    work()
    return median(seconds(work) for _ in range(RUNS))


def _rate(taken: float) -> str:
    return f"{PASSAGES / taken:.1f} passages/s"


def _row(what: str, taken: float, used: float, more: str = "") -> Row:
    return Row(what, _rate(taken), more, f"{used / taken:.2f} ×", value=used / taken)


def _side_by_side(session: Graph, passages: Sequence[list[int]]) -> float:
    with ThreadPoolExecutor(networks.workers()) as pool:
        return _times(lambda: list(pool.map(lambda ids: _run(session, [ids]), passages)))


def _batches(session: Graph, passages: Sequence[list[int]], size: int) -> float:
    return _times(
        lambda: [_run(session, passages[at : at + size]) for at in range(0, len(passages), size)]
    )


def _other_runs(whole: Path, passages: list[list[int]], used: float) -> list[Row]:
    cores = networks.workers()
    bucketed = sorted(passages, key=len)
    session, fused = _session(whole, cores), _session(whole, cores, level=99)
    spinning = _session(whole, cores, spinning=True)
    return [
        _row(f"batches of 8 on {cores} threads", _batches(session, passages, 8), used),
        _row("the same, texts by length", _batches(session, bucketed, 8), used),
        _row("the same, batches of 32", _batches(session, bucketed, 32), used),
        _row("the same, threads that spin", _batches(spinning, bucketed, 8), used),
        _row("the same, everything fused", _batches(fused, bucketed, 8), used),
    ]


def _bytes(
    whole: Path, path: Path, passages: list[list[int]], used: float, tokenizer: Any
) -> list[Row]:
    """Dynamic int8, and how often the nearest passage of a text stays the nearest."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        whole, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"]
    )
    session, exact = _session(path, 1), _session(whole, 1)
    texts = [tokenizer.encode(text).ids[:256] for text in _texts()]
    ours = np.concatenate([_run(exact, [ids]) for ids in texts])
    theirs = np.concatenate([_run(session, [ids]) for ids in texts])
    same = np.mean(_nearest(ours) == _nearest(theirs))
    cosine = float((ours * theirs).sum(1).min())
    more = f"nearest text the same for {same:.0%}, least cosine {cosine:.3f}"
    return [_row("int8 for the embedder", _side_by_side(session, passages), used, more)]


def _nearest(vectors: Any) -> Any:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return cosines.argmax(1)


def _torch(model: Any, texts: list[str], used: float) -> list[Row]:
    import torch

    def encode() -> Any:
        return model.encode(texts, batch_size=8, normalize_embeddings=True)

    plain, exact = _times(encode), encode()
    with torch.autocast("cpu", torch.bfloat16):
        halved, rounded = _times(encode), encode()
    least = float((exact * np.asarray(rounded, np.float32)).sum(1).min())
    return [
        _row("torch, batches of 8", plain, used),
        _row("torch, bfloat16", halved, used, f"least cosine {least:.4f}; imports torch: seconds"),
    ]


def _openvino(whole: Path, passages: list[list[int]], used: float) -> list[Row]:
    try:
        import openvino
    except ImportError:
        return [Row("OpenVINO", "not installed: pip install openvino")]
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(openvino.Core().read_model(str(whole)), "CPU", hints)

    def run() -> None:
        queue = openvino.AsyncInferQueue(compiled, networks.workers())
        for ids in passages:
            row = np.array([ids], np.int64)
            queue.start_async({"ids": row, "mask": np.ones_like(row)})
        queue.wait_all()

    return [_row("OpenVINO, single precision, side by side", _times(run), used)]


def _batched_queries(session: Graph, query: list[list[int]]) -> Row:
    alone = _times(lambda: [_run(session, query) for _ in range(10)]) / 10
    together = _times(lambda: _run(session, query * 10)) / 10
    return Row(
        "ten waiting queries embedded as one batch",
        f"{together * 1000:.1f} ms a query",
        f"{alone * 1000:.1f} ms alone",
        f"{alone / together:.2f} ×",
        value=alone / together,
    )


def _half_precision() -> Row:
    vectors = np.random.default_rng(0).standard_normal((100_000, 384)).astype(np.float32)
    half, query = vectors.astype(np.float16), vectors[0]
    full = _times(lambda: vectors @ query)

    def halved() -> None:
        for at in range(0, len(half), 4096):
            half[at : at + 4096].astype(np.float32) @ query

    taken = _times(halved)
    return Row(
        "100,000 vectors in half precision, all compared",
        f"{taken * 1000:.0f} ms",
        f"single precision: {full * 1000:.0f} ms",
        f"{full / taken:.2f} ×",
        value=full / taken,
    )
