"""Steps become jobs, with a stand-in for Hydra that knows names by the project's rule."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ferlab.errors import FerlabError
from ferlab.jobs.plan import FOLDER, Plan, plan

OWN = "skip_finished=true ckpt=last trainer.enable_progress_bar=false outputs=out"
MEASURED = "skip_measured=true ledger=ledger.jsonl outputs=out"


def compose(command: str, words: list[str]) -> dict[str, Any]:
    given = dict(word.split("=", 1) for word in words)
    if "wrong" in given:
        raise FerlabError(f"{command} refuses wrong")
    if command != "train":
        return given
    model, data = given.get("experiment", "net").removesuffix("_start"), given.get("data", "drawn")
    weights, seed = given.get("class_weights", "none"), int(given.get("seed", 0))
    name = given.get("name", f"{given.get('experiment', 'net')}-{data}-{weights}-s{seed}")
    parts = {"name": name, "seed": seed, "class_weights": weights, "lr": given.get("lr")}
    return {**parts, "model": {"name": model}, "data": {"name": data}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(steps: str, **more: Any) -> Plan:
    config = {"outputs": "out", "ledger": "ledger.jsonl", "teacher": None, "teacher_tta": "frozen"}
    return plan({**config, "training": {}, "evaluation": {}, **more, "steps": yaml.safe_load(steps)}, compose)


def lines(made: Plan) -> dict[str, str]:
    return {job.name: " ".join(job.line()) for job in made.jobs}


def needs(made: Plan) -> dict[str, set[str]]:
    return {job.name: set(job.needs) for job in made.jobs}


def test_lists_of_a_training_are_multiplied():
    made = planned(
        "cells: {train: {experiment: [a, b], seed: [0, 1], class_weights: none}}",
        training={"trainer": {"max_epochs": 1}},
    )
    assert list(lines(made)) == [f"cells/{net}-drawn-none-s{seed}" for net in "ab" for seed in (0, 1)]
    line = f"ferlab.train experiment=b seed=0 class_weights=none {OWN} trainer.max_epochs=1"
    assert lines(made)["cells/b-drawn-none-s0"] == line
    assert made.steps["cells"].jobs == list(lines(made))


def test_several_products_may_make_one_set():
    made = planned("teachers: {train: [{experiment: a, seed: [0, 1]}, {experiment: b}]}")
    assert [str(run) for run in made.steps["teachers"].subjects] == [
        "out/a-drawn-none-s0",
        "out/a-drawn-none-s1",
        "out/b-drawn-none-s0",
    ]


TAUGHT = """
teachers: {train: {experiment: a, seed: [0, 1]}}
starts: {train: {experiment: [b_start, c_start], teacher: teachers}}
cells: {train: {experiment: [b, c], teacher: teachers, weights: starts}}
chosen: {ensemble: {runs: [cells, teachers], name: best, tta: flip}}
pupils: {train: {experiment: d, teacher: chosen, teacher_tta: frozen}}
"""


def test_a_training_is_taught_by_a_set_and_starts_from_the_run_of_its_model():
    made = planned(TAUGHT)
    teacher = "teacher=[out/a-drawn-none-s0,out/a-drawn-none-s1]"
    assert lines(made)["starts/b_start-drawn-none-s0"] == f"ferlab.train experiment=b_start {teacher} {OWN}"
    weights = "weights=out/c_start-drawn-none-s0/checkpoints/best.ckpt"
    assert lines(made)["cells/c-drawn-none-s0"] == f"ferlab.train experiment=c {teacher} {OWN} {weights}"
    assert needs(made)["cells/c-drawn-none-s0"] == {
        "teachers/a-drawn-none-s0",
        "teachers/a-drawn-none-s1",
        "starts/c_start-drawn-none-s0",
    }
    pupil = f"ferlab.train experiment=d teacher=out/ensembles/best teacher_tta=frozen {OWN}"
    assert lines(made)["pupils/d-drawn-none-s0"] == pupil
    assert needs(made)["pupils/d-drawn-none-s0"] == {"chosen"}


def test_a_training_starts_from_a_file_of_no_step():
    made = planned("a: {train: {experiment: a, weights: data/a.safetensors}}")
    assert list(lines(made).values()) == [f"ferlab.train experiment=a weights=data/a.safetensors {OWN}"]


def test_an_ensemble_is_chosen_once_among_sorted_runs():
    (chosen,) = [job for job in planned(TAUGHT).jobs if job.name == "chosen"]
    runs = ",".join(
        f"out/{name}" for name in ("a-drawn-none-s0", "a-drawn-none-s1", "b-drawn-none-s0", "c-drawn-none-s0")
    )
    assert " ".join(chosen.line()) == f"ferlab.ensemble runs=[{runs}] name=best tta=flip outputs=out"
    assert chosen.makes == Path("out/ensembles/best/members.json")
    assert {job.makes for job in planned(TAUGHT).jobs if job is not chosen} == {None, chosen.makes}


def test_kept_answers_stand_in_for_every_step_that_teaches():
    made = planned(TAUGHT, teacher="kept.npz")
    assert [name.split("/")[0] for name in lines(made)] == ["starts", "starts", "cells", "cells", "pupils"]
    assert all("teacher=kept.npz teacher_tta=frozen" in line for line in lines(made).values())
    assert needs(made)["pupils/d-drawn-none-s0"] == set()


def test_a_training_that_two_steps_have_is_one_job():
    made = planned(
        "one: {train: {experiment: a}}\ntwo: {train: {experiment: [a, b]}}\nthen: {train: {seed: 5}, after: two}"
    )
    assert list(lines(made)) == ["one/a-drawn-none-s0", "two/b-drawn-none-s0", "then/net-drawn-none-s5"]
    assert needs(made)["then/net-drawn-none-s5"] == {"one/a-drawn-none-s0", "two/b-drawn-none-s0"}
    assert [job.name for job in made.only("two")] == ["one/a-drawn-none-s0", "two/b-drawn-none-s0"]


CELLS = "cells: {train: {experiment: [a, b], data: [x, x+y]}}\n"


def test_runs_are_measured_each_or_as_an_ensemble_of_each_value():
    made = planned(
        CELLS
        + """
