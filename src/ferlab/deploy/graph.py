"""A torch predictor enters, one ONNX graph leaves: RGBA crops of any size -> probabilities, preprocessing inside.

Also the same graph with half-precision weights, and in eight bits. This file alone decides how a graph is made.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ferlab.errors import FerlabError
from ferlab.images import SIDE
from ferlab.inference.onnx_model import INPUT, OUTPUT
from ferlab.nets.preprocess import faces_of

PRECISIONS = ("fp32", "fp16", "int8")
_LARGEST = 2**31  # bytes of a protobuf message, and so of a model in one file
_WEIGHTED = ("Conv", "Gemm", "MatMul")


class Crops(nn.Module):
    """A predictor of faces as one of crops: uint8 [B,H,W,4], RGBA -> probabilities float32 [B,7]."""

    def __init__(self, predictor: nn.Module):
        super().__init__()
        self.predictor = predictor

    def forward(self, rgba: Tensor) -> Tensor:
        return self.predictor(faces_of(rgba, SIDE))


def trace(predictor: nn.Module, opset: int) -> ModelProto:
    """The graph of a predictor [B,1,48,48] -> [B,7] from crops, with dynamic batch, height and width, in fp32.

    Raises:
        FerlabError: it does not fit into one file, or the exporter gave another opset.
    """
    size = sum(t.nbytes for t in predictor.state_dict().values())
    if size >= _LARGEST:
        raise FerlabError(
            f"the weights are {size / 2**30:.1f} GiB, and one ONNX file holds 2; export fewer or smaller members"
        )
    example = torch.zeros(
        2, SIDE + 2, SIDE + 4, 4, dtype=torch.uint8
    )  # sides of 1 and equal ones would become constants
    with _quiet("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            Crops(predictor).cpu().eval(),
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: "batch", 1: "height", 2: "width"},),
            opset_version=opset,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # else torch has raised
    model = program.model_proto
    _forget_source(model)
    check(model, opset)
    return model


def check(model: ModelProto, opset: int) -> None:
    """Raises FerlabError for a graph that onnx refuses, of another opset, or with operators of another domain."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise FerlabError(f"the exported graph is not valid ONNX ({error}); try another opset=") from error
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found != {"": opset}:
        raise FerlabError(
            f"opset is {opset}, and the exported graph has {found}; give an opset that torch can export to"
        )


def store_as_fp16(model: ModelProto) -> ModelProto:
    """The same graph with the weights of its layers stored in half precision and cast to float32 when it is opened.

    It computes in float32, which is all that browsers' WebAssembly has; only the file is smaller. Biases and what
    preprocessing multiplies with stay as they are: they are small, and cost accuracy.
    """
    model = _copy(model)
    graph = model.graph
    layers = {name for node in graph.node if node.op_type in _WEIGHTED for name in node.input[1:2]}
    others = {name for node in graph.node for i, name in enumerate(node.input) if i != 1 or name not in layers}
    casts = []
    for stored in graph.initializer:
        if stored.name not in layers - others or stored.data_type != TensorProto.FLOAT or len(stored.dims) < 2:
            continue
        whole = numpy_helper.to_array(stored)
        if np.abs(whole).max() > np.finfo(np.float16).max:
            continue
        name = stored.name
        stored.CopyFrom(numpy_helper.from_array(whole.astype(np.float16), f"{name}.fp16"))
        casts.append(helper.make_node("Cast", [f"{name}.fp16"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def quantise(model: ModelProto, crops: Sequence[np.ndarray], reduce_range: bool) -> ModelProto:
    """The graph with its net in eight bits: QDQ, u8 activations, s8 weights per channel, ranges from crops.

    Preprocessing, views, the first convolution, the last layer and the softmax stay in float32: they cost little, and
    in 256 steps the face and the logits lose what the answers hang on.

    Args:
        crops: batches uint8 [B,H,W,4] of training faces, over which the ranges of activations are taken.
        reduce_range: weights in seven bits, so that processors without VNNI, whose eight-bit products saturate,
            compute what the others do.
    """
    from onnxruntime import quantization as q  # 1.5 s that fp32 and fp16 need not wait for

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[np.ndarray] = iter(crops)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    net = {node.name for node in _net_of(model)}
    with tempfile.TemporaryDirectory() as folder, _quiet("", "onnxruntime"):
        file = Path(folder) / "int8.onnx"
        q.quantize_static(
            _copy(model),
            file,
            Reader(),
            quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            per_channel=True,
            reduce_range=reduce_range,
            nodes_to_exclude=[node.name for node in model.graph.node if node.name not in net],
        )
        made = onnx.load(file)
    _forget_source(made)
    return made


def _net_of(model: ModelProto) -> list[NodeProto]:
    """The nodes of the net or nets: what follows a first convolution, up to the layer that gives the logits."""
    nodes = list(model.graph.node)  # ONNX keeps them in topological order
    after_conv, after_softmax = (_after(nodes, kind) for kind in ("Conv", "Softmax"))
    made_by = {output: node.name for node in nodes for output in node.output}
    ends = {name for node in nodes if node.op_type == "Softmax" for name in (node.name, made_by[node.input[0]])}
    return [node for node in nodes if node.name in after_conv - after_softmax - ends]


def _after(nodes: Sequence[NodeProto], op_type: str) -> set[str]:
    """Names of the nodes that use what a node of that type gave, directly or not."""
    values: set[str] = set()
    names: set[str] = set()
    for node in nodes:
        if used := not values.isdisjoint(node.input):
            names.add(node.name)
        if used or node.op_type == op_type:
            values.update(node.output)
    return names


def _forget_source(model: ModelProto) -> None:
    """Take out what exporters note of each node: stack traces with paths of the machine, half of a small file."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    for noted in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]
        noted.doc_string = ""
    del graph.value_info[:]  # shapes of inner values, which onnxruntime infers again


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


class _quiet:
    """Exporters advise on the screen what nobody can act on here; their errors are raised all the same."""

    def __init__(self, *loggers: str):
        self.loggers = [logging.getLogger(name) for name in loggers]

    def __enter__(self) -> None:
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
