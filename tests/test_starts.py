"""Nothing loads what it does not need: what each command imports, and what launchers carry to other processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import test_imports

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = sorted(test_imports.COMMANDS - {"predict"})
HYDRAS = sorted({*COMMANDS} - {"sweeps"})

# Types a command, `python -c PROGRAM refused,libraries command words...`, where some libraries cannot be imported.
REFUSING = """
import runpy, sys

class Refused:
    names = sys.argv.pop(1).split(",")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refused())
module = f"ferlab.{sys.argv[1]}"
sys.argv = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
HEAVY = "torch,pytorch_lightning,torchvision,torchmetrics,timm,albumentations,onnx,onnxruntime,wandb"


def typed(refused: str, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", REFUSING, refused, *words]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_no_library_of_the_command(name):
    done = typed(f"{HEAVY},scipy,matplotlib,jinja2", name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m ferlab.{name} " in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "runs=results/five_layer-*", "tta=none"),
        ("describe", "runs=results/five_layer_taught-*", "out={out}", "ledger=results/ledger.jsonl"),
    ],
)
def test_what_only_reads_needs_no_net(words, tmp_path):
    done = typed(HEAVY, *(word.format(out=tmp_path) for word in words))
    assert done.returncode == 0, done.stderr
    assert "five_layer" in done.stdout + "".join(path.read_text() for path in tmp_path.iterdir())


def test_the_summary_of_a_sweep_needs_neither_hydra_nor_a_net(tmp_path):
    (tmp_path / "sweep.json").write_text('{"command": ["python"], "jobs": [{"num": 0, "overrides": ["seed=1"]}]}')
    done = typed(f"{HEAVY},hydra,omegaconf", "sweeps", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "job 0 not started" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "x=1"])
def test_without_the_extra_a_command_names_what_to_install(name, word):
    done = typed("hydra,omegaconf,filelock", name, word)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("ferlab: ")
    assert done.stderr.endswith("is not installed; type pip install 'ferlab[train]'\n")
    assert len(done.stderr.splitlines()) == 1


def test_an_extra_that_one_command_needs_is_named(tmp_path):
    done = typed("captum", "explain", "runs=outputs/x", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "ferlab: captum is not installed; type pip install 'ferlab[train,explain]'\n"


@pytest.mark.parametrize("name", HYDRAS)
def test_what_launchers_pickle_is_small_and_loads_no_library(name):
    """As launchers of Hydra do: cloudpickle, from a command that runs as `__main__`."""
    pytest.importorskip("cloudpickle")
    program = f"""
import runpy, sys
import cloudpickle
from ferlab import cli, config
main = runpy.run_module("ferlab.{name}", run_name="typed")["main"]
main.__wrapped__.__module__ = "__main__"  # cloudpickle carries its functions by value
content = cloudpickle.dumps(cli._Task(main.__wrapped__, config.plain))
assert len(content) < 8000, len(content)
task = cloudpickle.loads(content)
assert task.function is not main.__wrapped__ and task.function.__name__ == "main"
assert not {{"torch", "scipy", "pytorch_lightning"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
