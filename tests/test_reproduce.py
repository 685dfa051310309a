"""`ferlab.reproduce`: the papers' commands, and a whole paper on drawn faces that is killed and goes on."""

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from ferlab import reproduce
from ferlab.config import CONF, plain
from ferlab.errors import FerlabError
from ferlab.jobs import scheduler
from ferlab.jobs.plan import FOLDER, Plan, plan
from tests.composing import composed

ROOT = Path(__file__).resolve().parents[1]
# What `make -n table2` printed when the paper was a macro of the Makefile.
MAKE = (ROOT / "tests/golden/make_paper.txt").read_text().replace("_backbone", "_start").splitlines()  # renamed since
OUT = "outputs/table2"


def typed(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **more}
    line = [sys.executable, "-m", "ferlab.reproduce", *words]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True)


# The commands of a paper, beside those that make ran


def parsed(line: str) -> tuple[str, dict[str, str]]:
    python, flag, module, *words = shlex.split(line)
    assert (python, flag) == ("python", "-m")
    return module, dict(word.split("=", 1) for word in words if word != "-m")


def expanded(line: str) -> list[tuple[str, dict[str, str]]]:
    """The jobs of a line; Hydra's -m multiplied commas outside of brackets."""
    module, given = parsed(line)
    values = [value.split(",") if " -m experiment=" in line else [value] for value in given.values()]
    return [(module, dict(zip(given, choice, strict=True))) for choice in itertools.product(*values)]


def several(value: str) -> list[str]:
    return value.strip("[]").split(",")


def run_of(training: dict[str, str]) -> str:
    """The run directory of a training, by the rules of conf/ for names."""
    net, start = training["experiment"].removesuffix("_start"), training["experiment"].endswith("_start")
    weights = training.get("class_weights", "none")
    return f"{OUT}/" + (f"start-{net}-s0" if start else f"{net}-{training['data']}-{weights}-s{training['seed']}")