val: {evaluate: {runs: cells, each: true, split: val, tta: [none, flip]}}
rows: {evaluate: {runs: cells, by: data, name: ensemble, split: val}, after: val}
again: {evaluate: {runs: rows, each: true, split: test}}
table: {compare: {runs: [val, rows], layout: table2, table2: {models: [a, b]}, into: null}}
""",
        evaluation={"device": "cpu"},
    )
    every = "[out/a-x-none-s0,out/a-x+y-none-s0,out/b-x-none-s0,out/b-x+y-none-s0"
    assert lines(made)["val"] == (
        f"ferlab.evaluate runs={every}] each=true split=val tta=[none,flip] {MEASURED} device=cpu"
    )
    row = (
        f"ferlab.evaluate runs=[out/a-x+y-none-s0,out/b-x+y-none-s0] split=val {MEASURED} device=cpu name=ensemble-x+y"
    )
    assert lines(made)["rows/ensemble-x+y"] == row
    assert needs(made)["rows/ensemble-x"] == {"cells/a-x-none-s0", "cells/b-x-none-s0", "val"}
    assert "runs=[out/ensembles/ensemble-x,out/ensembles/ensemble-x+y]" in lines(made)["again"]
    assert lines(made)["table"] == (
        f"ferlab.compare runs={every},out/ensembles/ensemble-x,out/ensembles/ensemble-x+y] layout=table2 "
        "table2.models=[a,b] into=null"
    )
    assert needs(made)["table"] == {"val", "rows/ensemble-x", "rows/ensemble-x+y"}


def test_one_run_is_no_ensemble():
    made = planned("a: {train: {experiment: a}}\nval: {evaluate: {runs: a, name: ensemble, split: val}}")
    assert lines(made)["val"] == f"ferlab.evaluate runs=out/a-drawn-none-s0 split=val {MEASURED}"
    assert [str(one) for one in made.steps["val"].subjects] == ["out/a-drawn-none-s0"]


def test_some_runs_of_a_step_are_selected_by_facts():
    made = planned(CELLS + "some: {select: {runs: cells, experiment: a, data: [x, z], class_weights: none, seed: 0}}")
    assert [str(one) for one in made.steps["some"].subjects] == ["out/a-x-none-s0"]
    assert made.only("some") == []


def test_a_run_that_was_trained_under_another_number_is_found():
    made = planned("a: {train: {experiment: a}}\nb: {train: {experiment: a_start, weights: a}}")
    record = Path("out", FOLDER, "a/a-drawn-none-s0.json")
    record.parent.mkdir(parents=True)
    record.write_text('{"run": "elsewhere/a-drawn-none-s0-2"}')  # wherever the outputs lay then
    assert "weights=out/a-drawn-none-s0-2/checkpoints/best.ckpt" in lines(made)["b/a_start-drawn-none-s0"]


def test_only_some_steps():
    made = planned(CELLS + "val: {evaluate: {runs: cells, each: true}}")
    assert [job.name for job in made.only("val")] == ["val"]
    assert made.only(["val", "cells"]) == made.jobs == made.only(None)
    with pytest.raises(FerlabError, match="only is 'grid', which is no step; choose from cells, val"):
        made.only(["val", "grid"])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("{}", "paper is not given; type paper="),
        ("a: {run: {}}", "step a: expected one of train, evaluate, ensemble, compare, select, found run"),
        ("a: {after: b}", "step a: expected one of .*, found none of them"),
        ("a: {train: {}, evaluate: {}}", "step a: expected one of .*, found train, evaluate"),
        ("a: {train: {}, after: b}", "step a: 'b' is no step above it; choose from none"),
        ("a: {train: {}}\nb: {evaluate: {runs: c}}", "step b: 'c' is no step above it; choose from a, b"),
        ("a: {train: {wrong: 1}}", "step a: train refuses wrong"),
        ("a: {train: {}}\nb: {compare: {runs: a, wrong: 1}}", "step b: compare refuses wrong"),
        ("a: {evaluate: {split: val}}", "step a: runs names no run; name steps above it that"),
        (
            "a: {train: {seed: [0, 1]}}\nb: {evaluate: {runs: a}}",
            "step b: several runs are one ensemble, which needs a",
        ),
        (
            "a: {train: {}}\nb: {evaluate: {runs: a, by: size, name: e}}",
            "step b: by is 'size'; choose from model, data",
        ),
        ("a: {train: {}}\nb: {select: {runs: a, seed: 7}}", "step b: none of 1 runs has seed=7"),
        (
            "a: {train: {experiment: x}}\nb: {train: {experiment: y, weights: a}}",
            "step b: weights needs one run of mod",
        ),
        ("a: {train: {}}\nb: {train: {lr: 1}}", "step b: a/net-drawn-none-s0 trains another run of the name net-drawn"),
    ],
)
def test_what_cannot_be_planned_is_said_with_its_step(steps, message):
    with pytest.raises(FerlabError, match=message):
        planned(steps)
