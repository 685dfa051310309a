"""The web app's file of a model: weights in fewer bits, and what its JSON states of it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ferlab.deploy.export_files import probabilities_of
from ferlab.inference.onnx_model import OnnxModel
from tools.compact_for_web import quantised, store_in_bits

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ROOT / "src/ferlab/inference/models/five_layer_world.onnx"
SHIPPED = ROOT / "web/models/five_layer_world.onnx"


def weights_in(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {stored.name: numpy_helper.to_array(stored) for stored in model.graph.initializer}


@pytest.mark.parametrize("bits", [3, 5])
def test_no_other_end_of_a_rows_grid_errs_less(bits):
    weights = np.random.default_rng(0).standard_t(4, (4, 2, 15)).astype(np.float32)
    levels, scales = quantised(weights, bits)
    top = 2 ** (bits - 1) - 1
    assert (levels.dtype, levels.shape, scales.shape) == (np.int8, weights.shape, (4, 1, 1))
    assert np.abs(levels).max() == top
    for row, level, scale in zip(weights, levels, scales.ravel(), strict=True):
        errors = []
        for end in np.linspace(0.4, 1, 25) * np.abs(row).max():
            nearest = [min(range(-top, top + 1), key=lambda n, w=w, end=end: abs(n * end / top - w)) for w in row.flat]
            errors.append(np.square(np.array(nearest) * end / top - row.ravel()).sum())
        assert np.square(level * scale - row).sum() == pytest.approx(min(errors), rel=1e-3)


def test_the_shipped_file_is_made_from_the_packaged_model_and_is_the_one_that_was_measured():
    shipped, stated = onnx.load(SHIPPED), json.loads(SHIPPED.with_suffix(".json").read_text())
    assert stated["sha256"] == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert stated["made_from"]["sha256"] == hashlib.sha256(PACKAGED.read_bytes()).hexdigest()
    made, there = weights_in(store_in_bits(onnx.load(PACKAGED))), weights_in(shipped)
    assert made.keys() == there.keys()
    for name, weights in made.items():
        np.testing.assert_array_equal(weights, there[name], name)
    (dense,) = [weights for name, weights in there.items() if weights.size > 1_000_000]
    assert (dense.dtype, np.abs(dense).max()) == (np.int8, 15)
    val = stated["val"]
    changed = val["against"]["only_this_right"] - val["against"]["only_before_right"]
    assert val["correct"] - changed == OnnxModel.open(PACKAGED).sidecar["val"]["correct"]


def test_it_computes_what_the_packaged_graph_does_with_its_weights():
    graph, shipped = onnx.load(PACKAGED), onnx.load(SHIPPED)
    there = weights_in(shipped)
    for stored in graph.graph.initializer:
        name = stored.name.removesuffix(".fp16")
        if f"{name}.int8" in there:
            product = there[f"{name}.int8"].astype(np.float64) * there[f"{name}.scale"]
            stored.CopyFrom(numpy_helper.from_array(product.astype(np.float32), stored.name))
    crops = [np.random.default_rng(1).integers(0, 256, (4, 60, 60, 4), np.uint8)]
    np.testing.assert_allclose(probabilities_of(shipped, crops), probabilities_of(graph, crops), atol=1e-5)