@pytest.fixture(scope="module")
def new(tmp_path_factory) -> list[tuple[str, dict[str, str]]]:
    done = typed("paper=table2", "dry=true", cwd=tmp_path_factory.mktemp("dry"))
    assert done.returncode == 0, done.stderr
    return [parsed(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def readme() -> list[tuple[str, dict[str, str]]]:
    """What `dry=true` prints of it, made here."""
    planned = plan(composed("paper=readme", command="reproduce"), lambda name, words: composed(*words, command=name))
    return [parsed(job.typed()) for job in planned.jobs]


def of(jobs: list[tuple[str, dict[str, str]]], command: str) -> list[dict[str, str]]:
    return [dict(given) for module, given in jobs if module == f"ferlab.{command}"]


def without(given: dict[str, str], *keys: str) -> dict[str, str]:
    return {key: value for key, value in given.items() if key not in keys}


def test_the_same_trainings_as_make_ran_each_once(new):
    mine = of(new, "train")
    old = of([job for line in MAKE for job in expanded(line)], "train")
    assert len(mine) == 4 + 3 + 12
    assert all(given.pop("trainer.enable_progress_bar") == "false" for given in mine)
    for given in mine:  # what conf says of these, the plan says with the runs' own paths
        if "teacher_tta" not in given:
            given.pop("teacher", None), given.pop("weights", None)
    assert {tuple(sorted(given.items())) for given in mine} == {tuple(sorted(given.items())) for given in old}


def test_teachers_and_starts_are_those_that_conf_names(new):
    for given in of(new, "train"):
        if (
            given["experiment"] not in ("resnet50_start", "vgg16", "senet50")
            or given.get("class_weights") == "balanced"
        ):
            continue
        plainly = [f"{key}={value}" for key, value in without(given, "teacher", "weights").items()]
        conf = composed(*plainly)
        assert conf["weights"] == given.get("weights", "none")
        runs = several(given["teacher"])
        assert len(runs) == 4
        assert all(any(fnmatch(run, pattern) for pattern in conf["teacher"]) for run in runs)


def test_the_same_runs_are_measured_and_tabulated_as_make_did(new):
    for command, runs in (("evaluate", [12, 6, 6, 12, 6, 6]), ("compare", [14])):
        mine, old = of(new, command), of([job for line in MAKE for job in expanded(line)], command)
        assert [len(several(given["runs"])) for given in mine] == runs
        for now, before in zip(mine, old, strict=True):
            assert without(now, "runs") == without(before, "runs")
            found, patterns = several(now["runs"]), several(before["runs"])
            assert all(any(fnmatch(run, pattern) for pattern in patterns) for run in found)
            assert all(any(fnmatch(run, pattern) for run in found) for pattern in patterns)


def test_readme_chooses_its_ensembles_among_all_nets_but_the_small_ones(readme):
    trained = [directory_of(given) for given in of(readme, "train")]
    assert len(trained) == len(set(trained)) == 5 + 5 + 6 + 10
    chosen = {given["name"]: several(given["runs"]) for given in of(readme, "ensemble")}
    assert chosen["teacher"] == sorted(trained[:5])
    assert chosen["seven"] == chosen["any"] == sorted(trained[:10] + trained[16:])


def test_readme_opens_test_after_val_and_for_ensembles_after_they_are_frozen(readme):
    modules = [module for module, _ in readme]
    splits = [given["split"] for given in of(readme, "evaluate")]
    assert splits == ["val"] * 8 + ["test"] * 8 + ["val", "test"]
    frozen = [place for place, module in enumerate(modules) if module == "ferlab.ensemble"]
    last_two = [place for place, module in enumerate(modules) if module == "ferlab.evaluate"][-2:]
    assert frozen[-1] < last_two[0]


def directory_of(training: dict[str, str]) -> str:
    """The run directory, by conf's own rules for names."""
    words = [f"{key}={value}" for key, value in training.items() if key not in ("teacher", "weights")]
    return f"outputs/readme/{composed(*words, 'weights=none')['name']}"


def by_rule(command: str, words: list[str]) -> dict:
    """In place of Hydra: what a plan asks of a composed training."""
    given = dict(word.split("=", 1) for word in words)
    if command != "train":
        return given
    net = re.sub("_(start|taught)$", "", given["experiment"])
    config = {"name": Path(run_of(given)).name, "model": {"name": net}, "data": {"name": given["data"]}}
    return {**config, "class_weights": given.get("class_weights", "none"), "seed": given["seed"]}


def steps_of(*overrides: str) -> list[str]:
    made = plan(composed(*overrides, command="reproduce"), by_rule)
    return list(dict.fromkeys(job.name.split("/")[0] for job in made.jobs))


def test_the_commands_come_in_the_order_of_make():
    commands = [job.line()[0] for job in plan(composed("paper=table2", command="reproduce"), by_rule).jobs]
    assert commands == [module for line in MAKE for module, _ in expanded(line)]


def test_with_kept_answers_nothing_is_trained_to_teach():
    config = composed("paper=table2", "teacher=results/ensembles/teachers/answers.npz", command="reproduce")
    made = plan(config, by_rule)
    assert set(steps_of("paper=table2")) - {job.name.split("/")[0] for job in made.jobs} == {"teachers"}
    taught = [job for job in made.jobs if any(word.startswith("teacher=") for word in job.line())]
    assert {job.name.split("/")[0] for job in taught} == {"starts", "cells"}
    for job in taught:
        assert {"teacher=results/ensembles/teachers/answers.npz", "teacher_tta=frozen"} <= set(job.line())


# The command


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "paper is not given; type paper=table2 or paper=readme"),
        (["paper=table2", "+training.lr=-1"], "lr is -1; expected"),
        (["paper=table2", "+training.trainer.max_epochs=0"], "trainer.max_epochs is 0; expected"),
        (
            ["paper=table2", "+training.lrr=1"],
            "step teachers: python -m ferlab.train refuses .*Could not override 'lrr'",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(overrides, message):
    with initialize_config_dir(CONF, version_base="1.3"), pytest.raises(FerlabError, match=message):
        reproduce.main.__wrapped__(plain(compose("reproduce", overrides=overrides)))


def test_what_did_not_end_well_is_said_at_the_end(monkeypatch, caplog, tmp_path):
    caplog.set_level("INFO")
    ended = [
        scheduler.Ended("a/x", "failed", "status 1 after 2 s: oops; log x.log"),
        scheduler.Ended("b", "skipped", "it needs a/x"),
    ]
    ended += [scheduler.Ended("c", "finished", "1 s"), scheduler.Ended("d", "there already", "d")]
    monkeypatch.setattr(reproduce.plan, "plan", lambda *a: Plan())
    monkeypatch.setattr(scheduler, "run", lambda *a: ended)
    with (
        initialize_config_dir(CONF, version_base="1.3"),
        pytest.raises(FerlabError, match="type the same command again for the rest"),
    ):
        reproduce.main.__wrapped__(plain(compose("reproduce", overrides=["paper=rehearsal"])))
    assert caplog.messages[-1].splitlines() == [
        "1 failed, 1 skipped, 1 finished, 1 there already",
        "  a/x: failed, status 1 after 2 s: oops; log x.log",
        "  b: skipped, it needs a/x",
    ]


@pytest.mark.skipif(not (ROOT / "Makefile").is_file() or shutil.which("make") is None, reason="no checkout, or no make")
def test_make_has_one_typed_command_a_target():
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "ARGS"))}

    def make(*words: str) -> str:
        return subprocess.run(["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True).stdout

    asked = "-n", "-o", ".venv/.ready", "PY=python", "ARGS=jobs=2"
    assert make("table2", *asked) == "python -m ferlab.reproduce paper=table2 jobs=2\n"
    assert make("paper", *asked) == "python -m ferlab.reproduce paper=readme jobs=2\n"
    results = make("results", "-n", "-o", ".venv/.ready", "PY=python")
    assert results.strip() == "python -m ferlab.publish tables=true"
    targets = re.findall(r"^  make (\S+)", make("help"), re.M)
    text = (ROOT / "Makefile").read_text()
    assert set(targets) == set(re.search(r"^\.PHONY: (.*)", text, re.M)[1].split())
    assert len(text.splitlines()) <= 60


# A whole paper


def contents(folder: Path, *patterns: str) -> dict[Path, tuple[bytes, int]]:
    files = [path for pattern in patterns for path in folder.glob(pattern)]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def finished(folder: Path) -> list[Path]:
    infos = {path.parent: json.loads(path.read_text()) for path in folder.glob("*/run.json")}
    return [run for run, info in infos.items() if info["status"] == "finished"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_paper_that_is_killed_in_the_middle_goes_on_to_its_tables(tmp_path):
    out, words = tmp_path / "out", ["paper=rehearsal", "jobs=2", f"outputs={tmp_path / 'out'}"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "FERLAB_DATA": str(tmp_path / "data")}
    line = [sys.executable, "-m", "ferlab.reproduce", *words]
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(line, cwd=tmp_path, env=os.environ | environment, stdout=log, process_group=0)
    while not (out / FOLDER / "cells/five_layer-drawn-balanced-s3.json").exists():
        assert first.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = [run.name for run in finished(out)]
    assert len(done) >= 3
    before = contents(out, *(f"{name}/{file}" for name in done for file in ("run.json", "checkpoints/*")))

    second = typed(*words, cwd=tmp_path, **environment)
    assert second.returncode == 0, second.stdout[-3000:] + second.stderr[-3000:]
    assert contents(out, *(str(path.relative_to(out)) for path in before)) == before
    assert len(finished(out)) == 2 + 1 + 2 + 1 + 1 + 1  # teachers, a start, cells, a member, baseline, a student

    looks = [json.loads(text) for text in (out / "ledger.jsonl").read_text().splitlines()]
    assert len(looks) == 2 + 1 + 4 + 2  # the cells, their ensemble, the recipes, the two ensembles: each once
    table = (out / "table2.md").read_text()
    assert "`ensemble-drawn`" in table
    assert "–" not in table.split("Disgust")[0]
    for name in ("baseline-drawn-none", "five_layer_taught-drawn-none", "five_layer-drawn-none", "seven", "any"):
        assert f"| {name}" in (out / "paper.md").read_text()
    chosen = json.loads((out / "ensembles/teacher/members.json").read_text())
    (student,) = [run for run in finished(out) if run.name.startswith("five_layer_taught-")]
    assert json.loads((student / "run.json").read_text())["teacher"]["ensemble_sha256"] == chosen["sha256"]
