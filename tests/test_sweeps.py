"""Sweeps: what became of each job, which runs are not trained twice, and every launcher that can be typed."""

import importlib.util
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.singleton import Singleton

from ferlab import cli, files, sweeps
from ferlab.config import CONF
from ferlab.errors import FerlabError
from ferlab.jobs import sweep_record
from ferlab.runs import checkpoints, directory
from ferlab.training import fit as training
from ferlab.training import resume

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = {
    "hydra/launcher=joblib": "hydra_joblib_launcher",
    "hydra/launcher=submitit_local": "hydra_submitit_launcher",
    "hydra/launcher=submitit_slurm": "hydra_submitit_launcher",
    "hydra/launcher=ray": "hydra_ray_launcher",
    "hydra/sweeper=optuna": "hydra_optuna_sweeper",
}


def needs(choice: str) -> None:
    if importlib.util.find_spec("hydra_plugins") is None or not importlib.util.find_spec(
        f"hydra_plugins.{PLUGINS[choice]}"
    ):
        pytest.skip(f"{PLUGINS[choice]} is not installed")


# Runs that are there already


@pytest.fixture
def small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


def closed(*args, **kwargs):
    pytest.fail("the data were opened")


@pytest.mark.usefixtures("small_data")
def test_a_finished_run_is_returned_at_once(config, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    run = training.train(config("trainer.max_epochs=1"))
    monkeypatch.setattr(training, "open_config", closed)
    how = ("num_workers=2", "save_every=5", "compile=false", "data.root=elsewhere", "trainer.devices=2")
    again = training.train(config("trainer.max_epochs=1", "skip_finished=true", *how))
    assert again.path == run.path
    assert again.info["val_accuracy"] == run.info["val_accuracy"]
    assert f"finished already: {run.path}" in caplog.text


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("lr=0.1", "lr=0.05, not 0.1"),
        ("trainer.max_epochs=2", "trainer.max_epochs=1, not 2"),
        ("augment=none", "augment.policy="),
        ("~model.net.width", "model.net.width=0.25, not nothing"),
    ],
)
def test_a_finished_run_of_another_config_is_trained_anew_and_the_key_named(config, caplog, override, said):
    caplog.set_level(logging.INFO)
    run = training.train(config("trainer.max_epochs=1"))
    words = ["trainer.max_epochs=1", "skip_finished=true", override]
    other = training.train(config(*words))
    assert other.path.name == f"{run.path.name}-2"
    assert said in caplog.text
    assert training.train(config(*words)).path == other.path  # it is found under its number


