"""Run directories: made, found, read, refused."""

import json
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.runs import directory


@pytest.mark.parametrize("content", ["", "[1]", "{broken", "- a\n- b"])
def test_a_damaged_run_directory_is_refused(tmp_path, content):
    (tmp_path / directory.CONFIG).write_text(content)
    (tmp_path / directory.INFO).write_text("{}")
    with pytest.raises(FerlabError, match="no run directory"):
        directory.load(tmp_path)


NEEDED = {"model": {"net": {}, "input": {"mean": [], "std": []}}, "data": {"root": "data", "sources": []}}


def made(folder, name, status="finished", **config):
    path = folder / name
    path.mkdir(parents=True)
    (path / directory.CONFIG).write_text(json.dumps({"name": name, **NEEDED, **config}))
    (path / directory.INFO).write_text(json.dumps({"status": status}))
    return path


def test_a_new_run_takes_the_next_number(tmp_path):
    assert [directory.create(tmp_path, "a").name for _ in range(3)] == ["a", "a-2", "a-3"]
    directory.create(tmp_path, "a-b")
    assert [p.name for p in directory.of_name(tmp_path, "a")] == ["a", "a-2", "a-3"]
    assert directory.latest(tmp_path, "a").name == "a-3"
    with pytest.raises(FerlabError, match=r"no run .*b to continue"):
        directory.latest(tmp_path, "b")
    with pytest.raises(FerlabError, match="use letters, digits"):
        directory.create(tmp_path, "a=b")


def test_runs_are_found_once_and_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        made(tmp_path / "outputs", name)
    (tmp_path / "outputs" / "no run").mkdir()
    assert [p.as_posix() for p in directory.find(["outputs/*", "outputs/a"])] == ["outputs/a", "outputs/b"]
    with pytest.raises(
        FerlabError, match=r"runs='outputs/c' matches no run directory; there are: outputs/a, outputs/b"
    ):
        directory.find("outputs/c")


def test_a_run_is_found_by_its_very_path_whatever_signs_are_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = "it's [1] of 'three'"
    for name in (folder, "outputs"):
        made(tmp_path / name, "a")
    assert directory.find(f"{folder}/a") == [Path(folder, "a")]


def test_only_finished_runs_pass(tmp_path):
    done, stopped = (directory.load(made(tmp_path, *what)) for what in (("a",), ("b", "running")))
    directory.refuse_unfinished([done])
    assert (directory.finished(done), directory.finished(stopped)) == (True, False)
    with pytest.raises(FerlabError, match="b unfinished; expected finished runs: train with ckpt=last first"):
        directory.refuse_unfinished([done, stopped])


def test_rows_of_all_starts_are_one_log_and_a_repeated_epoch_counts_once(tmp_path):
    path = made(tmp_path, "a")
    for start, rows in (("0", ["0,0.5,", "1,0.6,"]), ("10", ["3,0.9,"]), ("2", ["1,0.7,", "2,0.8,"])):
        (path / "log" / start).mkdir(parents=True)
        (path / "log" / start / "metrics.csv").write_text("\n".join(["epoch,val/accuracy,lr", *rows]) + "\n")
    found = directory.load(path).metrics_rows()
    assert [(row["epoch"], row["val/accuracy"]) for row in found] == [
        ("0", "0.5"),
        ("1", "0.7"),
        ("2", "0.8"),
        ("3", "0.9"),
    ]


@pytest.mark.parametrize("content", ["epoch\nx\n", "epoch\n1,2\n", b"epoch\n\xff\n", "epoch\n" + '"' + "1" * 200_000])
def test_a_damaged_log_is_named_and_other_folders_are_passed_over(tmp_path, content):
    path = made(tmp_path, "a")
    for start in ("0", "other", "-1", "²"):
        (path / "log" / start).mkdir(parents=True)
        (path / "log" / start / "metrics.csv").write_text("epoch\n3\n" if start == "0" else "x")
    assert directory.load(path).metrics_rows() == [{"epoch": "3"}]
    (path / "log/0/metrics.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FerlabError, match=r"log/0/metrics.csv cannot be read .*; remove it"):
        directory.load(path).metrics_rows()


def test_weights_that_are_missing_are_named(tmp_path):
    run = directory.load(made(tmp_path, "a"))
    with pytest.raises(FerlabError, match=r"best\.ckpt is missing: the run has not finished an epoch"):
        _ = run.weights_sha256


def doubling(depth):
    """YAML of a few lines that stands for 9 ** depth values."""
    lines = ["v0: &v0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"v{n}: &v{n} [{','.join([f'*v{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "\n".join(lines)


CONFIGS = {
    "empty": "",
    "text": "abc",
    "list": "[1]",
    "deep": "[" * 300_000,
    "deep mappings": "{a: " * 300_000,
    "doubling": doubling(9),
    "itself": "model: &a {net: *a, input: {mean: [], std: []}}\ndata: {root: x, sources: []}",
    "code": "!!python/object/apply:os.system [ls]",
    "a date as key": f"2020-01-01: 3\n{json.dumps(NEEDED)[1:-1]}",
    "a list as key": "? [1,2]\n: 3",
    "no date": "a: 2020-13-45",
    "bytes": "model: !!binary aGk=",
    "NUL": "\0",
    "a number without end": "a: " + "9" * 5000,
    "no root": json.dumps(NEEDED | {"data": {"sources": []}}),
    "no list of sources": json.dumps(NEEDED | {"data": {"root": "x", "sources": 5}}),
    "model": json.dumps(NEEDED | {"model": "five_layer"}),
    "net": json.dumps(NEEDED | {"model": {"net": "five_layer", "input": {"mean": [], "std": []}}}),
    "policy": json.dumps(NEEDED | {"augment": {"policy": 3}}),
    "name": json.dumps(NEEDED | {"name": ["a"]}),
}
INFOS = ["{", "[" * 300_000, "[]", "5", "null", '{"status": 5}', '{"parameters": "x"}', '{"environment": []}',
         '{"class_counts": {"happy": "x"}}', '{"expressions": "happy"}', '{"val_accuracy": "high"}',
         '{"teacher": 1}']  # fmt: skip


@pytest.mark.parametrize("kind", [*CONFIGS, *INFOS])
def test_a_damaged_run_is_one_line_that_names_it(kind, tmp_path):
    path = made(tmp_path, "a")
    if kind in CONFIGS:
        (path / directory.CONFIG).write_text(CONFIGS[kind])
    else:
        (path / directory.INFO).write_text(kind)
    with pytest.raises(FerlabError, match=r"a is no run directory \(.*\); expected config.yaml and run.json") as caught:
        directory.load(path)
    assert "\n" not in str(caught.value)
