"""`make table2` itself, on drawn faces: what is missing is trained and measured, what is there is left as it is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    "data.n_train=140 data.n_val=42 data.n_test=42 batch_size=64 trainer.max_epochs=1 "
    "trainer.check_val_every_n_epoch=1 trainer.accelerator=cpu trainer.enable_progress_bar=false wandb=off"
)

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="there is no make"),
    pytest.mark.skipif(not (ROOT / "Makefile").is_file(), reason="not a checkout"),
]


@pytest.fixture
def make(tmp_path):
    """`make table2` over two small nets in tmp_path; gives the finished process."""

    def call(target="table2", flags=("-s",), args=SMALL, models="baseline five_layer", weights="none balanced", **more):
        variables = {
            "PY": sys.executable,
            "TABLE2_MODELS": models,
            "TABLE2_DATA": "drawn",
            "TABLE2_WEIGHTS": weights,
            "TABLE2_ROWS": "class_weights",
            "TABLE2_VIEWS": "none flip",
            "TABLE2_TEST_VIEWS": "none flip",
            "TABLE2_OUT": str(tmp_path / "out"),
            "TABLE2_LEDGER": str(tmp_path / "ledger.jsonl"),
            "TABLE2_INTO": str(tmp_path / "README.md"),
            "TABLE2_ARGS": args,
            "TABLE2_EVALUATE": "device=cpu",
            "PAPER_RECIPES": "baseline",
            "PAPER_WEIGHTED": "five_layer",
            "PAPER_STUDENTS": "five_layer_taught",
            "PAPER_SEEDS": "0",
            "PAPER_INTO": str(tmp_path / "README.md"),
        } | more
        # -o: the environment is the one that runs this test
        words = ["make", *flags, "-o", ".venv/.ready", target, *(f"{key}={value}" for key, value in variables.items())]
        env = os.environ | {"FERLAB_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
        env.pop("MAKEFLAGS", None)
        return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)

    (tmp_path / "README.md").write_text("a\n<!-- table:table2 -->\n<!-- /table -->\n")
    return call


def contents(tmp_path):
    """Everything but the sweep's own record of each call."""
    files = (p for p in tmp_path.rglob("*") if p.is_file() and "sweeps" not in p.parts)
    return {p.relative_to(tmp_path): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_make_changes_nothing(make, tmp_path):
    done = make()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    looks = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    names = [f"{model}-drawn-{w}-s0" for w in ("none", "balanced") for model in ("baseline", "five_layer")]
    assert [look["runs"] for look in looks] == [*([name] for name in names), names[:2], names[2:]]
    assert {tuple(look["tta"]) for look in looks} == {("none", "flip")}
    for folder in [*names, "ensembles/ensemble-none", "ensembles/ensemble-balanced"]:
        reports = sorted(p.parent.name for p in (tmp_path / "out" / folder).glob("reports/*/report.json"))
        assert reports == ["test-flip", "test-none", "val-flip", "val-none"]
    grid = (tmp_path / "out/table2.md").read_text()
    assert (tmp_path / "README.md").read_text() == f"a\n<!-- table:table2 -->\n{grid}<!-- /table -->\n"
    assert "`ensemble-none`" in grid
    assert "–" not in grid.split("Disgust")[0]

    before = contents(tmp_path)
    again = make()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert contents(tmp_path) == before
    assert again.stdout.count("measured already: none, flip") == 2 * 6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_failed_training_leaves_the_others_measured_and_is_told(make, tmp_path):
    done = make(weights="none wrong")  # which is found out in the job
    assert done.returncode != 0
    assert "class_weights is 'wrong'" in done.stdout + done.stderr
    failed = "training, runs on val, ensemble-wrong on val, runs on test, ensemble-wrong on test; make table2 again"
    assert f"table2: failed, as said above: {failed}" in done.stderr
    grid = (tmp_path / "out/table2.md").read_text().split("Disgust")[0]
    lines = [line.strip("| ").split(" | ") for line in grid.splitlines() if line.startswith(("| no class", "| wrong"))]
    assert [[cell == "–" for cell in line[1:]] for line in lines] == [[False] * 3, [True] * 3] * 2
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_paper_is_made_whole_and_only_once(make, tmp_path):
    with (tmp_path / "README.md").open("a") as file:
        file.write("<!-- table:fer2013 -->\n<!-- /table -->\n")
    done = make("paper")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    out = tmp_path / "out"
    taught = json.loads((out / "five_layer_taught-drawn-none-s0/run.json").read_text())["teacher"]
    chosen = json.loads((out / "ensembles/teachers/members.json").read_text())
    assert taught["ensemble_sha256"] == chosen["sha256"]
    trained, students = {"baseline-drawn-none-s0", "five_layer-drawn-balanced-s0"}, {"five_layer_taught-drawn-none-s0"}
    best = json.loads((out / "ensembles/best/members.json").read_text())
    names = {run["name"] for run in best["chosen_on"]["candidates"]}
    assert trained | students <= names
    assert not students & {run["name"] for run in chosen["chosen_on"]["candidates"]}
    looks = [json.loads(line)["runs"] for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [m["name"] for m in best["members"]] == looks[-1]
    assert {name for look in looks if len(look) == 1 for name in look} >= trained | students
    table = (out / "paper.md").read_text()
    assert f"<!-- table:fer2013 -->\n{table}<!-- /table -->" in (tmp_path / "README.md").read_text()
    assert "five_layer_taught-drawn-none" in table
    before = contents(tmp_path)
    again = make("paper")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert contents(tmp_path) == before


def test_results_are_rendered_where_there_are_any(make):
    said = make("results", ("-n",), models="five_layer").stdout
    assert "layout=table2" in said
    assert "layout=table2" not in make("results", ("-n",), models="no_such_net").stdout
    assert "table2" in make("help").stdout


def test_what_the_recipes_start_from_is_trained_first(make):
    _, *jobs = make(flags=("-n",), models="vgg16 five_layer").stdout.split("ferlab.train -m experiment=")
    asked = [job.split() for job in jobs]
    assert [[words[0], words[2]] for words in asked] == [
        ["resnet18", "seed=0,1,2"],
        ["vgg16_bn", "seed=0"],
        ["vgg16_start", "seed=0"],
        ["vgg16,five_layer", "seed=0"],
    ]
    assert all("&&" in job for job in jobs[:3])  # without them the cells would be other cells
    assert make(flags=("-n",)).stdout.count("ferlab.train") == 1


def test_kept_answers_stand_in_for_trained_teachers(make):
    said = make("paper", ("-n",), models="vgg16", TEACHER="answers.npz").stdout
    _, *jobs = said.split("ferlab.train -m experiment=")
    taught = {job.split()[0]: "teacher=answers.npz teacher_tta=frozen" in " ".join(job.split()) for job in jobs}
    plain = {"baseline": False, "five_layer": False}  # what `make paper` trains with labels alone
    assert taught == plain | {"vgg16_start": True, "vgg16": True, "five_layer_taught": True}
    assert "name=best" in said
    assert "name=teachers" not in said
    assert "name=teachers" in make("paper", ("-n",), models="vgg16").stdout
