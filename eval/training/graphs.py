"""Makes the graphs in ``qa/graphs``: ``python -m eval.training.graphs``

Of the default embedding model and of the reader, the latter with numbers and with bytes; and one
that tells whether a processor multiplies bytes exactly. To be run again when the shape of a network
changes, not when its weights do: those are not in the graphs.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file

from eval.training.network import Reader, unpacked
from qa import networks, packaged, reading
from qa.embedding import DEFAULT_GRAPH, SentenceTransformerEmbedder
from qa.embedding.exporting import OPSET, export, to_onnx, without_weights, write
from qa.reading import SCALE

GRAPHS = Path("qa/graphs")
WEIGHTS = Path("qa") / reading.WEIGHTS
BYTES = 64  # products that the test of the processor adds up
MOST = 100_000  # bytes; a graph that is larger holds weights


def main() -> None:
    """Writes all of them; raises ValueError where one holds weights or could not be made."""
    logging.disable(logging.WARNING)
    GRAPHS.mkdir(exist_ok=True)
    export(SentenceTransformerEmbedder(), GRAPHS / f"{DEFAULT_GRAPH}.onnx")
    plain = _reader()
    _store(_in_bytes(plain), "reader-int8")
    _store(plain, "reader")
    write(_bytes(), {"weights": {}}, GRAPHS / "bytes.onnx")
    for name in (DEFAULT_GRAPH, "reader", "reader-int8", "bytes"):
        size = (GRAPHS / f"{name}.onnx").stat().st_size
        print(f"{name}: {size:,} bytes")
        if size > MOST:
            raise ValueError(f"the graph {name} still holds weights")


def _reader() -> onnx.ModelProto:
    network = Reader(packaged.folder())
    network.load_state_dict(unpacked(load_file(WEIGHTS)), strict=False)
    return to_onnx(network.eval(), ("ids", "kinds", "mask"), ("scores", "nothing"))


def _in_bytes(plain: onnx.ModelProto) -> onnx.ModelProto:
    """The same with the layers' matrices as int8; the head, the last matrix, stays as it is."""
    matrices = [node.name for node in plain.graph.node if node.op_type == "MatMul"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        onnx.save(plain, Path(folder) / "plain.onnx")
        # It computes the very scales and bytes that are stored, but for the last bit of a scale.
        quantize_dynamic(
            Path(folder) / "plain.onnx",
            made,
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=matrices[-1:],
        )
        return _with_stored_scales(onnx.load(made))


def _with_stored_scales(made: onnx.ModelProto) -> onnx.ModelProto:
    scales = [value for name, value in networks.mapped(WEIGHTS).items() if name.endswith(SCALE)]
    for weight in made.graph.initializer:
        if weight.name.endswith("_scale"):
            own = numpy_helper.to_array(weight)
            same = [
                s for s in scales if s.shape == own.shape and np.allclose(s, own, rtol=1e-5, atol=0)
            ]
            weight.CopyFrom(numpy_helper.from_array(same[0], weight.name))
    return made


def _store(made: onnx.ModelProto, name: str) -> None:
    stored = networks.mapped(WEIGHTS)
    numbers = stored if name.endswith("int8") else reading.unpacked(stored)
    weights = without_weights(made, numbers | networks.tensors(packaged.folder()))
    about = {"made_by": f"eval/training/graphs.py, opset {OPSET}", "weights": weights}
    write(made, about, GRAPHS / f"{name}.onnx")


def _bytes() -> onnx.ModelProto:
    """``left``, unsigned, times a matrix of 127: what saturates first where anything does."""
    right = helper.make_tensor("right", TensorProto.INT8, (BYTES, 16), [127] * (BYTES * 16))
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "right"], ["sums"])],
        "bytes",
        [helper.make_tensor_value_info("left", TensorProto.UINT8, (1, BYTES))],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, (1, 16))],
        [right],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


if __name__ == "__main__":
    main()
