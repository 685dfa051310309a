"""How a command starts and ends."""

import contextlib
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferlab import cli, config
from ferlab.errors import FerlabError
from tests.test_starts import HYDRAS


def test_a_wrong_value_is_one_line_and_status_1(typed, capsys):
    def task(config):
        raise FerlabError("seed is -1; choose 0 or more")

    with pytest.raises(SystemExit) as stopped:
        typed(task)
    out, err = capsys.readouterr()
    # A string as SystemExit's code is what Python prints to stderr, with status 1.
    lines = [*out.splitlines(), *err.splitlines(), *str(stopped.value.code).splitlines()]
    assert lines == ["ferlab: seed is -1; choose 0 or more"]


def test_a_fault_of_ferlab_keeps_its_traceback(typed, capsys):
    def task(config):
        raise ZeroDivisionError("oops")

    with pytest.raises(SystemExit) as stopped:
        typed(task)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert "Traceback" in out + err
    assert "ZeroDivisionError: oops" in out + err


def test_in_a_sweep_the_jobs_after_a_failed_one_run_and_the_status_is_not_0(typed, capsys):
    done = []

    def task(config):
        done.append(config["seed"])
        if config["seed"] == 1:
            raise FerlabError("seed 1 is unlucky")
        if config["seed"] == 2:
            raise ZeroDivisionError("oops")
        return 0.5

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", "seed=0,1,2,3")
    assert done == [0, 1, 2, 3]
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert "seed 1 is unlucky" in out  # each failure stands in the log, not the first alone
    assert "ZeroDivisionError: oops" in out
    assert "ferlab: seed 1 is unlucky" in err


@pytest.mark.parametrize("error", [None, FerlabError("no"), ZeroDivisionError(), KeyboardInterrupt()])
def test_the_end_of_a_command_is_called_however_it_ends(typed, error):
    ends = []

    def task(config):
        cli.at_end(ends.append)
        if error is not None:
            raise error

    with contextlib.suppress(BaseException):
        typed(task)
    [ended_by] = ends
    assert (ended_by is None) == (error is None)
    with contextlib.suppress(BaseException):
        typed(lambda config: None)
    assert len(ends) == 1  # not of the next command


@pytest.mark.parametrize("words", [(), ("-m", "seed=0")])
def test_what_the_disk_refuses_is_one_line_that_names_the_file(typed, capsys, caplog, words):
    line = "could not use outputs/caf\\udce9 (No space left on device); free some space"

    def full(config):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(b"outputs/caf\xe9"))

    with pytest.raises(SystemExit) as stopped:
        typed(full, *words)
    assert stopped.value.code in (1, f"ferlab: {line}")
    assert line in str(stopped.value.code) + capsys.readouterr().err + caplog.text


def test_a_file_name_that_the_terminal_cannot_show_is_escaped(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    with cli.ending():
        print(os.fsdecode(b"outputs/caf\xe9"), "写真")
    assert terminal.buffer.getvalue() == b"outputs/caf\\udce9 \\u5199\\u771f\n"


def test_an_error_that_is_no_file_s_keeps_its_traceback(typed, capsys):
    def task(config):
        raise OSError("no file is at fault")

    with pytest.raises(SystemExit):
        typed(task)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("-m", "seed=0,1")])
def test_ctrl_c_ends_a_command_and_a_sweep_in_one_line(typed, capsys, words):
    started = []

    def task(config):
        started.append(config["seed"])
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        typed(task, *words)
    assert (stopped.value.code, len(started)) == (130, 1)
    assert capsys.readouterr().err == "ferlab: stopped by Ctrl-C\n"


def test_a_sweep_line_makes_a_job_of_each_combination(typed):
    done = []
    typed(
        lambda config: done.append((config["model"]["name"], config["class_weights"], config["name"])),
        "-m",
        "model=baseline,five_layer",
        "class_weights=none,balanced",
    )
    assert done == [
        (model, weights, f"{model}-drawn-{weights}-s0")
        for model in ("baseline", "five_layer")
        for weights in ("none", "balanced")
    ]


def test_a_range_of_seeds_makes_a_job_of_each(typed):
    done = []
    typed(lambda config: done.append((config["seed"], config["name"])), "-m", "seed=range(2)")
    assert done == [(n, f"five_layer-drawn-none-s{n}") for n in range(2)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("model=five_leyer",), "\n\t".join(sorted(path.stem for path in Path(config.CONF, "model").glob("*.yaml")))),
        (("data=fer2014",), "fer2013+aux"),
        (("batchsize=3",), "Could not override 'batchsize'"),
        (("trainer.epochs=3",), "Could not override 'trainer.epochs'"),
        (("+data=fer2013",), "Multiple values for data"),
    ],
)
def test_what_conf_does_not_have_is_named_without_a_traceback(typed, capsys, words, expected):
    with pytest.raises(SystemExit) as stopped:
        typed(lambda config: pytest.fail("the task ran"), *words)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert expected in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("word", ["model=null", "experiment=", "data=null"])
def test_a_group_without_a_choice_is_one_line(typed, word):
    with pytest.raises(SystemExit, match=f"ferlab: {word} chooses nothing; leave it out, or choose "):
        typed(lambda config: pytest.fail("the task ran"), word)


@pytest.mark.parametrize("name", HYDRAS)
def test_help_shows_the_keys_with_their_comments_and_the_choices_of_each_group(typed, capsys, name):
    typed(lambda config: pytest.fail("the task ran"), "--help", config_name=name)
    shown = capsys.readouterr().out
    head, defaults, keys = (Path(config.CONF) / f"{name}.yaml").read_text().split("\n\n", 2)
    examples = [line.removeprefix("# ") for line in head.splitlines() if line.startswith("# python -m")]
    purpose = [line.removeprefix("# ") for line in head.splitlines() if not line.startswith("# python -m")]
    purpose = purpose[: purpose.index("defaults:")] if "defaults:" in purpose else purpose
    assert shown.startswith("\n".join([*purpose, "", *(f"  {line}" for line in examples), ""]))
    assert keys.partition("\nhydra:")[0].strip() in shown
    for group in (path for path in Path(config.CONF).iterdir() if f"- {path.name}: " in defaults):
        choices = sorted(file.stem for file in group.glob("*.yaml") if not file.stem.startswith("_"))
        assert f"# {' | '.join(choices)}\n{group.name}: " in shown.replace(" |\n# ", " | ")
    assert ("wanted_accuracy: 0.75" in shown) == (name in ("calibrate", "export"))  # of a file that both share
    assert "defaults:" not in shown
    if name == "train":
        assert len(examples) == 3
        assert len(shown.splitlines()) <= 100  # two screens
        assert max(map(len, shown.splitlines())) <= 120


SCRIPT = """
from ferlab.cli import command

@command("compare")
def main(config):
    print("a line\\n" * {lines})

main()
"""


@pytest.mark.parametrize("words", [["-c", SCRIPT.format(lines=1)], ["-c", SCRIPT.format(lines=100_000)],
                                   ["-m", "ferlab.reproduce", "paper=rehearsal", "dry=true"]])  # fmt: skip
def test_a_pipe_that_nobody_reads_any_more_ends_the_command_without_a_word(words, tmp_path):
    process = subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
