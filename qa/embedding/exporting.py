"""Making the graph of a model, once: export with torch, take the weights out, compare."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa import networks
from qa.embedding.files import first_line
from qa.embedding.full import SentenceTransformerEmbedder
from qa.embedding.graph import GraphEmbedder

if TYPE_CHECKING:
    import onnx
    import torch

    from qa.networks import Array
    from qa.protocols import Vectors

OPSET = 20
SAME = 0.9999  # cosine of the two vectors of a text
LARGE = 256  # numbers; a smaller constant stays in the graph, unless it has a tensor's name
_SAMPLES = (
    "The bridge reopens in May.",
    "x",
    "Ünïcode, 東京 and “quotes” – 1,234.50 €",
    "Ten eggs, well beaten. " * 400,  # longer than a model reads
)


def export(embedder: SentenceTransformerEmbedder, graph: Path) -> None:
    """Leaves ``graph`` and the file about it, or only the latter, with the reason, in ``failed``.

    Kept only if passages and queries get the same vectors as from the model itself.
    """
    try:
        made, told = _exported(embedder)
        write(made, told, graph)
        _compare(embedder, GraphEmbedder(embedder.files, graph))
    except Exception as error:  # whatever the exporter does not know: the model itself works
        graph.unlink(missing_ok=True)
        _write(json.dumps({"failed": first_line(error)}).encode(), graph.with_suffix(".json"))


def write(made: onnx.ModelProto, about: Mapping[str, Any], graph: Path) -> None:
    """Writes the two files; the graph, whose presence counts, last."""
    text = json.dumps(about, ensure_ascii=False, indent=1) + "\n"
    _write(text.encode(), graph.with_suffix(".json"))
    _write(made.SerializeToString(), graph)


def to_onnx(
    network: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """The graph of a network whose inputs are all token-shaped, weights inside."""
    import torch

    # One each: inputs that are the same tensor would become one input of the graph.
    examples = tuple(torch.ones((2, 16), dtype=torch.long) for _ in inputs)
    axes = {0: torch.export.Dim("rows", max=512), 1: torch.export.Dim("tokens", min=2, max=512)}
    with warnings.catch_warnings(), _silent("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            examples,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple(axes for _ in inputs),
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ValueError("nothing was exported")
    made = program.model_proto
    for node in made.graph.node:  # where in torch it came from: more than the graph itself
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    made.graph.ClearField("value_info")
    made.graph.ClearField("metadata_props")
    made.ClearField("metadata_props")
    return made


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """The exporter warns of packages that it could use and that nothing here needs."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def without_weights(made: onnx.ModelProto, tensors: Mapping[str, Array]) -> dict[str, str]:
    """Takes out of a graph every weight that is one of these tensors; says which is which.

    A weight that is a tensor transposed is transposed in the graph, once, when it is loaded.
    """
    from onnx import helper, numpy_helper

    by_content: dict[tuple[str, tuple[int, ...], bytes], tuple[str, bool]] = {}
    for name, value in tensors.items():
        if value.ndim == 2:
            by_content[_key(value.T)] = name, True
        by_content[_key(value)] = name, False
    found, turned = {}, []
    for weight in made.graph.initializer:
        value = numpy_helper.to_array(weight)
        counts = value.size >= LARGE or weight.name in tensors
        same = by_content.get(_key(value)) if counts else None
        if same is None:
            continue
        name, transposed = same
        if transposed:
            stored = f"{weight.name}.stored"
            turned.append(helper.make_node("Transpose", [stored], [weight.name], perm=[1, 0]))
            weight.name = stored
            weight.dims[:] = reversed(weight.dims)
        found[weight.name] = name
        weight.ClearField("raw_data")
        weight.data_location = weight.EXTERNAL
        weight.external_data.add(key="location", value="weights")
    nodes = [*turned, *made.graph.node]
    made.graph.ClearField("node")
    made.graph.node.extend(nodes)
    return found


def _key(value: Array) -> tuple[str, tuple[int, ...], bytes]:
    import hashlib

    return str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).digest()


def _exported(embedder: SentenceTransformerEmbedder) -> tuple[onnx.ModelProto, dict[str, Any]]:
    import torch

    model = embedder.model

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            found = self.model({"input_ids": ids, "attention_mask": mask})
            return torch.nn.functional.normalize(found["sentence_embedding"], dim=-1)

    made = to_onnx(Vectors().eval(), ("ids", "mask"), ("vectors",))
    weights = without_weights(made, networks.tensors(embedder.files.verified))
    return made, {
        "max_tokens": embedder.max_tokens,
        "dimension": int(model.get_embedding_dimension() or 0),
        "query_prompt": str(model.prompts.get("query") or ""),
        "passage_prompt": embedder.passage_prompt,
        "made_by": f"torch {torch.__version__}, opset {OPSET}",
        "weights": weights,
    }


def _compare(ours: SentenceTransformerEmbedder, exported: GraphEmbedder) -> None:
    if ours.count_tokens(_SAMPLES) != exported.count_tokens(_SAMPLES):
        raise ValueError("the tokenizers differ")
    each: Callable[[Any], Vectors]
    for each in (_passages, _queries):
        cosines = (each(ours) * each(exported)).sum(1)
        if not float(cosines.min()) >= SAME:
            raise ValueError(f"its vectors differ from the model's (cosine {cosines.min():.5f})")


def _passages(embedder: SentenceTransformerEmbedder | GraphEmbedder) -> Vectors:
    return embedder.embed_passages(_SAMPLES)


def _queries(embedder: SentenceTransformerEmbedder | GraphEmbedder) -> Vectors:
    import numpy as np

    return np.stack([embedder.embed_query(text) for text in _SAMPLES])


def _write(content: bytes, path: Path) -> None:
    aside = path.with_name(path.name + ".new")
    aside.write_bytes(content)
    aside.replace(path)
