"""`python -m ferlab.ensemble` as it is typed."""

import os
import subprocess
import sys

import pytest

from ferlab.runs import directory
from tests.ensembling.conftest import NETS, said


@pytest.mark.slow
def test_from_the_command_line_on_drawn_faces(tmp_path):
    def typed(*words):
        environment = os.environ | {"FERLAB_DATA": str(tmp_path / "data")}
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    drawn = ["data=drawn", "data.n_train=300", "data.n_val=140", "data.n_test=140", "trainer.max_epochs=1", "wandb=off"]
    for seed, other in ((0, []), (1, NETS["colour-s1"][2:])):
        typed("ferlab.train", *drawn, "batch_size=32", f"seed={seed}", "+model.net.width=0.25", *other)
    shown = typed("ferlab.ensemble", "runs=outputs/*", "name=best", "tta=[none,flip]", "greedy.size=3")
    assert "frozen: outputs/ensembles/best" in shown
    shown = typed("ferlab.evaluate", "runs=outputs/ensembles/best", "split=test")
    assert "in hindsight" in shown
    typed("ferlab.train", *drawn, "teacher=outputs/ensembles/best", "teacher_tta=frozen", "name=taught")
    assert (
        directory.load(tmp_path / "outputs/taught").info["teacher"]["ensemble_sha256"]
        == said(tmp_path / "outputs/ensembles/best")["sha256"]
    )
