"""Nothing loads what it does not need: what each command imports, and what launchers carry to other processes."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image

from ferlab import cli
from tests import test_imports

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = sorted(test_imports.COMMANDS - {"predict"})
HYDRAS = sorted({*COMMANDS} - {"sweeps"})
PAGES = ("scipy", "matplotlib", "jinja2", "pydantic")
HEAVY = ("torch", "pytorch_lightning", "torchvision", "torchmetrics", "timm", "albumentations", "onnx", "wandb")

# Types commands in a process where some libraries cannot be imported; prints status and output of each.
TYPED = """
import contextlib, io, json, runpy, sys

refused, lines = map(json.loads, sys.argv[1:])

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refused())
found = []
for name, *words in lines:
    sys.argv, status = [name, *words], 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_module(f"ferlab.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code
    found.append([status, out.getvalue()])
print(json.dumps(found))
"""


def typed(refused: tuple[str, ...], *lines: tuple[str, ...], cwd: Path = ROOT) -> list[tuple[int | str, str]]:
    """Exit status (a text is what Python prints to stderr, with status 1) and output of each command."""
    words = [sys.executable, "-c", TYPED, json.dumps(refused), json.dumps(lines)]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_help_needs_no_library_of_the_command():
    found = typed((*HEAVY, *PAGES), *((name, "--help") for name in COMMANDS))
    for name, (status, shown) in zip(COMMANDS, found, strict=True):
        assert (name, status) == (name, 0)
        assert f"python -m ferlab.{name} " in shown


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "runs=results/five_layer-*", "tta=none"),
        ("summarise", "runs=results/five_layer-fer2013-none-s0", "out={out}/page.html", "ledger=results/ledger.jsonl"),
        ("describe", "runs=results/five_layer_taught-*", "out={out}", "ledger=results/ledger.jsonl"),
    ],
)
def test_what_only_reads_needs_no_net(words, tmp_path):
    [(status, shown)] = typed((*HEAVY, "onnxruntime"), tuple(word.format(out=tmp_path) for word in words))
    assert status == 0
    assert "five_layer" in shown + "".join(path.read_text() for path in tmp_path.iterdir())


def test_the_summary_of_a_sweep_needs_neither_hydra_nor_a_net(tmp_path):
    (tmp_path / "sweep.json").write_text('{"command": ["python"], "jobs": [{"num": 0, "overrides": ["seed=1"]}]}')
    [(status, shown)] = typed((*HEAVY, "hydra", "omegaconf"), ("sweeps", str(tmp_path)))
    assert status == 0
    assert "job 0 not started" in shown


def test_without_the_extra_every_command_names_what_to_install():
    lines = [(name, word) for name in COMMANDS for word in ("--help", "x=1")]
    missing = {name: "filelock" if name == "sweeps" else "hydra" for name in COMMANDS}
    extra = ("hydra", "omegaconf", "filelock", "yaml", *HEAVY, *PAGES)
    for (name, _), found in zip(lines, typed(extra, *lines), strict=True):
        assert found == [f"ferlab: {missing[name]} is not installed; type pip install 'ferlab[train]'", ""]


def test_an_extra_that_one_command_needs_is_named(tmp_path):
    [found] = typed(("captum",), ("explain", "runs=outputs/x"), cwd=tmp_path)
    assert found == ["ferlab: captum is not installed; type pip install 'ferlab[train,explain]'", ""]


def test_what_launchers_pickle_is_small_and_loads_no_library():
    """As launchers of Hydra do: cloudpickle, from a command that runs as `__main__`."""
    pytest.importorskip("cloudpickle")
    program = f"""
import functools, runpy, sys
import cloudpickle
from ferlab import cli, config
for name in {HYDRAS}:
    main = runpy.run_module(f"ferlab.{{name}}", run_name="typed")["main"]
    main.__wrapped__.__module__ = "__main__"  # cloudpickle carries its functions by value
    content = cloudpickle.dumps(cli._Task(main.__wrapped__, functools.partial(config.typed, name)))
    assert len(content) < 9000, (name, len(content))
    task = cloudpickle.loads(content)
    assert task.function is not main.__wrapped__ and task.function.__name__ == "main"
    assert not {set(HEAVY)} & set(sys.modules), name
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "ferlab.predict", "--no-detect", "{tmp}/a.png"),
        ("-c", "import ferlab.data.augment"),
        ("-c", "import benchmarks, albumentations"),
        ("-c", "import tools, albumentations"),
    ],
)
def test_no_library_reports_to_its_maker(words, tmp_path):
    Image.new("L", (48, 48)).save(tmp_path / "a.png")
    home = tmp_path / "home"
    home.mkdir()
    calls = (
        ["strace", "-f", "--seccomp-bpf", "-e", "trace=socket", "-o", tmp_path / "calls"]
        if shutil.which("strace")
        else []
    )
    unset = {"ORT_DISABLE_TELEMETRY", "NO_ALBUMENTATIONS_UPDATE", "WANDB_ERROR_REPORTING", "MLFLOW_DISABLE_TELEMETRY"}
    environment = {key: value for key, value in os.environ.items() if key not in unset} | {"HOME": str(home)}
    command = [*calls, sys.executable, *(word.format(tmp=tmp_path) for word in words)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    assert not [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in path.parts]
    if calls:
        assert "AF_INET" not in (tmp_path / "calls").read_text()  # nor did it look a name up


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="no checkout")
def test_each_command_is_a_script_of_its_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    commands = {f"ferlab-{name}": f"ferlab.{name}:main" for name in test_imports.COMMANDS}
    assert project["scripts"] == {"ferlab": "ferlab.cli:main"} | commands


