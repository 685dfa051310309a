"""What became of each job of a sweep, in this process and under every launcher."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import OmegaConf

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.jobs import sweep_record, sweep_summary
from ferlab.runs import directory
from tests.dying import deaths

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


DIR = "hydra.sweep.dir=out"


def by_num(folder: Path) -> dict[int, dict]:
    return {job["num"]: job for job in json.loads((folder / sweep_summary.SWEEP).read_text())["jobs"]}


def test_two_sweeps_in_one_second_have_two_folders(typed, tmp_path):
    for _ in range(2):
        typed(lambda config: 0.5, "-m", "seed=0,1")
    assert [len(by_num(folder)) for folder in (tmp_path / "outputs" / "sweeps").iterdir()] == [2, 2]


def test_wherever_a_job_is_killed_its_sweep_knows_what_became_of_it(tmp_path, monkeypatch):
    def folder_of(n: int) -> Path:
        folder = tmp_path / f"{n}"
        files.write_json(folder / "sweep.json", {"command": ["python"], "jobs": [{"num": 0, "overrides": ["seed=0"]}]})
        (folder / "0").mkdir()
        return folder

    def job(folder: Path) -> None:
        hydra = {"mode": RunMode.MULTIRUN, "job": {"num": 0}}
        hydra["runtime"] = {"output_dir": str(folder / "0"), "choices": {"hydra/launcher": "basic"}}
        config = OmegaConf.create({"hydra": hydra | {"overrides": {"task": ["seed=0"]}}})
        book = sweep_record.Bookkeeper()
        book.on_job_start(config)
        sweep_record.note(run="outputs/one")
        book.on_job_end(config, JobReturn(_return_value=0.5, status=JobStatus.COMPLETED))
        sweep_summary.summarize(folder)

    monkeypatch.setenv(sweep_record.RECORD, "")  # put back after the test
    states = []
    for folder in deaths(folder_of, job):
        [found] = sweep_summary.summarize(folder).jobs
        assert found.val_accuracy == (0.5 if found.status == "finished" else None)
        states.append(found.status)
    assert list(dict.fromkeys(states)) == ["not started", "killed", "finished"]


def test_a_sweep_ends_with_a_table_of_what_became_of_each_job(typed, tmp_path, capsys):
    def task(config):
        run = f"outputs/s{config['seed']}"
        sweep_record.note(run)
        if config["seed"] == 1:
            raise FerlabError("seed 1 is\nunlucky")
        if config["seed"] == 2:
            raise ZeroDivisionError("oops")
        if config["seed"] == 3:
            sweep_record.note(run, status="skipped")
        return 0.25

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", DIR, "seed=0,1,2,3", "lr=0.1", "data=fer2013+aux")
    assert stopped.value.code == 1
    jobs = by_num(tmp_path / "out")
    assert [jobs[n]["status"] for n in range(4)] == ["finished", "failed", "failed", "skipped"]
    assert [jobs[n]["val_accuracy"] for n in range(4)] == [0.25, None, None, 0.25]
    assert [jobs[n]["run"] for n in range(4)] == [f"outputs/s{n}" for n in range(4)]
    assert jobs[1]["error"] == "seed 1 is unlucky"
    assert jobs[2]["error"] == "ZeroDivisionError: oops"
    assert all(job["seconds"] >= 0 for job in jobs.values())
    assert jobs[2]["again"] == "python -m ferlab.train seed=2 lr=0.1 data=fer2013+aux"
    assert jobs[0]["again"] is None

    out = capsys.readouterr().out
    text = (tmp_path / "out" / sweep_summary.SUMMARY).read_text()
    for summary in (out, text):
        assert "1 finished, 2 failed, 1 skipped" in summary
        assert "seed 1 is unlucky" in summary
        assert jobs[2]["again"] in summary
    assert "25.00 %" in out
    assert "| 3 | skipped | seed=3 | 25.00 % |" in text
    for num in range(4):
        record = json.loads((tmp_path / "out" / str(num) / sweep_summary.JOB).read_text())
        assert record == jobs[num] | {"again": None}


def test_a_sweep_without_faults_ends_well_and_the_next_in_its_folder_starts_empty(typed, tmp_path, capsys):
    typed(lambda config: 0.5, "-m", DIR, "seed=0,1,2")
    assert "3 finished" in capsys.readouterr().out
    typed(lambda config: 0.5, "-m", DIR, "seed=5")
    assert [job["overrides"] for job in by_num(tmp_path / "out").values()] == [["seed=5"]]


def test_a_job_that_ends_the_process_is_killed_and_those_after_it_not_started(typed, tmp_path, capsys):
    def task(config):
        if config["seed"] == 1:
            sys.exit(143)

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", DIR, "seed=0,1,2,3")
    assert stopped.value.code == 143
    jobs = by_num(tmp_path / "out")
    assert [jobs[n]["status"] for n in range(4)] == ["finished", "killed", "not started", "not started"]
    assert "1 finished, 1 killed, 2 not started" in capsys.readouterr().out


def test_a_line_that_hydra_refuses_leaves_no_summary(typed, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        typed(lambda config: pytest.fail("the task ran"), "-m", DIR, "seed=0,1", "model=baseline,five_leyer")
    assert stopped.value.code == 1
    assert not (tmp_path / "out" / sweep_summary.SWEEP).exists()
    assert "not started" not in capsys.readouterr().out


def test_a_single_run_leaves_no_record(typed, tmp_path):
    typed(lambda config: 0.5, "seed=1")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.filterwarnings("ignore:The ``declarative_base")  # Optuna 2 under SQLAlchemy 2
def test_a_failed_trial_that_the_sweeper_forgives_is_still_an_error_at_the_end(typed, tmp_path, capfd):
    needs("hydra/sweeper=optuna")

    def task(config):
        if config["lr"] < 0.5:
            raise FerlabError("too small")
        return config["lr"]

    words = ["hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=2"]
    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", DIR, *words, "hydra.sweeper.n_jobs=1", "hydra.sweeper.max_failure_rate=1", "lr=choice(0.1)")
    assert stopped.value.code == 1
    assert [job["status"] for job in by_num(tmp_path / "out").values()] == ["failed", "failed"]


def test_jobs_beside_each_other_go_round_the_gpus_and_a_process_keeps_its_own(typed, tmp_path, monkeypatch):
    needs("hydra/launcher=joblib")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")

    def task(config):
        time.sleep(1)  # until the others run
        Path(f"{config['seed']}").write_text(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}")

    typed(
        task, "-m", DIR, "seed=range(6)", "hydra/launcher=joblib", "hydra.launcher.n_jobs=4", "hydra.launcher.verbose=0"
    )
    found = [(tmp_path / f"{seed}").read_text().split() for seed in range(6)]
    assert [device for _, device in found[:4]] == ["4", "7", "4", "7"]
    assert len({process for process, _ in found}) == 4
    assert len({tuple(one) for one in found}) == 4
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"


@pytest.mark.parametrize(
    ("launcher", "devices", "expected"),
    [("submitit_local", 1, "7"), ("submitit_local", 2, "4,7"), ("submitit_slurm", 1, "4,7"), ("basic", 1, "4,7")],
)
def test_who_shares_the_gpus_takes_one(tmp_path, monkeypatch, launcher, devices, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    runtime = {"output_dir": str(tmp_path), "choices": {"hydra/launcher": launcher}}
    hydra = {"mode": RunMode.MULTIRUN, "runtime": runtime, "job": {"num": 3}, "overrides": {"task": []}}
    config = OmegaConf.create({"hydra": hydra, "trainer": {"devices": devices}})
    book = sweep_record.Bookkeeper()
    book.on_job_start(config)
    try:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    finally:
        book.on_job_end(config, JobReturn(_return_value=0.5, status=JobStatus.COMPLETED))


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
    lock = tmp_path / "first" / "2" / sweep_summary.LOCK
    while not lock.with_name(sweep_summary.JOB).exists() or (victim := holder(sweep.pid, lock)) is None:
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
