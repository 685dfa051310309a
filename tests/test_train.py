"""The command that trains: its result for a search, and that a killed process goes on to the same weights."""

import math
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from ferlab import train
from ferlab.runs import checkpoints, directory
from ferlab.training import fit
from tests.training.test_fit import weights_of


def test_a_search_gets_the_val_accuracy_and_the_user_the_next_command(config, faces, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: faces)
    caplog.set_level("INFO")
    accuracy = train.main.__wrapped__(config("trainer.max_epochs=1", "name=one"))
    run = directory.load(tmp_path / "outputs" / "one")
    assert accuracy == run.info["val_accuracy"]
    assert f"val accuracy {100 * accuracy:.2f} %; next: python -m ferlab.evaluate runs={run.path}" in caplog.text


def test_a_trial_says_that_nothing_is_kept(config, faces, monkeypatch, caplog):
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: faces)
    caplog.set_level("INFO")
    assert math.isnan(train.main.__wrapped__(config("trainer.fast_dev_run=true")))
    assert "trial run, nothing kept" in caplog.text
    assert "evaluate" not in caplog.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("model=senet50",),
            ["model=senet50 with these keys is not what results/ measured; that is experiment=senet50"],
        ),
        (("experiment=five_layer",), []),
        (("experiment=demo", "model=five_layer"), []),
    ],
)
def test_a_net_with_a_measured_recipe_names_it(typed, capsys, words, said):
    typed(lambda config: train._hint_at_the_recipe(config["model"]["name"]), *words, "data=fer2013")
    assert [line for line in capsys.readouterr().out.splitlines() if "measured" in line] == said


def test_a_trial_on_drawn_faces_names_no_recipe(config, faces, monkeypatch, caplog):
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: faces)
    caplog.set_level("INFO")
    for data, hints in (("drawn", 0), ("fer2013", 1)):
        train.main.__wrapped__(config("trainer.fast_dev_run=true", f"data={data}"))
        assert caplog.text.count("experiment=five_layer") == hints


@pytest.mark.slow
def test_a_killed_process_is_continued_to_the_same_weights(tmp_path):
    """The whole command line, killed by SIGKILL somewhere after its first checkpoint."""
    command = [
        *(sys.executable, "-m", "ferlab.train", "wandb=off", "trainer.max_epochs=4", "batch_size=64"),
        *("data.sources=[{name: drawn, layout: drawn, n_train: 640, n_val: 70, n_test: 70, seed: 0}]",),
        *("+model.net.width=0.5", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
    ]
    env = os.environ | {"FERLAB_DATA": str(tmp_path / "data")}
    run = partial(subprocess.run, check=True, cwd=tmp_path, env=env, capture_output=True)
    run([*command, "name=whole"])
    victim = subprocess.Popen([*command, "name=killed"], cwd=tmp_path, env=env)
    killed = tmp_path / "outputs" / "killed"
    while not (killed / directory.CHECKPOINTS / checkpoints.LAST).exists():
        assert victim.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)  # into the second epoch
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    assert directory.load(killed).info["status"] == "running"
    run([*command, "name=killed", "ckpt=last", "num_workers=2"])
    for name in (checkpoints.LAST, checkpoints.BEST):
        assert weights_of(directory.load(killed), name) == weights_of(directory.load(tmp_path / "outputs/whole"), name)
