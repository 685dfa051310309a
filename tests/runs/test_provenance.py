"""Where a number comes from: what runs share, what an ensemble states, and what goes into a file."""

import json
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from ferlab.runs import provenance
from ferlab.runs.directory import Run


class Weighed(Run):
    """A run whose weights need not lie on a disk."""

    weights_sha256 = property(lambda self: f"sha of {self.name}")


def run(name, **info):
    known = {"model": "net", "data": "fer2013", "class_weights": "none", "commit": "c0ffee", "parameters": 10, **info}
    return Weighed(Path("outputs") / name, {"name": name}, known)


def of(runs, alone, **options):
    where = {"split": "val", "faces_sha256": "f", "evaluated_on": "cpu"}
    return provenance.of_runs(runs, "x", alone, **{**where, **options})


def test_one_run_states_what_its_run_json_holds():
    found = of([run("a", seed=3, best_epoch=7)], alone=True)
    assert (found.model, found.members, found.data, found.seed, found.best_epoch) == ("net", ["a"], "fer2013", 3, 7)
    assert (found.config, found.run["seed"]) == ({"name": "a"}, 3)
    assert found.weights_sha256 == ["sha of a"]


def test_an_ensemble_states_what_its_members_share_and_one_value_each_of_the_rest():
    found = of([run("a", seed=0), run("b", seed=1, data="ck_plus", parameters=5)], alone=False)
    assert (found.model, found.class_weights, found.commit) == ("ensemble", "none", "c0ffee")
    assert (found.seed, found.parameters, found.data) == ([0, 1], 15, "fer2013, ck_plus")
    assert set(found.config) == set(found.run) == {"a", "b"}
    assert of([run("a"), run("b", parameters=None)], alone=False).parameters == [10, None]


def test_a_file_holds_what_is_known_and_always_what_readers_expect():
    found = of([run("a")], alone=True, ensemble={"method": "greedy", "ensemble_sha256": "e"})
    kept = json.loads(json.dumps(found.as_json()))
    assert (kept["method"], kept["ensemble_sha256"]) == ("greedy", "e")
    assert {"seed", "best_epoch", "model"} <= set(kept)  # null where they are not known
    assert not {"tta", "looks_before", "export", "ensemble"} & set(kept)
    assert not {"config", "run"} & set(found.as_json(configs=False))
    assert replace(found, looks_before=0).as_json()["looks_before"] == 0


def test_the_commit_is_gits_and_marks_a_changed_tree(monkeypatch):
    root = Path(provenance.__file__).resolve().parents[3]
    head = subprocess.run(["git", "-C", root, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    if head.returncode == 0:
        assert provenance.commit().removesuffix("+") == head.stdout.strip()
    monkeypatch.setattr(provenance.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError("no git")))
    monkeypatch.setenv("FERLAB_COMMIT", "abc")
    assert provenance.commit() == "abc"
    monkeypatch.delenv("FERLAB_COMMIT")
    assert provenance.commit() == "unknown"


def test_the_environment_names_versions_and_no_place():
    found = provenance.environment()
    assert found["torch"] == metadata.version("torch")
    assert not any("/" in value for value in found.values())


CONFIG = {"outputs": "/home/me/outputs", "data": {"root": "/mnt/faces", "sources": [{"path": "/mnt/faces/raw.csv"}]}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (CONFIG, {"outputs": "outputs", "data": {"root": "data", "sources": [{"path": "data/raw.csv"}]}}),
        ("/home/me/outputs/a/checkpoints/best.ckpt", "outputs/a/checkpoints/best.ckpt"),
        ("/elsewhere/a/checkpoints/best.ckpt", "outputs/a/checkpoints/best.ckpt"),
        (["/home/me/teacher", ("outputs/b", 3, None)], ["teacher", ["outputs/b", 3, None]]),
        ("a/relative.path", "a/relative.path"),
    ],
)
def test_what_others_may_read_names_no_place_of_this_machine(node, expected):
    assert provenance.portable(node, CONFIG) == expected


def test_a_report_states_a_config_without_places_of_this_machine():
    one = replace(run("a", weights="/home/me/w.pth"), config={"name": "a", **CONFIG})
    for alone, runs in ((True, [one]), (False, [one, run("b")])):
        kept = json.dumps(of(runs, alone).as_json())
        assert "data/raw.csv" in kept
        assert "/home" not in kept
        assert "/mnt" not in kept
