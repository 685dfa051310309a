"""Calibration of a predictor on val, kept with its weights and judged on other faces."""

import json
from dataclasses import replace

import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.metrics import temperature
from ferlab.studies import calibration
from ferlab.studies.kinds import KINDS
from tests.conftest import made_study

CONFIG = {
    "split": "val",
    "tta": "none",
    "folds": 5,
    "coverages": [1.0, 0.5, 0.1],
    "wanted_accuracy": 0.6,
    "batch_size": 64,
}


def test_the_command_keeps_what_it_fits_on_val_and_judges_it_on_test(tmp_path):
    study = made_study(tmp_path, calibration.KIND)
    found = calibration.calibrate(study, CONFIG)
    p = study.probabilities(study.faces.pixels, 64)
    assert found.before.ece == pytest.approx(
        float(MulticlassCalibrationError(K, n_bins=15)(torch.tensor(p), torch.tensor(study.faces.labels))), abs=1e-6
    )
    assert found.cross_fitted.accuracy == found.before.accuracy == found.after.accuracy
    kept = calibration.stored(study.home, "none", study.provenance.weights_sha256)
    assert kept.temperature == found.temperature == temperature.fit_temperature(p, study.faces.labels)
    written = json.loads((study.folder / "calibration.json").read_text())
    assert KINDS[calibration.KIND].read(written, "calibration.json") == found
    assert (study.folder / "reliability.png").read_bytes()[:4] == b"\x89PNG"
    page = (study.folder / "index.html").read_text()
    assert f"temperature {found.temperature:.3f}" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    test = made_study(tmp_path, calibration.KIND, split="test")
    judged = calibration.calibrate(test, CONFIG)
    assert judged.temperature == found.temperature
    assert judged.cross_fitted is None
    assert judged.abstention.threshold == found.abstention.threshold
    assert calibration.stored(study.home, "none", study.provenance.weights_sha256) == kept


def test_a_temperature_of_other_weights_or_none_is_refused(tmp_path):
    study = made_study(tmp_path, calibration.KIND, split="test")
    with pytest.raises(FerlabError, match=r"found none; type python -m ferlab\.calibrate"):
        calibration.calibrate(study, CONFIG)
    calibration.calibrate(made_study(tmp_path, calibration.KIND), CONFIG)
    with pytest.raises(FerlabError, match="of other weights"):
        calibration.stored(study.home, "none", ["other"])
    with pytest.raises(FerlabError, match="wanted_accuracy is 85"):
        calibration.calibrate(made_study(tmp_path, calibration.KIND), CONFIG | {"wanted_accuracy": 85})


def test_another_label_system_of_the_same_faces_has_a_temperature_of_its_own(tmp_path):
    own = calibration.calibrate(made_study(tmp_path, calibration.KIND), CONFIG)
    rated = CONFIG | {"data": {"name": "ferplus"}}

    def study(seed=1, system="ferplus", split="val"):
        made = made_study(tmp_path, calibration.KIND, split, seed=seed)
        of = replace(made.provenance, label_system=system, trained_label_system="fer2013")
        return replace(made, provenance=of, folder=tmp_path / f"{system}-{split}")

    with pytest.raises(FerlabError, match=r"ferplus-none\.json and found none; .* data=ferplus split=val first"):
        calibration.calibrate(study(split="test"), rated | {"split": "test"})
    found = calibration.calibrate(study(), rated)
    assert found.fitted_here
    assert found.temperature != own.temperature
    kept = [calibration.stored(study().home, "none", ["w"], system) for system in (None, "ferplus")]
    assert [one.temperature for one in kept] == [own.temperature, found.temperature]
    assert kept[1].label_system == "ferplus"
    judged = calibration.calibrate(study(split="test"), rated | {"split": "test"})
    assert judged.temperature == found.temperature
    elsewhere = calibration.calibrate(study(system="ck_plus"), CONFIG | {"data": {"name": "ck_plus"}})
    assert (elsewhere.temperature, elsewhere.fitted_here) == (own.temperature, False)
