"""What runs= names, and that its weights are never lost, whoever opens it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ferlab.deploy import exporting
from ferlab.ensembling import subject
from ferlab.errors import FerlabError
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.predictors import views
from ferlab.runs import directory
from ferlab.studies import opening
from ferlab.training import teacher
from tests.composing import composed
from tests.ensembling.conftest import FACES, by_hand, choose, said

FROZEN = [
    ("method=greedy", "tta=flip", "tta_space=logit", "temperature=member"),
    ("method=weighted", "tta=poster8", "tta_space=probability", "temperature=none"),
    ("method=soft", "tta=none", "temperature=member"),
]


@pytest.mark.parametrize("overrides", [FROZEN[0], ("method=greedy", "greedy.size=1", "tta=none", "temperature=member")])
def test_exports_and_studies_answer_as_it_was_frozen(made, overrides):
    folder, _ = choose("best", *overrides)
    about, val = said(folder), FACES.of_split("val")
    expected = by_hand(about, val.pixels)
    asked = {"runs": str(folder), "split": "val", "device": "cpu", "tta": None, "data": None}
    (study,) = opening.opened(asked, "calibration")
    np.testing.assert_allclose(study.probabilities(val.pixels, 64), expected, atol=1e-4)
    assert study.provenance.tta == views.title(about["tta"], about["tta_space"])
    (file,) = exporting.export(composed(f"runs={folder}", "precision=fp32", "parity_faces=20", command="export"))
    np.testing.assert_allclose(OnnxModel.open(file)(rgba_of(val.pixels)), expected, atol=1e-4)
    for command in (
        lambda: list(opening.opened(asked | {"tta": "views12"}, "calibration")),
        lambda: exporting.export(composed(f"runs={folder}", "tta=views12", command="export")),
    ):
        with pytest.raises(FerlabError, match=r"was chosen with tta=.*leave out tta"):
            command()


def test_damaged_answers_are_asked_again(made, caplog):
    val, single = FACES.of_split("val").pixels, views.view_set("none", "probability")

    def ask(name):
        one = subject.of_run(directory.load(f"outputs/{name}"))
        return one.ask(val, [single], Path("outputs/answers"), 64, torch.device("cpu"))["none"]

    first = ask("plain-s0")
    (file,) = Path("outputs/answers").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(ask("plain-s0"), first)
    assert "its faces are computed again" in caplog.text
    other = ask("colour-s1")
    shutil.copy(next(p for p in file.parent.iterdir() if p != file), file)  # another run's answers under this name
    np.testing.assert_array_equal(ask("plain-s0"), first)
    assert np.abs(other - first).max() > 0


def test_a_chosen_ensemble_teaches_with_its_weights(made):
    folder, _ = choose("best", "method=greedy", "greedy.size=5", "tta=flip", "tta_space=logit", "temperature=member")
    about = said(folder)
    pixels = FACES.of_split("train").pixels[:20]
    frozen = teacher.find(str(folder), "frozen", Path("kept"))
    np.testing.assert_allclose(frozen.probabilities(pixels, "cpu"), by_hand(about, pixels), atol=1e-5)
    alone = teacher.find(str(folder), "none", Path("kept"))  # other views, the same weights
    single = {**about, "views": [list(views.View())], "tta_space": "probability"}
    np.testing.assert_allclose(alone.probabilities(pixels, "cpu"), by_hand(single, pixels), atol=1e-5)
    soft = teacher.find([m["path"] for m in about["members"]], "none", Path("kept"))
    assert len({frozen.file, alone.file, soft.file}) == 3
    assert alone.provenance["ensemble_sha256"] == about["sha256"]
    with pytest.raises(FerlabError, match="frozen is for an ensemble that was chosen on val"):
        teacher.find("outputs/plain-s0", "frozen", Path("kept"))