@pytest.mark.parametrize(("line", "words"), [("model=fi", ["model=five_layer"]), ("label_smo", ["label_smoothing="])])
def test_a_shell_completes_choices_and_keys(line, words):
    typed = f"ferlab-train {line}"
    asked = os.environ | {"COMP_LINE": typed, "COMP_POINT": str(len(typed)), "COMP_CWORD": "1"}
    script = "import sys; from ferlab.train import main; sys.argv[0] = 'ferlab-train'; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "-sc", "query=bash"], env=asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == words


@pytest.fixture
def ferlab(monkeypatch, capsys):
    """A function that types `ferlab` and words, and gives exit status and output; the scripts do not run."""
    ran = []
    scripts = [EntryPoint(f"ferlab-{name}", f"ferlab.{name}:main", "console_scripts") for name in ("predict", "train")]
    monkeypatch.setattr(cli, "entry_points", lambda group: [*scripts, EntryPoint("other", "a:b", group)])
    monkeypatch.setattr(EntryPoint, "load", lambda script: lambda: ran.append((script.name, sys.argv)) or 3)

    def type_(*words: str) -> tuple[object, str, list]:
        monkeypatch.setattr(sys, "argv", ["/bin/ferlab", *words])
        status = None
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().out, ran

    return type_


def test_ferlab_runs_the_script_of_a_command(ferlab):
    status, out, ran = ferlab("train", "lr=0.1")
    assert (status, out, ran) == (3, "", [("ferlab-train", ["/bin/ferlab-train", "lr=0.1"])])


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_ferlab_lists_the_commands_with_a_sentence_each(ferlab, words):
    status, out, ran = ferlab(*words)
    assert (status, ran) == (None, [])
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == ["predict", "train"]
    assert lines[1][1] == "conf in, a run directory with the best weights and their val accuracy out"


def test_ferlab_ends_quietly_where_nobody_reads_its_list():
    code = "import sys; from ferlab.cli import main; sys.argv = ['ferlab']; main()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_ferlab_says_which_command_was_meant(ferlab):
    assert ferlab("trian")[0] == "ferlab: there is no command trian; did you mean train?"
    assert ferlab("zzz")[0] == "ferlab: there is no command zzz; did you mean ferlab --help?"


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("line", "found"),
    [("ferlab tr", ["train"]), ("ferlab train model=fi", ["model=five_layer"]), ("ferlab predict a", [])],
)
def test_bash_completes_commands_keys_and_choices(ferlab, tmp_path, line, found):
    """ferlab-train is a stand-in that answers what Hydra would; how Hydra does is tested above."""
    asked = 'test "$COMP_LINE" = "ferlab-train model=fi" -a "$COMP_POINT" = 21 -a "$*" = "-sc query=bash"'
    (tmp_path / "ferlab-train").write_text(f"#!/bin/sh\n{asked} && echo model=five_layer model=resnet18\n")
    (tmp_path / "ferlab-train").chmod(0o755)
    words = line.split()
    script = f"""{ferlab("completion")[1]}
COMP_LINE="{line}" COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
_ferlab ferlab "{words[-1]}"; echo "${{COMPREPLY[@]}}" """
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == found
