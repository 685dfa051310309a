"""Shares of the classes put in place of others, against Bayes' rule on counts."""

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models, priors
from ferlab.inference.onnx_model import read_sidecar


def test_probabilities_for_other_shares_are_those_of_faces_drawn_so():
    """Faces that look alike: of each class some. Drawn with other shares, the classes among them follow Bayes' rule."""
    rng = np.random.default_rng(0)
    looks = rng.dirichlet(np.ones(5), 7)  # P(look | class), [7,5]
    learned, wanted = (priors.shares_of(rng.integers(1, 9, 7).tolist()) for _ in "ab")

    def posterior(shares):
        joint = looks * shares[:, None]
        return (joint / joint.sum(0)).T  # P(class | look), [5,7]

    found = priors.corrected(posterior(learned).astype(np.float32), priors.factors(wanted, learned))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, posterior(wanted), atol=1e-6)
    same = priors.corrected(posterior(learned), priors.factors(learned, learned))
    np.testing.assert_allclose(same, posterior(learned), atol=1e-6)


def test_names_and_numbers():
    np.testing.assert_allclose(priors.shares_of("uniform"), np.full(7, 1 / 7))
    mild = np.sqrt(np.sqrt(priors.NAMED["ferplus"]))
    np.testing.assert_allclose(priors.shares_of("mild"), mild / mild.sum())
    np.testing.assert_allclose(priors.shares_of("fer2013"), np.array([3995, 436, 4097, 7215, 4830, 3171, 4965]) / 28709)
    assert priors.shares_of([2, 0, 0, 0, 0, 0, 6]).tolist() == [0.25, 0, 0, 0, 0, 0, 0.75]
    assert priors.typed("1,2,3,4,5,6,7") == [1, 2, 3, 4, 5, 6, 7]
    for word in ("uniform", "1,x"):
        assert priors.typed(word) == word
    for wrong in ("wild", [1] * 6, [1] * 6 + [-1], [0] * 7, [np.nan] * 7, "1,x"):
        with pytest.raises(FerlabError, match="choose uniform, fer2013, ferplus, mild, or 7 numbers"):
            priors.shares_of(wrong)


def test_a_class_that_was_never_learned():
    learned = priors.shares_of([1, 1, 0, 1, 1, 1, 1])
    with pytest.raises(FerlabError, match="priors want fear, which the model never learned"):
        priors.factors(priors.shares_of("uniform"), learned)
    assert priors.factors(learned, learned).tolist() == [1, 1, 0, 1, 1, 1, 1]


def test_what_a_run_learned():
    counts = dict(zip(EXPRESSIONS, [1, 1, 2, 2, 3, 3, 8], strict=True))
    of = priors.of_run
    assert of({}, {"priors": [1, 1, 1, 1, 1, 1, 4]})[-1] == 0.4
    assert of({}, {"class_counts": counts}).tolist() == (np.array([1, 1, 2, 2, 3, 3, 8]) / 20).tolist()
    for config in ({"class_weights": "balanced"}, {"balance": "sampler"}):
        assert of(config, {"class_counts": counts}) == pytest.approx([1 / 7] * 7)
    for config, info in (({"class_weights": "effective"}, {"class_counts": counts}), ({}, {})):
        with pytest.raises(FerlabError, match="train and export it anew"):
            of(config, info)


def test_what_a_model_takes_for_granted():
    np.testing.assert_allclose(priors.of_model({"priors": [1, 0, 0, 0, 0, 0, 1]}), [0.5, 0, 0, 0, 0, 0, 0.5])
    runs = [{"config": {}, "info": {"priors": p}} for p in ([1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 2])]
    np.testing.assert_allclose(priors.of_model({"runs": runs}), [0.5, 0, 0, 0, 0, 0, 0.5])
    with pytest.raises(FerlabError, match=r"x\.onnx does not say its class shares"):
        priors.of_model({"file": "x.onnx"})


@pytest.mark.parametrize("name", ["five_layer", "accurate"])
def test_the_packages_models_learned_fer2013s_shares(name):
    learned = priors.of_model(read_sidecar(models.find(name)))
    np.testing.assert_allclose(learned, priors.shares_of("fer2013"), atol=0.002)
