"""The folder of a sweep, read: every job's state, its row of the table, and the command that repeats it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.jobs.sweep_summary import (
    JOB,
    NOTE,
    SUMMARY,
    SWEEP,
    Job,
    Note,
    Sweep,
    noted,
    print_summary,
    rows_of,
    rows_over_seeds,
    summarize,
)

COMMAND = ["python", "-m", "ferlab.train"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A sweep of four jobs: one has finished, one has failed, one was killed after its note, one has not started."""
    jobs = [Job(num, [f"seed={num}", "data=fer2013", "model=a|b"]) for num in range(4)]
    (tmp_path / SWEEP).write_text(json.dumps(asdict(Sweep(COMMAND, jobs))))
    ended = [
        Job(0, jobs[0].overrides, "finished", "outputs/s0", 0.5, 12.34),
        Job(1, jobs[1].overrides, "failed", None, None, 1.0, "lr is -1; choose more than 0"),
        Job(2, jobs[2].overrides, "running"),
    ]
    for job in ended:
        (tmp_path / str(job.num)).mkdir()
        (tmp_path / str(job.num) / JOB).write_text(json.dumps(asdict(job)))
    (tmp_path / "2" / NOTE).write_text(json.dumps(asdict(Note("outputs/s2"))))
    return tmp_path


def test_the_states_are_found_and_kept(folder):
    sweep = summarize(folder)
    assert [job.status for job in sweep.jobs] == ["finished", "failed", "killed", "not started"]
    assert sweep.counts == "1 finished, 1 failed, 1 killed, 1 not started"
    assert sweep.jobs[2].run == "outputs/s2"  # as far as it came
    assert [job.again is None for job in sweep.jobs] == [True, False, False, False]
    assert sweep.jobs[3].again == "python -m ferlab.train seed=3 data=fer2013 'model=a|b'"
    assert json.loads((folder / SWEEP).read_text()) == asdict(sweep)
    assert summarize(folder) == sweep


def test_the_table_names_what_differs(folder):
    shared, rows = rows_of(summarize(folder).jobs)
    assert shared == ["data=fer2013", "model=a|b"]
    assert rows[0] == ["0", "finished", "seed=0", "50.00 %", "12.3", "outputs/s0"]
    assert rows[3] == ["3", "not started", "seed=3", "", "", ""]
    shared, [row] = rows_of(summarize(folder).jobs[:1])
    assert shared == []
    assert row[2] == "seed=0 data=fer2013 model=a|b"


def test_both_summaries_repeat_what_did_not_end_well(folder, capsys):
    sweep = summarize(folder)
    print_summary(folder, sweep)
    printed, written = capsys.readouterr().out, (folder / SUMMARY).read_text()
    for text in (printed, written):
        assert "1 failed: lr is -1; choose more than 0" in text
        assert "python -m ferlab.train seed=1 data=fer2013 'model=a|b'" in text
        assert "python -m ferlab.train seed=0" not in text
    assert "skip_finished=true" in printed
    assert "| 0 | finished | seed=0 | 50.00 % | 12.3 | outputs/s0 |" in written


def test_nothing_is_written_of_a_sweep_that_has_not_started(tmp_path):
    (tmp_path / SWEEP).write_text(json.dumps(asdict(Sweep(COMMAND, [Job(0, ["seed=0"])]))))
    assert [job.status for job in summarize(tmp_path).jobs] == ["not started"]
    assert not (tmp_path / SUMMARY).exists()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"command": [], "jobs": [{"num": 0}]}'])
def test_another_folder_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / SWEEP).write_text(content)
    with pytest.raises(FerlabError, match=r"is no sweep's folder .* expected outputs/sweeps/DATE"):
        summarize(tmp_path)


@pytest.mark.parametrize("content", ["", "[" * 200_000, "[]", "5", '{"num": "0", "overrides": []}', '{"num": 0}'])
@pytest.mark.parametrize("name", [JOB, NOTE])
def test_a_damaged_job_is_named(folder, name, content):
    if name == NOTE and content.startswith('{"num'):
        content = '{"run": 5}'
    (folder / "2" / name).write_text(content)
    with pytest.raises(FerlabError, match=rf"2/{name} .*; remove it, or start the sweep again"):
        summarize(folder)


def test_a_job_without_a_note_has_no_run(tmp_path):
    assert noted(tmp_path) == Note(None, "finished")


def test_runs_that_differ_in_their_seed_alone_have_a_mean_and_a_deviation(tmp_path, capsys):
    accuracies = {"none": [0.5, 0.52, 0.57], "balanced": [0.4, 0.43, None], "effective": [0.6]}
    jobs = [
        Job(num, [f"seed={seed}", "data=fer2013", f"class_weights={kind}"], "finished", "outputs/a", accuracy, 1.0)
        for num, (kind, seed, accuracy) in enumerate(
            (k, n, a) for k, row in accuracies.items() for n, a in enumerate(row)
        )
    ]
    jobs[0].status = "skipped"  # trained by an earlier sweep, and counts
    jobs.append(Job(9, ["seed=9", "data=fer2013", "class_weights=none"], "failed", None, None, 1.0, "no"))
    rows = rows_over_seeds(jobs)
    assert [row[:2] for row in rows] == [["class_weights=none", "3"], ["class_weights=balanced", "2"]]
    none = np.array([50, 52, 57])
    assert rows[0][2:] == [f"{none.mean():.2f} ± {none.std(ddof=1):.2f} %", "50.00 %", "57.00 %"]
    assert rows_over_seeds(jobs[-1:]) == []
    (tmp_path / SWEEP).write_text(json.dumps(asdict(Sweep(COMMAND, jobs))))
    for job in jobs:
        (tmp_path / str(job.num)).mkdir()
        (tmp_path / str(job.num) / JOB).write_text(json.dumps(asdict(job)))
    print_summary(tmp_path, summarize(tmp_path))
    assert "53.00 ± 3.61 %" in capsys.readouterr().out
    assert "| class_weights=none | 3 | 53.00 ± 3.61 % | 50.00 % | 57.00 % |" in (tmp_path / SUMMARY).read_text()
