"""Sentence embeddings: any sentence-transformers model, run by onnxruntime where that can be.

Importing torch and sentence-transformers takes longer than answering many questions. The graph of
the default model ships with this package; another model's is made when articles are first added
(:mod:`qa.embedding.exporting`), and until then, or where none can be made, the model itself is run.
"""

from __future__ import annotations

import json
from pathlib import Path

from qa import networks
from qa.embedding.files import ModelFiles
from qa.embedding.full import SentenceTransformerEmbedder
from qa.embedding.graph import GraphEmbedder
from qa.protocols import Embedder
from qa.settings import DEFAULT_MODEL

__all__ = [
    "GraphEmbedder",
    "ModelFiles",
    "SentenceTransformerEmbedder",
    "choose",
    "prepare",
    "runner",
]

DEFAULT_GRAPH = "embedder"


def choose(name: str, graphs: Path) -> GraphEmbedder | SentenceTransformerEmbedder:
    """The embedder for a model; ``graphs`` is the folder where :func:`prepare` leaves graphs.

    Raises :class:`qa.errors.ModelError` where another model than the default cannot be found.
    """
    files = ModelFiles(name)
    if name == DEFAULT_MODEL:
        return GraphEmbedder(files, networks.shipped(DEFAULT_GRAPH))
    graph = graphs / f"{files.digest}.onnx"
    return GraphEmbedder(files, graph) if graph.exists() else SentenceTransformerEmbedder(name)


def runner(embedder: Embedder, graphs: Path) -> str:
    """What runs a model, for people: and why not onnxruntime, where a graph could not be made."""
    if isinstance(embedder, GraphEmbedder):
        return "run by onnxruntime"
    if not isinstance(embedder, SentenceTransformerEmbedder):
        return "run by the program that uses this library"
    about = graphs / f"{embedder.files.digest}.json"
    failed = json.loads(about.read_text("utf-8")).get("failed") if about.exists() else None
    return f"run by torch ({failed})" if failed else "run by torch until articles were added"


def prepare(embedder: SentenceTransformerEmbedder, graphs: Path) -> None:
    """Exports the model's graph for the next time it is used; tries so once only."""
    from qa.embedding import exporting

    graph = graphs / f"{embedder.files.digest}.onnx"
    if not graph.with_suffix(".json").exists():
        graphs.mkdir(mode=0o700, exist_ok=True)
        exporting.export(embedder, graph)
