"""The scheduler, with a tiny command in place of ferlab's: order, devices, failures, signals, and going on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.jobs import scheduler
from ferlab.jobs.scheduler import FAILED, FINISHED, SKIPPED, THERE, Job

# tiny NAME SECONDS STATUS: writes down when it starts and ends, and makes NAME.made
TINY = """
import os, signal, sys, time
name, seconds, status = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
def tell(what):
    with open("events", "a") as file:
        file.write(f"{what} {name} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')}\\n")
def stop(number, frame):
    tell("stopped")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
tell("start")
print("a remark")
time.sleep(seconds)
print("the reason" if status else "done")
tell("end")
if not status:
    open(f"{name}.made", "w").close()
sys.exit(status)
"""
SCRIPT = """
import logging, sys
from pathlib import Path
from ferlab.jobs import scheduler
from tests.jobs.test_scheduler import job
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
scheduler.run([job("a", makes=True), job("b", 60, makes=True), job("c", needs="b")], Path("logs"))
"""


def job(name: str, seconds: float = 0.0, status: int = 0, needs: str = "", makes: bool = False) -> Job:
    words = ["tiny", name, str(seconds), str(status)]
    return Job(name, lambda: words, frozenset(needs.split()), Path(f"{name}.made") if makes else None)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(root), str(root / "src")]))
    (tmp_path / "tiny.py").write_text(TINY)
    return tmp_path / "logs"


def events(what: str = "") -> list[list[str]]:
    path = Path("events")
    found = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [event for event in found if event[0] == what or not what]


def most_at_once() -> int:
    running, most = 0, 0
    for what, *_ in events():
        running += {"start": 1, "end": -1}[what]
        most = max(most, running)
    return most


def wait_for(what: str, name: str) -> None:
    until = time.monotonic() + 20
    while not any(event[1] == name for event in events(what)):
        assert time.monotonic() < until, f"{name} never came to {what}"
        time.sleep(0.05)


def test_a_job_starts_when_all_that_it_needs_have_ended(folder):
    jobs = [job("last", needs="first second"), job("first", 0.2), job("second")]
    ended = scheduler.run(jobs, folder)
    assert [(one.name, one.status) for one in ended] == [(name, FINISHED) for name in ("last", "first", "second")]
    assert [event[:2] for event in events()] == [[w, n] for n in ("first", "second", "last") for w in ("start", "end")]
    assert (folder / "first.log").read_text() == "$ python -m tiny first 0.2 0\na remark\ndone\n"


def test_so_many_run_at_a_time_on_each_device(folder):
    scheduler.run([job(str(k), 0.5) for k in range(4)], folder, at_once=2)
    assert most_at_once() == 2
    assert {device for *_, device in events()} == {"-"}  # without devices the variable is left alone
    Path("events").unlink()
    scheduler.run([job(str(k), 0.5) for k in range(4)], folder, ["0", "1"], at_once=1)
    assert most_at_once() == 2


def test_devices_take_turns_and_the_least_loaded_is_next(folder):
    scheduler.run([job(str(k), 0.5) for k in range(4)], folder, ["0", "1"], at_once=2)
    assert [device for *_, device in sorted(events("start"))] == ["0", "1", "0", "1"]
    Path("events").unlink()
    jobs = [job("long", 3), job("short"), job("next", needs="short"), job("after", needs="next")]
    scheduler.run(jobs, folder, ["5", "7"], at_once=2)
    assert {name: device for _, name, device in events("start")} == {
        "long": "5",
        "short": "7",
        "next": "7",
        "after": "7",
    }


def test_a_failure_stops_only_what_is_behind_it(folder, caplog):
    caplog.set_level("INFO")
    jobs = [job("bad", status=3), job("good"), job("behind", needs="bad good"), job("far", needs="behind")]
    bad, good, behind, far = scheduler.run(jobs, folder)
    assert (bad.status, good.status, behind.status, far.status) == (FAILED, FINISHED, SKIPPED, SKIPPED)
    assert bad.reason.startswith("status 3 after")
    assert bad.reason.endswith(f"s: the reason; log {folder / 'bad.log'}")
    assert (behind.reason, far.reason) == ("it needs bad", "it needs behind")
    assert {event[1] for event in events()} == {"bad", "good"}
    assert "good: started, log" in caplog.text
    assert "good: finished, " in caplog.text


def test_what_is_there_is_not_made_again_and_does_for_what_needs_it(folder):
    Path("a.made").touch()
    first, second = scheduler.run([job("a", makes=True), job("b", needs="a absent")], folder)
    assert (first.status, first.reason, second.status) == (THERE, "a.made", FINISHED)
    assert [event[1] for event in events("start")] == ["b"]


def test_a_job_is_told_where_its_record_goes(folder):
    (folder.parent / "says.py").write_text(f"import os; open(os.environ['{scheduler.RECORD}'], 'w').write('1')")
    scheduler.run([Job("step/run-1.5", lambda: ["says"])], folder)
    assert (folder / "step/run-1.5.json").read_text() == "1"


def test_jobs_do_not_share_the_id_of_a_wandb_run(folder, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    says = f"import os; open(os.environ['{scheduler.RECORD}'], 'w').write(str('WANDB_RUN_ID' in os.environ))"
    (folder.parent / "says.py").write_text(says)
    scheduler.run([Job("a", lambda: ["says"])], folder)
    assert (folder / "a.json").read_text() == "False"


def started() -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    wait_for("start", "b")
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_children_and_the_next_call_goes_on(folder, number):
    process = started()
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)  # as a terminal does
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}; 1 jobs were ended and 1 had not started; type the same command again" in printed
    assert [event[:2] for event in events("stopped")] == [["stopped", "b"]]
    ended = scheduler.run([job("a", makes=True), job("b", makes=True), job("c", needs="b")], folder)
    assert [one.status for one in ended] == [THERE, FINISHED, FINISHED]


def test_while_a_job_of_a_killed_call_lives_no_other_call_starts(folder):
    process = started()
    process.kill()  # the parent alone
    process.communicate(timeout=30)
    with pytest.raises(FerlabError, match=r"another call, or a job that it left behind, still works in .*logs; wait"):
        scheduler.run([job("b")], folder)
    os.killpg(process.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            ended = scheduler.run([job("b")], folder)
            break
        except FerlabError:
            time.sleep(0.05)
    assert [one.status for one in ended] == [FINISHED]


def test_devices_are_those_that_may_be_seen(folder, monkeypatch):
    smi = folder.parent / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent))
    assert scheduler.devices_there() == ["0", "1", "2"]
    assert scheduler.devices_there(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert scheduler.devices_there() == ["4", "6"]
    with pytest.raises(FerlabError, match="devices is 3, and 2 GPUs are there; type devices=auto"):
        scheduler.devices_there(3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert scheduler.devices_there() == []