@pytest.mark.usefixtures("small_data")
def test_a_stopped_run_is_trained_anew_or_continued_where_that_is_typed(config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    new = training.train(config("skip_finished=true", "ckpt=last"))  # nothing is there to continue
    assert new.info["status"] == "finished"
    files.write_json(new.path / directory.INFO, new.info | {"status": "running"})  # as a killed one leaves it
    anew = training.train(config("skip_finished=true"))
    assert anew.path.name == f"{new.path.name}-2"
    assert f"{new.path} was stopped before its end; skip_finished=true ckpt=last would continue it" in caplog.text
    files.write_json(anew.path / directory.INFO, anew.info | {"status": "failed"})
    (new.path / directory.CHECKPOINTS / checkpoints.LAST).unlink()
    continued = training.train(config("skip_finished=true", "ckpt=last"))
    assert continued.path == anew.path  # the newest that has a checkpoint
    assert continued.info["status"] == "finished"
    assert len(list(tmp_path.glob("outputs/five*"))) == 2


def test_a_key_that_is_null_is_as_good_as_one_that_was_not_there_yet():
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": None}) == []
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": "sad"}) == ["only=nothing, not sad"]


def test_the_keys_that_change_nothing_are_keys(config):
    assert set(resume.HOW_IT_RUNS) <= set(resume._flat(config()))


# A sweep's records and summary, in this process


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Run a task as the command `train` with words typed after it; Hydra's logging and state end with the test."""
    root = logging.getLogger()
    handlers, level, state = root.handlers[:], root.level, Singleton.get_state()
    monkeypatch.chdir(tmp_path)

    def run(task, *words):
        monkeypatch.setattr(sys, "argv", ["ferlab.train", *words, "hydra.sweep.dir=out"])
        return cli.command("train", at_end=sweep_record.close)(task)()

    yield run
    root.handlers[:], root.level = handlers, level
    Singleton.set_state(state)
    sweep_record._open = None
    sweep_record._release()


def by_num(folder: Path) -> dict[int, dict]:
    return {job["num"]: job for job in json.loads((folder / sweep_record.SWEEP).read_text())["jobs"]}


def test_a_sweep_ends_with_a_table_of_what_became_of_each_job(typed, tmp_path, capsys):
    def task(cfg):
        sweep_record.note(run=f"outputs/s{cfg.seed}")
        if cfg.seed == 1:
            raise FerlabError("seed 1 is\nunlucky")
        if cfg.seed == 2:
            raise ZeroDivisionError("oops")
        if cfg.seed == 3:
            sweep_record.note(status="skipped")
        return 0.25

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", "seed=0,1,2,3", "lr=0.1", "data=fer2013+aux")
    assert stopped.value.code == 1
    jobs = by_num(tmp_path / "out")
    assert [jobs[n]["status"] for n in range(4)] == ["finished", "failed", "failed", "skipped"]
    assert [jobs[n]["val_accuracy"] for n in range(4)] == [0.25, None, None, 0.25]
    assert [jobs[n]["run"] for n in range(4)] == [f"outputs/s{n}" for n in range(4)]
    assert jobs[1]["error"] == "seed 1 is unlucky"
    assert jobs[2]["error"] == "ZeroDivisionError: oops"
    assert all(job["seconds"] >= 0 for job in jobs.values())
    assert jobs[2]["again"] == "python -m ferlab.train seed=2 lr=0.1 data=fer2013+aux"
    assert "again" not in jobs[0]

    out = capsys.readouterr().out
    text = (tmp_path / "out" / sweep_record.SUMMARY).read_text()
    for said in (out, text):
        assert "1 finished, 2 failed, 1 skipped" in said
        assert "seed 1 is unlucky" in said
        assert jobs[2]["again"] in said
    assert "25.00 %" in out
    assert "| 3 | skipped | seed=3 | 25.00 % |" in text
    for num in range(4):
        record = json.loads((tmp_path / "out" / str(num) / sweep_record.JOB).read_text())
        assert record == {key: value for key, value in jobs[num].items() if key != "again"}


def test_a_sweep_without_faults_ends_well_and_the_next_in_its_folder_starts_empty(typed, tmp_path, capsys):
    typed(lambda cfg: 0.5, "-m", "seed=0,1,2")
    assert "3 finished" in capsys.readouterr().out
    typed(lambda cfg: 0.5, "-m", "seed=5")
    assert [job["overrides"] for job in by_num(tmp_path / "out").values()] == [["seed=5"]]


def test_a_job_that_ends_the_process_is_killed_and_those_after_it_not_started(typed, tmp_path, capsys):
    def task(cfg):
        if cfg.seed == 1:
            sys.exit(143)

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", "seed=0,1,2,3")
    assert stopped.value.code == 143
    jobs = by_num(tmp_path / "out")
    assert [jobs[n]["status"] for n in range(4)] == ["finished", "killed", "not started", "not started"]
    assert "1 finished, 1 killed, 2 not started" in capsys.readouterr().out


def test_a_line_that_hydra_refuses_leaves_no_summary(typed, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        typed(lambda cfg: pytest.fail("the task ran"), "-m", "seed=0,1", "model=baseline,five_leyer")
    assert stopped.value.code == 1
    assert not (tmp_path / "out" / sweep_record.SWEEP).exists()
    assert "not started" not in capsys.readouterr().out


def test_a_single_run_leaves_no_record(typed, tmp_path):
    typed(lambda cfg: 0.5, "seed=1")
    assert not list(tmp_path.rglob("*.json"))


def test_the_summary_of_a_sweep_that_runs_or_is_gone(typed, tmp_path, monkeypatch, capsys):
    """python -m ferlab.sweeps, typed while a job holds its lock, and after that job was killed."""
    program = f"""
import sys, time
from filelock import FileLock
lock = FileLock({str(tmp_path / "out" / "1" / sweep_record.LOCK)!r})
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""
    typed(lambda cfg: 0.5, "-m", "seed=0,1")
    path = tmp_path / "out" / "1" / sweep_record.JOB
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running", "val_accuracy": None}))
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    assert [job["status"] for job in sweep_record.summarize(tmp_path / "out")] == ["finished", "running"]
    other.kill()
    other.wait()
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["ferlab.sweeps", str(tmp_path / "out")])
    sweeps.main()
    assert "1 finished, 1 killed" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["ferlab.sweeps", str(tmp_path)])
    with pytest.raises(SystemExit, match="is no sweep's folder"):
        sweeps.main()


@pytest.mark.filterwarnings("ignore:The ``declarative_base")  # Optuna 2 under SQLAlchemy 2
def test_a_failed_trial_that_the_sweeper_forgives_is_still_an_error_at_the_end(typed, tmp_path, capfd):
    needs("hydra/sweeper=optuna")

    def task(cfg):
        if cfg.lr < 0.5:
            raise FerlabError("too small")
        return cfg.lr

    words = ["hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=2"]
    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", *words, "hydra.sweeper.n_jobs=1", "hydra.sweeper.max_failure_rate=1", "lr=choice(0.1)")
    assert stopped.value.code == 1
    assert [job["status"] for job in by_num(tmp_path / "out").values()] == ["failed", "failed"]


# Launchers and sweepers


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
    for key, said in sweep["parameters"].items():
        words += [f"{key}={value}" for value in (said.get("values") or [said["min"]])[-1:]]
    with initialize_config_dir(CONF, version_base="1.3"):
        config = compose("train", overrides=words)
    assert (config.wandb, config.class_weights, config.lr) == ("online", "effective", 0.005)
    assert sweep["metric"] == {"name": "val/accuracy", "goal": "maximize"}


SMALL = [
    *("data=drawn", "data.n_val=70", "data.n_test=70", "+model.net.width=0.25", "batch_size=32", "wandb=off"),
    *("trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ferlab.train", "-m", *SMALL, *words]


@pytest.fixture
def env(tmp_path) -> dict[str, str]:
    return os.environ | {"FERLAB_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}


def holder(parent: int, lock: Path) -> psutil.Process | None:
    """The process below `parent` that runs the job of a lock."""
    for process in [psutil.Process(parent), *psutil.Process(parent).children(recursive=True)]:
        try:
            if str(lock) in [file.path for file in process.open_files()]:
                return process
        except psutil.Error:
            continue
    return None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "expected"),
    [
        (["hydra/launcher=submitit_local"], ["finished", "failed", "killed", "finished"]),
        # One killed worker of joblib's ends all: what the others were at is killed or finished, as the clock has it.
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], [None, "failed", "killed", None]),
    ],
)
def test_one_job_fails_one_is_killed_the_others_finish_and_a_second_call_does_the_rest(
    tmp_path, env, launcher, expected
):
    needs(launcher[0])
    words = ["data.n_train=1024", "trainer.max_epochs=6", "class_weights=none,wrong,balanced,effective", *launcher]
    sweep = subprocess.Popen(
        command(*words, "hydra.sweep.dir=first"), cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    )
    lock = tmp_path / "first" / "2" / sweep_record.LOCK
    while not lock.with_name(sweep_record.JOB).exists() or (victim := holder(sweep.pid, lock)) is None:
        assert sweep.poll() is None
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    out, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 1
    jobs = by_num(tmp_path / "first")
    found = [jobs[n]["status"] for n in range(4)]
    assert found == [status or found[n] for n, status in enumerate(expected)], out
    assert set(found) <= {"finished", "failed", "killed", "not started"}
    assert "choose none, balanced, effective" in jobs[1]["error"]
    assert f"{found.count('killed')} killed" in out
    assert jobs[2]["again"] in out

    done = [n for n in range(4) if found[n] == "finished"]
    again = command(*words, "hydra.sweep.dir=second", "skip_finished=true")
    second = subprocess.run(again, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert second.returncode == 1  # one is wrong for ever
    after = by_num(tmp_path / "second")
    assert [n for n in range(4) if after[n]["status"] == "skipped"] == done, second.stdout
    assert [after[n]["status"] for n in range(4) if n not in done and n != 1] == ["finished"] * (3 - len(done))
    assert after[1]["status"] == "failed"


@pytest.mark.slow
def test_optuna_maximises_the_accuracy_that_training_returns(tmp_path, env):
    needs("hydra/sweeper=optuna")
    line = command(
        *("hydra/sweeper=optuna", "hydra.sweeper.storage=null", "hydra.sweeper.direction=maximize"),
        *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "data.n_train=128", "trainer.max_epochs=1"),
        *("lr=tag(log, interval(0.001, 0.1))", "label_smoothing=interval(0.0, 0.2)", "hydra.sweep.dir=out"),
        "name=trial-${hydra:job.num}",
    )
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    jobs = by_num(tmp_path / "out")
    reached = [jobs[n]["val_accuracy"] for n in range(2)]
    assert reached == [directory.load(tmp_path / jobs[n]["run"]).info["val_accuracy"] for n in range(2)]
    best = yaml.safe_load((tmp_path / "out" / "optimization_results.yaml").read_text())
    assert best["best_value"] == max(reached)
    assert set(best["best_params"]) == {"lr", "label_smoothing"}
