"""Graphs against torch and Pillow, run by onnxruntime; what is stored in them against numpy."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from ferlab.config import CONF
from ferlab.deploy import graph
from ferlab.deploy.graph import check, quantise, store_as_fp16, trace
from ferlab.errors import FerlabError
from ferlab.inference.onnx_model import rgba_of
from ferlab.nets.five_layer import FiveLayer
from ferlab.nets.preprocess import Preprocess
from ferlab.predictors import of_run
from ferlab.predictors.predictor import Ensemble, Model, TestTimeAugmentation, View, predict
from tests.composing import composed
from tests.conftest import made_faces

OPSET = 20
FACES = made_faces(128, 64, 0)


def model_of(seed: int, size: int = 48, channels: int = 1) -> Model:
    """A small net whose norms have seen faces, so that its answers differ from face to face."""
    torch.manual_seed(seed)
    net = FiveLayer(channels=channels, classes=7, dropout=0.5, width=0.25)
    if size != 48:
        net = nn.Sequential(nn.AvgPool2d(size // 48), net)
    model = Model(Preprocess(size, channels, [0.5] * channels, [0.25] * channels), net)
    with torch.no_grad():
        for _ in range(20):
            model.train()(torch.from_numpy(FACES.pixels[:64]).unsqueeze(1))
        net[-1].weight.mul_(20) if size == 48 else net[1][-1].weight.mul_(20)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    """All that a predictor may be: members of two sizes, one under views of its own, with weights."""
    views = (View(), View(True, (2.0, -2.0), 1.05, 8.0))
    return Ensemble([TestTimeAugmentation(model_of(0), views), model_of(1, size=96, channels=3)], (1, 2)).eval()


@pytest.fixture(scope="module")
def fp32(model):
    return graph.trace(model, OPSET)


@pytest.fixture(scope="module")
def int8(fp32):
    return graph.quantise(fp32, [rgba_of(FACES.pixels[:64]), rgba_of(FACES.pixels[64:128])], reduce_range=True)


def run(graph, rgba):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"rgba": rgba})[0]


def initializers(graph):
    return {tensor.name: tensor for tensor in graph.graph.initializer}


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_it_answers_as_the_predictor_that_was_measured(model, fp32, batch):
    pixels = FACES.pixels[:batch]
    expected = predict(model, pixels)
    assert expected.max(1).mean() > 0.3  # not a net that says 1/7 to all
    found = run(fp32, rgba_of(pixels))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_a_crop_becomes_grey_without_a_matrix_product(fp32):
    """A product of all pixels with three weights takes onnxruntime as long as the whole five-layer net."""
    kinds = [node.op_type for node in fp32.graph.node]
    assert not {"MatMul", "Gemm"} & set(kinds[: kinds.index("Conv")])


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 20, 31), (3, 48, 96), (1, 480, 300)])
def test_crops_become_faces_as_pillow_makes_them(model, fp32, shape):
    rgba = np.random.default_rng(0).integers(0, 256, (*shape, 4), np.uint8)
    grey = rgba[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    bilinear = Image.Resampling.BILINEAR
    faces = np.stack([np.asarray(Image.fromarray(crop).resize((48, 48), bilinear)) for crop in grey])
    np.testing.assert_allclose(run(fp32, rgba), predict(model, faces), atol=1e-3)


def test_alpha_is_left_out(fp32):
    rgba = rgba_of(FACES.pixels[:4])
    seen = run(fp32, rgba)
    rgba[..., 3] = 17
    np.testing.assert_array_equal(run(fp32, rgba), seen)


@pytest.mark.slow
def test_seven_members_in_twelve_views_are_one_graph_in_each_precision():
    ensemble = TestTimeAugmentation(Ensemble([model_of(seed) for seed in range(7)]), "views12").eval()
    graph = trace(ensemble, OPSET)
    expected = predict(ensemble, FACES.pixels)
    np.testing.assert_allclose(run(graph, rgba_of(FACES.pixels)), expected, atol=1e-4)
    np.testing.assert_allclose(run(store_as_fp16(graph), rgba_of(FACES.pixels)), expected, atol=2e-2)
    int8 = quantise(graph, [rgba_of(FACES.pixels[:32])], reduce_range=True)
    agreement = run(int8, rgba_of(FACES.pixels)).argmax(1) == expected.argmax(1)
    assert agreement.mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(file.stem for file in Path(CONF, "model").glob("*.yaml")))
def test_every_net_of_conf_can_be_exported(name):
    config = composed(f"model={name}")
    torch.manual_seed(0)
    net, preprocess = of_run.nets_of(config)
    model = Model(preprocess, net).eval()
    graph = trace(model, OPSET)
    pixels = FACES.pixels[:5]
    np.testing.assert_allclose(run(graph, rgba_of(pixels)), predict(model, pixels), atol=1e-4)
    # int8 has no tolerance; with random weights EfficientNet's depthwise convolutions put it 0.06 off.
    for other, atol in (
        (store_as_fp16(graph), 2e-2),
        (quantise(graph, [rgba_of(FACES.pixels[:16])], reduce_range=True), 0.1),
    ):
        check(other, OPSET)
        assert len(other.SerializeToString()) < 0.6 * len(graph.SerializeToString())
        np.testing.assert_allclose(run(other, rgba_of(pixels)), predict(model, pixels), atol=atol)


def test_the_ends_are_the_contract_and_nothing_of_this_machine_is_inside(fp32):
    (given,), (answer,) = fp32.graph.input, fp32.graph.output
    shapes = [[d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] for end in (given, answer)]
    assert [given.name, answer.name] == ["rgba", "probabilities"]
    assert shapes == [["batch", "height", "width", 4], ["batch", 7]]
    assert [(o.domain, o.version) for o in fp32.opset_import] == [("", OPSET)]
    assert not any(map(onnx.external_data_helper.uses_external_data, fp32.graph.initializer))
    content = fp32.SerializeToString()
    assert b"/ferlab" not in content
    assert b"stack_trace" not in content


def test_other_opsets_other_domains_and_broken_graphs_are_refused(fp32):
    with pytest.raises(FerlabError, match=r"opset is 19, and the exported graph has"):
        graph.check(fp32, 19)
    foreign = onnx.ModelProto()
    foreign.CopyFrom(fp32)
    foreign.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(FerlabError, match=r"com\.microsoft"):
        graph.check(foreign, OPSET)
    broken = onnx.ModelProto()
    broken.CopyFrom(fp32)
    broken.graph.node[3].input[0] = "nowhere"
    with pytest.raises(FerlabError, match="not valid ONNX"):
        graph.check(broken, OPSET)


def test_what_one_file_cannot_hold_is_refused():
    with pytest.raises(FerlabError, match=r"2\.2 GiB, and one ONNX file holds 2"):
        graph.trace(nn.Linear(30_000, 20_000, device="meta"), OPSET)


def test_fp16_stores_half_of_each_weight_and_nothing_else_changes(model, fp32):
    before = fp32.SerializeToString()
    fp16 = graph.store_as_fp16(fp32)
    assert fp32.SerializeToString() == before
    graph.check(fp16, OPSET)
    assert len(fp16.SerializeToString()) == pytest.approx(len(before) / 2, rel=0.1)
    old, new = initializers(fp32), initializers(fp16)
    halved = {name.removesuffix(".fp16") for name in new if name.endswith(".fp16")}
    assert halved == {name for name in old if name.endswith(".weight")}
    for name in halved:
        expected = numpy_helper.to_array(old[name]).astype(np.float16)
        np.testing.assert_array_equal(numpy_helper.to_array(new[f"{name}.fp16"]), expected)
    for name in old.keys() - halved:
        assert new[name] == old[name]
    pixels = FACES.pixels[:64]
    np.testing.assert_allclose(run(fp16, rgba_of(pixels)), predict(model, pixels), atol=2e-2)


def test_a_weight_that_half_precision_cannot_hold_stays_whole(fp32):
    large = onnx.ModelProto()
    large.CopyFrom(fp32)
    last, _ = [t for t in large.graph.initializer if list(t.dims) == [7, 256]]
    values = numpy_helper.to_array(last).copy()
    values[0, 0] = 1e5
    last.CopyFrom(numpy_helper.from_array(values, last.name))
    found = initializers(graph.store_as_fp16(large))
    assert found[last.name].data_type == TensorProto.FLOAT
    assert f"{last.name}.fp16" not in found


def test_int8_keeps_the_ends_in_float_and_weights_in_seven_bits(fp32, int8):
    graph.check(int8, OPSET)
    old, new = initializers(fp32), initializers(int8)
    weights = [n.input[1] for n in fp32.graph.node if n.op_type in ("Conv", "Gemm")]
    assert [name in new for name in weights] == 2 * [True, False, False, False, True]
    for name in weights[1:4]:
        stored, scale = numpy_helper.to_array(new[f"{name}_quantized"]), numpy_helper.to_array(new[f"{name}_scale"])
        assert stored.dtype == np.int8
        assert np.abs(stored.astype(int)).max() <= 64
        assert len(scale) == len(stored)  # one a channel
        shape = (-1, *[1] * (stored.ndim - 1))
        rounded = stored * scale.reshape(shape)
        assert (np.abs(rounded - numpy_helper.to_array(old[name])) <= scale.reshape(shape) * 0.501).all()
    points = {numpy_helper.to_array(new[n.input[2]]).dtype for n in int8.graph.node if n.op_type == "QuantizeLinear"}
    assert points == {np.dtype(np.uint8)}


def test_int8_answers_nearly_as_fp32_on_faces_it_was_not_calibrated_on(model, int8):
    expected, found = (
        p.argmax(1) for p in (predict(model, FACES.pixels[128:]), run(int8, rgba_of(FACES.pixels[128:])))
    )
    assert (expected == found).mean() > 0.95
