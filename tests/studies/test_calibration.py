"""Temperature, coverage and threshold against torchmetrics, brute force and temperatures that are known."""

import json

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torchmetrics.classification import MulticlassCalibrationError

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.metrics import abstention, temperature
from ferlab.metrics.temperature import fit_temperature
from ferlab.runs import directory
from ferlab.studies import calibration, opening
from tests.conftest import made_study

CONFIG = {
    "split": "val",
    "tta": "none",
    "folds": 5,
    "coverages": [1.0, 0.5, 0.1],
    "wanted_accuracy": 0.6,
    "batch_size": 64,
}


def overconfident(temperature, n=20_000, seed=0):
    """Probabilities whose labels were drawn at another temperature than they claim."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, K))
    labels = np.array([rng.choice(K, p=row) for row in softmax(logits, axis=1)])
    return softmax(logits * temperature, axis=1), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    probabilities, labels = overconfident(temperature)
    fitted = fit_temperature(probabilities, labels)
    assert fitted == pytest.approx(temperature, rel=0.03)
    # A gradient method finds the same minimum.
    log_t = torch.zeros((), requires_grad=True)
    z, y = torch.log(torch.tensor(probabilities)), torch.tensor(labels)
    optimiser = torch.optim.LBFGS([log_t], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(z / log_t.exp(), y)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert fitted == pytest.approx(log_t.exp().item(), rel=1e-3)


def test_scaling_is_that_of_logits_and_keeps_answers():
    logits = np.random.default_rng(1).normal(0, 3, (50, K))
    scaled = temperature.scale(softmax(logits, axis=1), 1.7)
    np.testing.assert_allclose(scaled, softmax(logits / 1.7, axis=1), atol=1e-9)
    assert (scaled.argmax(1) == logits.argmax(1)).all()


def test_scaling_lowers_the_calibration_error_that_torchmetrics_gives():
    probabilities, labels = overconfident(2.5)
    metric = MulticlassCalibrationError(K, n_bins=15)

    def error(p):
        return float(metric(torch.tensor(p), torch.tensor(labels)))

    scaled = temperature.scale(probabilities, temperature.fit_temperature(probabilities, labels))
    assert error(probabilities) > 0.1
    assert error(scaled) < 0.015
    crossed = temperature.cross_fitted(probabilities, labels, 5)
    assert error(crossed) == pytest.approx(error(scaled), abs=0.01)


def test_cross_fitting_never_sees_the_face_it_scales():
    probabilities, labels = overconfident(2.0, n=200)
    first = temperature.cross_fitted(probabilities, labels, 4)
    labels[0] = (labels[0] + 1) % K
    changed = np.abs(temperature.cross_fitted(probabilities, labels, 4) - first).max(1) > 1e-12
    assert not changed[::4].any()
    assert changed[1::4].all()


def test_coverage_and_threshold_equal_a_loop():
    rng = np.random.default_rng(2)
    confidence = np.round(rng.random(300), 2)  # with equal ones
    correct = rng.random(300) < confidence
    for wanted in (0.6, 0.8, 0.9):
        answers = {t: correct[confidence >= t].mean() for t in np.unique(confidence)}
        assert abstention.threshold_for(confidence, correct, wanted) == min(
            t for t, a in answers.items() if a >= wanted
        )
    assert abstention.threshold_for(confidence, np.zeros(300, bool), 0.5) is None
    rows = abstention.at_coverage(confidence, correct, [1.0, 0.3])
    surest = sorted(range(300), key=lambda i: (-confidence[i], i))[:90]
    assert [row["n"] for row in rows] == [300, 90]
    assert rows[1]["accuracy"] == pytest.approx(correct[surest].mean())
    assert rows[1]["threshold"] == confidence[surest[-1]]


@pytest.mark.parametrize(("n", "right"), [(1, True), (20, True), (20, False)])
def test_faces_that_fit_no_temperature_are_refused(n, right):
    probabilities = np.tile(softmax(np.arange(K, dtype=float)), (n, 1))
    with pytest.raises(FerlabError, match=f"no finite temperature fits {n} faces"):
        temperature.fit_temperature(probabilities, np.full(n, K - 1 if right else 0))
    with pytest.raises(FerlabError, match="found none"):
        temperature.fit_temperature(probabilities[:0], np.zeros(0, int))


def test_the_command_keeps_what_it_fits_on_val_and_judges_it_on_test(tmp_path):
    study = made_study(tmp_path, calibration.KIND)
    found = calibration.calibrate(study, CONFIG)
    p = study.probabilities(study.faces.pixels, 64)
    assert found["before"]["ece"] == pytest.approx(
        float(MulticlassCalibrationError(K, n_bins=15)(torch.tensor(p), torch.tensor(study.faces.labels))), abs=1e-6
    )
    assert found["cross_fitted"]["accuracy"] == found["before"]["accuracy"] == found["after"]["accuracy"]
    kept = calibration.stored(study.home, "none", study.about["weights_sha256"])
    assert kept["temperature"] == found["temperature"] == temperature.fit_temperature(p, study.faces.labels)
    written = json.loads((study.folder / "calibration.json").read_text())
    assert written["abstention"] == found["abstention"]
    assert (study.folder / "reliability.png").read_bytes()[:4] == b"\x89PNG"
    page = (study.folder / "index.html").read_text()
    assert f"temperature {found['temperature']:.3f}" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    test = made_study(tmp_path, calibration.KIND, split="test")
    judged = calibration.calibrate(test, CONFIG)
    assert judged["temperature"] == found["temperature"]
    assert judged["cross_fitted"] is None
    assert judged["abstention"]["threshold"] == found["abstention"]["threshold"]
    assert calibration.stored(study.home, "none", study.about["weights_sha256"]) == kept


def test_a_temperature_of_other_weights_or_none_is_refused(tmp_path):
    study = made_study(tmp_path, calibration.KIND, split="test")
    with pytest.raises(FerlabError, match=r"found none; type python -m ferlab\.calibrate"):
        calibration.calibrate(study, CONFIG)
    calibration.calibrate(made_study(tmp_path, calibration.KIND), CONFIG)
    with pytest.raises(FerlabError, match="of other weights"):
        calibration.stored(study.home, "none", ["other"])
    with pytest.raises(FerlabError, match="wanted_accuracy is 85"):
        calibration.calibrate(study, CONFIG | {"wanted_accuracy": 85})


def test_a_study_of_test_is_in_the_ledger_and_of_one_run_or_ensemble_each(trained, monkeypatch):
    config = {"runs": str(trained), "split": "test", "device": "cpu", "ledger": "ledger.jsonl", "tta": "flip"}
    monkeypatch.chdir(trained.parent)
    (study,) = opening.opened(config | {"runs": trained.name}, "calibration")
    entry = json.loads((trained.parent / "ledger.jsonl").read_text())
    assert (entry["runs"], entry["tta"]) == ([trained.name], ["calibration"])
    assert study.folder.as_posix() == f"{trained.name}/calibration/test-flip"
    assert len(study.faces) == 70
    folder = trained.parent / "two"
    folder.mkdir()
    files.write_json(folder / directory.MEMBERS, [{"path": trained.name}, {"path": trained.name}])
    both = list(opening.opened(config | {"runs": ["two", trained.name], "split": "val"}, "calibration"))
    assert [s.about["name"] for s in both] == ["two", trained.name]
    (plain,) = opening.opened(config | {"runs": trained.name, "split": "val", "tta": None}, "calibration")
    assert plain.folder.as_posix() == f"{trained.name}/calibration/val-none"
    assert len((trained.parent / "ledger.jsonl").read_text().splitlines()) == 1
    with pytest.raises(FerlabError, match="runs is not given"):
        next(opening.opened(config | {"runs": None}, "calibration"))
    with pytest.raises(FerlabError, match="split is 'train'; choose val or test"):
        next(opening.opened(config | {"split": "train"}, "calibration"))
