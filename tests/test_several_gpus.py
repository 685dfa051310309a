"""benchmarks/several_gpus.py: its commands, its table, and that no process is taken for ended."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks import several_gpus
from ferlab.jobs.plan import plan
from tests.composing import composed

SWEEPS = ("sweep_one", "sweep")
ROW = {"expected": 0, "status": 0, "killed": 0, "seconds_to_end": 2.0, "seconds": 50.0}


@pytest.mark.parametrize(("gpus", "cpu"), [(2, False), (8, False), (2, True)])
def test_every_command_is_one_that_can_be_typed(gpus, cpu, tmp_path):
    known = several_gpus.variants(gpus, cpu)
    configs = {}
    for name, variant in known.items():
        module, *words = several_gpus.command(name, variant, tmp_path / name, cpu)
        configs[name] = composed(*words, command=module.removeprefix("ferlab."))
        if variant.against and not variant.sweep:
            alone, several = configs[variant.against], configs[name]
            assert several["batch_size"] == gpus * alone["batch_size"], name
            assert (alone["trainer"]["devices"], several["trainer"]["devices"]) == (1, gpus)
    assert configs["continued"]["name"] == configs["stopped"]["name"] == "stopped"
    jobs = {name: plan(configs[name], lambda name, words: composed(*words, command=name)).jobs for name in SWEEPS}
    assert [len(jobs[name]) for name in SWEEPS] == [1, 4 if cpu else 12]
    assert configs["sweep"]["jobs"] == {(2, True): 2, (2, False): 6, (8, False): 2}[gpus, cpu]
    assert {known[name].failing for name in ("error_first", "error_last")} == {0, gpus - 1}


def test_ratios_are_of_the_same_turn_and_a_run_that_did_not_end_well_is_told():
    speeds = {"resnet18": [100.0, 200.0, 300.0], "resnet18_ddp": [150.0, 380.0, None]}
    rows = [
        {"variant": name, "turn": turn, "faces_per_second": speed, **ROW, "status": 0 if speed else None}
        for name, all_turns in speeds.items()
        for turn, speed in enumerate(all_turns)
    ]
    lines = several_gpus.table(rows, several_gpus.variants(2, cpu=False)).splitlines()
    assert lines[2] == "| resnet18 | 200 |  | yes | 2.0 | 50.0 |"
    assert lines[3] == "| resnet18_ddp | 265 | 1.70 (1.50 to 1.90) | **2 of 3 turns** | 2.0 | 50.0 |"


@pytest.mark.parametrize(("seconds", "status"), [(0, 3), (60, None)])
def test_a_process_that_stays_is_counted_and_killed(seconds, status, tmp_path, monkeypatch):
    monkeypatch.setattr(several_gpus, "LATE", 0.3)
    child = "import time; time.sleep(60)  # ferlab.train"
    parent = (
        f"import subprocess, sys, time; one = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        f"print(one.pid, flush=True); time.sleep({seconds}); sys.exit(3)  # ferlab.train"
    )
    environment = os.environ | {several_gpus.MARK: str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", parent], env=environment, stdout=subprocess.PIPE, text=True)
    stays = psutil.Process(int(process.stdout.readline()))
    assert several_gpus.ended(process, tmp_path, time.monotonic() + 1) == (status, 1 if status else 2)
    process.stdout.close()
    until = time.monotonic() + 10
    while several_gpus.left(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert not stays.is_running() or stays.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_it_trains_on_two_ranks_of_the_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.several_gpus", "--cpu", "--out", tmp_path / "rows.json"]
    done = subprocess.run([*command, "five_layer", "five_layer_ddp"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| five_layer_ddp"))
    assert " to " in row
    assert "| yes |" in row
