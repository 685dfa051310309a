"""`ferlab.sweeps`: the summary again; and every launcher and sweeper that can be typed or is documented."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from ferlab import sweeps
from ferlab.config import CONF
from ferlab.jobs import sweep_summary
from tests.jobs.test_sweep_record import PLUGINS, needs

ROOT = Path(__file__).resolve().parents[1]


def test_the_summary_of_a_sweep_that_runs_or_is_gone(typed, tmp_path, monkeypatch, capsys):
    """python -m ferlab.sweeps, typed while a job holds its lock, and after that job was killed."""
    program = f"""
import sys, time
from filelock import FileLock
lock = FileLock({str(tmp_path / "out" / "1" / sweep_summary.LOCK)!r})
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""
    typed(lambda config: 0.5, "-m", "seed=0,1", "hydra.sweep.dir=out")
    path = tmp_path / "out" / "1" / sweep_summary.JOB
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running", "val_accuracy": None}))
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    assert [job.status for job in sweep_summary.summarize(tmp_path / "out").jobs] == ["finished", "running"]
    other.kill()
    other.wait()
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["ferlab.sweeps", str(tmp_path / "out")])
    sweeps.main()
    assert "1 finished, 1 killed" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["ferlab.sweeps", str(tmp_path)])
    with pytest.raises(SystemExit, match="is no sweep's folder"):
        sweeps.main()


@pytest.mark.parametrize("choice", PLUGINS)
def test_every_launcher_composes(choice):
    needs(choice)
    with initialize_config_dir(CONF, version_base="1.3"):
        config = compose("train", overrides=[choice], return_hydra_config=True)
    group, name = choice.split("=")
    assert config.hydra.runtime.choices[group] == name
    assert PLUGINS[choice] in config.hydra[group.split("/")[1]]._target_


@pytest.mark.parametrize("line", [line.strip() for line in (ROOT / "docs" / "sweeps.md").read_text().splitlines()
                                  if line.strip().startswith("python -m ferlab.train")])  # fmt: skip
def test_every_line_of_the_documentation_composes(line):
    words = [word for word in shlex.split(line)[3:] if word != "-m"]
    for choice in set(words) & set(PLUGINS):
        needs(choice)
    plain = [w for w in words if "," not in w.split("=", 1)[-1].split("(")[0] and not w.endswith(")")]
    with initialize_config_dir(CONF, version_base="1.3"):
        compose("train", overrides=plain, return_hydra_config=True)


def test_the_sweep_of_wandb_types_what_conf_has():
    sweep = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())
    assert sweep["command"][:4] == ["${env}", "python", "-m", "ferlab.train"]
    words = [word for word in sweep["command"][4:] if word != "${args_no_hyphens}"]
    for key, options in sweep["parameters"].items():
        words += [f"{key}={value}" for value in (options.get("values") or [options["min"]])[-1:]]
    with initialize_config_dir(CONF, version_base="1.3"):
        config = compose("train", overrides=words)
    assert (config.wandb, config.class_weights, config.lr) == ("online", "effective", 0.005)
    assert sweep["metric"] == {"name": "val/accuracy", "goal": "maximize"}
