"""A predictor for other shares of the classes, as `ferlab.export priors=...` makes it."""

import json

import numpy as np
import pytest
import torch

from ferlab.deploy import exporting
from ferlab.deploy.priors import applied
from ferlab.ensembling.subject import of_run
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.inference import priors
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.predictors.of_run import predictor_of, priors_of
from ferlab.predictors.predictor import predict
from ferlab.runs.directory import Run
from tests.deploy.conftest import small, val_of

WANTED = [5, 0, 1, 1, 1, 1, 1]


def test_the_file_answers_for_the_wanted_shares(run, tmp_path):
    words = ("precision=[fp32,int8]", f"priors={WANTED}", f"out={tmp_path}")
    paths = exporting.export(small(run, *words))
    assert [path.name for path in paths] == ["small-priors-fp32.onnx", "small-priors-int8.onnx"]
    pixels = val_of(run).pixels
    own = predict(predictor_of(run), pixels)
    learned, wanted = np.array(run.info["priors"]), np.array(WANTED) / 10
    expected = own * wanted / learned
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(OnnxModel.open(paths[0])(rgba_of(pixels)), expected, atol=1e-4)
    told = json.loads(paths[0].with_suffix(".json").read_text())
    assert told["priors"] == wanted.tolist()
    assert told["learned_priors"] == pytest.approx(learned)
    assert told["reports"] == {}
    assert told["val"]["accuracy"] == pytest.approx((expected.argmax(1) == val_of(run).labels).mean())
    back = priors.factors(learned, priors.of_model(told) + 1e-9)  # as Predictor(priors=...) does
    kept = own[:, np.flatnonzero(WANTED)]
    np.testing.assert_allclose(
        priors.corrected(OnnxModel.open(paths[0])(rgba_of(pixels)), back)[:, np.flatnonzero(WANTED)],
        kept / kept.sum(1, keepdims=True),
        atol=1e-3,
    )


def test_without_wanted_shares_the_json_states_the_learned_ones(run, exported):
    told = json.loads(exported[0].with_suffix(".json").read_text())
    assert told["priors"] == pytest.approx(run.info["priors"])
    assert "learned_priors" not in told
    own = torch.nn.Identity()
    assert applied(own, of_run(Run(run.path, {}, {})), None) == (own, {})  # an old run
    with pytest.raises(FerlabError, match="train and export it anew"):
        applied(own, of_run(Run(run.path, {}, {})), "uniform")


def test_an_ensemble_takes_its_members_mean_for_granted(run):
    members = tuple(Run(run.path, {}, {"priors": np.eye(K)[k].tolist()}) for k in (0, 6))
    assert priors_of(members, (0.25, 0.75)).tolist() == [0.25, 0, 0, 0, 0, 0, 0.75]
    assert priors_of(members).tolist() == [0.5, 0, 0, 0, 0, 0, 0.5]
