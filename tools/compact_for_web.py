"""Stores a shipped model's weights in fewer bits for the web app, and measures the file on val.

    python -m tools.compact_for_web src/ferlab/inference/models/five_layer_world.onnx web/models

It writes NAME.onnx and NAME.json. Each weight is a byte and each row has a scale, on the grid that errs least. A
runtime multiplies them out when it opens the file, and then computes in float32, as fast as with the file before. The
dense layer holds most of the weights and uses 5 of the 8 bits: the server's compression removes the others. The first
convolution and the last layer stay in half precision: they are small, and the answers hang on them.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ferlab.data.faces import Faces
from ferlab.deploy import export_files, graph
from ferlab.evaluation.door import Door
from ferlab.files import Json
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.metrics import abstention

CONF = Path(__file__).resolve().parents[1] / "conf"
DENSE_BITS, CONV_BITS = 5, 8
_FEW = 10_000  # weights of a layer that stays as it is
_SHRUNK = np.linspace(0.4, 1.0, 25)  # of the largest weight of a row: where its grid may end
_OWN = ("file", "bytes", "sha256", "safetensors", "reports")  # what is said of one file alone
_BATCH = 64


def store_in_bits(model: ModelProto) -> ModelProto:
    """The graph of `store_as_fp16` with its large layers' weights as int8 and a scale float32 for each row of them."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    of, opened = model.graph, []
    for stored in list(of.initializer):
        if stored.data_type != TensorProto.FLOAT16 or np.prod(stored.dims) < _FEW:
            continue
        name = stored.name.removesuffix(".fp16")
        weights = numpy_helper.to_array(stored).astype(np.float32)
        levels, scales = quantised(weights, DENSE_BITS if weights.ndim == 2 else CONV_BITS)
        of.initializer.remove(stored)
        parts = [numpy_helper.from_array(levels, f"{name}.int8"), numpy_helper.from_array(scales, f"{name}.scale")]
        of.initializer.extend(parts)
        of.node.remove(next(node for node in of.node if list(node.output) == [name]))  # its Cast
        opened.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.level"], to=TensorProto.FLOAT))
        opened.append(helper.make_node("Mul", [f"{name}.level", f"{name}.scale"], [name]))
    nodes = [*opened, *of.node]
    del of.node[:]
    of.node.extend(nodes)
    return model


def quantised(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights float32 [R,...] -> levels int8 [R,...] and scales float32 [R,1,...], whose product errs least."""
    top = 2 ** (bits - 1) - 1
    rows = weights.reshape(len(weights), -1)
    largest = np.maximum(np.abs(rows).max(1, keepdims=True), np.finfo(np.float32).tiny)
    tried = [(largest * share / top).astype(np.float32) for share in _SHRUNK]
    errors = [np.square(np.clip(np.round(rows / scale), -top, top) * scale - rows).sum(1) for scale in tried]
    best = np.argmin(errors, axis=0)  # [R]
    scales = np.stack(tried)[best, np.arange(len(rows))]  # [R,1]
    levels = np.clip(np.round(rows / scales), -top, top).astype(np.int8)
    return levels.reshape(weights.shape), scales.reshape(-1, *[1] * (weights.ndim - 1))


def compact(path: Path, folder: Path) -> Path:
    """Writes the compact file of a model with its JSON, which states what was measured of it on val."""
    before = OnnxModel.open(path)
    model = store_in_bits(onnx.load(path))
    graph.check(model, before.sidecar["opset"])
    val = {"val": faces_of(before, None), "wild-val": faces_of(before, "wild")}
    found = {name: (before, answers(model, faces), faces) for name, faces in val.items()}
    measured = {name: _measured(*of) for name, of in found.items()}
    _, probabilities, faces = found["val"]
    sure = abstention.calibrate(probabilities, faces.labels, before.sidecar["abstention"]["wanted"])
    sidecar = before.sidecar
    stated: Json = {
        **{key: value for key, value in sidecar.items() if key not in _OWN},
        "precision": f"int8 in {DENSE_BITS} bits (dense) and {CONV_BITS} (convolutions), computed in fp32",
        "made_from": {"file": path.name, "sha256": sidecar["sha256"]},
        "environment": {"numpy": np.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
        "parity": {"crops": len(faces), "largest_difference": measured["val"]["against"]["largest_difference"]},
        "val": measured["val"],
        "elsewhere": {"wild-val": measured["wild-val"]},
        "threshold": sure["threshold"],
        "abstention": sure,
    }
    written = folder / path.name
    export_files.write(model, stated, written, {})
    return written


def faces_of(model: OnnxModel, data: str | None) -> Faces:
    """The val faces of a model's own data, or of a data config."""
    if data is None:
        return Door("val", "none", device="cpu").open_exported(model).faces
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("evaluate", overrides=[f"data={data}"])
    chosen = OmegaConf.to_container(config.data, resolve=True)
    return Door("val", "none", data=chosen, device="cpu").open_exported(model).faces


def answers(model: ModelProto, faces: Faces) -> np.ndarray:
    """Probabilities float32 [N,7]."""
    return export_files.probabilities_of(model, list(export_files.batches_of(faces.pixels, [_BATCH])))


def _measured(before: OnnxModel, probabilities: np.ndarray, faces: Faces) -> Json:
    """How the compact file does on faces, and against the file that it was made from."""
    batches = [faces.pixels[i : i + _BATCH] for i in range(0, len(faces), _BATCH)]
    reference = np.concatenate([before(rgba_of(batch)) for batch in batches])
    found = export_files.measured(probabilities, reference, faces)
    against = {key.replace("fp32", "before"): value for key, value in found.pop("against_fp32").items()}
    against["changed"] = int((probabilities.argmax(1) != reference.argmax(1)).sum())
    return {**found, "against": against}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected a model and a folder; type python -m tools.compact_for_web MODEL.onnx web/models")
    print(compact(Path(sys.argv[1]), Path(sys.argv[2])))
